/** The past of a notebook, as the host tells it. */
export interface HistoryAuthor {
  client_id: string;
  label: string;
  device: string;
}

export interface CellTouch {
  cell_id: string;
  inserted: number;
  deleted: number;
  created?: boolean;
  removed?: boolean;
  moved?: boolean;
  changed?: boolean;
}

export interface Version {
  version: string;
  source: "client" | "restore" | "kernel" | "file" | "host" | "import" | "create" | "earlier" | "trimmed" | "recovered";
  started_at: string;
  ended_at: string;
  edits: number;
  authors: HistoryAuthor[];
  cells: CellTouch[];
  more_cells: number;
  restored?: string;
  restored_cell?: string;
}

export interface KeptCopy {
  version: string;
  name: string;
  at: string;
  bytes: number;
}

export interface HistoryPage {
  versions: Version[];
  next_before?: string;
  kept?: KeptCopy[];
}

export interface CellSide {
  cell_type: string;
  /** Absent where the answer would have been too large. */
  source?: string;
  bytes?: number;
}

export interface CellDifference {
  cell_id: string;
  change: "added" | "removed" | "changed";
  source_changed: boolean;
  type_changed: boolean;
  metadata_changed: boolean;
  moved: boolean;
  before?: CellSide;
  after?: CellSide;
}

export interface Comparison {
  cells: CellDifference[];
  unchanged: number;
  truncated: boolean;
}

/** What the history panel shows: a version, and what it is held against. */
export interface Look {
  version: string | null;
  against: "now" | "previous";
}
