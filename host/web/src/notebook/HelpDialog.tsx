import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import type { Key } from "../i18n";
import { Button } from "../ui/Button";
import { useOpen, useUi } from "./context";

const KEYS: [string, Key][] = [
  ["Enter / Esc", "keys.edit"],
  ["Shift+Enter", "toolbar.run"],
  ["Ctrl+Enter", "keys.run_stay"],
  ["Alt+Enter", "keys.run_insert"],
  ["a / b", "keys.insert"],
  ["d d / z", "keys.delete"],
  ["Ctrl+Z / Ctrl+Shift+Z", "keys.undo"],
  ["m / y / r", "keys.type"],
  ["↑ k / ↓ j", "keys.step"],
  ["Alt+↑ / Alt+↓", "keys.move"],
  ["Shift+↑ / Shift+↓", "keys.extend"],
  ["x / c / v", "keys.clipboard"],
  ["o / Shift+O", "keys.fold"],
  ["Shift+F", "format.cells"],
  ["Ctrl+F", "find.label"],
  ["Tab / Ctrl+Space", "keys.complete"],
  ["Shift+Tab", "keys.inspect"],
  ["i i / 0 0", "keys.kernel"],
  ["Alt+Y / Alt+N", "keys.answer"],
  ["Ctrl+S", "toolbar.save"],
];

export function HelpDialog() {
  const { t } = useTranslation();
  const { ui } = useOpen();
  const shown = useUi((state) => state.help);
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (shown && !dialog.current?.open) dialog.current?.showModal();
    if (!shown) dialog.current?.close();
  }, [shown]);
  return (
    <dialog ref={dialog} className="dialog" aria-label={t("keys.title")} onClose={() => ui.setHelp(false)}>
      <h2>{t("keys.title")}</h2>
      <dl className="keys">
        {KEYS.map(([keys, words]) => (
          <div key={keys}>
            <dt>{keys}</dt>
            <dd>{t(words)}</dd>
          </div>
        ))}
      </dl>
      <Button kind="primary" onClick={() => ui.setHelp(false)}>
        {t("app.close")}
      </Button>
    </dialog>
  );
}
