import { useTranslation } from "react-i18next";
import type { WireError } from "../wire/types";
import { IconButton } from "./Button";
import { CloseIcon } from "./icons";

/** What went wrong, in the host's words, with what to do about it. */
export function ErrorNote({ error, onDismiss }: { error: WireError; onDismiss?: () => void }) {
  const { t } = useTranslation();
  return (
    <div className={`error-note ${error.code === "notice" ? "info-note" : ""}`} role={error.code === "notice" ? "status" : "alert"}>
      <div>
        <span>{error.message}</span>
        {error.hint && <span className="error-hint"> {error.hint}</span>}
      </div>
      {onDismiss && (
        <IconButton label={t("app.dismiss")} onClick={onDismiss}>
          <CloseIcon />
        </IconButton>
      )}
    </div>
  );
}
