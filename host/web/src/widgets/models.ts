import type { Json, ModelLifecycle, Reply } from "../wire/types";

/** A buffer and its place below a top-level key. */
export interface Held {
  path: (string | number)[];
  bytes: Uint8Array;
}

/** The value of one top-level key. `value` is undefined where the key is nothing but a buffer. */
export interface Entry {
  value: Json | undefined;
  buffers: Held[];
}

export type Patch = Map<string, Entry>;

export interface Model {
  id: string;
  target: string;
  cellId: string;
  /** Changes with each `open` of the same id. */
  generation: number;
  revision: number;
  entries: Patch;
}

/** What changed. `from` is the frame that wrote it; null: it came from the host. */
export type ModelChange =
  | { kind: "open"; model: Model; from: null }
  | { kind: "close"; model: Model; from: null }
  | { kind: "update"; model: Model; keys: string[]; from: object | null }
  | { kind: "custom"; model: Model; content: Json; buffers: Uint8Array[]; from: null };

/** The message of the command `model`. */
export interface WireWrite {
  method: "update" | "custom";
  state?: Record<string, Json>;
  buffer_paths?: (string | number)[][];
  content?: Json;
}

export type Send = (modelId: string, message: WireWrite, buffers: Uint8Array[]) => Promise<Reply>;

/** A model as the models document has it, its buffers fetched. */
export interface DocumentModel {
  target: string;
  cellId: string;
  order: number;
  revision: number;
  entries: Patch;
}

/** Writes of one model that may be under way at once; what is written meanwhile goes as one. */
const IN_FLIGHT = 4;
/**
 * How long a reaction to what another client wrote waits for that client's own reaction, which is the same and comes first: sent at once by every
 * tab, the slower ones' would come late and take back what was written since. It differs from tab to tab, so that one of them speaks where
 * the writer has no widgets of its own.
 */
const REACTION_MS = 400;
const MOST_EARLY = 5_000;
const MOST_EARLY_BYTES = 16 << 20;

interface Known {
  revision: number;
  entry: Entry | undefined;
}

interface Writer {
  flying: number;
  /** Writes under way per key. */
  keys: Map<string, number>;
  /** What the host has of keys with writes under way or waiting. */
  theirs: Map<string, Known>;
  waiting: Patch;
  /** Reactions that are shown here and left to the client that was reacted to. */
  left: Patch;
  timer: ReturnType<typeof setTimeout> | null;
}

interface Kept {
  model: Model;
  /** The revision a key has its value from. */
  revisions: Map<string, number>;
  writer: Writer;
  /** The last update was another client's, not the kernel's. */
  foreign: boolean;
  /** What the kernel said to the model before any frame of this tab had it; null from then on. */
  early: { content: Json; buffers: Uint8Array[] }[] | null;
  earlyBytes: number;
  /** Last seen in the models document. */
  document: { order: number; entries: Patch } | null;
}

/** Frames can hand over what JSON cannot say (a cycle, a BigInt): it is like nothing else. */
function sameValue(a: Json | undefined, b: Json | undefined): boolean {
  try {
    return a === b || JSON.stringify(a) === JSON.stringify(b);
  } catch {
    return false;
  }
}

export function sameEntry(a: Entry | undefined, b: Entry | undefined): boolean {
  if (a === b) return true;
  if (!a || !b || a.buffers.length !== b.buffers.length) return false;
  if (!sameValue(a.value, b.value)) return false;
  return a.buffers.every((held, at) => {
    const other = b.buffers[at]!;
    return JSON.stringify(held.path) === JSON.stringify(other.path) && held.bytes.length === other.bytes.length && held.bytes.every((byte, index) => byte === other.bytes[index]);
  });
}

/** Cuts a message's state into its keys, each with its buffers. */
export function toPatch(state: Record<string, Json>, paths: (string | number)[][], buffers: Uint8Array[]): Patch {
  const patch: Patch = new Map(Object.entries(state).map(([key, value]) => [key, { value, buffers: [] }]));
  paths.forEach((path, at) => {
    const root = String(path[0]);
    const entry = patch.get(root) ?? { value: undefined, buffers: [] };
    entry.buffers.push({ path: path.slice(1), bytes: buffers[at] ?? new Uint8Array() });
    patch.set(root, entry);
  });
  return patch;
}

/** The other way round. */
export function fromPatch(patch: Patch): { state: Record<string, Json>; buffer_paths: (string | number)[][]; buffers: Uint8Array[] } {
  const state: Record<string, Json> = {};
  const buffer_paths: (string | number)[][] = [];
  const buffers: Uint8Array[] = [];
  for (const [key, entry] of patch) {
    if (entry.value !== undefined) state[key] = entry.value;
    for (const held of entry.buffers) {
      buffer_paths.push([key, ...held.path]);
      buffers.push(held.bytes);
    }
  }
  return { state, buffer_paths, buffers };
}

