import type { Json } from "../wire/types";
import { fromPatch, toPatch, type Model, type Patch } from "./models";

const MIME = "application/vnd.jupyter.widget-state+json";
/** Where nbformat keeps it. */
export const SAVED_AT = ["widgets", MIME];

interface SavedModel {
  model_name: string;
  model_module: string;
  model_module_version?: string;
  state: Record<string, Json>;
  buffers?: { encoding: string; path: (string | number)[]; data: string }[];
}

function bytesOf(encoding: string, data: string): Uint8Array {
  if (encoding === "hex") return Uint8Array.from(data.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  return Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
}

function all(metadata: Record<string, Json> | undefined): Record<string, SavedModel> {
  const widgets = metadata?.widgets as Record<string, { version_major?: number; state?: Record<string, SavedModel> }> | undefined;
  const kept = widgets?.[MIME];
  return kept?.version_major === 2 && typeof kept.state === "object" && kept.state !== null ? kept.state : {};
}

/** A model of the notebook's own saved state, which shows what it showed and moves nothing. */
export function savedModel(metadata: Record<string, Json> | undefined, id: string): Model | null {
  const saved = all(metadata)[id];
  if (!saved || typeof saved.state !== "object") return null;
  const state: Record<string, Json> = { ...structuredClone(saved.state), _model_name: saved.model_name, _model_module: saved.model_module, _model_module_version: saved.model_module_version ?? "" };
  const buffers = saved.buffers ?? [];
  try {
    const entries: Patch = toPatch(state, buffers.map((one) => one.path), buffers.map((one) => bytesOf(one.encoding, one.data)));
    return { id, target: "jupyter.widget", cellId: "", generation: 0, revision: 0, entries };
  } catch {
    return null;
  }
}

/** Saved widgets that bring code of their own along: it runs only once a person has said so on this machine. Whatever shape it has, it counts. */
export function savedCode(metadata: Record<string, Json> | undefined): string[] {
  return Object.values(all(metadata)).flatMap((model) => {
    const code = model?.state?._esm ?? null;
    const packed = Array.isArray(model?.buffers) ? model.buffers.filter((one) => Array.isArray(one?.path) && String(one.path[0]) === "_esm") : [];
    return [...(code === null ? [] : [typeof code === "string" ? code : JSON.stringify(code)]), ...packed.map((one) => JSON.stringify(one))];
  });
}

function base64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** What the widgets of a kernel show, as notebooks keep it. Null when there are none. */
export function savedState(models: Model[]): Json | null {
  const state: Record<string, Json> = {};
  for (const model of models) {
    if (model.target !== "jupyter.widget") continue;
    const { state: whole, buffer_paths: paths, buffers } = fromPatch(model.entries);
    const kept = buffers.map((bytes, at) => ({ encoding: "base64", path: paths[at]!, data: base64(bytes) }));
    const { _model_name: name, _model_module: module, _model_module_version: version } = whole;
    state[model.id] = { model_name: name ?? "", model_module: module ?? "", model_module_version: version ?? "", state: whole, ...(kept.length > 0 ? { buffers: kept } : {}) };
  }
  return Object.keys(state).length === 0 ? null : { version_major: 2, version_minor: 0, state };
}
