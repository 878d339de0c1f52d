import { createStore, type Store } from "../store/store";
import type { Cell } from "../store/session_state";
import type { Actions } from "../session/actions";
import type { Session } from "../session/session";
import type { Edit } from "../document/edits";
import type { CellType, Json } from "../wire/types";
import type { Look } from "../history/history_types";
import { newCellId } from "../ui/ids";
import { copiedCells, copyCells } from "./cell_clipboard";
import { findAll, NO_FIND, replaceEdits, type FindState, type Match } from "./find";
import { movesTo, range, type RunWhich, runnable } from "./selection";
import type { Shortcut } from "./shortcuts";
import { TypedAhead } from "./typed_ahead";

export type Panel = "outline" | "people" | "variables" | "sessions";

export interface NotebookUiState {
  active: string | null;
  /** Further selected cells; empty when only the active one is. */
  selected: ReadonlySet<string>;
  mode: "command" | "edit";
  /** Markdown cells that show their source instead of their rendering. */
  open: ReadonlySet<string>;
  /** Rises when the active cell should take the keyboard. */
  focusTick: number;
  help: boolean;
  panel: Panel | null;
  find: FindState;
  /** What of the past is looked at. */
  history: Look | null;
  /** Whose place this tab keeps up with. */
  following: string | null;
  /** What the mouse or a finger is at is shown to the others. */
  pointing: boolean;
  /** A restart of the kernel that waits for a yes. */
  restart: "only" | "all" | null;
}

interface Deleted {
  cells: { cell: Cell; after: string | null }[];
}

const UNDO_LIMIT = 50;
const FOCUS_DELAY_MS = 150;
const TYPING_ON_MS = 2000;
const NONE: ReadonlySet<string> = new Set();

const FRESH: NotebookUiState = { active: null, selected: NONE, mode: "command", open: NONE, focusTick: 0, help: false, panel: null, find: NO_FIND, history: null, following: null, pointing: false, restart: null };

