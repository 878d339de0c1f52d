import type { Json } from "../../wire/types";
import type { Bundle, FromFrame, ToFrame } from "../frame_messages";

type Incoming = Extract<ToFrame, { lectern: "open" | "update" | "custom" | "close" | "missing" | "outputs" | "look" }>;

/** The frame's one line to the page. */
export class Bridge {
  private readonly page = window.parent;
  private writes = 0;
  /** The number of the last write of each model's key from here. */
  private readonly written = new Map<string, Map<string, number>>();
  private requests = 0;
  private readonly assets = new Map<number, { resolve(asset: { type: string; bytes: Uint8Array }): void; reject(why: Error): void }>();

  constructor(private readonly take: (message: Incoming) => void) {
    window.addEventListener("message", (event: MessageEvent<ToFrame>) => {
      if (event.source !== this.page || typeof event.data !== "object" || event.data === null) return;
      const message = event.data;
      if (message.lectern === "asset") this.answered(message);
      else if (message.lectern !== "boot") this.take(message.lectern === "update" ? { ...message, ...this.news(message) } : message);
    });
  }

  say(message: FromFrame): void {
    this.page.postMessage(message, "*");
  }

  write(id: string, bundle: Bundle, reaction: string | undefined): void {
    this.writes += 1;
    const keys = this.written.get(id) ?? new Map<string, number>();
    this.written.set(id, keys);
    for (const key of [...Object.keys(bundle.state), ...bundle.buffer_paths.map((path) => String(path[0]))]) keys.set(key, this.writes);
    this.say({ lectern: "write", id, n: this.writes, ...(reaction === undefined ? {} : { reaction }), ...bundle });
  }

  custom(id: string, content: Json, buffers: Uint8Array[]): void {
    this.say({ lectern: "custom", id, content, buffers });
  }

  /** A file of the kernel's environment: this frame's origin has no rights at the host, so the page fetches. */
  asset(path: string): Promise<{ type: string; bytes: Uint8Array }> {
    this.requests += 1;
    const request = this.requests;
    return new Promise((resolve, reject) => {
      this.assets.set(request, { resolve, reject });
      this.say({ lectern: "asset", request, path });
    });
  }

  /** Without the keys that were written here after what the page knew when it said so: they are on their way to it. */
  private news(update: Bundle & { id: string; seen: number }): Bundle {
    const keys = this.written.get(update.id);
    const old = (key: string) => (keys?.get(key) ?? 0) > update.seen;
    const kept = update.buffer_paths.map((path) => !old(String(path[0])));
    return {
      state: Object.fromEntries(Object.entries(update.state).filter(([key]) => !old(key))),
      buffer_paths: update.buffer_paths.filter((_, at) => kept[at]),
      buffers: update.buffers.filter((_, at) => kept[at]),
    };
  }

  private answered(message: Extract<ToFrame, { lectern: "asset" }>): void {
    const waiting = this.assets.get(message.request);
    this.assets.delete(message.request);
    if ("why" in message) waiting?.reject(new Error(message.why));
    else waiting?.resolve(message);
  }
}
