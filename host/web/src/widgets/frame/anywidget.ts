/**
 * anywidget's front end by its contract (AFM): the module's `initialize` runs once per model and code, `render` once per view; listeners that they add go
 * with them; what they return to clean up runs however late it comes; new code replaces the old one in place, and the state stays.
 */
import * as base from "@jupyter-widgets/base";
import { CODE_KEYS } from "../frame_messages";
import { addStyle } from "./amd";

type Cleanup = () => unknown;
type Listener = (...args: unknown[]) => void;

interface Widget {
  initialize?(context: object): unknown;
  render?(context: object): unknown;
}

async function settle(cleanup: unknown): Promise<void> {
  try {
    if (typeof cleanup === "function") await (cleanup as Cleanup)();
  } catch (error) {
    console.error("lectern: a widget's clean-up failed", error);
  }
}

/** Runs `start` and keeps what it returns until `end`; when the end has come by then, it is cleaned up at once. */
class Part {
  private readonly abort = new AbortController();
  private cleanup: Promise<unknown> = Promise.resolve();

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  async run(start: () => unknown): Promise<void> {
    this.cleanup = (async () => start())();
    await this.cleanup;
  }

  async end(): Promise<void> {
    if (this.abort.signal.aborted) return;
    this.abort.abort();
    await settle(await this.cleanup.catch(() => undefined));
  }
}

