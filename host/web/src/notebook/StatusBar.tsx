import { useEffect, useState } from "react";
import type { KernelState, WireError } from "../wire/types";
import { useOpen, useSession } from "./context";
import { ErrorNote } from "../ui/ErrorNote";
import { Button } from "../ui/Button";

const KERNEL: Record<KernelState, string> = {
  none: "No kernel",
  starting: "Starting",
  idle: "Ready",
  busy: "Running",
  restarting: "Restarting",
  dead: "Kernel stopped",
  unreachable: "Kernel unreachable",
};

export function KernelPill() {
  const kernel = useSession((state) => state.kernel);
  return (
    <span className={`pill kernel-${kernel.state}`} data-testid="kernel-state" data-state={kernel.state} title={kernel.runtime}>
      <span className="dot" aria-hidden="true" />
      {KERNEL[kernel.state] ?? kernel.state}
    </span>
  );
}

const SAVE = { saved: "Saved", saving: "Saving…", dirty: "Not saved yet", failed: "Save failed" } as const;

export function SaveState() {
  const save = useSession((state) => state.save);
  const unsent = useSession((state) => state.unsent);
  const words = unsent ? "Sending…" : save ? (SAVE[save.state] ?? save.state) : "";
  return (
    <span className={`save-state save-${unsent ? "sending" : (save?.state ?? "none")}`} data-testid="save-state" data-state={save?.state ?? ""} data-unsent={unsent}>
      {words}
    </span>
  );
}

function asError(error: WireError | string | null | undefined, code: string): WireError | null {
  if (!error) return null;
  return typeof error === "string" ? { code, message: error } : error;
}

/** What is wrong with the line, the kernel or the file, below the header and only while it is so. */
export function Troubles() {
  const { session, actions } = useOpen();
  const kernel = useSession((state) => state.kernel);
  const save = useSession((state) => state.save);
  const canEdit = useSession((state) => state.capabilities.edit);
  const notice = useSession((state) => state.notices.find((known) => known.place === "bar"));
  const kernelError = kernel.state === "dead" || kernel.state === "unreachable" ? (asError(kernel.error, "kernel") ?? { code: "kernel", message: "The kernel stopped.", hint: "Its variables are gone; your cells are not." }) : null;
  const saveError = save?.state === "failed" ? (asError(save.error, "save") ?? { code: "save", message: `${save.path} could not be saved.` }) : null;
  return (
    <div className="troubles">
      <LineTrouble />
      <Closing />
      {kernelError && (
        <div className="trouble">
          <ErrorNote error={kernelError} />
          {canEdit && <Button onClick={() => void actions.restart()}>Restart the kernel</Button>}
        </div>
      )}
      {saveError && <ErrorNote error={saveError} />}
      {notice && <ErrorNote error={notice.error} onDismiss={() => session.dismissNotice(notice.id)} />}
    </div>
  );
}

function Closing() {
  const reason = useSession((state) => (state.phase === "open" ? state.closing : null));
  if (reason === null) return null;
  return (
    <div className="trouble" role="status">
      The host is about to close this session ({reason}). What you sent is safe.
    </div>
  );
}

const ENDINGS: Record<string, string> = {
  SESSION_ENDED: "This session was ended. The file keeps what was saved.",
  EXPIRED: "This session expired after nobody was here for a while. The file keeps what was saved.",
  UNAUTHORIZED: "This tab may not look at this notebook any more. Open the link the host printed again.",
};

/** A short cut of the line needs no words. */
const PATIENCE_MS = 700;

function LineTrouble() {
  const { session } = useOpen();
  const phase = useSession((state) => state.phase);
  const ended = useSession((state) => state.ended);
  const unsent = useSession((state) => state.unsent);
  const first = useSession((state) => state.notebook === null);
  const [late, setLate] = useState(false);
  const away = phase !== "open" && !ended;
  useEffect(() => {
    if (!away) {
      setLate(false);
      return;
    }
    const timer = setTimeout(() => setLate(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [away]);
  if (ended) {
    return (
      <div className="trouble" role="status" data-testid="ended">
        <span>{ENDINGS[ended.reason] ?? `The host closed this session (${ended.reason || ended.code}).`}</span>
        <Button onClick={() => window.location.reload()}>Open again</Button>
      </div>
    );
  }
  if (!away || !late) return null;
  return (
    <div className="trouble trouble-line" role="status" data-testid="offline">
      <span>
        {first ? "Connecting to the host…" : "The line to the host is cut; reconnecting."}
        {!first && (unsent ? " What you typed is kept here and sent when it is back." : " Nothing is lost.")}
      </span>
      <Button onClick={() => session.retryNow()}>Try now</Button>
    </div>
  );
}
