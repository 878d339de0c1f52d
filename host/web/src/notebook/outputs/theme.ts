/** The page's colours and fonts, for frames that cannot see its style sheet. */
export function themeNow(): Record<string, string> {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(["--text", "--text-soft", "--border", "--surface", "--surface-soft", "--accent", "--sans", "--mono"].map((name) => [name, style.getPropertyValue(name)]));
}
