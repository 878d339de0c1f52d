import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Button, IconButton } from "../ui/Button";
import { ErrorNote } from "../ui/ErrorNote";
import { StopIcon } from "../ui/icons";
import { Link } from "../ui/Link";
import { api, toWireError } from "../wire/http";
import type { SessionRow, WireError } from "../wire/types";
import { useHost } from "./host_state";

const nameOfPath = (path: string) => path.split("/").pop() || path;

/** Sessions of this host, and what is live elsewhere. `except` is the one that is looked at. */
export function SessionLists({ except }: { except?: string }) {
  return (
    <>
      <RunningSessions except={except} />
      <RemoteSessions />
    </>
  );
}

function RunningSessions({ except }: { except?: string }) {
  const { t } = useTranslation();
  const sessions = useHost().sessions.filter((session) => session.session_id !== except);
  return (
    <section className="side-section" aria-label={t("sessions.running")} data-testid="running-sessions">
      <h2>{t("sessions.running")}</h2>
      {sessions.length === 0 && <p className="soft">{t("sessions.none")}</p>}
      <ul className="side-list">
        {sessions.map((session) => (
          <RunningRow key={session.session_id} session={session} />
        ))}
      </ul>
    </section>
  );
}

const memory = (bytes: number, language: string) =>
  new Intl.NumberFormat(language, { style: "unit", unit: "megabyte", maximumFractionDigits: 0 }).format(bytes / 1e6);

function RunningRow({ session }: { session: SessionRow }) {
  const { t, i18n } = useTranslation();
  const [asking, setAsking] = useState(false);
  const [error, setError] = useState<WireError | null>(null);
  const name = nameOfPath(session.path);
  const end = () => {
    setAsking(false);
    api.endSession(session.session_id).catch((reason: unknown) => setError(toWireError(reason)));
  };
  return (
    <li>
      <div className="side-row">
        <Link to={{ path: session.path }} className="side-link">
          <span className={`dot ${session.kernel_state === "busy" ? "dot-working" : ""}`} aria-hidden="true" />
          <span className="side-name">{name}</span>
          {session.kernel_state === "busy" && <span className="visually-hidden">{t("sessions.working")}</span>}
          {session.resources && <span className="soft" data-testid="session-memory">{memory(session.resources.rss, i18n.language)}</span>}
          {session.members > 0 && <span className="soft">{t("sessions.members", { count: session.members })}</span>}
        </Link>
        <IconButton label={`${t("sessions.end")}: ${name}`} onClick={() => setAsking(!asking)} testId="end-session">
          <StopIcon />
        </IconButton>
      </div>
      {asking && (
        <div className="trouble" role="group">
          <span>{t("sessions.end_sure", { name })}</span>
          <Button onClick={end} testId="end-session-sure">
            {t("sessions.end")}
          </Button>
          <Button onClick={() => setAsking(false)}>{t("app.cancel")}</Button>
        </div>
      )}
      {error && <ErrorNote error={error} onDismiss={() => setError(null)} />}
    </li>
  );
}

/** Not there at all when nothing is live elsewhere. */
function RemoteSessions() {
  const { t } = useTranslation();
  const { remote } = useHost();
  if (remote.length === 0) return null;
  return (
    <section className="side-section" aria-label={t("sessions.elsewhere")} data-testid="remote-sessions">
      <h2>{t("sessions.elsewhere")}</h2>
      <ul className="side-list">
        {remote.map((session) => {
          const working = session.status === "working" || session.status === "busy";
          return (
            <li key={session.session_id} className="side-row" data-testid="remote-session">
              <span className="side-link">
                <span className={`dot ${working ? "dot-working" : ""}`} aria-hidden="true" />
                <span className="side-name">
                  {session.title}
                  <span className="soft side-device">{session.device_name}</span>
                </span>
                {working && <span className="visually-hidden">{t("sessions.working")}</span>}
                {session.needs_input && <span className="soft">{t("sessions.needs_input")}</span>}
              </span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
