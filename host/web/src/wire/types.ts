/** The shapes of lectern.v1 as the page reads them. Unknown keys and unknown ops are ignored, so only what is used is typed. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Capabilities {
  edit: boolean;
  interact: boolean;
}

export interface Person {
  client_id: string;
  label: string;
  device: string;
}

export interface Member extends Person {
  role: string;
  state: string;
  cell_id?: string;
}

export interface Room {
  epoch: number;
  editor: Person | null;
  reserved_until?: string | null;
  since?: string | null;
  members: Member[];
  /** What the policy shows. */
  policy?: Record<string, Json> | null;
}

export type CellType = "code" | "markdown" | "raw";

export interface NotebookCell {
  id: string;
  cell_type: CellType;
  source: string;
  metadata: Record<string, Json>;
}

export interface NotebookSnapshot {
  metadata: Record<string, Json>;
  cells: NotebookCell[];
  heads: string[];
  version: number;
}

export type KernelState = "none" | "starting" | "idle" | "busy" | "restarting" | "dead" | "unreachable";

export interface KernelStatus {
  state: KernelState;
  runtime: string;
  display_name?: string;
  environment?: string;
  error?: WireError | string | null;
}

export interface WireError {
  code: string;
  message: string;
  hint?: string;
  details?: Record<string, Json>;
  status?: number;
}

/** A large value that the host keeps by its content: fetched from /blobs/{sha256}. */
export interface BlobRef {
  $blob: string;
  size?: number;
  media_type?: string;
}

export type MimeValue = Json | BlobRef;
export type MimeBundle = Record<string, MimeValue>;

export type Output =
  | { output_type: "stream"; name: string; text: string | string[] | BlobRef }
  | { output_type: "display_data"; data: MimeBundle; metadata?: Record<string, Json> }
  | { output_type: "execute_result"; data: MimeBundle; metadata?: Record<string, Json>; execution_count?: number | null }
  | { output_type: "error"; ename: string; evalue: string; traceback: string[] };

export type OutputOp =
  | { op: "append"; output: Output }
  | { op: "append_text"; index?: number; text: string }
  | { op: "replace"; index: number; output: Output }
  | { op: "clear"; index?: number };

export type CellStatus = "queued" | "running" | "idle" | "error" | "cancelled";

export interface CellOp {
  cell_id: string;
  execution_id?: string;
  status?: CellStatus;
  execution_count?: number | null;
  outputs?: OutputOp[];
}

/** The host counts requests; the page only hands the value back. */
export type RequestId = string | number;

export interface InputRequest {
  request_id: RequestId;
  prompt: string;
  password: boolean;
  cell_id?: string;
}

export interface SaveState {
  state: "saved" | "saving" | "dirty" | "failed";
  path: string;
  error?: WireError | string | null;
  heads?: string[];
}

/** Something the policy offers beside a takeover. */
export interface PolicyAction {
  verb: string;
  label: string;
  tier?: string;
}

/** A cell that was changed here and in the file. `theirs` is missing where the file has no such cell any more. */
export interface CellConflict {
  cell_id: string;
  kind: "both_edited" | "deleted_here" | "deleted_there";
  theirs?: { cell_type: string; source: string };
}

/** The file was changed by somebody else; `choices` are what settles it, none when it is settled. */
export interface Conflict {
  path: string;
  choices: string[];
  message?: string;
  cells?: CellConflict[];
}

export interface TakeoverRequest {
  request_id: RequestId;
  from: Person;
  /** Whom it was put to, in the room's list of open requests. */
  asked?: Person | null;
  reason?: string;
  /** What the policy adds. */
  text?: string;
  deadline_ms: number;
  /** The deadline on this browser's clock. */
  until?: number;
}

