import type { Cell } from "../store/session_state";
import type { Json } from "../wire/types";

/** Cells on their way to another place, notebook or tab: kept by the browser, where every notebook of this host finds them. */
const KEY = "lectern.clipboard";

export type CopiedCell = Pick<Cell, "cell_type" | "source" | "metadata">;

let last: CopiedCell[] = [];

export function copyCells(cells: Cell[]): void {
  last = cells.map(({ cell_type, source, metadata }) => ({ cell_type, source, metadata }));
  try {
    localStorage.setItem(KEY, JSON.stringify(last));
  } catch {
    /* too large for the browser: this tab still has them */
  }
  void navigator.clipboard?.writeText(cells.map((cell) => cell.source).join("\n\n")).catch(() => undefined);
}

function isCopied(value: unknown): value is CopiedCell {
  const cell = value as Partial<CopiedCell> | null;
  return !!cell && typeof cell.source === "string" && (cell.cell_type === "code" || cell.cell_type === "markdown" || cell.cell_type === "raw");
}

export function copiedCells(): CopiedCell[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? "null");
    if (Array.isArray(stored)) return stored.filter(isCopied).map((cell) => ({ ...cell, metadata: (cell.metadata ?? {}) as Record<string, Json> }));
  } catch {
    /* what this tab copied itself is as good */
  }
  return last;
}
