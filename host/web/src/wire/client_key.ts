/**
 * The client key "id.secret" of this tab for one notebook, whose people the host still knows after a restart. It lives in sessionStorage, so
 * a reload keeps it and another tab never sees it, except a duplicated tab, which starts with a copy: a Web Lock on the id tells them apart.
 */
const PREFIX = "lectern.client.";

/** A reload may start the new page before the old one has let go of its lock. */
const LOCK_WAIT_MS = 400;

export function readKey(notebookId: string): string | null {
  const key = sessionStorage.getItem(PREFIX + notebookId);
  return key && key.includes(".") ? key : null;
}

export function writeKey(notebookId: string, id: string, secret: string): void {
  sessionStorage.setItem(PREFIX + notebookId, `${id}.${secret}`);
}

export function dropKey(notebookId: string): void {
  sessionStorage.removeItem(PREFIX + notebookId);
}

export function clientIdOf(key: string): string {
  return key.slice(0, key.lastIndexOf("."));
}

/** Ids this page holds: a lock is not granted twice, not even to its holder. */
const held = new Set<string>();

/** Holds the id for the life of the page. False when another tab of this browser has it: this tab is a copy and needs a new client. */
export function claimClient(id: string): Promise<boolean> {
  if (!("locks" in navigator) || held.has(id)) return Promise.resolve(true);
  return new Promise((resolve) => {
    const waiting = new AbortController();
    const timer = setTimeout(() => waiting.abort(), LOCK_WAIT_MS);
    navigator.locks
      .request(`lectern-client-${id}`, { signal: waiting.signal }, () => {
        clearTimeout(timer);
        held.add(id);
        resolve(true);
        return new Promise<void>(() => undefined);
      })
      .catch(() => resolve(false));
  });
}
