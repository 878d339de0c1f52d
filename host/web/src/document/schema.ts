import type { Cell, NotebookState } from "../store/session_state";
import type { CellType, Json } from "../wire/types";
import type { Automerge } from "./automerge";
import type { Edit } from "./edits";
import { comparePositions, positionBetween } from "./positions";

/** The notebook document, schema 5, as Automerge shows it in JavaScript: `str` scalars are ImmutableString, texts are strings. */
export interface CellDoc {
  id: unknown;
  cell_type: unknown;
  position: unknown;
  source: string;
  execution_count?: unknown;
  metadata?: unknown;
  resolved_assets?: unknown;
  attachments?: unknown;
}

export type NotebookDoc = {
  cells: Record<string, CellDoc>;
  metadata: Record<string, unknown>;
};

/** Scalars and texts alike as plain JSON. */
export function toJson(value: unknown): Json {
  if (value === null || value === undefined) return null;
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== "object") return null;
  if (value instanceof Uint8Array) return null;
  if (isScalarBox(value)) return value.toString();
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJson(item)]));
}

/** ImmutableString and its like: an object of a class of its own, unlike the plain maps. */
function isScalarBox(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype !== Object.prototype && prototype !== null;
}

function readType(value: unknown): CellType {
  const text = String(value);
  return text === "markdown" || text === "raw" ? text : "code";
}

export function readCell(id: string, cell: CellDoc): Cell {
  const metadata = toJson(cell.metadata ?? {});
  return {
    id,
    cell_type: readType(cell.cell_type),
    source: String(cell.source ?? ""),
    metadata: metadata && typeof metadata === "object" && !Array.isArray(metadata) ? metadata : {},
  };
}

export function readOrder(doc: NotebookDoc): string[] {
  return Object.keys(doc.cells)
    .map((id) => ({ id, position: String(doc.cells[id]!.position ?? "") }))
    .sort(comparePositions)
    .map((entry) => entry.id);
}

export function readNotebook(doc: NotebookDoc): NotebookState {
  const cells: Record<string, Cell> = {};
  for (const id of Object.keys(doc.cells)) cells[id] = readCell(id, doc.cells[id]!);
  return { order: readOrder(doc), cells, metadata: (toJson(doc.metadata) ?? {}) as Record<string, Json> };
}

function positionAfter(doc: NotebookDoc, after: string | null, moved: string): string {
  const order = readOrder(doc).filter((id) => id !== moved);
  const at = after === null ? -1 : order.indexOf(after);
  const left = after !== null && at === -1 ? order.length - 1 : at;
  const position = (index: number) => (order[index] === undefined ? null : String(doc.cells[order[index]!]!.position ?? ""));
  return positionBetween(position(left), position(left + 1));
}

/** Keeps the type nbformat and the schema expect: strings inside metadata are scalars, not texts. */
function toScalars(automerge: Automerge, value: Json): unknown {
  if (typeof value === "string") return new automerge.ImmutableString(value);
  if (Array.isArray(value)) return value.map((item) => toScalars(automerge, item));
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toScalars(automerge, item)]));
  return value;
}

/** Writes one edit into a document that is being changed. Returns false when the cell it names is gone. */
export function writeEdit(automerge: Automerge, doc: NotebookDoc, edit: Edit): boolean {
  const scalar = (text: string) => new automerge.ImmutableString(text);
  if (edit.type === "create_cell") {
    const position = positionAfter(doc, edit.after, edit.cell_id);
    doc.cells[edit.cell_id] = {
      id: scalar(edit.cell_id),
      cell_type: scalar(edit.cell_type),
      position: scalar(position),
      source: edit.source,
      execution_count: scalar("null"),
      metadata: toScalars(automerge, edit.metadata ?? {}),
      resolved_assets: {},
      attachments: {},
    };
    return true;
  }
  const cell = doc.cells[edit.cell_id];
  if (!cell) return false;
  switch (edit.type) {
    case "splice": {
      // An edit from before the document was there may have been made on an older text.
      const length = cell.source.length;
      const index = Math.min(edit.index, length);
      automerge.splice(doc as never, ["cells", edit.cell_id, "source"], index, Math.min(edit.del, length - index), edit.insert);
      return true;
    }
    case "delete_cell":
      delete doc.cells[edit.cell_id];
      return true;
    case "move_cell":
      cell.position = scalar(positionAfter(doc, edit.after, edit.cell_id));
      return true;
    case "set_cell_type":
      cell.cell_type = scalar(edit.cell_type);
      return true;
    case "set_metadata":
      (cell.metadata as Record<string, unknown>)[edit.key] = toScalars(automerge, edit.value);
      return true;
  }
}
