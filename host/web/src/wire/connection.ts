import { say } from "../i18n";
import { decodeFrame, encodeFrame, FRAME, type Frame } from "./frames";
import { SignOfLife } from "./sign_of_life";
import type { Reply, WireError } from "./types";

export type ConnectionPhase = "connecting" | "open" | "waiting" | "closed";

export interface CloseInfo {
  code: number;
  reason: string;
}

/** What the connection tells its owner. Every call comes from the same task queue, in the order of the wire. */
export interface ConnectionEvents {
  phase(phase: ConnectionPhase): void;
  event(op: string, seq: number | null, data: unknown): void;
  frame(frame: Frame): void;
  /** Return "retry" to come back by itself, "stop" to stay closed. */
  closed(info: CloseInfo): "retry" | "stop";
  /** The line is open, and nothing comes on it; false: something does again, or there is another line. */
  silent(silent: boolean): void;
  /** Called before dialing again when the host refused the last dial; false: not yet, try later. */
  reopen(): Promise<boolean>;
  batchEnd(): void;
}

export interface ConnectTarget {
  url: string;
  /** Sent as the first frame when the tab already has a client. */
  firstFrame: object | null;
}

interface Pending {
  text: string | null;
  /** Goes before the text. */
  buffers: Uint8Array<ArrayBuffer> | null;
  bytes: Uint8Array<ArrayBuffer> | null;
  resolve(reply: Reply): void;
}

const BACKOFF_MS = [250, 500, 1000, 2000, 4000, 8000];
/** The host's pings stay below the page, so a dead path shows only in a question that nobody answers. */
const PROBE_MS = 5000;
/** What the host takes as one message: beyond it, it closes the socket. */
const LARGEST = 16 << 20;
const CLOSE_TOO_LARGE = 1009;

/** One session's socket: reconnects by itself, resends what was not answered (same ids, so nothing runs twice). */
export class Connection {
  private socket: WebSocket | null = null;
  private attempt = 0;
  private retryTimer: ReturnType<typeof setTimeout> | null = null;
  private stopped = false;
  private ready = false;
  /** The last dial ended before the host's first frame. */
  private refused = false;
  private readonly pending = new Map<string, Pending>();
  private readonly inbox: (() => void)[] = [];
  private readonly turn = new MessageChannel();
  private readonly life = new SignOfLife(
    () => void this.command("ping", {}),
    (silent) => this.events.silent(silent),
  );
  private counter = 0;
  private readonly idPrefix = Math.random().toString(36).slice(2, 8);

  constructor(
    private readonly target: () => ConnectTarget,
    private readonly events: ConnectionEvents,
  ) {
    this.turn.port1.onmessage = () => this.drain();
  }

