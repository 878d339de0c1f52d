import { api } from "../wire/http";
import type { ConnectionInfo } from "../wire/types";

let early: { path: string; info: Promise<ConnectionInfo> } | null = null;

/** Asks the host for the notebook before the page has drawn anything: it reads the file meanwhile. */
export function openEarly(path: string): void {
  early = { path, info: api.open(path) };
  // Whoever shows the notebook says why it could not be opened.
  early.info.catch(() => undefined);
}

/** What was asked for early, once; else asked for now. */
export function openNotebook(path: string): Promise<ConnectionInfo> {
  const known = early?.path === path ? early.info : null;
  early = null;
  return known ?? api.open(path);
}
