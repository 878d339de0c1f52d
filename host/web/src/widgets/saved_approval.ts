/** Saved widget code that a person let run: per browser, by the code itself, and never in the notebook. */
const KEY = "lectern.widget-code";
const MOST = 50;

const listeners = new Set<() => void>();
let known: ReadonlySet<string> | null = null;

function read(): ReadonlySet<string> {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return new Set(Array.isArray(kept) ? kept.filter((one) => typeof one === "string") : []);
  } catch {
    return new Set();
  }
}

export const approvedHere = {
  get: (): ReadonlySet<string> => (known ??= read()),
  subscribe(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};

/** Whether saved widgets may run: they have no code of their own, or a person has let this very code run here. */
export function mayRun(code: string[], untrusted: boolean, approved = approvedHere.get()): boolean {
  return code.length === 0 || (!untrusted && approved.has(code.join("\0")));
}

export function approveHere(code: string): void {
  known = new Set([...approvedHere.get(), code].slice(-MOST));
  try {
    localStorage.setItem(KEY, JSON.stringify([...known]));
  } catch {
    // The browser keeps nothing more: it is approved for as long as this page is open.
  }
  for (const listener of [...listeners]) listener();
}
