import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { useOpen, useSession } from "../notebook/context";
import { Button } from "../ui/Button";
import { PeopleIcon } from "../ui/icons";
import { isKiosk } from "../ui/route";
import { nameOf } from "./names";

/** How long an offer stands: who has not come by then stays where they are. */
const STANDS_MS = 30_000;

/** Whoever edits asks everybody to come to a cell: followers and kiosks go, others are offered to. */
export function GatherOffer() {
  const { t } = useTranslation();
  const { actions, ui } = useOpen();
  const call = useSession((state) => state.gathering);
  const number = useSession((state) => (call ? (state.notebook?.order.indexOf(call.cell_id) ?? -1) + 1 : 0));
  useEffect(() => {
    if (!call) return;
    if (isKiosk() || ui.store.get().following === call.by.client_id) {
      ui.show(call.cell_id, "center");
      actions.dropCall(call);
      return;
    }
    const timer = setTimeout(() => actions.dropCall(call), STANDS_MS);
    return () => clearTimeout(timer);
  }, [call, actions, ui]);
  if (!call || number === 0 || isKiosk()) return null;
  const go = () => {
    ui.show(call.cell_id, "center");
    actions.dropCall(call);
  };
  return (
    <section className="reader-banner gather" aria-label={t("people.gather")} data-testid="gather-offer">
      <div className="reader-row">
        <PeopleIcon />
        <p>{t("people.gathers", { name: nameOf(call.by), number })}</p>
        <Button kind="primary" onClick={go} testId="gather-go">
          {t("people.gather_go")}
        </Button>
        <Button onClick={() => actions.dropCall(call)} testId="gather-stay">
          {t("people.gather_stay")}
        </Button>
      </div>
    </section>
  );
}
