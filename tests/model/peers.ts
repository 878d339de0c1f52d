// The clients of a schedule. Each keeps a copy of the notebook as its kind does, goes on editing without a host where its kind can, and
// says of every edit what became of it.
import * as A from '@automerge/automerge';
import { createHash } from 'node:crypto';
import { positionBetween } from '../../host/web/src/document/positions';
import { Client, cut, type Frame } from '../support/client';
import type { Answer, ClientKey, ConnectionInfo, Host } from '../support/host';
import { effect, type Effect } from './model';
import { applyChanges, fromDocument, fromSnapshot, positionsOf, scalar, type Doc, type View } from './notebook';

export type Edit =
  | { type: 'splice'; cell: string; at: number; remove: number; insert: string }
  | { type: 'replace'; cell: string; source: string; fresh: string }
  | { type: 'create'; cell: string; after: string | null; source: string }
  | { type: 'delete'; cell: string }
  | { type: 'move'; cell: string; after: string | null }
  | { type: 'retype'; cell: string; to: string }
  | { type: 'mark'; cell: string; value: string };

/** What a refused line or a broken promise of the host is told with. */
export class Broken extends Error {}

export abstract class Peer {
  client: Client | undefined;
  key: ClientKey | undefined;
  /** Every epoch this client was granted. */
  readonly epochs: number[] = [];
  /** The host has acknowledged something to it. */
  protected known = false;
  protected seen = 0;
  protected seenBinary = 0;

  constructor(
    readonly name: string,
    private readonly viewOnly = false,
  ) {}
  abstract view(): View;
  /** Makes an edit and, with a line, sends it. The effect is appended to `effects`, and its fate is known after settle(). */
  abstract edit(edit: Edit, round: number, effects: Effect[]): void;
  /** Whether it can edit without a line. */
  abstract readonly alone: boolean;
  protected abstract joined(client: Client): void;
  protected abstract options(): { document: 'events' | 'changes'; query?: Record<string, string>; resume?: string };
  protected abstract frame(frame: Frame): void;
  protected abstract binary(kind: number, header: any, payload: Uint8Array): void;
  /** Sends what is still unsent, and waits until the host answered everything, or the line is gone. */
  abstract settle(): Promise<void>;
  /** It begins anew, as somebody else. */
  protected abstract forgotten(): void;
  /** The line is gone. */
  protected lost(): void {}

  get online(): boolean {
    return this.client !== undefined && this.client.closed === undefined;
  }
  get mayEdit(): boolean {
    return this.online && this.client!.epoch !== undefined;
  }