/** Which cells are selected, in which mode, and what the keys do there. What it changes in the notebook goes through the document. */
export class NotebookUi {
  readonly store: Store<NotebookUiState> = createStore<NotebookUiState>(FRESH);
  readonly ahead = new TypedAhead(
    () => this.edited,
    (event) => document.body.dispatchEvent(new KeyboardEvent("keydown", event)),
  );
  private readonly deleted: Deleted[] = [];
  private focusTimer: ReturnType<typeof setTimeout> | null = null;
  private announcedFocus: string | null = null;
  private claimedFocus = 0;
  private demotedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly session: Session,
    private readonly actions: Actions,
  ) {
    let could = this.canEdit;
    session.store.subscribe(() => {
      if (could && !this.canEdit && this.store.get().mode === "edit") this.demotedAt = performance.now();
      could = this.canEdit;
      this.followOn();
    });
  }

  /** Somebody was typing when the pen went: for a moment the keys still mean text, not commands. */
  isStillTyping(at: number): boolean {
    return at - this.demotedAt < TYPING_ON_MS;
  }

  get canEdit(): boolean {
    return this.session.store.get().capabilities.edit;
  }

  /** The cell whose text the keyboard is in, or will be once its editor is there. */
  get edited(): string | null {
    const { active, mode } = this.store.get();
    return mode === "edit" ? active : null;
  }

  private get order(): string[] {
    return this.session.store.get().notebook?.order ?? [];
  }

  private cell(id: string | null): Cell | undefined {
    return id === null ? undefined : this.session.store.get().notebook?.cells[id];
  }

  private patch(change: Partial<NotebookUiState>): void {
    this.store.update((state) => ({ ...state, ...change }));
  }

  /** True once for each time the keyboard was to go to the active cell: becoming active alone takes it from nobody. */
  claimFocus(tick: number): boolean {
    if (tick <= this.claimedFocus) return false;
    this.claimedFocus = tick;
    return true;
  }

  /** The selected cells in the notebook's order. */
  selection(): string[] {
    const { active, selected } = this.store.get();
    if (selected.size > 1) return this.order.filter((id) => selected.has(id));
    return active !== null && this.cell(active) ? [active] : [];
  }

  select(id: string, mode: "command" | "edit" = "command", focus = true): void {
    this.store.update((state) => {
      if (!focus && state.active === id && state.mode === mode && state.selected.size === 0) return state;
      return { ...state, active: id, selected: NONE, mode, focusTick: focus ? state.focusTick + 1 : state.focusTick };
    });
    this.announceFocus(id);
  }

  /** Selects from the other end of the selection to `id`, which becomes the active cell. */
  extendTo(id: string): void {
    const { active, selected, focusTick } = this.store.get();
    const chosen = selected.size > 1 ? this.order.filter((known) => selected.has(known)) : [];
    const anchor = chosen.length > 1 ? (chosen[0] === active ? chosen[chosen.length - 1]! : chosen[0]!) : (active ?? id);
    this.patch({ active: id, selected: new Set(range(this.order, anchor, id)), mode: "command", focusTick: focusTick + 1 });
  }

  /** Adds a cell to the selection, or takes it out. */
  toggle(id: string): void {
    const next = new Set(this.selection());
    if (next.has(id) && next.size > 1) next.delete(id);
    else next.add(id);
    const { focusTick } = this.store.get();
    this.patch({ active: next.has(id) ? id : [...next][0]!, selected: next, mode: "command", focusTick: focusTick + 1 });
  }

  /** A cell is about to be dragged: alone, unless it is one of the selected. */
  grab(id: string): void {
    if (!this.selection().includes(id)) this.select(id);
  }

  /** Makes a cell the active one and brings it into the window. */
  show(id: string, block: "start" | "center" = "start"): void {
    this.select(id, "command", false);
    // The next frame: what is shown may have to be laid out first.
    requestAnimationFrame(() => document.querySelector(`[data-cell-id="${CSS.escape(id)}"]`)?.scrollIntoView({ block }));
  }

  /** Makes a cell the active one and leaves the focus where it is. */
  activate(id: string): void {
    if (this.store.get().active !== id) this.select(id, "command", false);
  }

  /** The keyboard left a cell's editor for something that is no editor. */
  editorLeft(id: string): void {
    this.store.update((state) => (state.active === id && state.mode === "edit" ? { ...state, mode: "command" } : state));
  }

  /** An arrow key left a cell through its top or bottom. */
  leaveThrough(side: "top" | "bottom"): void {
    const before = this.store.get().active;
    this.run(side === "top" ? "previous" : "next");
    const { active, open } = this.store.get();
    const rendered = this.cell(active)?.cell_type === "markdown" && active !== null && !open.has(active);
    if (active === before || !rendered) this.run("edit");
  }

  /** The keyboard went into a cell's editor by a click or a tab. */
  editing(id: string): void {
    this.select(id, "edit", false);
  }

  leaveEdit(): void {
    const { active } = this.store.get();
    if (active) this.select(active);
  }

  openMarkdown(id: string): void {
    this.setOpen(id, true);
    this.select(id, "edit");
  }

  setHelp(help: boolean): void {
    this.patch({ help });
  }

  /** Asks first, unless there is nothing to forget. */
  askRestart(restart: NotebookUiState["restart"]): void {
    const nothing = ["none", "dead"].includes(this.session.store.get().kernel.state);
    if (restart !== null && nothing) void this.actions.restart(restart === "all");
    else this.patch({ restart });
  }

  showHistory(history: Look | null): void {
    this.patch({ history });
  }

  togglePanel(panel: Panel): void {
    this.patch({ panel: this.store.get().panel === panel ? null : panel });
  }

  setFind(change: Partial<FindState>): void {
    this.store.update((state) => ({ ...state, find: { ...state.find, ...change } }));
  }

  /** Looks for something else, and goes to the first place at or after the active cell. */
  findText(change: Partial<FindState>): void {
    this.setFind(change);
    const from = this.order.indexOf(this.store.get().active ?? "");
    const found = this.matches();
    const at = found.findIndex(({ cellId }) => this.order.indexOf(cellId) >= from);
    this.setFind({ at: Math.max(0, at) });
    this.stepMatch(0);
  }

  matches(): Match[] {
    const { notebook } = this.session.store.get();
    return notebook ? findAll(notebook, this.store.get().find) : [];
  }

  /** Goes `by` matches on and shows the cell it is in. */
  stepMatch(by: number): void {
    const found = this.matches();
    if (found.length === 0) return;
    const at = (((this.store.get().find.at + by) % found.length) + found.length) % found.length;
    this.setFind({ at });
    const { cellId } = found[at]!;
    this.setOpen(cellId, true);
    this.patch({ active: cellId, selected: NONE, mode: "command" });
    document.querySelector(`[data-cell-id="${CSS.escape(cellId)}"]`)?.scrollIntoView({ block: "center" });
  }

  replaceMatches(which: "this" | "all"): void {
    const found = this.matches();
    const { replacement, at } = this.store.get().find;
    const chosen = which === "all" ? found : found.slice(at, at + 1);
    if (!this.canEdit || chosen.length === 0) return;
    this.session.document.edit(replaceEdits(chosen, replacement));
    if (which === "this") this.stepMatch(0);
    else this.setFind({ at: 0 });
  }

  setPointing(pointing: boolean): void {
    this.patch({ pointing });
    if (!pointing) this.session.cursors.clear();
  }

  follow(clientId: string | null): void {
    this.patch({ following: clientId });
    this.followOn();
  }

  /** Runs a shortcut; false when it has no meaning here, so that the browser may have the key. */
  run(shortcut: Shortcut): boolean {
    const active = this.store.get().active ?? this.order[0] ?? null;
    switch (shortcut) {
      case "help":
        this.setHelp(!this.store.get().help);
        return true;
      case "find":
        this.setFind({ open: true });
        return true;
      case "save":
        if (this.canEdit) void this.actions.save();
        return true;
      case "previous":
        return this.step(active, -1);
      case "next":
        return this.step(active, 1);
      case "first":
        return this.selectAt(0);
      case "last":
        return this.selectAt(this.order.length - 1);
      case "extend-up":
      case "extend-down": {
        const id = this.order[this.order.indexOf(active ?? "") + (shortcut === "extend-up" ? -1 : 1)];
        if (id) this.extendTo(id);
        return true;
      }
      case "select-all":
        this.patch({ selected: new Set(this.order), active });
        return true;
      case "escape":
        if (this.store.get().find.open) this.setFind({ open: false });
        else if (this.store.get().selected.size > 1 && active) this.select(active);
        else if (this.store.get().pointing) this.setPointing(false);
        else this.follow(null);
        return true;
      case "copy":
        // A text that is selected with the mouse is what the person means.
        if (window.getSelection()?.toString()) return false;
        this.copy();
        return true;
      case "edit":
        return active !== null && this.enterEdit(active);
      default:
        return this.runEditing(shortcut, active);
    }
  }

  insert(type: CellType, after: string | null): void {
    if (!this.canEdit) return;
    const id = newCellId();
    this.session.document.edit([{ type: "create_cell", cell_id: id, cell_type: type, source: "", after }]);
    if (type === "markdown") this.setOpen(id, true);
    this.select(id, "edit");
  }

  /** Deletes cells as one step that `z` takes back. */
  remove(ids: string[]): void {
    const order = this.order;
    const gone = ids.filter((id) => this.cell(id));
    if (!this.canEdit || gone.length === 0) return;
    this.deleted.push({ cells: gone.map((id) => ({ cell: this.cell(id)!, after: order[order.indexOf(id) - 1] ?? null })) });
    if (this.deleted.length > UNDO_LIMIT) this.deleted.shift();
    const last = order.indexOf(gone[gone.length - 1]!);
    const left = new Set(gone);
    const next = order.slice(last + 1).find((id) => !left.has(id)) ?? order.slice(0, last).reverse().find((id) => !left.has(id));
    this.session.document.edit(gone.map((id) => ({ type: "delete_cell" as const, cell_id: id })));
    if (next) this.select(next);
    else this.insert("code", null);
  }

  undoDelete(): void {
    const last = this.canEdit ? this.deleted.pop() : undefined;
    if (!last) return;
    // New ids: the old ones' places in the document are tombstones that others may still be writing to.
    const renamed = new Map<string, string>();
    for (const { cell, after } of last.cells) {
      const { id: old, ...rest } = cell;
      const id = newCellId();
      renamed.set(old, id);
      this.session.document.edit([{ type: "create_cell", cell_id: id, ...rest, after: after === null ? null : (renamed.get(after) ?? after) }]);
      this.select(id);
    }
  }

  copy(): void {
    copyCells(this.selection().map((id) => this.cell(id)!));
  }

  cut(): void {
    if (!this.canEdit) return;
    this.copy();
    this.remove(this.selection());
  }

  paste(): void {
    const cells = this.canEdit ? copiedCells() : [];
    if (cells.length === 0) return;
    let after = this.selection().at(-1) ?? this.order.at(-1) ?? null;
    const ids = cells.map(() => newCellId());
    const edits = cells.map((cell, at): Edit => {
      const edit: Edit = { type: "create_cell", cell_id: ids[at]!, ...cell, after };
      after = ids[at]!;
      return edit;
    });
    this.session.document.edit(edits);
    this.select(ids[ids.length - 1]!);
    if (ids.length > 1) this.patch({ selected: new Set(ids) });
  }

  setType(id: string, type: CellType): void {
    const cell = this.cell(id);
    if (!this.canEdit || !cell || cell.cell_type === type) return;
    this.session.document.edit([{ type: "set_cell_type", cell_id: id, cell_type: type }]);
    if (type === "markdown") this.setOpen(id, true);
  }

  move(ids: string[], by: -1 | 1): void {
    const order = this.order;
    const first = order.indexOf(ids[0] ?? "");
    const last = order.indexOf(ids[ids.length - 1] ?? "");
    if (first < 0 || (by === -1 ? first === 0 : last === order.length - 1)) return;
    this.moveAfter(ids, by === 1 ? order[last + 1]! : (order[first - 2] ?? null));
  }

  /** Moves cells, which keep their order, behind `after`; null is the top. */
  moveAfter(ids: string[], after: string | null): void {
    const moves = this.canEdit ? movesTo(this.order, ids, after) : [];
    if (moves.length === 0) return;
    const { selected, active, focusTick } = this.store.get();
    this.session.document.edit(moves);
    this.patch({ selected, active, mode: "command", focusTick: focusTick + 1 });
  }

  /** Whether a cell's source or outputs are folded is in the notebook, as Jupyter writes it, so that all see it and it is saved. */
  fold(ids: string[], what: "source_hidden" | "outputs_hidden"): void {
    const cells = ids.map((id) => this.cell(id)).filter((cell): cell is Cell => cell !== undefined);
    if (!this.canEdit || cells.length === 0) return;
    const fold = !cells.every((cell) => isFolded(cell, what));
    const edits = cells.map((cell): Edit => {
      const { [what]: _old, ...rest } = jupyterOf(cell);
      return { type: "set_metadata", cell_id: cell.id, key: "jupyter", value: fold ? { ...rest, [what]: true } : rest };
    });
    this.session.document.edit(edits);
  }

  /** Runs code cells and renders markdown cells. */
  execute(ids: string[]): void {
    for (const id of ids) if (this.cell(id)?.cell_type === "markdown") this.setOpen(id, false);
    if (this.canEdit) void this.actions.execute(ids);
  }

  runCells(which: RunWhich): void {
    if (this.canEdit) void this.actions.execute(runnable(this.order, this.selection(), which));
  }

  private runEditing(shortcut: Shortcut, active: string | null): boolean {
    if (shortcut.startsWith("run-")) {
      if (active === null) return true;
      const ids = this.selection();
      this.execute(ids.length > 0 ? ids : [active]);
      this.advance(shortcut, ids.at(-1) ?? active);
      return true;
    }
    if (!this.canEdit) return true;
    const chosen = this.selection();
    if (shortcut === "undo-delete") this.undoDelete();
    else if (shortcut === "undo" || shortcut === "redo") void this.actions.undo(shortcut);
    else if (shortcut === "restart") void this.actions.restart();
    else if (shortcut === "interrupt") void this.actions.interrupt();
    else if (shortcut === "insert-below") this.insertCommand(chosen.at(-1) ?? active);
    else if (shortcut === "insert-above") this.insertCommand(this.order[this.order.indexOf(chosen[0] ?? active ?? "") - 1] ?? null);
    else if (shortcut === "paste") this.paste();
    else if (active === null) return true;
    else if (shortcut === "cut") this.cut();
    else if (shortcut === "delete") this.remove(chosen);
    else if (shortcut === "format") void this.actions.format(chosen);
    else if (shortcut === "to-code") for (const id of chosen) this.setType(id, "code");
    else if (shortcut === "to-markdown") for (const id of chosen) this.setType(id, "markdown");
    else if (shortcut === "to-raw") for (const id of chosen) this.setType(id, "raw");
    else if (shortcut === "move-up") this.move(chosen, -1);
    else if (shortcut === "move-down") this.move(chosen, 1);
    else if (shortcut === "fold-outputs") this.fold(chosen, "outputs_hidden");
    else if (shortcut === "fold-source") this.fold(chosen, "source_hidden");
    return true;
  }

  /** As in Jupyter, a cell inserted from command mode is selected, not entered. */
  private insertCommand(after: string | null): void {
    this.insert("code", after);
    this.leaveEdit();
  }

  private advance(shortcut: Shortcut, active: string): void {
    if (shortcut === "run-stay") {
      if (this.store.get().selected.size <= 1) this.select(active);
      return;
    }
    const next = this.order[this.order.indexOf(active) + 1];
    if (this.canEdit && (shortcut === "run-insert" || next === undefined)) this.insert("code", active);
    else this.select(next ?? active);
  }

  private enterEdit(id: string): boolean {
    const cell = this.cell(id);
    if (!cell || !this.canEdit) return true;
    if (cell.cell_type === "markdown") this.setOpen(id, true);
    this.select(id, "edit");
    return true;
  }

  private step(active: string | null, by: -1 | 1): boolean {
    const at = active === null ? -1 : this.order.indexOf(active);
    return this.selectAt(Math.min(Math.max(at + by, 0), this.order.length - 1));
  }

  private selectAt(index: number): boolean {
    const id = this.order[index];
    if (id) this.select(id);
    return true;
  }

  private setOpen(id: string, open: boolean): void {
    this.store.update((state) => {
      if (state.open.has(id) === open) return state;
      const next = new Set(state.open);
      if (open) next.add(id);
      else next.delete(id);
      return { ...state, open: next };
    });
  }

  /** Keeps up with the cell of whoever is followed. */
  private followOn(): void {
    const { following, active, mode } = this.store.get();
    if (following === null) return;
    const member = this.session.store.get().room.members.find((known) => known.client_id === following);
    if (!member) this.patch({ following: null });
    else if (member.cell_id && member.cell_id !== active && mode === "command" && this.cell(member.cell_id)) {
      this.patch({ active: member.cell_id, selected: NONE, focusTick: this.store.get().focusTick + 1 });
    }
  }

  private announceFocus(id: string): void {
    if (this.focusTimer !== null) clearTimeout(this.focusTimer);
    this.focusTimer = setTimeout(() => {
      if (this.announcedFocus === id) return;
      this.announcedFocus = id;
      this.actions.focus(id);
    }, FOCUS_DELAY_MS);
  }
}

function jupyterOf(cell: Cell): Record<string, Json> {
  const known = cell.metadata.jupyter;
  return known && typeof known === "object" && !Array.isArray(known) ? known : {};
}

export function isFolded(cell: Cell, what: "source_hidden" | "outputs_hidden"): boolean {
  return jupyterOf(cell)[what] === true;
}
