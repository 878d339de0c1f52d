import { createStore } from "../store/store";
import { readRoute, routeUrl, type Route } from "./route";

export const route = createStore<Route>(readRoute(window.location.search));

export function navigate(to: Partial<Route>, toTop = true): void {
  window.history.pushState(null, "", routeUrl(to));
  route.set(readRoute(window.location.search));
  if (toTop) window.scrollTo(0, 0);
}

window.addEventListener("popstate", () => route.set(readRoute(window.location.search)));
