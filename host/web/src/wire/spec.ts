// Written by scripts/spec_types.mjs from the host's openapi.json and asyncapi.json. Do not edit.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export type Error = {
  error: {
    /** stable, for programs */
    code: string;
    /** what was wrong and where */
    message: string;
    /** what to do */
    hint?: string;
    details?: JsonObject;
  };
};

export type Health = {
  status: "ok";
};

export type Info = {
  version: string;
  protocol: string;
  device_name: string;
  started_at?: string;
  root?: string;
  plugins: ({
    id: string;
    kind?: string;
    version?: string;
    state: string;
  })[];
  policy: Policy;
  /** what the asker's token may do */
  token?: {
    scope: string;
    session_id?: string;
  };
  runtimes?: ({
    name: string;
    display_name?: string;
    language?: string;
  })[];
  limits: JsonObject;
};

export type ConnectionInfo = {
  protocol: string;
  notebook_id: string;
  session_id: string;
  path: string;
  format: string;
  cell_count: number;
  needs_trust_approval: boolean;
  connect_url: string;
  remote?: Remote;
};

export type Remote = {
  device_id: string;
  device_name: string;
};

export type OpenRequest = {
  /** relative to the served root, or absolute inside it */
  path: string;
  /** when another host has the file: read it here, and follow what is saved there */
  watch?: boolean;
  /** default true: a path where nothing is yet is a new notebook, a folder gets an untitled one; false: 404 */
  create?: boolean;
};

export type CreateRequest = {
  /** <plugin>/<kernel>, or the kernel's name where only one plugin has it */
  runtime: string;
  working_dir?: string;
  path?: string;
  package_manager?: string;
  dependencies?: string[];
  /** no file of its own until it is saved somewhere; not with path */
  ephemeral?: boolean;
};

export type FileEntry = {
  name: string;
  path: string;
  type: "folder" | "notebook" | "file";
  size?: number;
  modified?: string;
};

export type FileList = {
  path: string;
  root?: string;
  entries: FileEntry[];
};

export type FolderRequest = {
  path: string;
};

export type RenameRequest = {
  from: string;
  /** the whole new path; its folder has to be there */
  to: string;
};

export type SessionSummary = {
  session_id: string;
  notebook_id?: string;
  path: string;
  title?: string;
  format?: string;
  runtime?: string;
  kernel_state?: string;
  editor?: string | null;
  epoch: number;
  members: number;
  cell_count?: number;
  started_at?: string;
  updated_at?: string;
  needs_input?: boolean;
  /** what the kernel and what it started use */
  resources?: {
    /** bytes */
    rss?: number;
    /** of one core */
    cpu_percent?: number;
    processes?: number;
  } | null;
  running?: boolean;
  remote?: Remote;
};

export type SessionList = {
  sessions: SessionSummary[];
};

export type Session = JsonObject;

export type HistoryAuthor = {
  client_id: string;
  label: string;
  device: string;
};

export type Version = {
  version: string;
  source: "client" | "restore" | "kernel" | "file" | "host" | "import" | "create" | "earlier" | "trimmed" | "recovered";
  /** by the host's clock */
  started_at: string;
  ended_at: string;
  edits: number;
  authors: HistoryAuthor[];
  cells: ({
    cell_id: string;
    inserted: number;
    deleted: number;
    created?: boolean;
    removed?: boolean;
    moved?: boolean;
    /** its type or metadata */
    changed?: boolean;
  })[];
  more_cells: number;
  restored?: string;
  restored_cell?: string;
  history_id?: string;
  heads?: string[];
};

export type History = {
  versions: Version[];
  /** there are older ones: ask with before= */
  next_before?: string;
  /** only without before */
  kept?: ({
    version: string;
    name: string;
    at: string;
    bytes: number;
  })[];
};

export type HistoryCell = {
  id?: string;
  cell_type: string;
  /** absent past 8 MB of sources in one answer */
  source?: string;
  /** where source is absent */
  bytes?: number;
};

export type HistoryDifference = {
  cell_id: string;
  change: "added" | "removed" | "changed";
  source_changed?: boolean;
  type_changed?: boolean;
  metadata_changed?: boolean;
  moved?: boolean;
  before?: HistoryCell;
  after?: HistoryCell;
};

export type HistoryVersion = {
  version: string;
  against?: string;
  about?: Version;
  /** with against what differs, else all */
  cells: (HistoryCell | HistoryDifference)[];
  unchanged?: number;
  truncated: boolean;
};

export type Blame = {
  cell_id: string;
  /** {version, source, at, author?} */
  last: JsonObject;
  /** {first, count, version?, source?, at?, author?} */
  lines: JsonObject[];
};

export type NewClientRequest = {
  label?: string;
  kind?: string;
  view_only?: boolean;
};

