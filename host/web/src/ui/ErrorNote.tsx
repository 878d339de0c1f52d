import type { WireError } from "../wire/types";
import { IconButton } from "./Button";
import { CloseIcon } from "./icons";

/** What went wrong, in the host's words, with what to do about it. */
export function ErrorNote({ error, onDismiss }: { error: WireError; onDismiss?: () => void }) {
  return (
    <div className={`error-note ${error.code === "notice" ? "info-note" : ""}`} role={error.code === "notice" ? "status" : "alert"}>
      <div>
        <span>{error.message}</span>
        {error.hint && <span className="error-hint"> {error.hint}</span>}
      </div>
      {onDismiss && (
        <IconButton label="Dismiss" onClick={onDismiss}>
          <CloseIcon />
        </IconButton>
      )}
    </div>
  );
}