async function importCode(code: string): Promise<Record<string, unknown>> {
  if (/^https?:\/\//.test(code.trim())) throw new Error(`the widget's code is at ${code.trim()}, and code from other addresses is not loaded`);
  const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  try {
    return (await import(/* @vite-ignore */ address)) as Record<string, unknown>;
  } finally {
    URL.revokeObjectURL(address);
  }
}

async function widgetOf(code: string): Promise<Widget> {
  const module = await importCode(code);
  const made: unknown = typeof module.default === "function" ? await (module.default as () => unknown)() : module.default;
  // Before there was a default export, `render` was one of its own.
  return (made ?? (module.render ? { render: module.render } : {})) as Widget;
}

/** One code of one model. */
class Generation {
  readonly part = new Part();
  readonly widget: Promise<Widget>;

  constructor(model: AnyModel, code: string) {
    this.widget = widgetOf(code).then(async (widget) => {
      if (!this.part.signal.aborted) await this.part.run(() => widget.initialize?.({ model: model.face(this.part.signal), signal: this.part.signal, experimental: model.experimental() }));
      return widget;
    });
    this.widget.catch(() => undefined);
  }
}

export class AnyModel extends base.DOMWidgetModel {
  // Without initializers: Backbone calls initialize() before those would run.
  declare generation: Generation | undefined;
  private declare style: HTMLStyleElement | undefined;
  private declare made: boolean | undefined;
  /** What the page says, while it is being taken. */
  private declare told: unknown;

  override initialize(attributes: Backbone.ObjectHash, options: base.IBackboneModelOptions): void {
    this.made = true;
    super.initialize(attributes, options);
    this.on("change:_esm", () => this.begin());
    this.on("change:_css", () => this.dress());
    this.once("destroy", () => {
      void this.generation?.part.end();
      this.style?.remove();
    });
    this.dress();
    this.begin();
  }

  override set_state(state: Parameters<base.DOMWidgetModel["set_state"]>[0]): void {
    this.told = state;
    super.set_state(state);
    this.told = undefined;
  }

  /**
   * Code comes with the model or from the page, whose whole message is set at once. A link between widgets, or a widget, sets keys: what somebody
   * typed into a field would become code.
   */
  override set(key: unknown, value?: unknown, options?: unknown): unknown {
    if (!this.made || key == null || key === this.told) return super.set(key, value, options);
    const [attributes, how] = typeof key === "object" ? [key, value] : [{ [String(key)]: value }, options];
    return super.set(Object.fromEntries(Object.entries(attributes).filter(([name]) => !CODE_KEYS.includes(name))), how);
  }

  /** The values as they are, buffers and all: the base class knows only JSON. */
  override serialize(state: Record<string, unknown>): Record<string, unknown> & { [key: string]: never } {
    const out: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(state)) {
      const whole = value as { toJSON?(): unknown } | null | undefined;
      out[key] = typeof whole?.toJSON === "function" ? whole.toJSON() : structuredClone(value);
    }
    return out as never;
  }

  /** The model as the widget's code sees it. What it listens to through this ends with `signal`. */
  face(signal: AbortSignal): object {
    const added: [string, Listener][] = [];
    signal.addEventListener("abort", () => added.splice(0).forEach(([event, listener]) => this.off(event, listener)));
    return {
      get: (key: string) => this.get(key),
      set: (key: string, value: unknown) => void this.set(key, value),
      save_changes: () => this.save_changes(),
      send: (content: never, callbacks?: unknown, buffers?: ArrayBuffer[]) => this.send(content, callbacks as never, buffers),
      on: (event: string, listener: Listener) => {
        if (signal.aborted) return;
        added.push([event, listener]);
        this.on(event, listener);
      },
      off: (event?: string | null, listener?: Listener | null) => {
        const going = added.filter(([name, one]) => (event == null || name === event) && (listener == null || one === listener));
        for (const pair of going) {
          added.splice(added.indexOf(pair), 1);
          this.off(pair[0], pair[1]);
        }
      },
      widget_manager: this.widget_manager,
    };
  }

  experimental(): object {
    return {
      invoke: (name: string, message?: unknown, options: { buffers?: ArrayBuffer[]; signal?: AbortSignal } = {}) => {
        const id = base.uuid();
        const signal = options.signal ?? AbortSignal.timeout(3000);
        return new Promise((resolve, reject) => {
          const end = () => this.off("msg:custom", hear);
          const hear = (content: { id?: string; kind?: string; response?: unknown }, buffers: DataView[]) => {
            if (content?.id !== id || content.kind !== "anywidget-command-response") return;
            end();
            resolve([content.response, buffers]);
          };
          signal.addEventListener("abort", () => (end(), reject(signal.reason as Error)));
          this.on("msg:custom", hear);
          this.send({ id, kind: "anywidget-command", name, msg: message } as never, undefined as never, options.buffers ?? []);
        });
      },
    };
  }

  private begin(): void {
    const old = this.generation;
    const code = this.get("_esm") as unknown;
    const next = new Generation(this, typeof code === "string" ? code : "export default {}");
    this.generation = next;
    if (!old) return;
    this.trigger("lectern:code", next);
    void old.part.end();
  }

  private dress(): void {
    this.style?.remove();
    const css = this.get("_css") as unknown;
    this.style = typeof css === "string" && css !== "" ? addStyle(css) : undefined;
  }
}

export class AnyView extends base.DOMWidgetView {
  private part: Part | null = null;
  private turn: Promise<void> = Promise.resolve();
  private gone = false;

  override render(): void {
    super.render();
    const model = this.model as AnyModel;
    this.listenTo(model, "lectern:code", (next: Generation) => this.show(next));
    if (model.generation) this.show(model.generation);
  }

  override remove(): this {
    this.gone = true;
    void this.part?.end();
    return super.remove() as this;
  }

  /** What the old code made is gone before the new one begins. */
  private show(generation: Generation): void {
    const old = this.part;
    const part = new Part();
    this.part = part;
    if (this.gone) void part.end();
    this.turn = this.turn.then(async () => {
      await old?.end();
      if (part.signal.aborted) return;
      const el = document.createElement("div");
      this.el.replaceChildren(el);
      try {
        const widget = await generation.widget;
        if (part.signal.aborted) return;
        const model = this.model as AnyModel;
        await part.run(() => widget.render?.({ model: model.face(part.signal), el, signal: part.signal, experimental: model.experimental() }));
      } catch (error) {
        const note = document.createElement("pre");
        note.className = "lectern-error";
        note.textContent = String(error);
        this.el.replaceChildren(note);
      }
    });
  }
}