export type Capabilities = {
  edit: boolean;
  interact: boolean;
};

export type Room = JsonObject;

export type NewClient = {
  client: {
    id: string;
    secret: string;
  };
  /** single use, valid 30 s */
  ticket: string;
  consumer_capabilities: Capabilities;
  room: Room;
};

export type TakeoverRequest = {
  if_epoch?: number;
  reason?: string;
};

export type Takeover = {
  epoch?: number;
  editor?: JsonObject | null;
  consumer_capabilities?: Capabilities;
  asked?: JsonObject;
  request_id?: number;
  deadline_ms?: number;
};

export type TakeoverStatus = {
  request_id: number;
  state: "open" | "allowed" | "denied" | "withdrawn" | "expired";
  reason?: string;
  epoch?: number;
};

export type CommandBody = JsonObject;

export type CommandResult = JsonObject;

export type PolicyRequest = {
  policy: string;
  config?: JsonObject;
  dry_run?: boolean;
  watch_ms?: number;
};

export type TokenRequest = {
  scope: "view" | "interact" | "edit" | "admin";
  /** whom policies and clients know it as; unique */
  name?: string;
  /** of this session only */
  session_id?: string;
  /** from now; absent = until it is revoked */
  expires_ms?: number;
};

export type Token = {
  id: string;
  scope: string;
  principal: string;
  name?: string;
  session_id?: string;
  created_at: string;
  expires_at?: string;
};

export type NewToken = {
  /** shown this once */
  token: string;
  id: string;
  scope: string;
  principal: string;
};

export type TokenList = {
  tokens: Token[];
};

export type PairingRequest = {
  /** what the other device may do here; default edit */
  scope?: "view" | "interact" | "edit" | "admin";
  /** from now; default five minutes, at most an hour */
  expires_ms?: number;
};

export type PairingOffer = {
  /** shown this once; for one device */
  code: string;
  scope: string;
  expires_at: string;
  device_id: string;
  device_name: string;
  pin: string;
  addresses: string[];
};

export type PairingAcceptance = {
  device_id: string;
  device_name: string;
  /** sha256 of the device's public key (SPKI), hex */
  pin: string;
  /** 64 random hex digits */
  nonce: string;
  /** what the offering device may do there */
  grants: "none" | "view" | "interact" | "edit" | "admin";
  /** that it knows the code; without one it is only answered who offers */
  proof?: string;
  /** with a proof: the public key of the pin (SPKI, DER), base64 */
  key?: string;
  /** with a proof: by that key, base64; docs/pairing.md says of what */
  signature?: string;
};

export type PairingAnswer = {
  device_id?: string;
  device_name?: string;
  pin?: string;
  nonce?: string;
  grants?: string;
  proof?: string;
  key?: string;
  signature?: string;
};

export type PairingWithdrawal = {
  code: string;
};

export type PairingJoin = {
  /** host or host:port */
  address: string;
  code: string;
  /** what the offering device may do here; default view */
  scope?: "none" | "view" | "interact" | "edit" | "admin";
};

export type PairedDevice = {
  device_id: string;
  device_name: string;
  /** what it may do here */
  scope: string;
  /** what this device may do there */
  their_scope: string;
  pin: string;
  paired_at: string;
};

export type PairedDeviceList = {
  devices: PairedDevice[];
};

export type Policy = {
  policy: string;
  config: JsonObject;
  multi_editor?: boolean;
  generation?: number;
};

export type PolicySwap = {
  policy: string;
  sessions: ({
    session_id: string;
    ok: boolean;
  })[];
};

export type Plugin = {
  id: string;
  generation: number;
  sessions: JsonObject[];
};

export type PluginRow = {
  id: string;
  path: string;
  /** absent where the manifest could not be read */
  kind?: string;
  name?: string;
  version?: string;
  description?: string;
  unloadable?: boolean;
  trusted?: boolean;
  isolation?: "process" | "none";
  state: "loaded" | "available" | "refused";
  refused?: {
    code: string;
    message: string;
    hint: string;
  };
  generations: Generation[];
};

export type Generation = {
  number: number;
  state: "loaded" | "active" | "draining" | "quarantined";
  why?: string;
  sha256: string;
  build: string;
  loaded_at: string;
  load_us: number;
  calls: number;
  failures: number;
  slowest_us: number;
  p99_us: number;
  isolation: "process" | "none";
  restarts?: number;
  pid?: number;
  memory_bytes?: number;
  last_failure?: string;
  dropped_log_lines?: number;
  config_schema?: JsonObject;
  health?: {
    state: string;
    summary: string;
    details?: JsonObject;
  };
  breaches?: JsonObject[];
};

export type PluginList = {
  plugins: PluginRow[];
  search: string[];
};