  async join(host: Host, info: ConnectionInfo): Promise<void> {
    const options = this.options();
    const who = { viewOnly: this.viewOnly, ...(this.key ? { key: this.key } : {}) };
    const client = await Client.join(host, info, { ...options, ...who, query: { label: this.name, ...options.query } }).catch((error: Error) => {
      if (!this.key || !error.message.includes('client_unknown')) throw error;
      return undefined;
    });
    if (!client) {
      // A host that was killed right after somebody came may not know them; whoever it acknowledged anything to, it knows.
      if (this.known) throw new Broken(`the host does not know ${this.name}, whose edits it acknowledged`);
      this.key = undefined;
      this.forgotten();
      return this.join(host, info);
    }
    this.key = { id: client.key.id, secret: client.key.secret ?? this.key!.secret };
    this.seen = this.seenBinary = 0;
    this.client = client;
    this.joined(client);
    await client.until(`the notebook of ${this.name}`, () => {
      this.pull();
      return this.complete;
    });
  }
  /** It has a notebook to show. */
  protected get complete(): boolean {
    return true;
  }
  async leave(): Promise<void> {
    const client = this.client!;
    await client.close();
    this.gone();
  }
  cut(): void {
    this.client!.cut();
    this.gone();
  }
  /** The line ended, by whichever side: what came on it is read to its end. */
  gone(): void {
    this.pull();
    this.client = undefined;
    this.lost();
  }
  /** Takes in what has arrived. */
  pull(): void {
    const { client } = this;
    if (!client) return;
    for (; this.seen < client.frames.length; ++this.seen) {
      const frame = client.frames[this.seen]!;
      if ((frame.op === 'kernel-ready' || frame.op === 'consumer-capabilities') && frame.data.consumer_capabilities.edit) this.epochs.push(frame.data.epoch);
      this.frame(frame);
    }
    for (; this.seenBinary < client.binaries.length; ++this.seenBinary) {
      const { kind, header, payload } = client.binaries[this.seenBinary]!;
      this.binary(kind, header, payload);
    }
  }
  /** The reply, or undefined when the line went first. */
  protected async reply(id: string): Promise<any> {
    const client = this.client!;
    const found = () => client.frames.find((frame) => frame.op === 'reply' && frame.data.id === id);
    await client.until(`the reply to ${id} of ${this.name}`, () => found() ?? client.closed, 20_000);
    return found()?.data;
  }
  /** A command of no edit's own; undefined when the line went first. */
  async command(name: string, body: unknown = {}): Promise<any> {
    const id = `x${Peer.ids++}`;
    const { epoch } = this.client!;
    this.client!.socket.send(JSON.stringify({ id, command: name, ...(epoch === undefined ? {} : { epoch }), body }));
    const reply = await this.reply(id);
    if (reply?.ok && reply.changes > 0) this.known = true;
    return reply;
  }
  /** `kernel-ready` tells the secret once, so the key is the one kept here. */
  takeover(): Promise<Answer> {
    const { host, session } = this.client!;
    return host.post(`/api/v1/sessions/${session}/takeover`, {}, { 'Lectern-Client': `${this.key!.id}.${this.key!.secret}` });
  }
  protected static ids = 0;
}

const points = (text: string) => [...text];

/** What an edit does to the tokens of a notebook that looks like `view`. */
function effectOf(by: string, edit: Edit, view: View, round: number): Effect {
  const source = points(view.find((cell) => cell.id === edit.cell)?.source ?? '');
  switch (edit.type) {
    case 'splice':
      return effect(by, edit.type, round, {
        adds: points(edit.insert).map((token) => ({ token, cell: edit.cell })),
        removes: source.slice(edit.at, edit.at + edit.remove),
      });
    case 'replace':
      return effect(by, edit.type, round, { adds: points(edit.fresh).map((token) => ({ token, cell: edit.cell })), replaces: [{ cell: edit.cell, source: edit.source }] });
    case 'create':
      return effect(by, edit.type, round, { adds: points(edit.source).map((token) => ({ token, cell: edit.cell })) });
    case 'delete':
      return effect(by, edit.type, round, { deletes: [edit.cell] });
    default:
      return effect(by, edit.type, round);
  }
}

/** Reads snapshots and events, edits by transactions. */
export class EventsPeer extends Peer {
  private cells: View = [];
  private version = 0;
  private waiting: Frame[] = []; // behind an own edit whose changes its reply will tell
  private readonly sent = new Map<string, { body: unknown; effect: Effect; epoch: number | undefined }>();
  private readonly replies = new Map<string, any>();
  private resumeToken: string | undefined;
  private stream = '';
  private later: { edit: Edit & { type: 'replace' }; effect: Effect; base: string } | undefined;

