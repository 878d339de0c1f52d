import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "../ui/Button";
import { useOpen, useUi } from "./context";

/** Asked before a click makes the kernel forget: nothing else here is lost by a slip of the hand. */
export function RestartDialog() {
  const { t } = useTranslation();
  const { ui, actions } = useOpen();
  const wanted = useUi((state) => state.restart);
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (wanted && !dialog.current?.open) dialog.current?.showModal();
    if (!wanted) dialog.current?.close();
  }, [wanted]);
  const go = () => {
    ui.askRestart(null);
    void actions.restart(wanted === "all");
  };
  const words = t(wanted === "all" ? "kernel.restart_all" : "toolbar.restart");
  return (
    <dialog ref={dialog} className="dialog" aria-label={words} onClose={() => ui.askRestart(null)} data-testid="restart-dialog">
      <p>{t("kernel.restart_sure")}</p>
      <div className="dialog-actions">
        <Button kind="primary" onClick={go} testId="restart-sure">
          {words}
        </Button>
        <Button onClick={() => ui.askRestart(null)}>{t("app.cancel")}</Button>
      </div>
    </dialog>
  );
}
