import { useTranslation } from "react-i18next";
import type { Key } from "../i18n";
import { IconButton } from "../ui/Button";
import { KeyboardIcon, PlayAllIcon, PlayIcon, PlusIcon, RestartIcon, SaveIcon, StopIcon } from "../ui/icons";
import type { CellType } from "../wire/types";
import { useOpen, useSession, useUi } from "./context";

const TYPES: { value: CellType; name: Key }[] = [
  { value: "code", name: "cell.code" },
  { value: "markdown", name: "cell.markdown" },
  { value: "raw", name: "cell.raw" },
];

/** What acts on the active cell and the kernel. A reader sees it at rest: nothing here is theirs to press. */
export function Toolbar() {
  const { t } = useTranslation();
  const { actions, ui } = useOpen();
  const canEdit = useSession((state) => state.capabilities.edit);
  const connected = useSession((state) => state.phase === "open");
  const active = useUi((state) => state.active);
  const type = useSession((state) => (active ? (state.notebook?.cells[active]?.cell_type ?? "code") : "code"));
  const off = !canEdit || !connected;
  return (
    <div className="toolbar" role="toolbar" aria-label={t("toolbar.label")}>
      <IconButton label={t("toolbar.save")} keys="Ctrl+S" onClick={() => void actions.save()} disabled={off} testId="save">
        <SaveIcon />
      </IconButton>
      <IconButton label={t("toolbar.add")} keys="b" onClick={() => ui.run("insert-below")} disabled={!canEdit} testId="add-cell">
        <PlusIcon />
      </IconButton>
      <span className="toolbar-gap" />
      <IconButton label={t("toolbar.run")} keys="Shift+Enter" onClick={() => ui.run("run-advance")} disabled={off} testId="run">
        <PlayIcon />
      </IconButton>
      <IconButton label={t("toolbar.run_all")} onClick={() => ui.runAll()} disabled={off} testId="run-all">
        <PlayAllIcon />
      </IconButton>
      <IconButton label={t("toolbar.interrupt")} keys="i i" onClick={() => void actions.interrupt()} disabled={off} testId="interrupt">
        <StopIcon />
      </IconButton>
      <IconButton label={t("toolbar.restart")} keys="0 0" onClick={() => void actions.restart()} disabled={off} testId="restart">
        <RestartIcon />
      </IconButton>
      <span className="toolbar-gap" />
      <label className="select">
        <span className="visually-hidden">{t("toolbar.cell_type")}</span>
        <select value={type} disabled={!canEdit || !active} onChange={(event) => active && ui.setType(active, event.target.value as CellType)} data-testid="cell-type">
          {TYPES.map((option) => (
            <option key={option.value} value={option.value}>
              {t(option.name)}
            </option>
          ))}
        </select>
      </label>
      <IconButton label={t("keys.title")} keys="h" onClick={() => ui.setHelp(true)} testId="help">
        <KeyboardIcon />
      </IconButton>
    </div>
  );
}