  get alone(): boolean {
    return true;
  }
  view(): View {
    this.pull();
    return this.cells;
  }
  protected options() {
    return { document: 'events' as const, ...(this.resumeToken ? { resume: this.resumeToken } : {}) };
  }
  protected joined(client: Client): void {
    const { ready } = client;
    this.waiting = []; // the host begins again behind what was taken in
    if (ready.stream !== this.stream || ready.replay === 'snapshot') {
      // In another run of the host what was under way stays unknown.
      if (ready.stream !== this.stream) {
        for (const one of this.sent.values()) one.effect.lapses = 1;
        this.sent.clear();
      }
    }
    this.stream = ready.stream;
    for (const [id, one] of this.sent) this.send(id, one.body, client.epoch ?? one.epoch);
  }
  protected frame(frame: Frame): void {
    if (frame.op === 'reply') {
      this.replies.set(frame.data.id, frame.data);
      this.answered(frame.data);
      return this.drain();
    }
    if (frame.op === 'kernel-ready' && frame.data.notebook) {
      this.waiting = [];
      this.cells = fromSnapshot(frame.data.notebook);
      this.version = frame.data.notebook.version;
      this.resumeToken = `${frame.data.stream}.${frame.data.seq}`;
      return;
    }
    if (frame.op === 'replay-complete' || frame.seq !== null) this.waiting.push(frame);
    this.drain();
  }
  protected binary(): void {}
  protected forgotten(): void {
    for (const one of this.sent.values()) one.effect.fate = 'refused';
    this.sent.clear();
    this.later = this.resumeToken = undefined;
    this.stream = '';
  }

  private drain(): void {
    while (this.waiting.length > 0) {
      const frame = this.waiting[0]!;
      if (frame.op === 'notebook-document-transaction') {
        const { transaction } = frame.data;
        let { changes } = transaction;
        if (!changes) {
          const answer = this.replies.get(transaction.id);
          if (!answer) return; // its reply comes next, or when we are back
          changes = answer.applied;
          if (!changes) throw new Broken(`${this.name} is told neither in the event nor in the reply what its own ${transaction.id} changed`);
        }
        this.cells = applyChanges(this.cells, changes);
        if (transaction.version <= this.version) throw new Broken(`${this.name}: version ${transaction.version} follows ${this.version}`);
        this.version = transaction.version;
      }
      this.waiting.shift();
      const seq = frame.seq ?? frame.data.seq;
      if (seq !== null && seq !== undefined) this.resumeToken = `${this.stream || this.client?.ready.stream}.${seq}`;
    }
  }
  private answered(reply: any): void {
    const one = this.sent.get(reply.id);
    if (!one) return;
    this.sent.delete(reply.id);
    // A new cell whose anchor is gone is named there, too, and made all the same.
    const dropped = reply.ok && reply.dropped.length > 0 && reply.applied.length === 0;
    one.effect.fate = reply.ok ? (dropped ? 'refused' : 'acked') : reply.error.status >= 500 ? 'unknown' : 'refused';
    if (reply.ok && reply.applied.length > 0) this.known = true;
  }
  private send(id: string, body: unknown, epoch: number | undefined): void {
    this.client!.socket.send(JSON.stringify({ id, command: 'transaction', ...(epoch === undefined ? {} : { epoch }), body }));
  }

