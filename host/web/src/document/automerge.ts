/**
 * Automerge and its wasm (1.1 MB compressed), loaded once and only when asked for: cells are on the screen before. The module is passed around
 * instead of imported, so that nothing pulls it into the first load.
 */
export type Automerge = typeof import("@automerge/automerge/slim");
export type { Doc, Patch } from "@automerge/automerge/slim";

let loading: Promise<Automerge> | null = null;

async function load(): Promise<Automerge> {
  const [automerge, wasm] = await Promise.all([import("@automerge/automerge/slim"), import("@automerge/automerge/automerge.wasm?url")]);
  await automerge.initializeWasm(wasm.default);
  return automerge;
}

export function loadAutomerge(): Promise<Automerge> {
  loading ??= load().catch((error: unknown) => {
    loading = null;
    throw error;
  });
  return loading;
}
