import { say } from "../i18n";
import type { Comparison, HistoryPage } from "../history/history_types";
import type { DeviceRow, HostInfo, PairingOffer, PluginRow, PolicyAnswer, PolicyChoice, ReloadAnswer } from "./host_types";
import type { ConnectionInfo, FileEntry, Json, RuntimeRow, WireError } from "./types";

/** An answer of the host that is not a success, with its own words. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly body: WireError,
  ) {
    super(body.message);
    this.name = "ApiError";
  }
}

async function readError(response: Response): Promise<WireError> {
  try {
    const body = (await response.json()) as { error?: WireError };
    if (body.error && typeof body.error.message === "string") return body.error;
  } catch {
    /* not JSON: say what is known */
  }
  return { code: `http_${response.status}`, message: `The host answered ${response.status} ${response.statusText}`.trim() };
}

function request<T>(method: string, path: string, body?: unknown, keepalive = false): Promise<T> {
  const raw = body instanceof Blob;
  return answerOf<T>(
    fetch(path, {
      method,
      credentials: "same-origin",
      keepalive,
      headers: body === undefined ? {} : { "Content-Type": raw ? "application/octet-stream" : "application/json" },
      ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
    }),
  );
}

async function answerOf<T>(asked: Promise<Response>): Promise<T> {
  let response: Response;
  try {
    response = await asked;
  } catch {
    throw new ApiError(0, { code: "unreachable", message: say("trouble.unreachable"), hint: say("trouble.unreachable_hint") });
  }
  if (!response.ok) throw new ApiError(response.status, await readError(response));
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/** The bytes of a file as the host gives them out. */
async function bytesOf(path: string): Promise<Blob> {
  const response = await fetch(path, { credentials: "same-origin" }).catch(() => null);
  if (!response) throw new ApiError(0, { code: "unreachable", message: say("trouble.unreachable"), hint: say("trouble.unreachable_hint") });
  if (!response.ok) throw new ApiError(response.status, await readError(response));
  return response.blob();
}

export interface Listing {
  path: string;
  entries: FileEntry[];
}

/** The host's listing in one shape, whichever of the known keys it uses. */
export function normaliseListing(path: string, raw: Json): Listing {
  const source = raw as { path?: string; entries?: Json[]; files?: Json[] } | Json[];
  const list = Array.isArray(source) ? source : (source.entries ?? source.files ?? []);
  const entries = list.map((item): FileEntry => {
    const entry = item as Record<string, Json>;
    const name = String(entry.name ?? "");
    const type = String(entry.type ?? entry.kind ?? "file");
    return {
      name,
      path: String(entry.path ?? (path ? `${path}/${name}` : name)),
      type: type === "directory" || type === "folder" || type === "dir" ? "directory" : type === "notebook" || name.endsWith(".ipynb") ? "notebook" : "file",
      ...(typeof entry.size === "number" ? { size: entry.size } : {}),
      ...(typeof entry.modified === "string" ? { modified: entry.modified } : {}),
    };
  });
  return { path, entries };
}

/** Of one session, or of every session of the host and those to come. */
function policyPath(session: string | undefined): string {
  return session === undefined ? "/api/v1/policy" : `/api/v1/sessions/${encodeURIComponent(session)}/policy`;
}

export const api = {
  async files(path: string): Promise<Listing> {
    return normaliseListing(path, await request<Json>("GET", `/api/v1/files?path=${encodeURIComponent(path)}`));
  },
  /** Bytes into the served folder; over a file that is there only when asked to. */
  upload: (path: string, file: Blob, overwrite: boolean) => request<Json>("POST", `/api/v1/files/content?path=${encodeURIComponent(path)}${overwrite ? "&overwrite=true" : ""}`, file),
  makeFolder: (path: string) => request<Json>("POST", "/api/v1/files/folder", { path }),
  /** Another name or place; the sessions of open notebooks, in a folder too, go along. Never over anything. */
  renameFile: (from: string, to: string) => request<Json>("POST", "/api/v1/files/rename", { from, to }),
  /** A folder with something in it only when all of that is to go. */
  deleteFile: (path: string, recursive = false) => request<void>("DELETE", `/api/v1/files?path=${encodeURIComponent(path)}${recursive ? "&recursive=true" : ""}`),
  fileBytes: (path: string) => bytesOf(`/api/v1/files/content?path=${encodeURIComponent(path)}`),
  notebookBytes: (session: string) => bytesOf(`/api/v1/sessions/${encodeURIComponent(session)}/file`),
  sessions: () => request<Json>("GET", "/api/v1/sessions"),
  history: (session: string, before?: string) => request<HistoryPage>("GET", `/api/v1/sessions/${encodeURIComponent(session)}/history${before === undefined ? "" : `?before=${encodeURIComponent(before)}`}`),
  historyVersion: (session: string, version: string, against: string) => request<Comparison>("GET", `/api/v1/sessions/${encodeURIComponent(session)}/history/${encodeURIComponent(version)}?against=${encodeURIComponent(against)}`),
  endSession: (id: string) => request<void>("DELETE", `/api/v1/sessions/${encodeURIComponent(id)}`),
  /** Opens a session of another device here; at once when it is open already. */
  attach: (session: string) => request<ConnectionInfo>("POST", `/api/v1/remote/${encodeURIComponent(session)}/attach`, {}),
  devices: async () => (await request<{ devices: DeviceRow[] }>("GET", "/api/v1/devices")).devices,
  unpair: (device: string) => request<void>("DELETE", `/api/v1/devices/${encodeURIComponent(device)}`),
  pair: (scope: string) => request<PairingOffer>("POST", "/api/v1/pairing", { scope }),
  /** Also while the page is being closed. */
  withdrawPairing: (code: string) => request<void>("POST", "/api/v1/pairing/withdraw", { code }, true),
  /** The other way round: takes what another device offers. */
  joinPairing: (address: string, code: string, scope: string) => request<DeviceRow>("POST", "/api/v1/pairing/join", { address, code, scope }),
  presence: () => request<Json>("GET", "/api/v1/presence"),
  mintToken: (body: { scope: string; session_id: string; expires_ms: number }) => request<{ token: string }>("POST", "/api/v1/tokens", body),
  info: () => request<HostInfo>("GET", "/api/v1/info"),
  async runtimes(): Promise<RuntimeRow[]> {
    return (await api.info()).runtimes ?? [];
  },
  async plugins(): Promise<PluginRow[]> {
    return (await request<{ plugins: PluginRow[] }>("GET", "/api/v1/plugins")).plugins;
  },
  /** With the schema of its settings, also when nobody uses it. */
  plugin: (id: string) => request<PluginRow>("GET", `/api/v1/plugins/${encodeURIComponent(id)}`),
  reloadPlugin: (id: string) => request<ReloadAnswer>("POST", `/api/v1/plugins/${encodeURIComponent(id)}/reload`, {}),
  policy: (session?: string) => request<PolicyChoice>("GET", policyPath(session)),
  setPolicy: (session: string | undefined, body: PolicyChoice & { dry_run?: boolean; watch_ms?: number }) => request<PolicyAnswer>("PUT", policyPath(session), body),
  /** The answer to an `open` that is under way. */
  opened: (asked: Promise<Response>) => answerOf<ConnectionInfo>(asked),
  open: (path: string) => request<ConnectionInfo>("POST", "/api/v1/notebooks/open", { path, create: false }),
  /** On another device, and opened here. */
  createOn: (device: string, body: { runtime: string; path?: string }) => request<ConnectionInfo>("POST", `/api/v1/remote/${encodeURIComponent(device)}/create`, body),
  create: (body: { runtime: string; path?: string; working_dir?: string }) => request<ConnectionInfo>("POST", "/api/v1/notebooks/create", body),
};

export function toWireError(error: unknown): WireError {
  if (error instanceof ApiError) return { ...error.body, status: error.status };
  return { code: "page_error", message: error instanceof Error ? error.message : String(error) };
}
