import type { Draft, NotebookState } from "../store/session_state";
import { applySplice, diffText } from "./text";

const PREFIX = "lectern.drafts.";

/** What `mine` holds beyond `theirs`, cell by cell: the typing the host would not take. */
export function differences(mine: NotebookState, theirs: NotebookState, at: string): Draft[] {
  const drafts: Draft[] = [];
  for (const id of mine.order) {
    const text = mine.cells[id]?.source ?? "";
    const base = theirs.cells[id]?.source ?? "";
    if (text !== base) drafts.push({ cell_id: id, base, text, at });
  }
  return drafts;
}

/** The newest draft of a cell stands for the older ones only when it contains them; else both stay. */
export function mergeDrafts(known: Draft[], fresh: Draft[]): Draft[] {
  const kept = known.filter((old) => !fresh.some((draft) => draft.cell_id === old.cell_id && draft.text === old.text));
  return [...kept, ...fresh];
}

/** Drafts that say nothing new any more, because their text arrived after all. */
export function withoutArrived(drafts: Draft[], notebook: NotebookState): Draft[] {
  return drafts.filter((draft) => notebook.cells[draft.cell_id]?.source !== draft.text);
}

/** The cell's text with the draft in it: only the draft's own replacement where its surroundings still stand, else the whole draft. */
export function applyDraft(current: string, draft: Draft): string {
  const change = diffText(draft.base, draft.text);
  if (!change) return current;
  const removed = draft.base.slice(change.index, change.index + change.del);
  const head = draft.base.slice(0, change.index);
  const tail = draft.base.slice(change.index + change.del);
  if (current.startsWith(head + removed)) return applySplice(current, change);
  if (current.endsWith(removed + tail)) return applySplice(current, { ...change, index: current.length - removed.length - tail.length });
  return draft.text;
}

export function isDraft(value: unknown): value is Draft {
  const draft = value as Partial<Draft> | null;
  return !!draft && typeof draft.cell_id === "string" && typeof draft.base === "string" && typeof draft.text === "string" && typeof draft.at === "string";
}

export function loadDrafts(notebookId: string): Draft[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(PREFIX + notebookId) ?? "[]");
    return Array.isArray(stored) ? stored.filter(isDraft) : [];
  } catch {
    return [];
  }
}

/** Returns false when the browser would not keep them (storage full or forbidden). */
export function storeDrafts(notebookId: string, drafts: Draft[]): boolean {
  try {
    if (drafts.length === 0) localStorage.removeItem(PREFIX + notebookId);
    else localStorage.setItem(PREFIX + notebookId, JSON.stringify(drafts));
    return true;
  } catch {
    return false;
  }
}
