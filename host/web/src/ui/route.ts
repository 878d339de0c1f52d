/** How a notebook is looked at. Kiosk is not one of them: it is a promise about the whole tab, made by its address. */
export const VIEWS = ["edit", "read", "present", "slides", "grid"] as const;
export type View = (typeof VIEWS)[number];

/** Where the page is, as its address says: `/` with `dir`, `/?path=notebook`, or `/?session=id` for a session of another device. */
export interface Route {
  path: string | null;
  session: string | null;
  dir: string;
  view: View;
}

export function readRoute(search: string): Route {
  const query = new URLSearchParams(search);
  const view = query.get("view") as View | null;
  return { path: query.get("path"), session: query.get("session"), dir: query.get("dir") ?? "", view: view && VIEWS.includes(view) ? view : "edit" };
}

/** `?kiosk` on its own or with a truthy value: watch only, no banner, never the pen. */
export function isKiosk(search: string = window.location.search): boolean {
  const value = new URLSearchParams(search).get("kiosk");
  return value !== null && value !== "false" && value !== "0";
}

export function routeUrl(route: Partial<Route>, search: string = window.location.search): string {
  const query = new URLSearchParams();
  if (route.path) query.set("path", route.path);
  else if (route.session) query.set("session", route.session);
  else if (route.dir) query.set("dir", route.dir);
  if ((route.path || route.session) && route.view && route.view !== "edit") query.set("view", route.view);
  if (isKiosk(search)) query.set("kiosk", "");
  const text = query.toString().replace(/=(?=&|$)/g, "").replaceAll("%2F", "/");
  return text ? `/?${text}` : "/";
}

/** The token was swapped for a cookie by the host: it has no business in the address bar or the history. */
export function dropTokenFromAddress(): void {
  const url = new URL(window.location.href);
  if (!url.searchParams.has("token")) return;
  url.searchParams.delete("token");
  window.history.replaceState(null, "", url.pathname + url.search + url.hash);
}

/** How this tab hears of widget models. Both ways tell the same; `?models=document` is for who would see the other one. */
export function modelsFace(): "events" | "document" {
  return new URLSearchParams(window.location.search).get("models") === "document" ? "document" : "events";
}
