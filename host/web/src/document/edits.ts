import type { Cell, NotebookState } from "../store/session_state";
import type { CellType, Json } from "../wire/types";
import { applySplice, type Splice } from "./text";

/** What a person does to a notebook. `after: null` means the very top. */
export type Edit =
  | ({ type: "splice"; cell_id: string } & Splice)
  | { type: "create_cell"; cell_id: string; cell_type: CellType; source: string; after: string | null; metadata?: Record<string, Json> }
  | { type: "delete_cell"; cell_id: string }
  | { type: "move_cell"; cell_id: string; after: string | null }
  | { type: "set_cell_type"; cell_id: string; cell_type: CellType }
  | { type: "set_metadata"; cell_id: string; key: string; value: Json };

function patchCell(notebook: NotebookState, id: string, change: (cell: Cell) => Cell): NotebookState {
  const cell = notebook.cells[id];
  return cell ? { ...notebook, cells: { ...notebook.cells, [id]: change(cell) } } : notebook;
}

function insertAfter(order: string[], id: string, after: string | null): string[] {
  const rest = order.filter((known) => known !== id);
  const at = after === null ? 0 : rest.indexOf(after) + 1;
  return after !== null && at === 0 ? [...rest, id] : [...rest.slice(0, at), id, ...rest.slice(at)];
}

/** The notebook after an edit, for the time before the document itself is there. Edits of cells that are gone change nothing. */
export function applyEdit(notebook: NotebookState, edit: Edit): NotebookState {
  switch (edit.type) {
    case "splice":
      return patchCell(notebook, edit.cell_id, (cell) => ({ ...cell, source: applySplice(cell.source, edit) }));
    case "create_cell": {
      const cell: Cell = { id: edit.cell_id, cell_type: edit.cell_type, source: edit.source, metadata: edit.metadata ?? {} };
      return { ...notebook, order: insertAfter(notebook.order, cell.id, edit.after), cells: { ...notebook.cells, [cell.id]: cell } };
    }
    case "delete_cell": {
      const { [edit.cell_id]: gone, ...cells } = notebook.cells;
      return gone ? { ...notebook, order: notebook.order.filter((id) => id !== edit.cell_id), cells } : notebook;
    }
    case "move_cell":
      return notebook.cells[edit.cell_id] ? { ...notebook, order: insertAfter(notebook.order, edit.cell_id, edit.after) } : notebook;
    case "set_cell_type":
      return patchCell(notebook, edit.cell_id, (cell) => ({ ...cell, cell_type: edit.cell_type }));
    case "set_metadata":
      return patchCell(notebook, edit.cell_id, (cell) => ({ ...cell, metadata: { ...cell.metadata, [edit.key]: edit.value } }));
  }
}
