import { useTranslation } from "react-i18next";
import type { MimeBundle } from "../../wire/types";
import { useOpen, useSession } from "../context";

const WHOLE_OUTPUT = "application/vnd.lectern.whole-output+json";

/** The id by which the host keeps all that a cell said; null for an output that is no notice of that. */
export function wholeOutputId(bundle: MimeBundle): string | null {
  const value = bundle[WHOLE_OUTPUT];
  const id = typeof value === "object" && value !== null ? (value as { id?: unknown }).id : null;
  return typeof id === "string" && /^[0-9a-f]{32}$/.test(id) ? id : null;
}

/** Where a cell shows no more of what it said: all of it, as a file. */
export function WholeOutput({ id }: { id: string }) {
  const { t } = useTranslation();
  const { remote } = useOpen().session;
  const session = useSession((state) => state.sessionId);
  if (remote !== null) return <p className="output-whole">{t("output.whole_elsewhere", { device: remote.device_name })}</p>;
  return (
    <p className="output-whole">
      {t("output.whole_note")}{" "}
      <a href={`/api/v1/sessions/${encodeURIComponent(session)}/outputs/${id}`} download data-testid="whole-output">
        {t("output.whole")}
      </a>
    </p>
  );
}
