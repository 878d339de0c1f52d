import { browserLabel } from "./browser_label";

const STORAGE_KEY = "lectern-name";
/** The host keeps 80 bytes; a name of Chinese characters has three each. */
export const LONGEST_NAME = 26;

/** What whoever uses this browser wants to be called; empty when nobody has said so. */
export function chosenName(): string {
  try {
    return localStorage.getItem(STORAGE_KEY) ?? "";
  } catch {
    return "";
  }
}

export function chooseName(name: string): void {
  try {
    if (name) localStorage.setItem(STORAGE_KEY, name);
    else localStorage.removeItem(STORAGE_KEY);
  } catch {
    /* a browser that stores nothing forgets it with the tab */
  }
}

/** What the others see. */
export function myLabel(): string {
  return chosenName() || browserLabel(navigator.userAgent);
}