  edit(edit: Edit, round: number, effects: Effect[]): void {
    const view = this.view();
    const made = effectOf(this.name, edit, view, round);
    if (!this.online) return this.remember(edit, made, view);
    effects.push(made);
    const id = `t${Peer.ids++}`;
    const body = { base_version: this.version, changes: [this.change(edit, view)] };
    this.sent.set(id, { body, effect: made, epoch: this.client!.epoch });
    this.send(id, body, this.client!.epoch);
  }
  /** Without a line: one source, sent on return with the hash of what it was made from. */
  private remember(edit: Edit, made: Effect, view: View): void {
    if (edit.type !== 'splice' || this.later) return;
    const base = view.find((cell) => cell.id === edit.cell)!.source;
    const source = points(base);
    source.splice(edit.at, edit.remove, ...edit.insert);
    const replace = { type: 'replace' as const, cell: edit.cell, source: source.join(''), fresh: edit.insert };
    this.later = { edit: replace, base, effect: { ...made, removes: [], replaces: [{ cell: edit.cell, source: replace.source }] } };
  }
  private change(edit: Edit, view: View): unknown {
    switch (edit.type) {
      case 'splice':
        return { type: 'splice_source', cell_id: edit.cell, index: edit.at, delete: edit.remove, insert: edit.insert };
      case 'replace':
        return { type: 'set_source', cell_id: edit.cell, source: edit.source };
      case 'create':
        return { type: 'create_cell', cell_id: edit.cell, cell_type: 'code', source: edit.source, ...(edit.after === null ? { before: view[0]?.id } : { after: edit.after }) };
      case 'delete':
        return { type: 'delete_cell', cell_id: edit.cell };
      case 'move':
        return { type: 'move_cell', cell_id: edit.cell, ...(edit.after === null ? { before: view[0]?.id } : { after: edit.after }) };
      case 'retype':
        return { type: 'set_cell_type', cell_id: edit.cell, cell_type: edit.to };
      case 'mark':
        return { type: 'set_metadata', cell_id: edit.cell, path: ['mark'], value: edit.value };
    }
  }
  /** What it had kept for its return. */
  returned(effects: Effect[]): void {
    if (!this.later || !this.mayEdit) return;
    const { edit, effect: made, base } = this.later;
    this.later = undefined;
    effects.push(made);
    const id = `t${Peer.ids++}`;
    const body = { changes: [{ type: 'set_source', cell_id: edit.cell, source: edit.source, base_hash: createHash('sha256').update(base).digest('hex') }] };
    this.sent.set(id, { body, effect: made, epoch: this.client!.epoch });
    this.send(id, body, this.client!.epoch);
  }
  async settle(): Promise<void> {
    const { client } = this;
    if (!client) return;
    await client.until(`the answers to ${[...this.sent.keys()]} of ${this.name}`, () => {
      this.pull();
      return this.sent.size === 0 || client.closed;
    }, 20_000);
  }
}

/** An edit as one Automerge change; false where its cell is gone. */
function write(draft: any, edit: Edit): boolean {
  const place = (after: string | null, moved: string): string => {
    const others = positionsOf(draft).filter((cell) => cell.id !== moved);
    const at = after === null ? -1 : others.findIndex((cell) => cell.id === after);
    const left = after !== null && at === -1 ? others.length - 1 : at;
    return positionBetween(others[left]?.position ?? null, others[left + 1]?.position ?? null);
  };
  if (edit.type === 'create') {
    draft.cells[edit.cell] = {
      id: scalar(edit.cell),
      cell_type: scalar('code'),
      position: scalar(place(edit.after, edit.cell)),
      source: edit.source,
      execution_count: scalar('null'),
      metadata: {},
      resolved_assets: {},
      attachments: {},
    };
    return true;
  }
  const cell = draft.cells[edit.cell];
  if (!cell) return false;
  const source: string = cell.source;
  switch (edit.type) {
    case 'splice': {
      const all = points(source);
      const units = (from: number, to: number) => all.slice(from, to).join('').length;
      A.splice(draft, ['cells', edit.cell, 'source'], units(0, edit.at), units(edit.at, edit.at + edit.remove), edit.insert);
      break;
    }
    case 'replace':
      A.updateText(draft, ['cells', edit.cell, 'source'], edit.source);
      break;
    case 'delete':
      delete draft.cells[edit.cell];
      break;
    case 'move':
      cell.position = scalar(place(edit.after, edit.cell));
      break;
    case 'retype':
      cell.cell_type = scalar(edit.to);
      break;
    case 'mark':
      cell.metadata.mark = scalar(edit.value);
      break;
  }
  return true;
}

/** What a change made of a whole source did, exactly: Automerge edits remove what their author saw. */
function exact(made: Effect, before: View, after: View): void {
  made.replaces = [];
  const left = new Set(after.flatMap((cell) => points(cell.source)));
  made.removes = before.filter((cell) => after.some((other) => other.id === cell.id)).flatMap((cell) => points(cell.source)).filter((token) => !left.has(token));
}

