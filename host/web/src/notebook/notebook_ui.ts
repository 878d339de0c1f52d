import { createStore, type Store } from "../store/store";
import type { Cell } from "../store/session_state";
import type { Actions } from "../session/actions";
import type { Session } from "../session/session";
import type { CellType } from "../wire/types";
import { newCellId } from "../ui/ids";
import type { Shortcut } from "./shortcuts";

export interface NotebookUiState {
  active: string | null;
  mode: "command" | "edit";
  /** Markdown cells that show their source instead of their rendering. */
  open: ReadonlySet<string>;
  /** Rises when the active cell should take the keyboard. */
  focusTick: number;
  help: boolean;
}

interface Deleted {
  cells: { cell: Cell; after: string | null }[];
}

const UNDO_LIMIT = 50;
const FOCUS_DELAY_MS = 150;
const TYPING_ON_MS = 2000;

/** Which cell is active, in which mode, and what the keys do there. What it changes in the notebook goes through the document. */
export class NotebookUi {
  readonly store: Store<NotebookUiState> = createStore<NotebookUiState>({ active: null, mode: "command", open: new Set(), focusTick: 0, help: false });
  private readonly deleted: Deleted[] = [];
  private focusTimer: ReturnType<typeof setTimeout> | null = null;
  private announcedFocus: string | null = null;
  private demotedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly session: Session,
    private readonly actions: Actions,
  ) {
    let could = this.canEdit;
    session.store.subscribe(() => {
      if (could && !this.canEdit && this.store.get().mode === "edit") this.demotedAt = performance.now();
      could = this.canEdit;
    });
  }

  /** Somebody was typing when the pen went: for a moment the keys still mean text, not commands. */
  isStillTyping(at: number): boolean {
    return at - this.demotedAt < TYPING_ON_MS;
  }

  get canEdit(): boolean {
    return this.session.store.get().capabilities.edit;
  }

  private get order(): string[] {
    return this.session.store.get().notebook?.order ?? [];
  }

  private cell(id: string | null): Cell | undefined {
    return id === null ? undefined : this.session.store.get().notebook?.cells[id];
  }

  select(id: string, mode: "command" | "edit" = "command", focus = true): void {
    this.store.update((state) => {
      if (!focus && state.active === id && state.mode === mode) return state;
      return { ...state, active: id, mode, focusTick: focus ? state.focusTick + 1 : state.focusTick };
    });
    this.announceFocus(id);
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
    this.store.update((state) => ({ ...state, help }));
  }

  /** Runs a shortcut; false when it has no meaning here, so that the browser may have the key. */
  run(shortcut: Shortcut): boolean {
    const active = this.store.get().active ?? this.order[0] ?? null;
    switch (shortcut) {
      case "help":
        this.setHelp(!this.store.get().help);
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

  remove(id: string): void {
    const cell = this.cell(id);
    if (!this.canEdit || !cell) return;
    const order = this.order;
    const at = order.indexOf(id);
    this.deleted.push({ cells: [{ cell, after: order[at - 1] ?? null }] });
    if (this.deleted.length > UNDO_LIMIT) this.deleted.shift();
    this.session.document.edit([{ type: "delete_cell", cell_id: id }]);
    const next = order[at + 1] ?? order[at - 1];
    if (next) this.select(next);
    else this.insert("code", null);
  }

  undoDelete(): void {
    const last = this.canEdit ? this.deleted.pop() : undefined;
    if (!last) return;
    for (const { cell, after } of last.cells) {
      const { id: _old, ...rest } = cell;
      // A new id: the old one's place in the document is a tombstone that others may still be writing to.
      const id = newCellId();
      this.session.document.edit([{ type: "create_cell", cell_id: id, ...rest, after }]);
      this.select(id);
    }
  }

  setType(id: string, type: CellType): void {
    const cell = this.cell(id);
    if (!this.canEdit || !cell || cell.cell_type === type) return;
    this.session.document.edit([{ type: "set_cell_type", cell_id: id, cell_type: type }]);
    if (type === "markdown") this.setOpen(id, true);
  }

  move(id: string, by: -1 | 1): void {
    const order = this.order;
    const at = order.indexOf(id);
    const to = at + by;
    if (!this.canEdit || at < 0 || to < 0 || to >= order.length) return;
    const after = by === 1 ? order[to]! : (order[to - 1] ?? null);
    this.session.document.edit([{ type: "move_cell", cell_id: id, after }]);
    this.select(id);
  }

  /** Runs a code cell or renders a markdown cell. */
  execute(id: string): void {
    const cell = this.cell(id);
    if (!cell) return;
    if (cell.cell_type === "markdown") this.setOpen(id, false);
    else if (this.canEdit) void this.actions.execute([id]);
  }

  runAll(): void {
    if (this.canEdit) void this.actions.execute(this.order);
  }

  private runEditing(shortcut: Shortcut, active: string | null): boolean {
    if (shortcut.startsWith("run-")) {
      if (active === null) return true;
      this.execute(active);
      this.advance(shortcut, active);
      return true;
    }
    if (!this.canEdit) return true;
    if (shortcut === "undo-delete") this.undoDelete();
    else if (shortcut === "restart") void this.actions.restart();
    else if (shortcut === "interrupt") void this.actions.interrupt();
    else if (shortcut === "insert-below") this.insertCommand(active);
    else if (shortcut === "insert-above") this.insertCommand(this.order[this.order.indexOf(active ?? "") - 1] ?? null);
    else if (active === null) return true;
    else if (shortcut === "delete") this.remove(active);
    else if (shortcut === "to-code") this.setType(active, "code");
    else if (shortcut === "to-markdown") this.setType(active, "markdown");
    else if (shortcut === "to-raw") this.setType(active, "raw");
    else if (shortcut === "move-up") this.move(active, -1);
    else if (shortcut === "move-down") this.move(active, 1);
    return true;
  }

  /** As in Jupyter, a cell inserted from command mode is selected, not entered. */
  private insertCommand(after: string | null): void {
    this.insert("code", after);
    this.leaveEdit();
  }

  private advance(shortcut: Shortcut, active: string): void {
    if (shortcut === "run-stay") {
      this.select(active);
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

  private announceFocus(id: string): void {
    if (this.focusTimer !== null) clearTimeout(this.focusTimer);
    this.focusTimer = setTimeout(() => {
      if (this.announcedFocus === id) return;
      this.announcedFocus = id;
      this.actions.focus(id);
    }, FOCUS_DELAY_MS);
  }
}
