import { api } from "../wire/http";
import type { ConnectionInfo } from "../wire/types";

declare global {
  interface Window {
    /** What `public/early.js` asked the host before the page's own code was here. */
    lecternEarly?: { path: string; response: Promise<Response> };
  }
}

/** Which notebook: by its path here, or by the id of the session that another device has of it. */
export type Where = { path: string; remote?: undefined } | { path?: undefined; remote: string };

export function openAgain(where: Where): Promise<ConnectionInfo> {
  return where.remote === undefined ? api.open(where.path) : api.attach(where.remote);
}

/** Opens a notebook, with what was asked for early where it is the same. */
export function openNotebook(where: Where): Promise<ConnectionInfo> {
  if (where.remote !== undefined) return openAgain(where);
  const { path } = where;
  const early = window.lecternEarly;
  delete window.lecternEarly;
  return early?.path === path ? api.opened(early.response) : api.open(path);
}
