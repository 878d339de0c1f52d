import type { Edit } from "../document/edits";

/** The cells from one to another, whichever comes first. */
export function range(order: readonly string[], from: string, to: string): string[] {
  const [a, b] = [order.indexOf(from), order.indexOf(to)];
  return order.slice(Math.min(a, b), Math.max(a, b) + 1);
}

export type RunWhich = "all" | "above" | "below";

/** Which cells "all", "above" and "below" mean from where the selection is; below includes it, as in Jupyter. */
export function runnable(order: readonly string[], selection: readonly string[], which: RunWhich): string[] {
  const at = order.indexOf(selection[0] ?? "");
  if (which === "all" || at < 0) return [...order];
  return which === "above" ? order.slice(0, at) : order.slice(at);
}

/** Moves `ids` as one block behind `after` (null: the top). Nothing when they are there already, or when `after` is one of them. */
export function movesTo(order: readonly string[], ids: readonly string[], after: string | null): Edit[] {
  const moved = new Set(ids);
  if (ids.length === 0 || (after !== null && (moved.has(after) || !order.includes(after)))) return [];
  const rest = order.filter((id) => !moved.has(id));
  const at = after === null ? 0 : rest.indexOf(after) + 1;
  const result = [...rest.slice(0, at), ...ids, ...rest.slice(at)];
  if (result.every((id, index) => id === order[index])) return [];
  let behind = after;
  return ids.map((id): Edit => {
    const edit: Edit = { type: "move_cell", cell_id: id, after: behind };
    behind = id;
    return edit;
  });
}