export type RemoteSessionList = {
  sessions: ({
    session_id: string;
    device_id: string;
    device_name: string;
    title: string;
    status: string;
    needs_input?: boolean;
    updated_at?: string;
    dialable?: boolean;
  })[];
  backends?: JsonObject[];
  rejected?: JsonObject[];
  revision?: number;
};

/** The data of each event, by op. */
export interface Events {
  "kernel-ready": {
    /** always lectern.v1 */
    protocol: string;
    /** of this host; empty when it could not be found out */
    device_name: string;
    session_id: string;
    notebook_id: string;
    /** of the notebook's file */
    path: string;
    /** {id, secret?}: the secret only when it was just issued */
    client: JsonObject;
    /** hex; the author of this connection's Automerge changes */
    actor: string;
    /** of the connection; the newest of a client wins */
    incarnation: number;
    /** this client was a member already */
    resumed: boolean;
    /** what follows */
    replay: "snapshot" | "gap";
    /** {edit, interact} */
    consumer_capabilities: JsonObject;
    /** of this client's own grant, when it has one */
    epoch?: number;
    /** names this run of the seq counter */
    stream: string;
    /** documents of different histories never sync */
    history_id: string;
    /** open takeover requests: {request_id, from, asked, reason, deadline_ms} */
    requests: Json[];
    /** what this host offers: commands, transports, limits */
    capabilities: JsonObject;
    /** as in room-state */
    room: JsonObject;
    /** {id, multi_editor, actions} */
    policy: JsonObject;
    /** {edits}: after a crash, what the file lacked when the session began; GET .../history/saved?against=now */
    recovered?: JsonObject;
    /** for people: what was kept aside, upgraded or missing when the notebook was opened */
    notices?: string[];
    /** {metadata, cells, heads, version}; with a snapshot only */
    notebook?: JsonObject;
    /** as in kernel-status */
    kernel: JsonObject;
    /** of the last recorded event before this frame */
    seq: number;
  };
  "consumer-capabilities": {
    /** {edit, interact} */
    consumer_capabilities: JsonObject;
    /** of the receiver's own grant */
    epoch?: number;
    /** joined, takeover, taken_over, released, expired, policy, scope */
    reason: string;
  };
  "room-state": {
    /** the room's counter */
    epoch: number;
    /** {client_id, label, device} */
    editor: JsonObject | null;
    /** the editor is away; the pen is kept until then */
    reserved_until?: string;
    /** since when the editor has the pen */
    since: string | null;
    /** {client_id, label, role, state, device, cell_id?} */
    members: Json[];
    /** what the policy shows */
    policy?: JsonObject;
  };
  "takeover-request": {
    request_id: number;
    /** {client_id, label, device} */
    from: JsonObject;
    /** what the asker wrote; may be empty */
    reason: string;
    /** what the policy adds */
    text?: string;
    /** time left to answer */
    deadline_ms: number;
  };
  "takeover-answer": {
    request_id: number;
    allowed: boolean;
    reason: string;
  };
  "notebook-document-transaction": {
    /** {changes?, source, version, by, id?} */
    transaction: JsonObject;
  };
  "cell-op": {
    cell_id: string;
    /** absent for output of callbacks */
    execution_id?: string;
    status: "queued" | "running" | "idle" | "error" | "cancelled";
    execution_count?: number;
    /** {op, index?, text?, output?} */
    outputs?: Json[];
  };
  "kernel-status": {
    state: "none" | "starting" | "idle" | "busy" | "restarting" | "dead" | "unreachable";
    /** <plugin>/<kernel>; empty when there is none */
    runtime: string;
    /** the kernel's, for people */
    display_name?: string;
    /** folder of the environment it runs in; of a virtual one, conda's or pixi's */
    environment?: string;
    /** why it is dead or unreachable, or ended by the host */
    error?: string;
    /** why the host ended it */
    reason?: "culled" | "memory";
    /** what will end it if it goes on */
    warning?: string;
  };
  "input-request": {
    request_id: string;
    prompt: string;
    password: boolean;
    /** the cell that asks; absent outside of a run */
    cell_id?: string;
  };
  "input-done": {
    request_id: string;
  };
  "model-lifecycle": {
    model_id: string;
    revision: number;
    /** the client whose write this is */
    origin?: string;
    cell_id?: string;
    /** {method, state?, content?, buffer_paths?} */
    message: JsonObject;
    /** base64; empty with buffers=binary, where they precede the event */
    buffers: Json[];
  };
  "focus-cell": {
    cell_id: string;
    /** {client_id, label, device} */
    by: JsonObject;
  };
  cursors: {
    /** all that are shown, at most 32: {client_id, cell_id, anchor?, head?, pointer?: {x, y, n}}; x and y are thousandths of the cell, n is new with each pointing */
    cursors: Json[];
  };
  gather: {
    cell_id: string;
    /** {client_id, label, device} */
    by: JsonObject;
  };
  "save-state": {
    state: "saved" | "saving" | "dirty" | "failed";
    path: string;
    /** {code, message, hint?} */
    error?: JsonObject;
    /** of the content that is in the file */
    heads: string[];
  };
  "trust-state": {
    needs_approval: boolean;
    /** what was looked at when it was approved */
    heads?: string[];
    /** those nobody on this machine has approved yet */
    dependencies?: string[];
  };
  conflict: {
    path: string;
    /** what may be done: resolve, overwrite, save_as; empty: it is over */
    choices: string[];
    message?: string;
    /** {cell_id, kind: both_edited|deleted_here|deleted_there, theirs?: {cell_type, source}} */
    cells?: Json[];
  };
  "policy-changed": {
    policy: string;
    multi_editor: boolean;
  };
  closing: {
    /** SHUTDOWN, SESSION_ENDED or EXPIRED */
    reason: string;
    in_ms: number;
  };
  notice: {
    text: string;
  };
  resync: {
    reason: string;
  };
  "replay-complete": {
    seq: number;
  };
  reply: {
    /** of the command */
    id: string;
    ok: boolean;
    /** {code, message, hint?, details?, status} */
    error?: JsonObject;
  };
}

