import type { Words } from "../i18n";
import type { Capabilities, KernelReady, NotebookSnapshot, Room, TakeoverRequest, WireEvent } from "../wire/types";
import { applyCellOp } from "./outputs";
import { nameOf } from "../room/names";
import type { NotebookState, SessionState } from "./session_state";

export function fromSnapshot(snapshot: NotebookSnapshot): NotebookState {
  const cells: NotebookState["cells"] = {};
  for (const cell of snapshot.cells) cells[cell.id] = { id: cell.id, cell_type: cell.cell_type, source: cell.source, metadata: cell.metadata ?? {} };
  return { order: snapshot.cells.map((cell) => cell.id), cells, metadata: snapshot.metadata ?? {} };
}

/** The open requests of the room: those put to this client, and its own. */
function openAsks(ready: KernelReady): TakeoverRequest[] {
  return (ready.requests ?? []).map((ask) => ({ ...ask, until: Date.now() + ask.deadline_ms }));
}

function ownAsk(ready: KernelReady): SessionState["asking"] {
  const mine = openAsks(ready).find((ask) => ask.asked && ask.from.client_id === ready.client.id);
  return mine?.asked ? { request_id: mine.request_id, asked: nameOf(mine.asked), until: mine.until ?? 0 } : null;
}

function onReady(state: SessionState, ready: KernelReady): SessionState {
  const fresh = ready.replay === "snapshot";
  const next: SessionState = {
    ...state,
    phase: "open",
    ended: null,
    closing: null,
    full: false,
    clientId: ready.client.id,
    deviceName: ready.device_name,
    capabilities: ready.consumer_capabilities,
    epoch: ready.epoch ?? null,
    room: ready.room,
    policy: ready.policy,
    kernel: ready.kernel,
    policyAsks: saysItAsks(ready.room) || (state.policyAsks && state.policy.id === ready.policy.id),
    asks: openAsks(ready).filter((ask) => !ask.asked || ask.asked.client_id === ready.client.id),
    asking: ownAsk(ready),
    recovered: ready.recovered?.edits ?? 0,
    recoveredCells: ready.recovered?.cells ?? 0,
    fileNotices: ready.notices ?? [],
    cursors: [],
    inputs: [], // those still open follow
    replaying: true,
  };
  if (!fresh) return next;
  // The document's own text wins once it is there: a snapshot's cells only bridge the time until then.
  const notebook = ready.notebook && !state.documentReady ? fromSnapshot(ready.notebook) : state.notebook;
  return { ...next, notebook, runs: {}, queue: [], conflict: null, untrusted: null };
}

function announce(before: Room, after: Room, me: string | null): Words | null {
  const was = before.editor?.client_id ?? null;
  const now = after.editor?.client_id ?? null;
  if (was === now) return null;
  if (now === null) return { key: "pen.now_free" };
  return now === me ? { key: "pen.now_you" } : { key: "pen.now_another", values: { name: nameOf(after.editor!) } };
}

function onRoom(state: SessionState, room: Room): SessionState {
  const said = state.policy.multi_editor ? null : announce(state.room, room, state.clientId);
  return { ...state, room, policyAsks: state.policyAsks || saysItAsks(room), ...(said ? { announcement: said } : {}) };
}

function onCapabilities(state: SessionState, capabilities: Capabilities, epoch: number | undefined): SessionState {
  const lost = state.capabilities.edit && !capabilities.edit;
  return {
    ...state,
    capabilities,
    epoch: capabilities.edit ? (epoch ?? state.epoch) : null,
    asking: capabilities.edit ? null : state.asking,
    asks: capabilities.edit ? state.asks : [],
    inputs: capabilities.interact ? state.inputs : [],
    notices: state.notices.filter((notice) => notice.place !== "banner"),
    ...(lost ? { announcement: { key: "pen.now_reader" as const } } : {}),
  };
}

/** A policy may show that it asks; the page offers "Ask" then, before anybody pressed. */
function saysItAsks(room: Room): boolean {
  return room.policy?.takeover === "ask";
}

function nextQueue(queue: string[], cellId: string, waits: boolean): string[] {
  if (waits) return queue.includes(cellId) ? queue : [...queue, cellId];
  return queue.includes(cellId) ? queue.filter((id) => id !== cellId) : queue;
}

/** Ops that drop the answerable questions of a kernel that is no longer there to hear the answer. */
const SILENT_KERNEL = new Set(["none", "restarting", "dead"]);

/** The state after one event of the wire. Pure; unknown ops change nothing. */
export function reduce(state: SessionState, event: WireEvent, now: number = Date.now()): SessionState {
  switch (event.op) {
    case "kernel-ready":
      return onReady(state, event.data);
    case "replay-complete":
      return { ...state, replaying: false, slow: false };
    case "resync":
      return { ...state, replaying: true };
    case "consumer-capabilities":
      return onCapabilities(state, event.data.consumer_capabilities, event.data.epoch);
    case "room-state":
      return onRoom(state, event.data);
    case "policy-changed":
      return {
        ...state,
        policy: { id: event.data.policy, multi_editor: event.data.multi_editor },
        policyAsks: false,
        announcement: { key: "pen.policy_changed", values: { policy: event.data.policy } },
      };
    case "kernel-status":
      return { ...state, kernel: event.data, inputs: SILENT_KERNEL.has(event.data.state) ? [] : state.inputs };
    case "cell-op": {
      const { cell_id } = event.data;
      const before = state.runs[cell_id];
      const run = applyCellOp(before, event.data, state.replaying ? null : now);
      if (run === before) return state;
      const done = run.status !== "running" && before?.status === "running";
      return {
        ...state,
        runs: { ...state.runs, [cell_id]: run },
        queue: nextQueue(state.queue, cell_id, run.status === "queued"),
        inputs: done && state.inputs.length > 0 ? [] : state.inputs,
      };
    }
    case "input-request":
      return { ...state, inputs: [...state.inputs.filter((known) => known.request_id !== event.data.request_id), event.data] };
    case "input-done":
      return { ...state, inputs: state.inputs.filter((known) => known.request_id !== event.data.request_id) };
    case "cursors":
      return { ...state, cursors: event.data.cursors.filter((cursor) => cursor.client_id !== state.clientId) };
    case "gather":
      return { ...state, gathering: event.data, announcement: { key: "people.gathers_plain", values: { name: nameOf(event.data.by) } } };
    case "save-state":
      return { ...state, save: event.data, conflict: event.data.state === "saved" ? null : state.conflict };
    case "conflict":
      return { ...state, conflict: event.data.choices?.length ? event.data : null };
    case "trust-state":
      return { ...state, untrusted: event.data.needs_approval ? (event.data.dependencies ?? []) : null };
    case "closing":
      return { ...state, closing: event.data.reason };
    case "takeover-request":
      return {
        ...state,
        asks: [...state.asks.filter((ask) => ask.request_id !== event.data.request_id), { ...event.data, until: now + event.data.deadline_ms }],
        announcement: { key: "pen.asks_plain", values: { name: nameOf(event.data.from) } },
      };
    case "takeover-answer":
      // To the asker it is the answer; to the one asked, that nothing has to be answered any more.
      return {
        ...state,
        asking: state.asking?.request_id === event.data.request_id ? null : state.asking,
        asks: state.asks.filter((ask) => ask.request_id !== event.data.request_id),
      };
    default:
      return state;
  }
}
