import { useEffect } from "react";
import { Trans, useTranslation } from "react-i18next";
import { useOpen, useSession } from "../notebook/context";
import type { TakeoverRequest } from "../wire/types";
import { Button } from "../ui/Button";
import { useSecondsLeft } from "./countdown";
import { nameOf } from "./names";

/** The host ends an ask at its deadline and tells only the asker; the two clocks need not agree to the millisecond. */
const GRACE_MS = 400;

/** For the editor whose policy lets others ask: who asks, and the answer by a button or one key, wherever the cursor is. */
export function TakeoverAsks() {
  const { actions } = useOpen();
  const asks = useSession((state) => state.asks);
  const first = asks[0]?.request_id;
  useEffect(() => {
    if (first === undefined) return;
    const onKey = (event: KeyboardEvent) => {
      if (!event.altKey || event.ctrlKey || event.metaKey || (event.code !== "KeyY" && event.code !== "KeyN")) return;
      event.preventDefault();
      event.stopPropagation();
      void actions.answer(first, event.code === "KeyY");
    };
    window.addEventListener("keydown", onKey, true);
    return () => window.removeEventListener("keydown", onKey, true);
  }, [first, actions]);
  return asks.map((ask) => <Ask key={ask.request_id} ask={ask} answersKeys={ask.request_id === first} />);
}

function Ask({ ask, answersKeys }: { ask: TakeoverRequest; answersKeys: boolean }) {
  const { t } = useTranslation();
  const { actions } = useOpen();
  const seconds = useSecondsLeft(ask.until ?? 0);
  useEffect(() => {
    const timer = setTimeout(() => actions.dropAsk(ask.request_id), Math.max(0, (ask.until ?? 0) - Date.now()) + GRACE_MS);
    return () => clearTimeout(timer);
  }, [ask, actions]);
  const words = [ask.text, ask.reason].filter(Boolean).join(" ");
  return (
    <section className="reader-banner ask" role="group" aria-label={t("pen.asks_label")} data-testid="takeover-ask">
      <div className="reader-row">
        <p>
          <Trans t={t} i18nKey="pen.asks" values={{ name: nameOf(ask.from) }} components={[<strong key="name" />]} />
          {ask.from.device && ask.from.label ? <span className="soft"> {ask.from.device}</span> : null}
          {words && <q>{words}</q>} <span className="soft">{t("pen.seconds", { seconds })}</span>
        </p>
        <Button kind="primary" onClick={() => void actions.answer(ask.request_id, true)} testId="ask-allow">
          {t("pen.hand_over")} {answersKeys && <kbd>Alt+Y</kbd>}
        </Button>
        <Button onClick={() => void actions.answer(ask.request_id, false)} testId="ask-deny">
          {t("pen.keep")} {answersKeys && <kbd>Alt+N</kbd>}
        </Button>
      </div>
    </section>
  );
}
