// The viewers' end of lectern-relay.v1 over a real WebSocket: channels of one connection, each a conversation of lectern.v1.
import WebSocket from 'ws';
import type { Frame } from './client';
import type { Answer, ClientKey, ConnectionInfo, Host } from './host';
import { Line } from './line';

export interface RelayMessage {
  header: any;
  payload: Buffer;
}

export function encodeRelay(header: unknown, payload: string | Uint8Array = ''): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  return Buffer.concat([length, json, Buffer.from(payload)]);
}

export function decodeRelay(bytes: Buffer): RelayMessage {
  const length = bytes.readUInt32LE(0);
  return { header: JSON.parse(bytes.subarray(4, 4 + length).toString()), payload: bytes.subarray(4 + length) };
}

export interface OpenOptions {
  query?: Record<string, string>;
  key?: ClientKey;
  scope?: 'view' | 'interact' | 'edit';
  resume?: string;
}

export class Relay extends Line {
  readonly messages: RelayMessage[] = [];
  private lastChannel = 0;
  private nextId = 0;

  private constructor(socket: WebSocket) {
    super(socket);
  }

  protected take(data: WebSocket.RawData, isBinary: boolean): void {
    if (!isBinary) throw new Error('a relay speaks binary');
    this.messages.push(decodeRelay(data as Buffer));
  }
  protected tail(): string[] {
    return this.messages.slice(-6).map((one) => `${JSON.stringify(one.header)} ${one.payload.toString().slice(0, 120)}`);
  }

  /** Fails with the status and body when the host refuses. */
  static async dial(host: Host, session: ConnectionInfo, headers: Record<string, string> = {}): Promise<Relay> {
    const socket = new WebSocket(`${host.url.replace(/^http/, 'ws')}/api/v1/sessions/${session.session_id}/relay`, 'lectern-relay.v1', {
      headers: { Authorization: `Bearer ${host.token}`, ...headers },
      rejectUnauthorized: false,
    });
    const relay = new Relay(socket);
    await relay.opened();
    return relay;
  }

  send(header: unknown, payload: string | Uint8Array = ''): void {
    this.socket.send(encodeRelay(header, payload));
  }

  /** Opens a channel without waiting for what it answers. */
  open(options: OpenOptions = {}): RelayChannel {
    const channel = new RelayChannel(this, ++this.lastChannel);
    this.send({
      op: 'open',
      c: channel.number,
      query: { ...options.query, ...(options.resume ? { resume: options.resume } : {}) },
      client_key: options.key ? `${options.key.id}.${options.key.secret}` : '',
      scope: options.scope ?? 'edit',
    });
    return channel;
  }
  async join(options: OpenOptions = {}): Promise<RelayChannel> {
    const channel = this.open(options);
    await channel.event('replay-complete');
    return channel;
  }

  /** Edits that hold `text`. */
  with(text: string): RelayMessage[] {
    return this.messages.filter((one) => one.payload.includes('notebook-document-transaction') && one.payload.includes(text));
  }
  id(): string {
    return `r${this.nextId++}`;
  }
}

export class RelayChannel {
  constructor(readonly relay: Relay, readonly number: number) {}

  private get mine(): RelayMessage[] {
    return this.relay.messages.filter((one) => [one.header.c].flat().includes(this.number));
  }
  get frames(): Frame[] {
    return this.mine.filter((one) => one.header.op === 'frame' && one.header.text).map((one) => JSON.parse(one.payload.toString()));
  }
  /** How it was refused or closed. */
  get end(): any {
    return this.mine.find((one) => one.header.op !== 'frame')?.header;
  }
  get ready(): any {
    return this.frames.find((frame) => frame.op === 'kernel-ready')!.data;
  }
  get key(): ClientKey {
    return this.ready.client;
  }
  get resume(): string {
    return `${this.ready.stream}.${Math.max(this.ready.seq ?? 0, ...this.frames.map((frame) => frame.seq ?? 0))}`;
  }
  event(op: string, match: (data: any) => boolean = () => true): Promise<Frame> {
    return this.relay.until(`${op} on channel ${this.number}`, () => this.frames.find((frame) => frame.op === op && match(frame.data)));
  }
  send(text: string): void {
    this.relay.send({ op: 'frame', c: this.number, text: true }, text);
  }
  async command(name: string, body: unknown = {}, epoch?: number): Promise<any> {
    const id = this.relay.id();
    this.send(JSON.stringify({ id, command: name, ...(epoch === undefined ? {} : { epoch }), body }));
    return (await this.event('reply', (data) => data.id === id)).data;
  }
  close(clean = true): void {
    this.relay.send({ op: 'close', c: this.number, clean });
  }
}

/** What a relay that is refused is told. */
export async function refused(dialing: Promise<Relay>): Promise<Pick<Answer, 'status' | 'text'>> {
  const error: Error = await dialing.then(
    () => new Error('200 it was let in'),
    (why: Error) => why,
  );
  return { status: Number(error.message.slice(0, 3)), text: error.message.slice(4) };
}
