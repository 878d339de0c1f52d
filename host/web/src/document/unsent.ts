import type { Draft } from "../store/session_state";
import { isDraft, mergeDrafts } from "./drafts";

/**
 * What was typed and is not with the host yet, kept by the browser while it is so: a tab that is closed, reloaded or killed finds it again
 * as a draft. Each tab writes under its own client id, so that two tabs of one notebook do not write over each other.
 */
const PREFIX = "lectern.unsent.";
/** Without Web Locks nobody knows whether another tab still lives; what it has not touched for this long is taken from it. */
const ABANDONED_MS = 60_000;

const keyOf = (notebookId: string, owner: string) => `${PREFIX}${notebookId}.${owner}`;

/** Returns false when the browser would not keep it. */
export function storeUnsent(notebookId: string, owner: string, drafts: Draft[]): boolean {
  try {
    if (drafts.length === 0) localStorage.removeItem(keyOf(notebookId, owner));
    else localStorage.setItem(keyOf(notebookId, owner), JSON.stringify(drafts));
    return true;
  } catch {
    return false;
  }
}

function read(key: string): Draft[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(key) ?? "[]");
    return Array.isArray(stored) ? stored.filter(isDraft) : [];
  } catch {
    return [];
  }
}

/** Client ids of the tabs that live in this browser; null where the browser cannot tell. */
async function livingOwners(): Promise<Set<string> | null> {
  if (!("locks" in navigator)) return null;
  const { held = [] } = await navigator.locks.query();
  return new Set(held.map((lock) => (lock.name ?? "").replace("lectern-client-", "")));
}

/** Takes what this tab, or a tab that is gone, left behind. */
export async function takeUnsent(notebookId: string, own: string | null): Promise<Draft[]> {
  let keys: string[];
  try {
    keys = Object.keys(localStorage).filter((key) => key.startsWith(`${PREFIX}${notebookId}.`));
  } catch {
    return [];
  }
  if (keys.length === 0) return [];
  const living = await livingOwners().catch(() => null);
  let found: Draft[] = [];
  for (const key of keys) {
    const owner = key.slice(PREFIX.length + notebookId.length + 1);
    const drafts = read(key);
    const newest = Math.max(...drafts.map((draft) => new Date(draft.at).getTime()), 0);
    const abandoned = living ? !living.has(owner) : Date.now() - newest > ABANDONED_MS;
    if (owner !== own && !abandoned) continue;
    found = mergeDrafts(found, drafts);
    localStorage.removeItem(key);
  }
  return found;
}
