import { createStore } from "../store/store";
import { readRoute, routeUrl, type Route } from "./route";

export const route = createStore<Route>(readRoute(window.location.search));

export function navigate(to: Partial<Route>, toTop = true): void {
  window.history.pushState(null, "", routeUrl(to));
  route.set(readRoute(window.location.search));
  if (toTop) window.scrollTo(0, 0);
}

/** Which notebook of this tab a path is, where that was renamed while it was shown. */
const renamed = new Map<string, string>();
let renames = 0;

/** The same for as long as a path names the notebook that this tab shows, whatever it was called before. */
export function placeOf(path: string): string {
  return renamed.get(path) ?? path;
}

/** The notebook that is shown has another path now: the address says so, and nothing is opened anew. */
export function followFile(from: string, to: string): void {
  renames += 1;
  renamed.set(to, placeOf(from));
  renamed.set(from, `${from}\n${renames}`); // whatever comes to be there is another one
  window.history.replaceState(null, "", routeUrl({ ...route.get(), path: to }));
  route.set(readRoute(window.location.search));
}

window.addEventListener("popstate", () => route.set(readRoute(window.location.search)));
