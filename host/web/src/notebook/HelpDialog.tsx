import { useEffect, useRef } from "react";
import { Button } from "../ui/Button";
import { useOpen, useUi } from "./context";

const KEYS: [string, string][] = [
  ["Enter / Esc", "Edit the cell / back to command mode"],
  ["Shift+Enter", "Run, then go to the next cell"],
  ["Ctrl+Enter", "Run and stay"],
  ["Alt+Enter", "Run and add a cell below"],
  ["a / b", "Add a cell above / below"],
  ["d d / z", "Delete the cell / bring it back"],
  ["m / y / r", "Markdown / code / raw"],
  ["↑ k / ↓ j", "Previous / next cell"],
  ["Alt+↑ / Alt+↓", "Move the cell"],
  ["i i / 0 0", "Interrupt / restart the kernel"],
  ["Ctrl+S", "Save"],
];

export function HelpDialog() {
  const { ui } = useOpen();
  const shown = useUi((state) => state.help);
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (shown && !dialog.current?.open) dialog.current?.showModal();
    if (!shown) dialog.current?.close();
  }, [shown]);
  return (
    <dialog ref={dialog} className="dialog" aria-label="Keyboard shortcuts" onClose={() => ui.setHelp(false)}>
      <h2>Keyboard</h2>
      <dl className="keys">
        {KEYS.map(([keys, words]) => (
          <div key={keys}>
            <dt>{keys}</dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
      <Button kind="primary" onClick={() => ui.setHelp(false)}>
        Close
      </Button>
    </dialog>
  );
}
