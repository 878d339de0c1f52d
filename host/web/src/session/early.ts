import { api } from "../wire/http";
import type { ConnectionInfo } from "../wire/types";

declare global {
  interface Window {
    /** What `public/early.js` asked the host before the page's own code was here. */
    lecternEarly?: { path: string; response: Promise<Response> };
  }
}

/** Opens a notebook, with what was asked for early where it is the same. */
export function openNotebook(path: string): Promise<ConnectionInfo> {
  const early = window.lecternEarly;
  delete window.lecternEarly;
  return early?.path === path ? api.opened(early.response) : api.open(path);
}
