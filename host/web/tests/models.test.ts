import { describe, expect, it, vi } from "vitest";
import { fromPatch, Models, toPatch, type DocumentModel, type ModelChange, type WireWrite } from "../src/widgets/models";
import { savedCode, savedModel, savedState } from "../src/widgets/saved";
import type { Json, ModelLifecycle, ModelMessage, Reply } from "../src/wire/types";

interface Sent {
  id: string;
  message: WireWrite;
  buffers: Uint8Array[];
  answer(reply: Partial<Reply>): Promise<void>;
}

/** A store whose host answers when the test says so. */
function setUp() {
  const sent: Sent[] = [];
  const changes: ModelChange[] = [];
  const models = new Models(
    (id, message, buffers) =>
      new Promise((resolve) => {
        const answer = async (reply: Partial<Reply>) => {
          resolve({ id: "x", ok: true, ...reply });
          await new Promise((done) => setTimeout(done));
        };
        sent.push({ id, message, buffers, answer });
      }),
  );
  models.subscribe((change) => changes.push(change));
  const event = (revision: number, message: ModelMessage, more: Partial<ModelLifecycle> = {}, buffers: Uint8Array[] = []) => models.event({ model_id: "m", revision, message, ...more }, buffers);
  const open = (state: Record<string, Json> = { value: 0, other: "a" }) => event(1, { method: "open", target: "jupyter.widget", state });
  const update = (revision: number, state: Record<string, Json>) => event(revision, { method: "update", state });
  const value = (key = "value") => models.get("m")?.entries.get(key)?.value;
  const write = (state: Record<string, Json>, from: object = {}) => models.write("m", toPatch(state, [], []), from);
  const document = (revision: number, state: Record<string, Json>, order = 1) =>
    models.document(new Map<string, DocumentModel>([["m", { target: "jupyter.widget", cellId: "", order, revision, entries: toPatch(state, [], []) }]]));
  return { models, sent, changes, event, open, update, value, write, document };
}

const bytes = (...values: number[]) => new Uint8Array(values);

