import type { Edit } from "../document/edits";
import type { NotebookState } from "../store/session_state";

export interface FindState {
  open: boolean;
  query: string;
  replacement: string;
  matchCase: boolean;
  /** The match that is looked at. */
  at: number;
}

export interface Match {
  cellId: string;
  index: number;
  length: number;
}

export const NO_FIND: FindState = { open: false, query: "", replacement: "", matchCase: false, at: 0 };

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** What is looked for, literally; null when nothing is. */
export function patternOf(find: Pick<FindState, "query" | "matchCase">): RegExp | null {
  return find.query ? new RegExp(escaped(find.query), find.matchCase ? "gu" : "giu") : null;
}

/** Every place the words stand in the notebook, in its order. */
export function findAll(notebook: NotebookState, find: Pick<FindState, "query" | "matchCase">): Match[] {
  const pattern = patternOf(find);
  if (!pattern) return [];
  return notebook.order.flatMap((cellId) =>
    [...(notebook.cells[cellId]?.source ?? "").matchAll(pattern)].map((match) => ({ cellId, index: match.index, length: match[0].length })),
  );
}

/** The edits that put `replacement` in the place of each match; from the end of each cell, so that no place moves before its turn. */
export function replaceEdits(matches: readonly Match[], replacement: string): Edit[] {
  return [...matches].reverse().map(({ cellId, index, length }) => ({ type: "splice" as const, cell_id: cellId, index, del: length, insert: replacement }));
}
