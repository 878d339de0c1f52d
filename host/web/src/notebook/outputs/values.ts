import { useEffect, useState } from "react";
import { say } from "../../i18n";
import type { BlobRef, Json, MimeBundle, MimeValue } from "../../wire/types";

export function isBlobRef(value: unknown): value is BlobRef {
  return typeof value === "object" && value !== null && typeof (value as BlobRef).$blob === "string";
}

export function blobUrl(blob: BlobRef): string {
  return `/blobs/${encodeURIComponent(blob.$blob)}`;
}

/** nbformat keeps long strings as lists of lines. */
export function textOf(value: Json): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.every((line) => typeof line === "string")) return value.join("");
  return JSON.stringify(value, null, 2);
}

/** What the page can show, best first. */
export const MIME_ORDER = [
  "application/vnd.jupyter.widget-view+json",
  "text/html",
  "text/markdown",
  "image/svg+xml",
  "image/png",
  "image/jpeg",
  "image/gif",
  "image/webp",
  "text/latex",
  "application/json",
  "application/javascript",
  "text/javascript",
  "text/plain",
] as const;

export function chooseMime(bundle: MimeBundle): string | null {
  const known = MIME_ORDER.find((mime) => bundle[mime] !== undefined);
  if (known) return known;
  const mimes = Object.keys(bundle);
  return mimes.find((mime) => mime.endsWith("+json")) ?? mimes.find((mime) => mime.startsWith("text/")) ?? mimes[0] ?? null;
}

export type Loaded = { state: "loading" } | { state: "ready"; text: string } | { state: "failed"; why: string };

/** The text of a value, fetched from the host's blobs where it is kept there. */
export function useText(value: MimeValue): Loaded {
  const sha = isBlobRef(value) ? value.$blob : null;
  const [fetched, setFetched] = useState<{ sha: string; loaded: Loaded } | null>(null);
  useEffect(() => {
    if (sha === null) return;
    const stop = new AbortController();
    fetch(blobUrl({ $blob: sha }), { signal: stop.signal, credentials: "same-origin" })
      .then(async (response): Promise<Loaded> => {
        if (!response.ok) return { state: "failed", why: say("output.answered", { status: response.status }) };
        return { state: "ready", text: await response.text() };
      })
      .catch((): Loaded => ({ state: "failed", why: say("output.not_fetched") }))
      .then((loaded) => !stop.signal.aborted && setFetched({ sha, loaded }));
    return () => stop.abort();
  }, [sha]);
  if (sha === null) return { state: "ready", text: textOf(value as Json) };
  return fetched?.sha === sha ? fetched.loaded : { state: "loading" };
}