/**
 * The widget models of a session as this tab has them. Two faces of the host feed it, the events and the models document; the revision decides, so
 * nothing applies twice. What this tab writes stands at once. Until the host has answered the last write of a key, what others wrote to
 * it is only remembered: by the host's order it came before. Then the host's last word stands, whoever's it is.
 */
export class Models {
  private readonly all = new Map<string, Kept>();
  private readonly listeners = new Set<(change: ModelChange) => void>();
  private readonly unseen = new Set<string>();
  private generations = 0;

  constructor(private readonly send: Send) {}

  subscribe(listener: (change: ModelChange) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  get(id: string): Model | undefined {
    return this.all.get(id)?.model;
  }

  list(): Model[] {
    return [...this.all.values()].map((kept) => kept.model);
  }

  // -- from the host

  /** A snapshot begins: what it does not name is gone at its end. */
  replayBegins(): void {
    this.unseen.clear();
    for (const id of this.all.keys()) this.unseen.add(id);
  }

  replayEnds(): void {
    for (const id of this.unseen) this.close(id);
    this.unseen.clear();
  }

  event(event: ModelLifecycle, buffers: Uint8Array[]): void {
    const { model_id: id, message, revision } = event;
    this.unseen.delete(id);
    const known = this.all.get(id);
    if (message.method === "open") {
      const patch = toPatch(message.state ?? {}, message.buffer_paths ?? [], buffers);
      // A lower revision than the known one is another model of the same id.
      if (known && revision >= known.model.revision) this.take(known, patch, revision);
      else this.open(id, message.target ?? "", event.cell_id ?? "", revision, patch);
    } else if (!known) {
      return;
    } else if (message.method === "update") {
      known.foreign = event.origin !== undefined;
      this.take(known, toPatch(message.state ?? {}, message.buffer_paths ?? [], buffers), revision);
    } else if (message.method === "custom") {
      // What another client said was for the kernel, not for the widgets here.
      if (event.origin) return;
      this.keepEarly(known, message.content ?? null, buffers);
      this.tell({ kind: "custom", model: known.model, content: message.content ?? null, buffers, from: null });
    } else if (message.method === "close") {
      this.close(id);
    }
  }

  /** The models document as it is now, in any order: what is new, other or gone in it since the last time. */
  document(comms: Map<string, DocumentModel>): void {
    const inOrder = [...comms].sort(([, a], [, b]) => a.order - b.order);
    for (const [id, next] of inOrder) {
      let kept = this.all.get(id);
      if (kept?.document && kept.document.order !== next.order) kept = undefined;
      if (!kept) {
        this.open(id, next.target, next.cellId, next.revision, next.entries);
      } else {
        const before = kept.document?.entries;
        this.take(kept, new Map([...next.entries].filter(([key, entry]) => !sameEntry(before?.get(key), entry))), next.revision);
      }
      this.all.get(id)!.document = { order: next.order, entries: next.entries };
    }
    for (const [id, kept] of this.all) {
      if (kept.document && !comms.has(id)) this.close(id);
    }
  }

  private keepEarly(kept: Kept, content: Json, buffers: Uint8Array[]): void {
    if (!kept.early || kept.early.length >= MOST_EARLY || kept.earlyBytes >= MOST_EARLY_BYTES) return;
    kept.earlyBytes += buffers.reduce((sum, one) => sum + one.byteLength, JSON.stringify(content).length);
    if (kept.earlyBytes <= MOST_EARLY_BYTES) kept.early.push({ content, buffers });
  }

  // -- from the frames of this tab

  /** A canvas is drawn on before it is shown: the first frame that has the model gets what was said to it until then. */
  takeEarly(id: string): { content: Json; buffers: Uint8Array[] }[] {
    const kept = this.all.get(id);
    const early = kept?.early ?? [];
    if (kept) kept.early = null;
    return early;
  }

  /** `reactionTo`: the model whose update made a frame write this. */
  write(id: string, patch: Patch, from: object, reactionTo?: string): void {
    const kept = this.all.get(id);
    if (!kept || patch.size === 0) return;
    const { writer, model } = kept;
    const leave = reactionTo !== undefined && this.all.get(reactionTo)?.foreign === true;
    for (const [key, entry] of patch) {
      if (!writer.theirs.has(key)) writer.theirs.set(key, { revision: kept.revisions.get(key) ?? 0, entry: model.entries.get(key) });
      model.entries.set(key, entry);
      // What is on its way from here is to be overtaken in any case.
      const behind = writer.keys.has(key) || writer.waiting.has(key);
      if (leave && !behind) writer.left.set(key, entry);
      else {
        writer.left.delete(key);
        writer.waiting.set(key, entry);
      }
    }
    this.tell({ kind: "update", model, keys: [...patch.keys()], from });
    if (writer.left.size > 0) writer.timer ??= setTimeout(() => this.speakUp(kept), REACTION_MS * (1 + Math.random()));
    this.pump(kept);
  }

  /** The other client has not done what its write brings about: then this tab does. */
  private speakUp(kept: Kept): void {
    const { writer } = kept;
    writer.timer = null;
    const keys = [...writer.left.keys()];
    for (const [key, entry] of writer.left) if (!sameEntry(entry, writer.theirs.get(key)?.entry)) writer.waiting.set(key, entry);
    writer.left.clear();
    if (this.all.get(kept.model.id) !== kept) return;
    this.pump(kept);
    this.settle(kept, keys);
  }

  /** Custom messages are never merged and keep their place between the updates. */
  custom(id: string, content: Json, buffers: Uint8Array[]): void {
    const kept = this.all.get(id);
    if (!kept) return;
    if (kept.writer.waiting.size > 0) this.flush(kept);
    void this.deliver(id, { method: "custom", content }, buffers);
  }

  private pump(kept: Kept): void {
    if (kept.writer.flying < IN_FLIGHT && kept.writer.waiting.size > 0) this.flush(kept);
  }

  private flush(kept: Kept): void {
    const { writer, model } = kept;
    const patch = writer.waiting;
    writer.waiting = new Map();
    writer.flying += 1;
    for (const key of patch.keys()) writer.keys.set(key, (writer.keys.get(key) ?? 0) + 1);
    const { state, buffer_paths, buffers } = fromPatch(patch);
    void this.deliver(model.id, { method: "update", state, buffer_paths }, buffers).then((reply) => this.answered(kept, patch, reply));
  }

  /** What cannot be sent is answered like what the host refuses, so that it is taken back. */
  private async deliver(id: string, message: WireWrite, buffers: Uint8Array[]): Promise<Reply> {
    try {
      return await this.send(id, message, buffers);
    } catch (error) {
      return { id: "", ok: false, error: { code: "unsent", message: String(error) } };
    }
  }

  private answered(kept: Kept, patch: Patch, reply: Reply): void {
    const { writer, model } = kept;
    writer.flying -= 1;
    const revision = reply.ok ? Number(reply.revision ?? 0) : 0;
    for (const [key, entry] of patch) {
      const theirs = writer.theirs.get(key);
      // Writes that the host has merged are answered with one revision, in the order they were said: the last of them stands.
      if (theirs && reply.ok && revision >= theirs.revision) writer.theirs.set(key, { revision, entry });
      const left = (writer.keys.get(key) ?? 1) - 1;
      if (left > 0) writer.keys.set(key, left);
      else writer.keys.delete(key);
    }
    model.revision = Math.max(model.revision, revision);
    this.pump(kept);
    this.settle(kept, [...patch.keys()]);
  }

  /** Keys with nothing under way and nothing waiting are the host's again. */
  private settle(kept: Kept, keys: string[]): void {
    const { writer, model, revisions } = kept;
    const changed: string[] = [];
    for (const key of keys) {
      const theirs = writer.theirs.get(key);
      if (!theirs || writer.keys.has(key) || writer.waiting.has(key) || writer.left.has(key)) continue;
      writer.theirs.delete(key);
      revisions.set(key, theirs.revision);
      if (sameEntry(theirs.entry, model.entries.get(key))) continue;
      if (theirs.entry) model.entries.set(key, theirs.entry);
      else model.entries.delete(key);
      changed.push(key);
    }
    if (changed.length > 0 && this.all.get(model.id) === kept) this.tell({ kind: "update", model, keys: changed, from: null });
  }

  private open(id: string, target: string, cellId: string, revision: number, entries: Patch): void {
    this.close(id);
    this.generations += 1;
    const model: Model = { id, target, cellId, generation: this.generations, revision, entries: new Map(entries) };
    const writer: Writer = { flying: 0, keys: new Map(), theirs: new Map(), waiting: new Map(), left: new Map(), timer: null };
    this.all.set(id, { model, revisions: new Map([...entries.keys()].map((key) => [key, revision])), writer, foreign: false, early: [], earlyBytes: 0, document: null });
    this.tell({ kind: "open", model, from: null });
  }

  private take(kept: Kept, patch: Patch, revision: number): void {
    const { model, revisions, writer } = kept;
    const changed: string[] = [];
    for (const [key, entry] of patch) {
      // What was left to others is theirs when they have done it.
      if (revision > (writer.theirs.get(key)?.revision ?? Infinity) && writer.left.delete(key)) writer.theirs.delete(key);
      const theirs = writer.theirs.get(key);
      if (theirs) {
        if (revision > theirs.revision) writer.theirs.set(key, { revision, entry });
      } else if (revision > (revisions.get(key) ?? 0)) {
        revisions.set(key, revision);
        if (sameEntry(model.entries.get(key), entry)) continue;
        model.entries.set(key, entry);
        changed.push(key);
      }
    }
    model.revision = Math.max(model.revision, revision);
    if (changed.length > 0) this.tell({ kind: "update", model, keys: changed, from: null });
  }

  private close(id: string): void {
    const kept = this.all.get(id);
    if (!kept) return;
    this.all.delete(id);
    if (kept.writer.timer !== null) clearTimeout(kept.writer.timer);
    this.tell({ kind: "close", model: kept.model, from: null });
  }

  private tell(change: ModelChange): void {
    for (const listener of [...this.listeners]) listener(change);
  }
}