describe("the models of a tab", () => {
  it("follow events, top-level key by key, buffers with their keys", () => {
    const { models, event, open, update, value, changes } = setUp();
    open({ value: 0, image: { width: 2 } });
    event(2, { method: "update", state: { image: { width: 3 } }, buffer_paths: [["image", "data"], ["raw"]] }, {}, [bytes(1, 2), bytes(9)]);
    expect(fromPatch(models.get("m")!.entries)).toEqual({ state: { value: 0, image: { width: 3 } }, buffer_paths: [["image", "data"], ["raw"]], buffers: [bytes(1, 2), bytes(9)] });
    update(3, { image: null });
    expect(fromPatch(models.get("m")!.entries).buffer_paths).toEqual([["raw"]]);
    update(2, { value: 99 });
    expect(value()).toBe(99); // each key has its own revision
    update(2, { value: 98 });
    expect(value()).toBe(99);
    event(4, { method: "close" });
    expect(models.get("m")).toBeUndefined();
    expect(changes.map((change) => change.kind)).toEqual(["open", "update", "update", "update", "close"]);
  });

  it("tell custom messages of the kernel once, and not what other clients said to it", () => {
    const { event, open, changes } = setUp();
    event(1, { method: "custom", content: "too early" });
    open();
    event(1, { method: "custom", content: "mine" });
    event(1, { method: "custom", content: "to the kernel" }, { origin: "somebody" });
    expect(changes.filter((change) => change.kind === "custom")).toMatchObject([{ content: "mine" }]);
  });

  it("let a write stand at once, and tell the other frames of this tab", () => {
    const { open, write, value, changes, sent } = setUp();
    open();
    const frame = {};
    write({ value: 5 }, frame);
    expect(value()).toBe(5);
    expect(changes.at(-1)).toMatchObject({ kind: "update", keys: ["value"], from: frame });
    expect(sent.map((one) => one.message.state)).toEqual([{ value: 5 }]);
  });

  it("never put an older value of others over a newer one of their own", async () => {
    const { open, update, write, value, sent, changes } = setUp();
    open();
    write({ value: 5 });
    update(2, { value: 100, other: "theirs" }); // by the host's order, before ours
    expect([value(), value("other")]).toEqual([5, "theirs"]);
    await sent[0]!.answer({ revision: 3 });
    expect(value()).toBe(5);
    const before = changes.length;
    update(2, { value: 100 }); // and not when it comes late either
    expect([value(), changes.length]).toEqual([5, before]);
    update(4, { value: 6 });
    expect(value()).toBe(6);
  });

  it("end with the host's last word, whoever had it", async () => {
    const { open, update, write, value, sent } = setUp();
    open();
    write({ value: 5 });
    update(3, { value: 100 });
    expect(value()).toBe(5);
    await sent[0]!.answer({ revision: 2 });
    expect(value()).toBe(100);
  });

  it("have the last of several writes that the host merged, which it answers with one revision", async () => {
    const { sent, changes, open, update, value, write } = setUp();
    open();
    write({ value: 11 });
    write({ value: 12 });
    await sent[0]!.answer({ revision: 9 });
    await sent[1]!.answer({ revision: 9 });
    expect(value()).toBe(12);
    expect(changes.filter((change) => change.kind === "update" && change.from === null)).toEqual([]);
    update(10, { value: 13 });
    expect(value()).toBe(13);
    write({ value: 14 });
    await sent[2]!.answer({ ok: false });
    expect(value()).toBe(13);
  });

  it("take back what the host refuses", async () => {
    const { open, update, write, value, sent, changes } = setUp();
    open();
    write({ value: 5 });
    update(2, { value: 50 });
    await sent[0]!.answer({ ok: false, error: { code: "read_only", message: "" } });
    expect(value()).toBe(50);
    expect(changes.at(-1)).toMatchObject({ keys: ["value"], from: null });
    write({ value: 51 });
    await sent[1]!.answer({ ok: false, error: { code: "read_only", message: "" } });
    expect(value()).toBe(50);
  });

  it("take back what cannot be sent, and go on", async () => {
    const changes: ModelChange[] = [];
    const sent: WireWrite[] = [];
    const models = new Models((_id, message) => {
      JSON.stringify(message); // what a frame hands over may be more than JSON
      sent.push(message);
      return Promise.resolve({ id: "x", ok: true, revision: 2 });
    });
    models.subscribe((change) => changes.push(change));
    models.event({ model_id: "m", revision: 1, message: { method: "open", state: { value: 0 } } }, []);
    for (let at = 0; at < 5; at += 1) models.write("m", toPatch({ value: 1n as unknown as Json }, [], []), {});
    await new Promise((done) => setTimeout(done));
    expect(models.get("m")!.entries.get("value")!.value).toBe(0);
    expect(changes.at(-1)).toMatchObject({ kind: "update", keys: ["value"], from: null });
    models.write("m", toPatch({ value: 7 }, [], []), {});
    expect(sent).toMatchObject([{ state: { value: 7 } }]);
  });

  it("keep what was said before a frame is there, within 16 MiB", () => {
    const { models, event, open } = setUp();
    open();
    for (let at = 0; at < 3; at += 1) event(1, { method: "custom", content: at }, {}, [new Uint8Array(7 << 20)]);
    expect(models.takeEarly("m").map((one) => one.content)).toEqual([0, 1]);
  });

  it("merge what is written faster than the host answers, but no custom message, and keep the order", async () => {
    const { models, open, write, sent } = setUp();
    open();
    for (let at = 1; at <= 20; at += 1) write({ value: at });
    expect(sent.map((one) => one.message.state)).toEqual([{ value: 1 }, { value: 2 }, { value: 3 }, { value: 4 }]);
    models.custom("m", "a", []);
    write({ value: 21 });
    models.custom("m", "b", [bytes(1)]);
    const told = sent.slice(4).map((one) => one.message.state ?? one.message.content);
    expect(told).toEqual([{ value: 20 }, "a", { value: 21 }, "b"]);
    write({ value: 22, other: "b" });
    write({ value: 23 });
    for (let at = 0; at < 6; at += 1) await sent[at]!.answer({ revision: at + 2 });
    expect(sent.at(-1)!.message.state).toEqual({ value: 23, other: "b" });
  });

  it("leave a reaction to another client's write to that client, and speak up when it does not react", async () => {
    vi.useFakeTimers();
    const { models, event, open, value, sent } = setUp();
    const react = (state: Record<string, Json>) => models.write("m", toPatch(state, [], []), {}, "source");
    open({ value: 0 });
    models.event({ model_id: "source", revision: 1, message: { method: "open", state: { value: 0 } } }, []);
    const source = (revision: number, to: number, origin?: string) => models.event({ model_id: "source", revision, origin, message: { method: "update", state: { value: to } } }, []);
    // What the kernel sets is reacted to at once.
    source(2, 1);
    react({ value: 1 });
    expect(sent.map((one) => one.message.state)).toEqual([{ value: 1 }]);
    await vi.runAllTimersAsync();
    void sent[0]!.answer({ revision: 3 });
    await vi.runAllTimersAsync();
    // The other tab has the same link: what it writes stands, also when ours was shown first.
    source(4, 5, "theirs");
    react({ value: 5 });
    expect([value(), sent.length]).toEqual([5, 1]);
    event(5, { method: "update", state: { value: 5 } }, { origin: "theirs" });
    event(6, { method: "update", state: { value: 7 } }, { origin: "theirs" });
    await vi.runAllTimersAsync();
    expect([value(), sent.length]).toEqual([7, 1]);
    // A program has no links: one of the tabs does it.
    source(7, 9, "program");
    react({ value: 9 });
    await vi.runAllTimersAsync();
    expect(sent.slice(1).map((one) => one.message.state)).toEqual([{ value: 9 }]);
    void sent[1]!.answer({ revision: 8 });
    await vi.runAllTimersAsync();
    // What the person does here is sent at once, whatever was left to others.
    source(9, 10, "theirs");
    react({ value: 10 });
    models.write("m", toPatch({ value: 11 }, [], []), {});
    expect(sent.at(-1)!.message.state).toEqual({ value: 11 });
    await vi.runAllTimersAsync();
    expect([value(), sent.length]).toEqual([11, 3]);
    vi.useRealTimers();
  });

  it("come from the document alone", () => {
    const { document, models, value, changes } = setUp();
    document(1, { value: 0, other: "a" });
    document(4, { value: 1, other: "a" });
    expect(value()).toBe(1);
    expect(changes.at(-1)).toMatchObject({ kind: "update", keys: ["value"] });
    document(4, { value: 1, other: "a" }, 2); // made anew under the same id
    expect(changes.slice(-2).map((change) => change.kind)).toEqual(["close", "open"]);
    models.document(new Map());
    expect(models.get("m")).toBeUndefined();
  });

  it("apply nothing twice when both faces tell it, whichever is ahead", async () => {
    const { document, open, update, value, changes, write, sent } = setUp();
    open({ value: 0 });
    document(1, { value: 0 });
    update(2, { value: 1 });
    document(2, { value: 1 });
    update(3, { value: 2 });
    update(4, { value: 3 });
    document(3, { value: 2 }); // behind
    expect(value()).toBe(3);
    document(4, { value: 3 });
    document(5, { value: 4 }); // ahead
    update(5, { value: 4 });
    expect(changes.filter((change) => change.kind === "update").length).toBe(4);
    write({ value: 10 });
    document(6, { value: 10 }); // our own, before the answer
    await sent[0]!.answer({ revision: 6 });
    document(7, { value: 10, other: 1 });
    expect([value(), value("other")]).toEqual([10, 1]);
  });

  it("drop what a snapshot no longer names", () => {
    const { models, open, event } = setUp();
    open();
    models.event({ model_id: "gone", revision: 1, message: { method: "open", state: {} } }, []);
    models.replayBegins();
    event(3, { method: "open", state: { value: 8, other: "a" } });
    models.replayEnds();
    expect(models.list().map((model) => model.id)).toEqual(["m"]);
    expect(models.get("m")!.entries.get("value")!.value).toBe(8);
  });
});

