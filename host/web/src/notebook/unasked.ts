const STORAGE_KEY = "lectern-unasked-completion";

/** Whether code completes after a dot by itself in this browser; it does as long as nobody has said otherwise. */
export function completesUnasked(): boolean {
  try {
    return localStorage.getItem(STORAGE_KEY) !== "off";
  } catch {
    return true;
  }
}

export function completeUnasked(wanted: boolean): void {
  try {
    if (wanted) localStorage.removeItem(STORAGE_KEY);
    else localStorage.setItem(STORAGE_KEY, "off");
  } catch {
    /* a browser that stores nothing goes on as it does */
  }
}