/** The body of each command, by name. */
export interface Commands {
  complete: {
    /** the cell's text */
    code: string;
    /** in code points */
    cursor_pos: number;
  };
  inspect: {
    /** the cell's text */
    code: string;
    /** in code points */
    cursor_pos: number;
    /** 0 or 1 */
    detail_level?: number;
  };
  is_complete: {
    code: string;
  };
  history: {
    /** default: tail */
    hist_access_type?: "range" | "tail" | "search";
    /** how many; of tail and search */
    n?: number;
    /** of search */
    pattern?: string;
    /** outputs too (default false) */
    output?: boolean;
    /** as it was typed (default true) */
    raw?: boolean;
  };
  room: JsonObject;
  focus: {
    cell_id: string;
    line?: number;
    column?: number;
  };
  cursor: {
    /** absent: nothing is shown any more */
    cell_id?: string;
    /** Automerge cursor of the cell's source: where the selection began */
    anchor?: string;
    /** the same: where the cursor is */
    head?: string;
    /** {x, y}: parts of the cell's width and height, from 0 to 1 */
    pointer?: JsonObject;
  };
  variables: JsonObject;
  takeover: {
    /** the room's epoch the asker saw; 409 when it moved on */
    if_epoch?: number;
    /** shown to whoever is asked; at most 280 characters */
    reason?: string;
  };
  answer: {
    request_id: number;
    allow: boolean;
  };
  withdraw: {
    request_id: number;
  };
  act: {
    /** one of the policy's actions */
    verb: string;
    /** client id */
    target?: string;
    data?: Json;
  };
  sync: {
    /** hex hashes the client has */
    heads: string[];
    history_id?: string;
  };
  model: {
    model_id: string;
    /** {method, state?, content?, buffer_paths?} */
    message: JsonObject;
    /** base64, in the order of message.buffer_paths */
    buffers?: string[];
  };
  input: {
    request_id: string;
    value: string;
  };
  transaction: {
    /** each {type, ...} */
    changes: Json[];
    /** what splices count at */
    base_version?: number;
  };
  restore: {
    /** of GET .../history; also "file" and "copy-<ms>" */
    version: string;
    /** only this cell */
    cell_id?: string;
  };
  undo: JsonObject;
  redo: JsonObject;
  execute: {
    /** cells to run, in this order */
    cell_ids?: string[];
    /** code to run outside any cell */
    code?: string;
    /** false: a cell that fails does not cancel those after it (default true) */
    stop_on_error?: boolean;
  };
  interrupt: JsonObject;
  restart: {
    /** true: runs all code cells afterwards, in the notebook's order */
    run_all?: boolean;
    /** of that run, as in execute */
    stop_on_error?: boolean;
  };
  shutdown_kernel: JsonObject;
  start_kernel: {
    /** <plugin>/<kernel>; default: the notebook's */
    runtime?: string;
  };
  save: {
    /** save under another path */
    path?: string;
    /** also over somebody else's change of the file */
    overwrite?: boolean;
  };
  resolve: {
    /** {cell_id, choice: ours|theirs|both}, for cells of the event conflict */
    choices: Json[];
  };
  clear_outputs: {
    /** default: all cells */
    cell_ids?: string[];
  };
  format: {
    /** the cell's text */
    code: string;
  };
  gather: {
    cell_id: string;
  };
  trust: {
    /** of the document the person looked at; 409 when it is another now */
    heads: string[];
  };
  release: JsonObject;
}