/** `edit` made in `was` by `by`, who sees `before`. No chunk: it changed nothing. */
function changed(by: string, edit: Edit, before: View, was: Doc, round: number) {
  const made = effectOf(by, edit, before, round);
  let wrote = false;
  const doc = A.change(was, (draft) => {
    wrote = write(draft, edit);
  });
  const chunk = wrote && doc !== was ? A.getLastLocalChange(doc) : undefined;
  if (chunk && edit.type === 'replace') exact(made, before, fromDocument(doc));
  return { doc, chunk, made };
}

/** Holds the document and sends the raw changes it makes, as the page does. */
export class ChangesPeer extends Peer {
  private doc: Doc | undefined;
  private confirmed: Doc | undefined; // what the host has
  private history = '';
  private unsent: { chunk: Uint8Array; effect: Effect }[] = [];
  private readonly under = new Map<string, { chunk: Uint8Array; effect: Effect }[]>();

  get alone(): boolean {
    return true;
  }
  view(): View {
    this.pull();
    return fromDocument(this.doc!);
  }
  protected override get complete(): boolean {
    return this.doc !== undefined;
  }
  protected options() {
    const heads = this.confirmed ? { heads: A.getHeads(this.confirmed).join(','), history_id: this.history } : {};
    return { document: 'changes' as const, query: heads as Record<string, string> };
  }
  protected joined(client: Client): void {
    const { actor, history_id } = client.ready;
    if (this.history !== '' && this.history !== history_id) throw new Broken(`${this.name}: the history changed from ${this.history} to ${history_id}`);
    this.history = history_id;
    if (this.doc && A.getActorId(this.doc) !== actor) this.doc = A.clone(this.doc, { actor });
  }
  protected frame(frame: Frame): void {
    if (frame.op === 'reply' && this.under.has(frame.data.id)) this.answered(frame.data);
  }
  protected binary(kind: number, header: any, payload: Uint8Array): void {
    if (kind === 3) this.take(cut(payload, header.sizes));
    if (kind !== 6 || header.document !== 'notebook') return;
    this.confirmed = A.load<any>(payload.slice());
    const { actor } = this.client!.ready;
    this.doc = this.doc ? A.merge(this.doc, this.confirmed) : A.clone(this.confirmed, { actor });
  }
  protected forgotten(): void {
    for (const { effect: made } of this.unsent) made.fate = 'refused';
    this.unsent = [];
    this.doc = this.confirmed = undefined;
  }
  private take(chunks: Uint8Array[]): void {
    const copies = chunks.map((chunk) => chunk.slice());
    [this.confirmed] = A.applyChanges(this.confirmed!, copies);
    [this.doc] = A.applyChanges(this.doc!, copies);
    if (A.getMissingDeps(this.confirmed, []).length > 0) throw new Broken(`${this.name}: the host sent changes before what they build on`);
  }
  private answered(reply: any): void {
    const pieces = this.under.get(reply.id)!;
    this.under.delete(reply.id);
    if (reply.ok) {
      this.known = true;
      for (const piece of pieces) piece.effect.fate = 'acked';
      [this.confirmed] = A.applyChanges(this.confirmed!, pieces.map((piece) => piece.chunk));
      return;
    }
    if (reply.error.status >= 500 && reply.error.code !== 'outcome_unknown') {
      this.unsent.unshift(...pieces);
      return;
    }
    // Refused: back to what the host has. What builds on it falls with it.
    const known = new Set(A.getAllChanges(this.confirmed!).map((change) => A.decodeChange(change).hash));
    for (const { chunk, effect: made } of [...pieces, ...[...this.under.values()].flat(), ...this.unsent]) {
      made.fate = known.has(A.decodeChange(chunk).hash) ? 'acked' : 'refused';
    }
    this.under.clear();
    this.unsent = [];
    this.doc = A.clone(this.confirmed!, { actor: reply.error.details.actor });
  }
  protected lost(): void {
    this.unsent.unshift(...[...this.under.values()].flat());
    this.under.clear();
  }

