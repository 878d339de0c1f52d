import * as base from "@jupyter-widgets/base";
import * as controls from "@jupyter-widgets/controls";
import * as output from "@jupyter-widgets/output";
import { HTMLManager } from "@jupyter-widgets/html-manager/lib/htmlmanager";
import { OutputView } from "@jupyter-widgets/html-manager/lib/output";
import type { Json } from "../../wire/types";
import type { Bundle } from "../frame_messages";
import { Loader } from "./amd";
import { AnyModel, AnyView } from "./anywidget";
import type { Bridge } from "./bridge";
import { formulas } from "./formulas";
import { OutputModel } from "./outputs";
import { PlayModel } from "./play";

interface CommMessage {
  content: { data: { method: string; state?: object; buffer_paths?: (string | number)[][]; content?: Json } };
  buffers: DataView[];
}
interface Callbacks {
  iopub?: { status?(message: object): void };
}

function views(buffers: Uint8Array[]): DataView[] {
  return buffers.map((bytes) => new DataView(bytes.slice().buffer));
}

function bytesOf(buffers: (ArrayBuffer | ArrayBufferView)[] | undefined): Uint8Array[] {
  return (buffers ?? []).map((one) => (ArrayBuffer.isView(one) ? new Uint8Array(one.buffer, one.byteOffset, one.byteLength) : new Uint8Array(one)).slice());
}

const OWN: Record<string, Record<string, unknown>> = {
  "@jupyter-widgets/base": base,
  "@jupyter-widgets/controls": { ...controls, PlayModel },
  "@jupyter-widgets/output": { OutputModel, OutputView },
  anywidget: { AnyModel, AnyView },
};

/** The models that are being set to what the page said, the innermost last: what is written meanwhile is a reaction to that. */
const applying: string[] = [];
const setState = base.WidgetModel.prototype.set_state;
base.WidgetModel.prototype.set_state = function (this: base.WidgetModel, state) {
  applying.push(this.model_id);
  try {
    setState.call(this, state);
  } finally {
    applying.pop();
  }
};

/** What a model believes to be its comm. */
class Comm {
  readonly target_name = "jupyter.widget";
  private hear: ((message: CommMessage) => void) | null = null;
  /** What came while the model was being made. */
  private early: CommMessage[] = [];
  private closed: () => void = () => undefined;

  constructor(
    readonly comm_id: string,
    private readonly bridge: Bridge,
  ) {}

  on_msg(hear: (message: CommMessage) => void): void {
    this.hear = hear;
    for (const message of this.early.splice(0)) hear(message);
  }

  on_close(closed: () => void): void {
    this.closed = closed;
  }

  open(): string {
    return "";
  }

  /** Models are the kernel's: a front end that is done with one closes nothing. */
  close(): string {
    return "";
  }

  send(data: { method: string; state?: Record<string, Json>; buffer_paths?: (string | number)[][]; content?: Json }, callbacks?: Callbacks, _metadata?: object, buffers?: (ArrayBuffer | ArrayBufferView)[]): string {
    if (data.method === "update") this.bridge.write(this.comm_id, { state: data.state ?? {}, buffer_paths: data.buffer_paths ?? [], buffers: bytesOf(buffers) }, applying.at(-1));
    else if (data.method === "custom") this.bridge.custom(this.comm_id, data.content ?? null, bytesOf(buffers));
    // The page does the throttling, for all its frames: to the model, everything is done at once.
    queueMicrotask(() => callbacks?.iopub?.status?.({ content: { execution_state: "idle" } }));
    return "";
  }

  take(data: CommMessage["content"]["data"], buffers: Uint8Array[]): void {
    const message = { content: { data }, buffers: views(buffers) };
    if (this.hear) this.hear(message);
    else this.early.push(message);
  }

  end(): void {
    this.closed();
  }
}

interface Awaited {
  promise: Promise<base.WidgetModel>;
  resolve(model: Promise<base.WidgetModel>): void;
  reject(why: Error): void;
}

/** ipywidgets' own manager. Models come from the page when something here names them, and files of other widgets through it. */
export class Manager extends HTMLManager {
  private readonly comms = new Map<string, Comm>();
  private readonly awaited = new Map<string, Awaited>();

  private readonly third: Loader;

  constructor(private readonly bridge: Bridge) {
    super();
    this.third = new Loader(bridge, { "@jupyter-widgets/base": base, "@jupyter-widgets/controls": controls, "@jupyter-widgets/output": output });
    this.renderMime = this.renderMime.clone({ latexTypesetter: formulas });
  }

  override get_model(id: string): Promise<base.WidgetModel> {
    if (super.has_model(id)) return super.get_model(id);
    const waiting = this.awaited.get(id);
    if (waiting) return waiting.promise;
    let resolve!: Awaited["resolve"];
    let reject!: Awaited["reject"];
    const promise = new Promise<base.WidgetModel>((done, failed) => {
      resolve = done;
      reject = failed;
    });
    this.awaited.set(id, { promise, resolve, reject });
    this.bridge.say({ lectern: "need", id });
    return promise;
  }

  /** Where the controls look for what typesets formulas. */
  get _rendermime(): HTMLManager["renderMime"] {
    return this.renderMime;
  }

  /** Any model can be asked for; the page says when there is none. */
  override has_model(): boolean {
    return true;
  }

  protected override async loadClass(className: string, moduleName: string, moduleVersion: string): Promise<never> {
    const module = OWN[moduleName] ?? (await this.third.load(moduleName));
    const found = module[className];
    if (found === undefined) throw new Error(`there is no ${className} in ${moduleName} ${moduleVersion}`);
    return found as never;
  }

  openModel(id: string, bundle: Bundle, live: boolean): void {
    const waiting = this.awaited.get(id);
    this.awaited.delete(id);
    this.closeModel(id);
    const comm = new Comm(id, this.bridge);
    this.comms.set(id, comm);
    const state = bundle.state as Record<string, string>;
    base.put_buffers(state as never, bundle.buffer_paths, views(bundle.buffers));
    const made = this.new_model(
      { model_name: state._model_name!, model_module: state._model_module!, model_module_version: state._model_module_version!, model_id: id, ...(live ? { comm: comm as never } : {}) },
      state,
    );
    made.catch((error: unknown) => console.error(`lectern: the widget model ${id} could not be made`, error));
    waiting?.resolve(made);
  }

  update(id: string, { state, buffer_paths, buffers }: Bundle): void {
    this.comms.get(id)?.take({ method: "update", state, buffer_paths }, buffers);
  }

  hear(id: string, content: Json, buffers: Uint8Array[]): void {
    this.comms.get(id)?.take({ method: "custom", content }, buffers);
  }

  closeModel(id: string): void {
    const comm = this.comms.get(id);
    this.comms.delete(id);
    comm?.end();
  }

  missing(id: string): void {
    const waiting = this.awaited.get(id);
    this.awaited.delete(id);
    waiting?.reject(new Error(`there is no widget model ${id}`));
  }
}
