// A plain client of lectern.v1 over a real WebSocket: everything it received stays in `frames`.
import WebSocket from 'ws';
import type { ClientKey, ConnectionInfo, Host } from './host';
import { Line } from './line';

export interface Frame {
  op: string;
  seq: number | null;
  data: any;
}
export interface Binary {
  kind: number;
  header: any;
  payload: Uint8Array;
}

export function encodeBinary(kind: number, header: unknown, payload: Uint8Array): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const out = new Uint8Array(5 + json.length + payload.length);
  out[0] = kind;
  new DataView(out.buffer).setUint32(1, json.length, true);
  out.set(json, 5);
  out.set(payload, 5 + json.length);
  return out;
}

export function decodeBinary(bytes: Uint8Array): Binary {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(1, true);
  return {
    kind: bytes[0]!,
    header: length === 0 ? {} : JSON.parse(new TextDecoder().decode(bytes.subarray(5, 5 + length))),
    payload: bytes.subarray(5 + length),
  };
}

/** Cuts a payload by the header's sizes. */
export function cut(payload: Uint8Array, sizes: number[]): Uint8Array[] {
  let from = 0;
  return sizes.map((size) => payload.subarray(from, (from += size)));
}

export interface ConnectOptions {
  key?: ClientKey;
  resume?: string;
  viewOnly?: boolean;
  document?: 'events' | 'changes';
  query?: Record<string, string>;
  /** Sends the key as the first frame instead of the header. */
  keyInFrame?: boolean;
}

export class Client extends Line {
  readonly frames: Frame[] = [];
  readonly binaries: Binary[] = [];
  private nextId = 0;

  private constructor(socket: WebSocket, readonly session: string, readonly host: Host) {
    super(socket);
    socket.binaryType = 'arraybuffer';
  }

  protected take(data: WebSocket.RawData, isBinary: boolean): void {
    if (isBinary) this.binaries.push(decodeBinary(new Uint8Array(data as ArrayBuffer)));
    else this.frames.push(JSON.parse(new TextDecoder().decode(data as ArrayBuffer)));
  }
  protected tail(): string[] {
    return this.frames.slice(-8).map((frame) => JSON.stringify(frame).slice(0, 200));
  }

  /** Connects and waits for kernel-ready and, after it, replay-complete. */
  static async join(host: Host, session: ConnectionInfo | string, options: ConnectOptions = {}): Promise<Client> {
    const client = await Client.connect(host, session, options);
    await client.event('replay-complete');
    return client;
  }

  static async connect(host: Host, session: ConnectionInfo | string, options: ConnectOptions = {}): Promise<Client> {
    const id = typeof session === 'string' ? session : session.session_id;
    const query = new URLSearchParams({ document: options.document ?? 'events', ...options.query });
    if (options.key) query.set('client_id', options.key.id);
    if (options.resume) query.set('resume', options.resume);
    if (options.viewOnly) query.set('view_only', 'true');
    const headers: Record<string, string> = {};
    if (host.token) headers.Authorization = `Bearer ${host.token}`;
    if (options.key && !options.keyInFrame) headers['Lectern-Client'] = `${options.key.id}.${options.key.secret}`;
    const socket = new WebSocket(`${host.url.replace(/^http/, 'ws')}/api/v1/sessions/${id}/connect?${query}`, 'lectern.v1', {
      headers,
      rejectUnauthorized: false,
    });
    const client = new Client(socket, id, host);
    await client.opened();
    if (options.keyInFrame && options.key) {
      socket.send(JSON.stringify({ client: `${options.key.id}.${options.key.secret}` }));
    }
    await client.until('kernel-ready', () => client.frames.find((frame) => frame.op === 'kernel-ready') ?? client.closed);
    return client;
  }