  open(): void {
    if (this.stopped) return;
    this.clearRetry();
    this.ready = false;
    this.events.phase("connecting");
    const { url, firstFrame } = this.target();
    const socket = new WebSocket(url, "lectern.v1");
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      if (firstFrame) socket.send(JSON.stringify(firstFrame));
    };
    socket.onmessage = (message) => this.enqueue(() => this.socket === socket && this.receive(message.data as string | ArrayBuffer));
    socket.onclose = (event) => this.enqueue(() => this.socket === socket && this.lost({ code: event.code, reason: event.reason }));
  }

  /** The first frame of the host has arrived: commands may flow, and what was unanswered is asked again. */
  markReady(): void {
    this.ready = true;
    this.refused = false;
    this.events.phase("open");
    for (const waiting of this.pending.values()) this.transmit(waiting);
  }

  /** All that was missed is here. Only now does the next cut start with a short pause: who is cut in the middle of it, again and again, is not to ask for it at once each time. */
  markWhole(): void {
    this.attempt = 0;
  }

  get isReady(): boolean {
    return this.ready;
  }

  nextId(): string {
    this.counter += 1;
    return `${this.idPrefix}-${this.counter}`;
  }

  /** Sends a command; resolves with the reply, or with an error of the page's own when there is no connection. */
  command(command: string, body: object, epoch?: number, buffers: Uint8Array[] = []): Promise<Reply> {
    const id = this.nextId();
    if (!this.ready) return Promise.resolve({ id, ok: false, error: offline() });
    const text = JSON.stringify({ id, command, ...(epoch === undefined ? {} : { epoch }), body });
    return this.ask(id, text, null, buffers);
  }

  /** Sends a binary frame whose header carries `id`. It is not kept across a reconnect: changes are resent by their owner. */
  submit(kind: number, id: string, header: object, parts: Uint8Array[]): Promise<Reply> {
    if (!this.ready) return Promise.resolve({ id, ok: false, error: offline() });
    return this.ask(id, null, encodeFrame(kind, { id, ...header }, parts));
  }

  /** Drops the socket and dials again now: after the network came back, or by the person's wish. */
  retryNow(): void {
    if (this.stopped || this.ready) return;
    this.attempt = 0;
    this.clearRetry();
    this.detach();
    void this.dialAgain();
  }

  /** Another connection in the place of this one. */
  redial(): void {
    if (this.stopped || !this.ready) return;
    this.detach();
    this.open();
  }

  /** Asks the host for a sign of life, after the machine slept or the network changed; no answer means dialing again. */
  async probe(): Promise<void> {
    if (!this.ready) {
      this.retryNow();
      return;
    }
    const socket = this.socket;
    const silent = new Promise<null>((resolve) => setTimeout(() => resolve(null), PROBE_MS));
    const answer = await Promise.race([this.command("ping", {}), silent]);
    if (answer !== null || this.socket !== socket || this.stopped) return;
    this.detach();
    this.open();
  }

  close(): void {
    this.stopped = true;
    this.clearRetry();
    this.detach();
    this.failPending();
  }

  private ask(id: string, text: string | null, bytes: Uint8Array<ArrayBuffer> | null, buffers: Uint8Array[] = []): Promise<Reply> {
    return new Promise((resolve) => {
      const first = buffers.length > 0 ? encodeFrame(FRAME.buffers, { sizes: buffers.map((one) => one.byteLength) }, buffers) : null;
      // A message the host cannot take would cost the socket, and again with each reconnect.
      if (Math.max(first?.byteLength ?? 0, bytes?.byteLength ?? 0, text === null ? 0 : wireBytes(text)) > LARGEST) {
        resolve({ id, ok: false, error: tooLarge() });
        return;
      }
      const waiting: Pending = { text, bytes, buffers: first, resolve };
      this.pending.set(id, waiting);
      this.transmit(waiting);
    });
  }

  private transmit(waiting: Pending): void {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    if (waiting.buffers !== null) this.socket.send(waiting.buffers);
    if (waiting.text !== null) this.socket.send(waiting.text);
    else if (waiting.bytes !== null) this.socket.send(waiting.bytes);
  }

  /**
   * Messages that arrive in one burst are handled in one task, so that the page renders once. A message channel and not a timer:
   * a hidden tab's timers run once a second, and a demoted tab has 300 ms to flush.
   */
  private enqueue(work: () => unknown): void {
    if (this.inbox.push(work) === 1) this.turn.port2.postMessage(null);
  }

  private drain(): void {
    for (const work of this.inbox.splice(0)) {
      try {
        work();
      } catch (error) {
        console.error("lectern: a message could not be handled", error);
      }
    }
    this.events.batchEnd();
  }

  private receive(data: string | ArrayBuffer): void {
    this.life.heard();
    if (typeof data !== "string") {
      this.events.frame(decodeFrame(data));
      return;
    }
    const message = JSON.parse(data) as { op: string; seq: number | null; data: unknown };
    if (message.op === "reply") this.settle(message.data as Reply);
    else this.events.event(message.op, message.seq ?? null, message.data);
  }

  private settle(reply: Reply): void {
    const waiting = this.pending.get(reply.id);
    if (!waiting) return;
    this.pending.delete(reply.id);
    waiting.resolve(reply);
  }

  private lost(info: CloseInfo): void {
    this.refused = !this.ready;
    this.ready = false;
    this.socket = null;
    this.life.end();
    const large = info.code === CLOSE_TOO_LARGE;
    for (const [id, waiting] of this.pending) {
      if (waiting.bytes === null && !large) continue;
      this.pending.delete(id);
      waiting.resolve({ id, ok: false, error: large ? tooLarge() : offline() });
    }
    if (this.stopped || this.events.closed(info) === "stop") {
      this.failPending();
      this.events.phase("closed");
      return;
    }
    this.retryLater();
  }

  private retryLater(): void {
    if (this.stopped) return;
    const delay = BACKOFF_MS[Math.min(this.attempt, BACKOFF_MS.length - 1)]! * (0.8 + Math.random() * 0.4);
    this.attempt += 1;
    this.events.phase("waiting");
    this.retryTimer = setTimeout(() => void this.dialAgain(), delay);
  }

  private async dialAgain(): Promise<void> {
    this.retryTimer = null;
    if (this.refused && !(await this.events.reopen())) {
      if (this.retryTimer === null && this.socket === null) this.retryLater();
    } else if (this.socket === null) this.open();
  }

  private detach(): void {
    const socket = this.socket;
    this.socket = null;
    this.ready = false;
    this.life.end();
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  private clearRetry(): void {
    if (this.retryTimer !== null) clearTimeout(this.retryTimer);
    this.retryTimer = null;
  }

  private failPending(): void {
    for (const [id, waiting] of this.pending) waiting.resolve({ id, ok: false, error: offline() });
    this.pending.clear();
  }
}

/** Exact where it may be too large, else no less than it is. */
function wireBytes(text: string): number {
  return text.length > LARGEST / 3 ? new TextEncoder().encode(text).byteLength : text.length * 3;
}

function tooLarge(): WireError {
  return { code: "too_large", status: 413, message: say("trouble.too_large", { mib: LARGEST >> 20 }) };
}

function offline(): WireError {
  return {
    code: "offline",
    status: 0,
    message: say("trouble.not_sent"),
    hint: say("trouble.reconnects"),
  };
}
