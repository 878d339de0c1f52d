import type { Session } from "../session/session";
import type { BlobRef, Json, Output } from "../wire/types";
import { blobUrl, isBlobRef } from "../notebook/outputs/values";
import { CODE_KEYS, type FromFrame, type Look, type ToFrame } from "./frame_messages";
import { fromPatch, toPatch, type Model, type ModelChange, type Patch } from "./models";
import { savedCode, savedModel } from "./saved";
import { mayRun } from "./saved_approval";

/** As long as an output may be ahead of the models document, or of a replay that is under way. */
const OPENS_WITHIN_MS = 10_000;
const LARGEST_ASSET = 64 << 20;
const REFERENCE = /"IPY_MODEL_([^"]+)"/g;
const LINKS = new Set(["LinkModel", "DirectionalLinkModel"]);

let frameCode: Promise<string> | null = null;

/** The code of the frames: fetched with the first widget, once for all of them. */
function code(): Promise<string> {
  frameCode ??= fetch("/widget-frame.js")
    .then((response) => {
      if (!response.ok) throw new Error(`the widgets' code is not there (${response.status})`);
      return response.text();
    })
    .catch((error: unknown) => {
      frameCode = null;
      throw error;
    });
  return frameCode;
}

type Asset = { type: string; bytes: Uint8Array };

/**
 * Between the frames of a session's widgets and the session. A frame has an opaque origin and no network; it gets its code, its models and the
 * files of the kernel's environment from here, and what it asks for is checked like what comes from any stranger.
 */
export class WidgetHub {
  private readonly assets = new Map<string, Promise<Asset>>();

  constructor(readonly session: Session) {}

  connect(frame: Window, height: (height: number) => void, look: Look): FrameLink {
    return new FrameLink(this, frame, height, look);
  }

  model(id: string): { model: Model; live: boolean } | null {
    const live = this.session.models.get(id);
    if (live) return { model: live, live: true };
    const { notebook, untrusted } = this.session.store.get();
    const saved = savedModel(notebook?.metadata, id);
    // A live widget's frame may name it as well, and nobody was asked for that one.
    if (!saved || (saved.entries.has("_esm") && !mayRun(savedCode(notebook?.metadata), untrusted !== null))) return null;
    return { model: saved, live: false };
  }

  /**
   * Models without a view are named by no output. They come along with what they refer to (links, listeners), and those of a package of its own with
   * any model of that package.
   */
  goesWith(one: Model, other: Model): boolean {
    const name = one.entries.get("_model_name")?.value;
    const module = one.entries.get("_model_module")?.value;
    if (typeof module !== "string" || one.entries.get("_view_name")?.value) return false;
    const core = module.startsWith("@jupyter-widgets/");
    if (core && !(typeof name === "string" && LINKS.has(name))) return false;
    if (!core && other.entries.get("_model_module")?.value === module) return true;
    const refers = JSON.stringify([...one.entries.values()].map((entry) => entry.value));
    return [...refers.matchAll(REFERENCE)].some((match) => match[1] === other.id);
  }

  asset(path: string): Promise<Asset> {
    const known = this.assets.get(path);
    if (known) return known;
    const fetching = this.fetchAsset(path);
    this.assets.set(path, fetching);
    fetching.catch(() => this.assets.delete(path));
    return fetching;
  }

  private async fetchAsset(path: string): Promise<Asset> {
    const parts = path.split("/");
    if (parts[0] !== "nbextensions" || parts.length < 2 || parts.some((part) => part === "" || part === "." || part === "..")) throw new Error(`no file '${path}' of a widget`);
    const session = encodeURIComponent(this.session.store.get().sessionId);
    const response = await fetch(`/api/v1/sessions/${session}/nbextensions?path=${encodeURIComponent(parts.slice(1).join("/"))}`, { credentials: "same-origin" });
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (bytes.byteLength > LARGEST_ASSET) throw new Error(`${path} is larger than ${LARGEST_ASSET} bytes`);
    return { type: response.headers.get("Content-Type") ?? "application/octet-stream", bytes };
  }
}

