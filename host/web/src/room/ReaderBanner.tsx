import { useState } from "react";
import { Button } from "../ui/Button";
import { ErrorNote } from "../ui/ErrorNote";
import { EyeIcon, PenIcon } from "../ui/icons";
import { isKiosk } from "../ui/route";
import { useOpen, useSession } from "../notebook/context";
import { nameOf } from "./names";

/** For readers: who has the pen, and how to get it. Never with `?kiosk`. */
export function ReaderBanner() {
  const { session, actions } = useOpen();
  const shown = useSession((state) => !state.capabilities.edit && state.clientId !== null && !isKiosk());
  const editor = useSession((state) => state.room.editor);
  const reserved = useSession((state) => state.room.reserved_until);
  const asking = useSession((state) => state.asking);
  const notice = useSession((state) => state.notices.find((known) => known.place === "banner"));
  const connected = useSession((state) => state.phase === "open");
  const [busy, setBusy] = useState(false);
  if (!shown) return null;
  const takeOver = async () => {
    setBusy(true);
    await actions.takeover();
    setBusy(false);
  };
  return (
    <section className="reader-banner" aria-label="You are reading" data-testid="reader-banner">
      <div className="reader-row">
        <EyeIcon />
        <p>
          You are reading.{" "}
          {editor ? (
            <>
              <strong>{nameOf(editor)}</strong> {reserved ? "has the pen and is away for a moment." : "is editing."}
            </>
          ) : (
            "Nobody is editing."
          )}
        </p>
        {asking ? (
          <span className="asking" data-testid="asking">
            Asked {asking.asked}… <Button onClick={() => void actions.withdraw()}>Withdraw</Button>
          </span>
        ) : (
          <Button
            kind="primary"
            onClick={() => void takeOver()}
            disabled={busy || !connected}
            testId="takeover-button"
            title={editor ? `${nameOf(editor)} becomes a reader; nothing they sent is lost` : "Start editing"}
          >
            <PenIcon />
            Take over
          </Button>
        )}
      </div>
      {notice && <ErrorNote error={notice.error} onDismiss={() => session.dismissNotice(notice.id)} />}
    </section>
  );
}
