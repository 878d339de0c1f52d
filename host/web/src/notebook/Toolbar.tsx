import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Key } from "../i18n";
import { IconButton } from "../ui/Button";
import { KeyboardIcon, PlayAllIcon, PlayIcon, PlusIcon, RestartIcon, SaveIcon, SearchIcon, StopIcon } from "../ui/icons";
import { Menu } from "../ui/Menu";
import { keepAs } from "../files/download";
import { useSettings } from "../settings/use_settings";
import { route } from "../ui/navigation";
import { VIEWS, type Route, type View } from "../ui/route";
import { useStore } from "../store/store";
import { api, toWireError } from "../wire/http";
import type { CellType } from "../wire/types";
import { useOpen, useSession, useUi } from "./context";
import { completesUnasked, completeUnasked } from "./unasked";
import { changeView } from "./views";

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
      <Menu
        label={t("run.label")}
        disabled={off}
        testId="run-menu"
        items={[
          { label: t("run.all"), onSelect: () => ui.runCells("all"), testId: "run-all" },
          { label: t("run.above"), onSelect: () => ui.runCells("above"), testId: "run-above" },
          { label: t("run.below"), onSelect: () => ui.runCells("below"), testId: "run-below" },
          { label: t("run.clear"), begins: true, onSelect: () => void actions.clearOutputs(), testId: "clear-outputs" },
          { label: t("run.keep_widgets"), onSelect: () => void actions.saveWidgets(), testId: "save-widgets" },
        ]}
      >
        <PlayAllIcon />
      </Menu>
      <IconButton label={t("toolbar.interrupt")} keys="i i" onClick={() => void actions.interrupt()} disabled={off} testId="interrupt">
        <StopIcon />
      </IconButton>
      <IconButton label={t("toolbar.restart")} keys="0 0" onClick={() => ui.askRestart("only")} disabled={off} testId="restart">
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
      <Menu
        label={t("edit.label")}
        testId="edit-menu"
        items={[
          { label: t("edit.undo"), keys: "Ctrl+Z", onSelect: () => ui.run("undo"), disabled: !canEdit, testId: "undo" },
          { label: t("edit.redo"), keys: "Ctrl+Shift+Z", onSelect: () => ui.run("redo"), disabled: !canEdit, testId: "redo" },
          { label: t("edit.cut"), begins: true, keys: "x", onSelect: () => ui.cut(), disabled: !canEdit },
          { label: t("edit.copy"), keys: "c", onSelect: () => ui.copy() },
          { label: t("edit.paste"), keys: "v", onSelect: () => ui.paste(), disabled: !canEdit },
          { label: t("format.cells"), begins: true, keys: "Shift+F", onSelect: () => ui.run("format"), disabled: off },
          { label: t("cell.fold_outputs"), keys: "o", onSelect: () => ui.run("fold-outputs"), disabled: !canEdit },
        ]}
      >
        {t("edit.label")}
      </Menu>
      <IconButton label={t("find.label")} keys="Ctrl+F" onClick={() => ui.run("find")} testId="open-find">
        <SearchIcon />
      </IconButton>
      <IconButton label={t("keys.title")} keys="h" onClick={() => ui.setHelp(true)} testId="help">
        <KeyboardIcon />
      </IconButton>
    </div>
  );
}

export const VIEW_NAMES: Record<View, Key> = { edit: "view.edit", read: "view.read", present: "view.present", slides: "view.slides", grid: "view.grid" };

const viewOf = (state: Route) => state.view;

export function ViewMenu() {
  const { t } = useTranslation();
  const { session, ui } = useOpen();
  const view = useStore(route, viewOf);
  const sessionId = useSession((state) => state.sessionId);
  const settings = useSettings(sessionId);
  const [unasked, setUnasked] = useState(completesUnasked);
  const toggleUnasked = () => {
    completeUnasked(!unasked);
    setUnasked(!unasked);
  };
  const download = async () => {
    // What was typed a moment ago belongs to it.
    await session.document.settle();
    try {
      keepAs(session.fileName, await api.notebookBytes(sessionId));
    } catch (reason) {
      session.notice("bar", toWireError(reason));
    }
  };
  const views = VIEWS.map((one) => ({ label: t(VIEW_NAMES[one]), onSelect: () => changeView(one), checked: one === view, testId: `view-${one}` }));
  const history = { label: t("history.title"), onSelect: () => ui.showHistory({ version: null, against: "previous" }), begins: true, testId: "open-history" };
  const completion = { label: t("completion.unasked"), onSelect: toggleUnasked, checked: unasked, toggles: true, begins: true, testId: "complete-unasked" };
  const file = { label: t("files.download"), onSelect: () => void download(), testId: "download-notebook" };
  const more = settings.open ? [{ label: t("settings.title"), onSelect: settings.open, testId: "open-settings" }] : [];
  return (
    <>
      <Menu label={`${t("view.label")}: ${t(VIEW_NAMES[view])}`} testId="view-menu" items={[...views, history, file, ...more, ...(view === "edit" ? [completion] : [])]}>
        {t(VIEW_NAMES[view])}
      </Menu>
      {settings.dialog}
    </>
  );
}