function isBundle(message: { state?: unknown; buffer_paths?: unknown; buffers?: unknown }): boolean {
  const { state, buffer_paths: paths, buffers } = message;
  if (typeof state !== "object" || state === null || Array.isArray(state) || !Array.isArray(paths) || !areBuffers(buffers)) return false;
  return paths.length === (buffers as unknown[]).length && paths.every((path) => Array.isArray(path) && typeof path[0] === "string");
}

function areBuffers(buffers: unknown): buffers is Uint8Array[] {
  return Array.isArray(buffers) && buffers.every((one) => one instanceof Uint8Array);
}

/** One frame. */
export class FrameLink {
  private outputs: Output[] = [];
  private running = false;
  /** Models that this frame has, and their generation. */
  private readonly has = new Map<string, number>();
  private readonly waiting = new Map<string, ReturnType<typeof setTimeout>>();
  private seen = 0;
  private readonly stop: () => void;
  private turn = Promise.resolve();
  private ended = false;

  constructor(
    private readonly hub: WidgetHub,
    private readonly frame: Window,
    private readonly height: (height: number) => void,
    private look: Look,
  ) {
    window.addEventListener("message", this.hear);
    this.stop = hub.session.models.subscribe((change) => this.changed(change));
  }

  end(): void {
    this.ended = true;
    window.removeEventListener("message", this.hear);
    this.stop();
    for (const timer of this.waiting.values()) clearTimeout(timer);
  }

  show(outputs: Output[]): void {
    this.outputs = outputs;
    if (this.running) this.tellOutputs();
  }

  dress(look: Look): void {
    this.look = look;
    if (this.running) this.say({ lectern: "look", ...look });
  }

  private say(message: ToFrame): void {
    if (!this.ended) this.frame.postMessage(message, "*");
  }

  private readonly hear = (event: MessageEvent<FromFrame>): void => {
    // The frame's origin is opaque ("null"), so its window is what identifies it.
    if (event.source !== this.frame || typeof event.data !== "object" || event.data === null) return;
    const message = event.data;
    if (message.lectern === "ready") this.boot();
    else if (message.lectern === "running") this.begin();
    else if (message.lectern === "height" && Number.isFinite(message.height)) this.height(message.height);
    else if (message.lectern === "need" && typeof message.id === "string") this.need(message.id);
    else if (message.lectern === "write") this.write(message);
    else if (message.lectern === "custom" && areBuffers(message.buffers)) {
      if (this.mayWrite(message.id)) this.hub.session.models.custom(message.id, message.content, message.buffers);
    } else if (message.lectern === "asset") this.asset(message.request, String(message.path));
  };

  private boot(): void {
    this.running = false;
    this.has.clear();
    code().then(
      (text) => this.say({ lectern: "boot", code: text }),
      (error: unknown) => this.hub.session.notice("bar", { code: "widgets", message: String(error) }),
    );
  }

  private begin(): void {
    this.running = true;
    this.say({ lectern: "look", ...this.look });
    this.tellOutputs();
  }

  /** Large values are by reference; the frame cannot fetch them. */
  private tellOutputs(): void {
    const outputs = this.outputs;
    const tell = async () => {
      const whole = await inlined(outputs as unknown as Json);
      if (this.outputs === outputs) this.say({ lectern: "outputs", outputs: whole as unknown as Output[] });
    };
    this.turn = this.turn.then(tell).catch((error: unknown) => this.hub.session.notice("bar", { code: "widgets", message: String(error) }));
  }

  private mayWrite(id: string): boolean {
    return this.has.has(id) && this.hub.session.store.get().capabilities.interact;
  }

