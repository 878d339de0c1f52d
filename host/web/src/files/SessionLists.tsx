import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { coarse } from "../i18n";
import { Button, IconButton } from "../ui/Button";
import { ErrorNote } from "../ui/ErrorNote";
import { CloseIcon, StopIcon } from "../ui/icons";
import { Link } from "../ui/Link";
import { navigate } from "../ui/navigation";
import { api, toWireError } from "../wire/http";
import type { RemoteSession, SessionRow, WireError } from "../wire/types";
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
      {sessions.length === 0 && <p className="soft">{t(except === undefined ? "sessions.none_at_all" : "sessions.none")}</p>}
      <ul className="side-list">
        {sessions.map((session) => (
          <RunningRow key={session.session_id} session={session} />
        ))}
      </ul>
    </section>
  );
}

const IDLE_FROM_MS = 60_000;

/** The time, anew each minute: of something that nobody needs to know to the second. */
function useMinute(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), IDLE_FROM_MS);
    return () => clearInterval(timer);
  }, []);
  return now;
}

const memory = (bytes: number, language: string) =>
  new Intl.NumberFormat(language, { style: "unit", unit: "megabyte", maximumFractionDigits: 0 }).format(bytes / 1e6);

function RunningRow({ session }: { session: SessionRow }) {
  const { t, i18n } = useTranslation();
  const [asking, setAsking] = useState(false);
  const [error, setError] = useState<WireError | null>(null);
  const now = useMinute();
  const idle = session.updated_at ? now - Date.parse(session.updated_at) : 0;
  const name = nameOfPath(session.path);
  const device = session.remote && (session.remote.device_name || t("devices.unnamed"));
  const end = () => {
    setAsking(false);
    api.endSession(session.session_id).catch((reason: unknown) => setError(toWireError(reason)));
  };
  return (
    <li>
      <div className="side-row">
        <Link to={device === undefined ? { path: session.path } : { session: session.session_id }} className="side-link">
          <span className={`dot ${session.kernel_state === "busy" ? "dot-working" : ""}`} aria-hidden="true" />
          <span className="side-name">
            {name}
            {device !== undefined && (
              <span className="soft side-device" data-testid="attached-device">
                {t("sessions.on_device", { device })}
              </span>
            )}
            <span className="soft side-facts">
              {session.kernel_state === "busy" ? <span>{t("sessions.working")}</span> : idle > IDLE_FROM_MS && <span data-testid="session-idle">{t("sessions.idle", { time: coarse(idle) })}</span>}
              {session.resources && <span data-testid="session-memory">{memory(session.resources.rss, i18n.language)}</span>}
              {session.members > 0 && <span>{t("sessions.members", { count: session.members })}</span>}
            </span>
          </span>
        </Link>
        {device === undefined ? (
          <IconButton label={`${t("sessions.end")}: ${name}`} onClick={() => setAsking(!asking)} testId="end-session">
            <StopIcon />
          </IconButton>
        ) : (
          // It goes on where it is, so nobody needs to be asked twice.
          <IconButton label={t("sessions.detach_named", { name, device })} onClick={end} testId="detach">
            <CloseIcon />
          </IconButton>
        )}
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
        {remote.map((session) => (
          <RemoteRow key={session.session_id} session={session} />
        ))}
      </ul>
    </section>
  );
}

function RemoteRow({ session }: { session: RemoteSession }) {
  const { t } = useTranslation();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<WireError | null>(null);
  const device = session.device_name || t("devices.unnamed");
  const working = session.status === "working" || session.status === "busy";
  const attach = async () => {
    setBusy(true);
    setError(null);
    try {
      const { session_id } = await api.attach(session.session_id);
      navigate({ session: session_id });
    } catch (reason) {
      setError(toWireError(reason));
    } finally {
      setBusy(false);
    }
  };
  return (
    <li>
      <button
        type="button"
        className="side-link side-wide"
        onClick={() => void attach()}
        disabled={busy}
        title={t("sessions.attach", { name: session.title, device })}
        data-testid="remote-session"
      >
        <span className={`dot ${working ? "dot-working" : ""}`} aria-hidden="true" />
        <span className="side-name">
          {session.title}
          <span className="soft side-device">{device}</span>
        </span>
        {working && <span className="visually-hidden">{t("sessions.working")}</span>}
        {busy && <span className="soft">{t("sessions.attaching")}</span>}
        {!busy && session.needs_input && <span className="soft">{t("sessions.needs_input")}</span>}
      </button>
      {error && <ErrorNote error={error} onDismiss={() => setError(null)} />}
    </li>
  );
}