describe("widgets kept in the notebook", () => {
  it("come back as they were, buffers too", () => {
    const { models, event } = setUp();
    event(1, { method: "open", target: "jupyter.widget", state: { _model_name: "N", _model_module: "M", _model_module_version: "1", a: [1] }, buffer_paths: [["raw"]] }, {}, [bytes(0, 255)]);
    models.event({ model_id: "comm", revision: 1, message: { method: "open", target: "other", state: {} } }, []);
    const value = savedState(models.list()) as { state: Record<string, Json> };
    expect(Object.keys(value.state)).toEqual(["m"]);
    const metadata = { widgets: { "application/vnd.jupyter.widget-state+json": value as unknown as Json } };
    const back = savedModel(metadata, "m")!;
    expect(fromPatch(back.entries)).toEqual(fromPatch(models.get("m")!.entries));
    expect(savedModel(metadata, "another")).toBeNull();
    expect(savedState([])).toBeNull();
  });

  it("say which code they bring", () => {
    const state = { m: { model_name: "AnyModel", model_module: "anywidget", state: { _esm: "export default {}" } }, n: { model_name: "N", model_module: "M", state: {} } };
    expect(savedCode({ widgets: { "application/vnd.jupyter.widget-state+json": { version_major: 2, version_minor: 0, state } } })).toEqual(["export default {}"]);
    const list = { m: { model_name: "AnyModel", model_module: "anywidget", state: { _esm: ["export default {}"] } } };
    expect(savedCode({ widgets: { "application/vnd.jupyter.widget-state+json": { version_major: 2, version_minor: 0, state: list } } })).toEqual(['["export default {}"]']);
    const buffer = { encoding: "base64", path: ["_esm"], data: "eA==" };
    const packed = { m: { model_name: "AnyModel", model_module: "anywidget", state: {}, buffers: [buffer] } };
    expect(savedCode({ widgets: { "application/vnd.jupyter.widget-state+json": { version_major: 2, version_minor: 0, state: packed } } })).toEqual([JSON.stringify(buffer)]);
    expect(savedCode(undefined)).toEqual([]);
    expect(savedCode({ widgets: "nonsense" })).toEqual([]);
  });
});