  private write(message: Extract<FromFrame, { lectern: "write" }>): void {
    if (Number.isInteger(message.n)) this.seen = Math.max(this.seen, message.n);
    if (!isBundle(message) || !this.mayWrite(message.id)) return;
    const patch = toPatch(message.state, message.buffer_paths, message.buffers);
    // The host refuses them too, but what is written here is in the other frames of this tab before it has answered.
    for (const key of CODE_KEYS) patch.delete(key);
    this.hub.session.models.write(message.id, patch, this, typeof message.reaction === "string" ? message.reaction : undefined);
  }

  private need(id: string): void {
    if (this.has.has(id)) return;
    const found = this.hub.model(id);
    if (found) {
      this.open(found.model, found.live);
    } else if (!this.waiting.has(id)) {
      const late = () => {
        this.waiting.delete(id);
        this.say({ lectern: "missing", id });
      };
      this.waiting.set(id, setTimeout(late, OPENS_WITHIN_MS));
    }
  }

  private open(model: Model, live: boolean): void {
    clearTimeout(this.waiting.get(model.id));
    this.waiting.delete(model.id);
    if (this.has.get(model.id) === model.generation) return;
    this.has.set(model.id, model.generation);
    this.tellState({ lectern: "open", id: model.id, live }, model.entries);
    if (!live) return;
    for (const { content, buffers } of this.hub.session.models.takeEarly(model.id)) this.say({ lectern: "custom", id: model.id, content, buffers });
    for (const other of this.hub.session.models.list()) {
      if (!this.has.has(other.id) && this.hub.goesWith(other, model)) this.need(other.id);
    }
  }

  private changed(change: ModelChange): void {
    if (!this.running) return;
    const { model } = change;
    if (change.kind === "open") {
      const known = () => this.hub.session.models.list().filter((other) => other !== model && this.has.has(other.id));
      if (this.waiting.has(model.id) || this.has.has(model.id) || known().some((other) => this.hub.goesWith(model, other))) this.open(model, true);
    } else if (!this.has.has(model.id)) {
      return;
    } else if (change.kind === "close") {
      this.has.delete(model.id);
      this.say({ lectern: "close", id: model.id });
    } else if (change.kind === "custom") {
      this.say({ lectern: "custom", id: model.id, content: change.content, buffers: change.buffers });
    } else if (change.kind === "update" && change.from !== this) {
      const patch: Patch = new Map(change.keys.flatMap((key) => (model.entries.has(key) ? [[key, model.entries.get(key)!]] : [])));
      this.tellState({ lectern: "update", id: model.id, seen: this.seen }, patch);
    }
  }

  private tellState(head: { lectern: "open"; id: string; live: boolean } | { lectern: "update"; id: string; seen: number }, patch: Patch): void {
    this.say({ ...head, ...fromPatch(patch) });
  }

  private asset(request: number, path: string): void {
    this.hub.asset(path).then(
      ({ type, bytes }) => this.say({ lectern: "asset", request, type, bytes }),
      (error: unknown) => this.say({ lectern: "asset", request, why: error instanceof Error ? error.message : String(error) }),
    );
  }
}

/** Text as text, all else as base64, as in a notebook file. */
async function blobText(ref: BlobRef): Promise<string> {
  const response = await fetch(blobUrl(ref), { credentials: "same-origin" });
  if (!response.ok) return "";
  if (/^text\/|[+/](json|xml|javascript)$/.test(ref.media_type ?? "")) return response.text();
  let binary = "";
  for (const byte of new Uint8Array(await response.arrayBuffer())) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** Outputs with their blobs in place. One that does not come leaves the others as they are. */
async function inlined(value: Json): Promise<Json> {
  if (isBlobRef(value)) return blobText(value).catch(() => "");
  if (Array.isArray(value)) return Promise.all(value.map(inlined));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(await Promise.all(Object.entries(value).map(async ([key, one]) => [key, await inlined(one)] as const)));
}