export interface KernelReady {
  protocol: string;
  device_name: string;
  session_id: string;
  notebook_id: string;
  client: { id: string; secret?: string };
  actor: string;
  incarnation: number;
  resumed: boolean;
  replay: "snapshot" | "gap";
  consumer_capabilities: Capabilities;
  epoch?: number;
  stream: string;
  history_id: string;
  requests: TakeoverRequest[];
  capabilities: Record<string, Json>;
  room: Room;
  policy: { id: string; multi_editor: boolean; actions?: PolicyAction[] };
  /** After a crash: how much the file lacked. */
  recovered?: { edits: number; cells?: number };
  /** What the host has to say about the file: what was kept aside, upgraded, or why it is only read. */
  notices?: string[];
  notebook?: NotebookSnapshot;
  kernel: KernelStatus;
  seq: number;
}

export interface ModelMessage {
  method: "open" | "update" | "custom" | "close";
  target?: string;
  state?: Record<string, Json>;
  content?: Json;
  buffer_paths?: (string | number)[][];
}

export interface ModelLifecycle {
  model_id: string;
  revision: number;
  /** The client that wrote it; missing when it was the kernel. */
  origin?: string;
  cell_id?: string;
  message: ModelMessage;
  buffers?: string[];
}

/** Where somebody is inside a cell: cursors of its text, or a place they point at in thousandths of its size. */
export interface RemoteCursor {
  client_id: string;
  cell_id: string;
  anchor?: string;
  head?: string;
  /** `n` is new with each pointing. */
  pointer?: { x: number; y: number; n: number };
}

/** Every event the page acts on, by op. */
export interface EventMap {
  "kernel-ready": KernelReady;
  "replay-complete": { seq: number };
  resync: Record<string, never>;
  "consumer-capabilities": { consumer_capabilities: Capabilities; epoch?: number; reason?: string };
  "room-state": Room;
  "takeover-request": TakeoverRequest;
  "takeover-answer": { request_id: RequestId; allowed: boolean; reason?: string };
  "cell-op": CellOp;
  "kernel-status": KernelStatus;
  "input-request": InputRequest;
  "input-done": { request_id: RequestId };
  "model-lifecycle": ModelLifecycle;
  "focus-cell": { cell_id: string; by: Person };
  cursors: { cursors: RemoteCursor[] };
  gather: { cell_id: string; by: Person };
  "save-state": SaveState;
  "trust-state": { needs_approval?: boolean; dependencies?: string[] };
  conflict: Conflict;
  "policy-changed": { policy: string; multi_editor: boolean };
  closing: { reason: string; in_ms: number };
  notice: { text: string };
}

export type WireEvent = { [K in keyof EventMap]: { op: K; seq: number | null; data: EventMap[K] } }[keyof EventMap];

export interface Reply {
  id: string;
  ok: boolean;
  error?: WireError;
  [key: string]: unknown;
}

export interface ConnectionInfo {
  protocol: string;
  notebook_id: string;
  session_id: string;
  path: string;
  format: string;
  cell_count: number;
  needs_trust_approval: boolean;
  connect_url: string;
  remote?: RemoteDevice;
}

/** Where a session lives that is only attached here. */
export interface RemoteDevice {
  device_id: string;
  device_name: string;
}

/** A live session of this host, as its list shows it. */
export interface SessionRow {
  session_id: string;
  path: string;
  members: number;
  kernel_state?: string;
  /** When something last happened in it. */
  updated_at?: string;
  /** What its kernel and what that started use. */
  resources?: { rss: number; cpu_percent: number; processes: number } | null;
  remote?: RemoteDevice;
}

/** A live session of another device. */
export interface RemoteSession {
  session_id: string;
  device_id: string;
  device_name: string;
  title: string;
  status: string;
  needs_input?: boolean;
  updated_at?: string;
  dialable?: boolean;
}

export interface RuntimeRow {
  name: string;
  display_name: string;
  language: string;
}

export interface FileEntry {
  name: string;
  path: string;
  type: "directory" | "notebook" | "file";
  size?: number;
  modified?: string;
}