  get ready(): any {
    const frame = this.frames.find((candidate) => candidate.op === 'kernel-ready');
    if (!frame) throw new Error(`no kernel-ready; closed: ${JSON.stringify(this.closed)}`);
    return frame.data;
  }
  get key(): ClientKey {
    return this.ready.client;
  }
  /** The epoch of the grant this client was last told of; undefined when it has none. */
  get epoch(): number | undefined {
    for (const frame of [...this.frames].reverse()) {
      if (frame.op === 'consumer-capabilities') return frame.data.consumer_capabilities.edit ? frame.data.epoch : undefined;
      if (frame.op === 'kernel-ready') return frame.data.consumer_capabilities.edit ? frame.data.epoch : undefined;
    }
    return undefined;
  }
  get lastSeq(): number {
    return Math.max(this.ready.seq ?? 0, ...this.frames.map((frame) => frame.seq ?? 0));
  }
  get resume(): string {
    return `${this.ready.stream}.${this.lastSeq}`;
  }
  events(op: string): Frame[] {
    return this.frames.filter((frame) => frame.op === op);
  }

  /** The first frame of `op` at or after index `from` that satisfies `match`. */
  event(op: string, match: (data: any) => boolean = () => true, from = 0, timeoutMs = 15_000): Promise<Frame> {
    return this.until(`event ${op}`, () => this.frames.slice(from).find((frame) => frame.op === op && match(frame.data)), timeoutMs);
  }

  /** Sends a command and returns the reply's data. The epoch of our own grant goes along unless another is given. */
  async command(name: string, body: unknown = {}, options: { epoch?: number | null; id?: string; timeoutMs?: number } = {}): Promise<any> {
    const id = options.id ?? `c${this.nextId++}`;
    const epoch = options.epoch === undefined ? this.epoch : (options.epoch ?? undefined);
    const from = this.frames.length;
    this.socket.send(JSON.stringify({ id, command: name, ...(epoch === undefined ? {} : { epoch }), body }));
    const reply = await this.event('reply', (data) => data.id === id, from, options.timeoutMs);
    return reply.data;
  }

  sendChanges(changes: Uint8Array[], header: Record<string, unknown>): void {
    const payload = new Uint8Array(changes.reduce((sum, change) => sum + change.length, 0));
    let at = 0;
    for (const change of changes) {
      payload.set(change, at);
      at += change.length;
    }
    this.socket.send(encodeBinary(3, { sizes: changes.map((change) => change.length), ...header }, payload));
  }

  /** HTTP as this client. */
  post(route: string, body: unknown = {}, headers: Record<string, string> = {}) {
    return this.host.post(`/api/v1/sessions/${this.session}${route}`, body, {
      'Lectern-Client': `${this.key.id}.${this.key.secret}`,
      ...headers,
    });
  }

  async takeover(body: Record<string, unknown> = {}) {
    return this.post('/takeover', body);
  }

  /** Runs code cells and waits until the last of them ended. */
  async execute(cellIds: string[], timeoutMs = 60_000): Promise<any> {
    const from = this.frames.length;
    const reply = await this.command('execute', { cell_ids: cellIds });
    if (!reply.ok) throw new Error(`execute: ${JSON.stringify(reply)}`);
    const last = reply.executions[reply.executions.length - 1].execution_id;
    await this.event('cell-op', (data) => data.execution_id === last && ['idle', 'error', 'cancelled'].includes(data.status), from, timeoutMs);
    return reply;
  }

  /** What the outputs of a cell are after applying every cell-op seen so far. */
  outputs(cellId: string): any[] {
    let outputs: any[] = [];
    for (const frame of this.frames) {
      if (frame.op !== 'cell-op' || frame.data.cell_id !== cellId) continue;
      for (const change of frame.data.outputs ?? []) {
        if (change.op === 'clear') outputs = [];
        else if (change.op === 'append') outputs.push(structuredClone(change.output));
        else if (change.op === 'replace') outputs[change.index] = structuredClone(change.output);
        else if (change.op === 'append_text') {
          const output = outputs[change.index];
          output.text = (Array.isArray(output.text) ? output.text.join('') : output.text) + change.text;
        }
      }
    }
    return outputs;
  }
  text(cellId: string): string {
    return this.outputs(cellId)
      .map((output) => output.text ?? output.data?.['text/plain'] ?? '')
      .map((value) => (Array.isArray(value) ? value.join('') : value))
      .join('');
  }
}
