import { Button } from "../ui/Button";
import { useOpen, useSession } from "../notebook/context";
import { nameOf } from "./names";

/** For the editor whose policy lets others ask: who asks, and the answer. */
export function TakeoverAsks() {
  const { actions } = useOpen();
  const asks = useSession((state) => state.asks);
  return asks.map((ask) => (
    <section key={ask.request_id} className="reader-banner" role="alertdialog" aria-label="Somebody asks for the pen" data-testid="takeover-ask">
      <div className="reader-row">
        <p>
          <strong>{nameOf(ask.from)}</strong> asks for the pen{ask.reason ? `: “${ask.reason}”` : "."}
        </p>
        <Button kind="primary" onClick={() => void actions.answer(ask.request_id, true)}>
          Hand it over
        </Button>
        <Button onClick={() => void actions.answer(ask.request_id, false)}>Keep it</Button>
      </div>
    </section>
  ));
}
