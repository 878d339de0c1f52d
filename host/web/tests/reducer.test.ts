import { describe, expect, it } from "vitest";
import { applyCellOp } from "../src/store/outputs";
import { reduce } from "../src/store/reducer";
import { initialState, type SessionState } from "../src/store/session_state";
import type { KernelReady, Room, WireEvent } from "../src/wire/types";

const person = (id: string) => ({ client_id: id, label: id.toUpperCase(), device: "box" });
const room = (editor: string | null, epoch = 1): Room => ({ epoch, editor: editor ? person(editor) : null, members: [] });
const ready = (extra: Partial<KernelReady> = {}): KernelReady => ({
  protocol: "lectern.v1",
  device_name: "box",
  session_id: "s",
  notebook_id: "n",
  client: { id: "me" },
  actor: "00",
  incarnation: 1,
  resumed: false,
  replay: "snapshot",
  consumer_capabilities: { edit: true, interact: true },
  epoch: 1,
  stream: "x",
  history_id: "h",
  requests: [],
  capabilities: {},
  room: room("me"),
  policy: { id: "local-takeover", multi_editor: false },
  notebook: { metadata: {}, cells: [{ id: "a", cell_type: "code", source: "1", metadata: {} }], heads: [], version: 1 },
  kernel: { state: "idle", runtime: "jupyter/python3" },
  seq: 4,
  ...extra,
});
const event = (op: string, data: unknown, seq: number | null = null) => ({ op, seq, data }) as WireEvent;
const after = (...events: WireEvent[]): SessionState => events.reduce(reduce, initialState("s"));

describe("session state", () => {
  it("shows the snapshot's cells at once", () => {
    const state = after(event("kernel-ready", ready()));
    expect(state.notebook?.order).toEqual(["a"]);
    expect(state).toMatchObject({ phase: "open", clientId: "me", epoch: 1, replaying: true });
    expect(reduce(state, event("replay-complete", { seq: 4 })).replaying).toBe(false);
  });

  it("keeps outputs over a gap and starts anew with a snapshot", () => {
    const output = { output_type: "stream", name: "stdout", text: "x" };
    const ran = after(event("kernel-ready", ready()), event("cell-op", { cell_id: "a", status: "running", outputs: [{ op: "append", output }] }));
    const gap = reduce(ran, event("kernel-ready", ready({ replay: "gap", notebook: undefined })));
    expect(gap.runs.a?.outputs).toHaveLength(1);
    expect(gap.notebook?.order).toEqual(["a"]);
    expect(reduce(ran, event("kernel-ready", ready())).runs).toEqual({});
  });

  it("turns reader at once, keeps nothing of the old epoch, and says so", () => {
    const state = after(event("kernel-ready", ready()), event("consumer-capabilities", { consumer_capabilities: { edit: false, interact: true }, reason: "taken over" }));
    expect(state).toMatchObject({ capabilities: { edit: false, interact: true }, epoch: null, announcement: { key: "pen.now_reader" } });
    const back = reduce(state, event("consumer-capabilities", { consumer_capabilities: { edit: true, interact: true }, epoch: 3 }));
    expect(back).toMatchObject({ capabilities: { edit: true }, epoch: 3 });
  });

  it("announces who has the pen", () => {
    const state = after(event("kernel-ready", ready()), event("room-state", room("ann", 2)));
    expect(state.announcement).toEqual({ key: "pen.now_another", values: { name: "ANN" } });
    expect(reduce(state, event("room-state", room(null, 2))).announcement).toEqual({ key: "pen.now_free" });
    expect(reduce(state, event("room-state", room("me", 3))).announcement).toEqual({ key: "pen.now_you" });
    const quiet = after(event("kernel-ready", ready({ policy: { id: "collaborative", multi_editor: true } })), event("room-state", room("ann", 2)));
    expect(quiet.announcement).toBeNull();
  });

  it("drops unanswered questions with the kernel that asked them", () => {
    const asked = after(event("kernel-ready", ready()), event("input-request", { request_id: 1, prompt: "?", password: true }));
    expect(asked.inputs).toHaveLength(1);
    expect(reduce(asked, event("kernel-status", { state: "busy", runtime: "" })).inputs).toHaveLength(1);
    expect(reduce(asked, event("kernel-status", { state: "dead", runtime: "" })).inputs).toHaveLength(0);
  });

  it("takes a question away once it is answered, and those nobody here may answer", () => {
    const ask = (request_id: string) => event("input-request", { request_id, prompt: "?", password: false });
    const asked = after(event("kernel-ready", ready()), ask("i1"), ask("i2"));
    expect(reduce(asked, event("input-done", { request_id: "i1" })).inputs).toMatchObject([{ request_id: "i2" }]);
    const viewer = event("consumer-capabilities", { consumer_capabilities: { edit: false, interact: false } });
    expect(reduce(asked, viewer).inputs).toEqual([]);
  });

  it("ignores ops it does not know", () => {
    const state = after(event("kernel-ready", ready()));
    expect(reduce(state, event("from-the-future", { x: 1 }))).toBe(state);
  });
});

describe("outputs", () => {
  const stream = (text: string) => ({ output_type: "stream" as const, name: "stdout", text });

  it("append, grow, are replaced and cleared", () => {
    let run = applyCellOp(undefined, { cell_id: "a", status: "running", outputs: [{ op: "append", output: stream("a") }] });
    run = applyCellOp(run, { cell_id: "a", outputs: [{ op: "append_text", index: 0, text: "b" }, { op: "append_text", text: "c" }] });
    expect(run.outputs).toEqual([stream("abc")]);
    run = applyCellOp(run, { cell_id: "a", outputs: [{ op: "replace", index: 0, output: stream("new") }, { op: "append", output: stream("2") }] });
    expect(run.outputs).toEqual([stream("new"), stream("2")]);
    expect(applyCellOp(run, { cell_id: "a", outputs: [{ op: "clear" }], status: "idle", execution_count: 3 })).toMatchObject({ outputs: [], status: "idle", execution_count: 3 });
  });

  it("ignore an index that is not there and stay the same object when nothing changed", () => {
    const run = applyCellOp(undefined, { cell_id: "a", outputs: [{ op: "append", output: stream("a") }] });
    expect(applyCellOp(run, { cell_id: "a", outputs: [{ op: "append_text", index: 5, text: "x" }] }).outputs).toEqual([stream("a")]);
    expect(applyCellOp(run, { cell_id: "a" })).toBe(run);
  });

  it("join text that nbformat keeps as lines", () => {
    const run = applyCellOp(undefined, { cell_id: "a", outputs: [{ op: "append", output: { output_type: "stream", name: "stdout", text: ["a\n", "b"] } }] });
    expect(applyCellOp(run, { cell_id: "a", outputs: [{ op: "append_text", text: "c" }] }).outputs).toEqual([stream("a\nbc")]);
  });
});
