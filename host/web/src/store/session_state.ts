import type { Words } from "../i18n";
import type {
  Capabilities,
  CellOp,
  CellStatus,
  CellType,
  Conflict,
  InputRequest,
  Json,
  KernelStatus,
  ModelLifecycle,
  Output,
  Person,
  PolicyAction,
  RemoteCursor,
  RequestId,
  Room,
  SaveState,
  TakeoverRequest,
  WireError,
} from "../wire/types";
import type { ConnectionPhase } from "../wire/connection";

export interface Cell {
  id: string;
  cell_type: CellType;
  source: string;
  metadata: Record<string, Json>;
}

export interface NotebookState {
  order: string[];
  cells: Record<string, Cell>;
  metadata: Record<string, Json>;
}

/** What running a cell left behind. */
export interface CellRun {
  outputs: Output[];
  status: CellStatus;
  execution_count: number | null;
  execution_id?: string;
  /** When this browser saw it start, and how long it took; unknown for runs from before it came. */
  startedAt?: number;
  tookMs?: number;
}

/** Unsent typing that the host would not take, kept for the person. */
export interface Draft {
  cell_id: string;
  /** The host's text the typing was made on. */
  base: string;
  text: string;
  at: string;
}

/** One thing that went wrong, shown where it happened: in a cell, in the banner or in the bar. */
export interface Notice {
  id: number;
  place: "bar" | "banner" | `cell:${string}`;
  error: WireError;
}

export interface SessionState {
  phase: ConnectionPhase;
  /** Why the line is closed for good. */
  ended: { code: number; reason: string } | null;
  /** The host said it is about to close this line, and why. */
  closing: string | null;
  /** The host closed the line because this tab took in too little; until all is here again. */
  slow: boolean;
  /** The host has not answered for a while to what was typed. */
  late: boolean;
  /** Nothing has come from the host for a while, not even an answer. */
  silent: boolean;
  /** The host took nobody else when this tab came last. */
  full: boolean;
  sessionId: string;
  clientId: string | null;
  deviceName: string;
  capabilities: Capabilities;
  epoch: number | null;
  room: Room;
  policy: { id: string; multi_editor: boolean; actions?: PolicyAction[] };
  kernel: KernelStatus;
  notebook: NotebookState | null;
  runs: Record<string, CellRun>;
  /** Cells that wait to run, in order. */
  queue: string[];
  replaying: boolean;
  documentReady: boolean;
  unsent: boolean;
  inputs: InputRequest[];
  save: SaveState | null;
  conflict: Conflict | null;
  /** Edits that the file lacked when the host came back after a crash, until the person has seen it. */
  recovered: number;
  /** Of so many cells it lacked what they showed. */
  recoveredCells: number;
  /** What the host said of the file when this tab came. */
  fileNotices: string[];
  /** What nobody on the host's machine has approved yet; null when nothing needs approval. */
  untrusted: string[] | null;
  asks: TakeoverRequest[];
  /** The policy puts a takeover to the editor: it says so, or has done it. */
  policyAsks: boolean;
  /** An ask of this tab that waits for the editor's answer. */
  asking: { request_id: RequestId; asked: string; until: number } | null;
  /** Where the others are inside cells. */
  cursors: RemoteCursor[];
  /** Somebody asks everybody to come to a cell; gone when it was answered. */
  gathering: { cell_id: string; by: Person } | null;
  drafts: Draft[];
  notices: Notice[];
  /** Read aloud by screen readers when the pen moves. */
  announcement: Words | null;
}

export const EMPTY_RUN: CellRun = { outputs: [], status: "idle", execution_count: null };

export function initialState(sessionId: string): SessionState {
  return {
    phase: "connecting",
    ended: null,
    closing: null,
    slow: false,
    late: false,
    silent: false,
    full: false,
    sessionId,
    clientId: null,
    deviceName: "",
    capabilities: { edit: false, interact: false },
    epoch: null,
    room: { epoch: 0, editor: null, members: [] },
    policy: { id: "", multi_editor: false },
    kernel: { state: "none", runtime: "" },
    notebook: null,
    runs: {},
    queue: [],
    replaying: true,
    documentReady: false,
    unsent: false,
    inputs: [],
    save: null,
    conflict: null,
    recovered: 0,
    recoveredCells: 0,
    fileNotices: [],
    untrusted: null,
    asks: [],
    policyAsks: false,
    asking: null,
    cursors: [],
    gathering: null,
    drafts: [],
    notices: [],
    announcement: null,
  };
}

export type { CellOp, ModelLifecycle };
