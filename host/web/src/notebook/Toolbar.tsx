import { IconButton } from "../ui/Button";
import { KeyboardIcon, PlayAllIcon, PlayIcon, PlusIcon, RestartIcon, SaveIcon, StopIcon } from "../ui/icons";
import type { CellType } from "../wire/types";
import { useOpen, useSession, useUi } from "./context";

const TYPES: { value: CellType; name: string }[] = [
  { value: "code", name: "Code" },
  { value: "markdown", name: "Markdown" },
  { value: "raw", name: "Raw" },
];

/** What acts on the active cell and the kernel. A reader sees it at rest: nothing here is theirs to press. */
export function Toolbar() {
  const { actions, ui } = useOpen();
  const canEdit = useSession((state) => state.capabilities.edit);
  const connected = useSession((state) => state.phase === "open");
  const active = useUi((state) => state.active);
  const type = useSession((state) => (active ? (state.notebook?.cells[active]?.cell_type ?? "code") : "code"));
  const off = !canEdit || !connected;
  return (
    <div className="toolbar" role="toolbar" aria-label="Notebook">
      <IconButton label="Save" keys="Ctrl+S" onClick={() => void actions.save()} disabled={off} testId="save">
        <SaveIcon />
      </IconButton>
      <IconButton label="Add a cell below" keys="b" onClick={() => ui.run("insert-below")} disabled={!canEdit} testId="add-cell">
        <PlusIcon />
      </IconButton>
      <span className="toolbar-gap" />
      <IconButton label="Run and go to the next cell" keys="Shift+Enter" onClick={() => ui.run("run-advance")} disabled={off} testId="run">
        <PlayIcon />
      </IconButton>
      <IconButton label="Run all cells" onClick={() => ui.runAll()} disabled={off} testId="run-all">
        <PlayAllIcon />
      </IconButton>
      <IconButton label="Interrupt the kernel" keys="i i" onClick={() => void actions.interrupt()} disabled={off} testId="interrupt">
        <StopIcon />
      </IconButton>
      <IconButton label="Restart the kernel" keys="0 0" onClick={() => void actions.restart()} disabled={off} testId="restart">
        <RestartIcon />
      </IconButton>
      <span className="toolbar-gap" />
      <label className="select">
        <span className="visually-hidden">Type of the active cell</span>
        <select value={type} disabled={!canEdit || !active} onChange={(event) => active && ui.setType(active, event.target.value as CellType)} data-testid="cell-type">
          {TYPES.map((option) => (
            <option key={option.value} value={option.value}>
              {option.name}
            </option>
          ))}
        </select>
      </label>
      <IconButton label="Keyboard shortcuts" keys="h" onClick={() => ui.setHelp(true)} testId="help">
        <KeyboardIcon />
      </IconButton>
    </div>
  );
}