  edit(edit: Edit, round: number, effects: Effect[]): void {
    const { doc, chunk, made } = changed(this.name, edit, this.view(), this.doc!, round);
    this.doc = doc;
    if (!chunk) return;
    effects.push(made);
    this.unsent.push({ chunk, effect: made });
    if (this.online) this.push();
  }
  /** Sends what is unsent, without waiting. */
  push(): void {
    if (this.unsent.length === 0) return;
    const id = `c${Peer.ids++}`;
    this.under.set(id, this.unsent);
    this.client!.sendChanges(this.unsent.map((piece) => piece.chunk), { id, epoch: this.client!.epoch });
    this.unsent = [];
  }
  async settle(): Promise<void> {
    const { client } = this;
    if (!client) return;
    this.pull();
    this.push();
    await client.until(`the answers to the changes of ${this.name}`, () => {
      this.pull();
      return this.under.size === 0 || client.closed;
    }, 20_000);
  }
}

/** Any Automerge program: the sync protocol and nothing else. */
export class SyncPeer extends Peer {
  private doc: Doc | undefined;
  private state: A.SyncState = A.initSyncState();
  private history = '';
  private open: { hash: string; effect: Effect }[] = [];

  get alone(): boolean {
    return this.doc !== undefined;
  }
  view(): View {
    this.pull();
    return fromDocument(this.doc!);
  }
  protected override get complete(): boolean {
    return this.doc?.cells !== undefined;
  }
  protected options() {
    const heads = this.doc ? { heads: A.getHeads(this.doc).join(','), history_id: this.history } : {};
    return { document: 'events' as const, query: heads as Record<string, string> };
  }
  protected joined(client: Client): void {
    const { actor, history_id } = client.ready;
    if (this.history !== '' && this.history !== history_id) throw new Broken(`${this.name}: the history changed from ${this.history} to ${history_id}`);
    this.history = history_id;
    if (!this.doc) this.doc = A.init<any>({ actor });
    else if (A.getActorId(this.doc) !== actor) this.doc = A.clone(this.doc, { actor });
    this.state = A.initSyncState();
    this.talk();
  }
  protected frame(frame: Frame): void {
    if (frame.op === 'notice') throw new Broken(`${this.name} was refused: ${frame.data.text}`);
  }
  protected binary(kind: number, _header: any, payload: Uint8Array): void {
    if (kind !== 1) return;
    [this.doc, this.state] = A.receiveSyncMessage(this.doc!, this.state, payload.slice());
    this.talk();
  }
  private talk(): void {
    for (;;) {
      const [state, message] = A.generateSyncMessage(this.doc!, this.state);
      this.state = state;
      if (!message || !this.client || this.client.closed) return;
      const framed = new Uint8Array(5 + message.length);
      framed[0] = 1;
      framed.set(message, 5);
      this.client.socket.send(framed);
    }
  }
  edit(edit: Edit, round: number, effects: Effect[]): void {
    const { doc, chunk, made } = changed(this.name, edit, this.view(), this.doc!, round);
    this.doc = doc;
    if (!chunk) return;
    effects.push(made);
    this.open.push({ hash: A.decodeChange(chunk).hash, effect: made });
    if (this.online) this.talk();
  }
  protected forgotten(): void {
    for (const one of this.open) one.effect.fate = 'refused';
    this.open = [];
    this.doc = undefined;
  }
  private acked(): boolean {
    this.pull();
    if (this.open.length > 0 && !A.hasOurChanges(this.doc!, this.state)) return false;
    for (const one of this.open) one.effect.fate = 'acked';
    if (this.open.length > 0) this.known = true;
    this.open = [];
    return true;
  }
  async settle(): Promise<void> {
    const { client } = this;
    if (!client) return;
    await client.until(`the host to have all of ${this.name}`, () => this.acked() || client.closed, 20_000);
  }
}
