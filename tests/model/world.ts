// One schedule on a real host: its clients, the notebook's file and the host itself, and what each step does to them.
import * as A from '@automerge/automerge';
import fs from 'node:fs';
import path from 'node:path';
import { Host, until, type ConnectionInfo } from '../support/host';
import { ChangesPeer, EventsPeer, SyncPeer, type Edit, type Peer } from './peers';
import { effect, Model, type Effect } from './model';
import { difference, fromDocument, fromFile, fromSnapshot, type View } from './notebook';
import { token } from './random';
import type { ClientStep, FileStep, Schedule, Step } from './schedule';

const NAME = 'n.ipynb';
const EDITS = new Set<string>(['type', 'replace', 'create', 'delete', 'move', 'retype', 'mark']);
/** With a conflict the file stays as it is; a read-only or busy moment is nobody's fault either. */
const SAVE_REFUSALS = new Set(['conflict', 'read_only', 'stale_epoch', 'epoch_required']);

export class World {
  readonly log: string[] = [];
  private host!: Host;
  private info!: ConnectionInfo;
  private readonly peers: Peer[];
  private readonly watcher = new EventsPeer('watcher', true);
  private readonly model = new Model();
  private readonly epochs = new Map<number, string>(); // by whom
  private roomEpoch = 0;
  private readonly heard = new Map<Peer, number>(); // after which round each client had all there was
  private tokens = 0;
  private cells = 0;
  private open: Effect[] = [];
  private outside: { effect: Effect; tokens: string[] }[] = [];
  private lastText = '';
  private readonly args: string[];

  /** `look`: what the model is shown of the document; the tests of the model show it something else. */
  constructor(
    private readonly schedule: Schedule,
    private readonly look: (view: View) => View = (view) => view,
  ) {
    this.peers = schedule.peers.map((kind, index) => {
      const name = `${kind}-${index}`;
      return kind === 'events' ? new EventsPeer(name) : kind === 'changes' ? new ChangesPeer(name) : new SyncPeer(name);
    });
    const autosave = schedule.autosave ? ['--autosave-after-ms', '30', '--autosave-at-most-ms', '120'] : ['--autosave-at-most-ms', '0'];
    this.args = ['--policy', schedule.policy, ...autosave];
  }

  async run(): Promise<string[]> {
    this.host = await Host.start({ args: this.args });
    try {
      this.info = await this.host.open(this.host.notebook(NAME, ['a', 'b', 'c'].map((id) => ({ id, source: this.fresh(3) }))));
      this.lastText = this.host.file(NAME);
      this.model.begin(fromFile(this.lastText));
      await this.watcher.join(this.host, this.info);
      for (const peer of this.peers) await peer.join(this.host, this.info);
      await this.agreed();
      for (const [index, steps] of this.schedule.rounds.entries()) {
        this.log.push(`-- round ${index}`);
        const faults = await this.round(steps);
        if (faults.length > 0) return faults;
      }
      this.log.push('-- everybody comes back, the file is written');
      return await this.last();
    } finally {
      for (const peer of [...this.peers, this.watcher]) if (peer.online) peer.cut();
      await this.host.kill('SIGKILL');
      this.host.forget();
    }
  }

  // ---- rounds

  private async round(steps: Step[]): Promise<string[]> {
    this.expected = undefined;
    if (steps.some((step) => step.who === 'host')) await this.hostRound(steps);
    else await this.together(steps);
    const faults = await this.ending(steps.some((step) => step.who === 'file'));
    if (faults.length === 0 && steps.length === 1) return this.alone(steps[0]!);
    return faults;
  }

  /** Each actor's steps in their order, all actors at once. */
  private async together(steps: Step[]): Promise<void> {
    const actors = [...new Set(steps.map((step) => step.who))];
    await Promise.all(
      actors.map(async (who) => {
        for (const step of steps.filter((candidate) => candidate.who === who)) await this.step(step, steps);
      }),
    );
  }

  /** The host ends while half of the edits are on their way; the others are made without it. */
  private async hostRound(steps: Step[]): Promise<void> {
    const end = steps.find((step) => step.who === 'host')!;
    const edits = steps.filter((step) => typeof step.who === 'number' && EDITS.has(step.what));
    const online = this.peers.filter((peer) => peer.online);
    const before = edits.filter((_, index) => index % 2 === 0);
    for (const step of before) if (this.peer(step).mayEdit) this.edit(this.peer(step), step);
    if (end.c % 3 === 0) for (const step of before) await this.peer(step).settle();
    this.log.push(end.what);
    const old = this.host;
    await old.kill(end.what === 'kill' ? 'SIGKILL' : 'SIGTERM');
    for (const peer of [...online, this.watcher]) {
      const client = peer.client!;
      await client.until('the line to end', () => client.closed);
      peer.gone();
    }
    for (const step of steps) {
      if (step.who === 'file') this.file(step, end.what === 'stop');
      else if (typeof step.who === 'number' && !before.includes(step)) await this.client(step);
    }
    this.host = await Host.start({ root: old.root, home: old.home, args: this.args });
    this.adopt(old);
    const info = await this.host.open(NAME);
    if (info.session_id !== this.info.session_id) throw new Error(`the session was ${this.info.session_id} and is ${info.session_id} after the restart`);
    this.info = info;
    await this.watcher.join(this.host, info);
    await Promise.all(online.map((peer) => this.back(peer)));
  }

  /** The folders are the first host's; the last one removes them. */
  private adopt(old: Host): void {
    const forget = old.forget.bind(old);
    const own = this.host.forget.bind(this.host);
    this.host.forget = () => {
      own();
      forget();
    };
  }

  /** What must hold once everything is answered and told. */
  private async ending(outside: boolean): Promise<string[]> {
    for (const peer of this.peers) if (peer.online) await peer.settle();
    if (outside || this.outside.length > 0) await this.noticed();
    const view = this.look(await this.agreed());
    for (const peer of this.peers) if (peer.online) this.heard.set(peer, this.model.rounds + 1);
    const asked = this.asked;
    // A file that is gone asks nothing, and asks again when it is put back.
    if (fs.existsSync(path.join(this.host.root, NAME))) this.asked = this.undecided();
    const faults = [...this.model.end(view, [...this.open, asked, this.asked]), ...(await this.pen())];
    this.open = this.open.filter((one) => one.fate === 'unknown' && (one.lapses === undefined || one.lapses-- > 0));
    return faults;
  }

  private async last(): Promise<string[]> {
    for (const peer of this.peers) if (!peer.online) await this.back(peer);
    const faults = await this.ending(false);
    if (faults.length > 0) return faults;
    const writer = await this.writer();
    await this.choose(0);
    const settled = await this.ending(false);
    if (settled.length > 0) return settled;
    const saved = await writer.command('save', {});
    if (!saved?.ok) return [`the last save was refused: ${JSON.stringify(saved)}`];
    const file = fromFile(this.host.file(NAME));
    const differs = difference('the file', file, 'the document', await this.agreed());
    return differs ? [differs] : [];
  }

  /** What a step that had the notebook for itself must have come to. */
  private async alone(step: Step): Promise<string[]> {
    const { expected } = this;
    if (!expected || step.what !== 'restore') return [];
    const tidy = (view: View) => view.map((cell) => ({ ...cell, metadata: {} }));
    const differs = difference('after the restore', tidy(this.model.last), 'the version', tidy(expected));
    return differs ? [differs] : [];
  }
  private expected: View | undefined;

  // ---- steps

  private peer(step: Step): Peer {
    return this.peers[(step.who as number) % this.peers.length]!;
  }
  private fresh(n: number): string {
    return Array.from({ length: n }, () => token(this.tokens++)).join('');
  }

  private async step(step: Step, all: Step[]): Promise<void> {
    if (step.who === 'file') return this.file(step, this.schedule.autosave || all.some((other) => other.what === 'save'));
    await this.client(step);
  }

  private async client(step: Step): Promise<void> {
    const peer = this.peer(step);
    const what = step.what as ClientStep;
    this.log.push(`${peer.name} ${what}${peer.online ? '' : ' (away)'}`);
    if (what === 'back') return peer.online || this.down() ? undefined : this.back(peer);
    if (!peer.online) return EDITS.has(what) && peer.alone ? this.edit(peer, step) : undefined;
    if (EDITS.has(what)) {
      if (this.mayTry(peer, step)) this.edit(peer, step);
      return step.c % 3 === 0 ? peer.settle() : undefined;
    }
    switch (what) {
      case 'undo':
      case 'redo':
        return this.reverse(peer, what);
      case 'restore':
        return this.restore(peer, step);
      case 'save':
        return this.save(peer);
      case 'take':
        await peer.settle();
        if (peer.online) await peer.takeover();
        return;
      case 'release':
        await peer.settle();
        if (peer.mayEdit) await peer.command('release');
        return;
      case 'resolve':
        return this.choose(step.a);
      case 'leave':
        return peer.leave();
      case 'cut':
        await peer.settle();
        if (peer.online) peer.cut();
        return;
      case 'cut_midway':
        for (let n = 0; n < 2; ++n) if (this.mayTry(peer, step)) this.edit(peer, { ...step, what: 'type', a: step.a + n, b: step.b + n * 7 });
        return peer.cut();
    }
  }
  private down(): boolean {
    return this.host.process.exitCode !== null || this.host.process.signalCode !== null;
  }
  /** Who may not edit tries it now and then, but not by sync, where a refusal ends the conversation. */
  private mayTry(peer: Peer, step: Step): boolean {
    return peer.mayEdit || (!(peer instanceof SyncPeer) && this.schedule.policy === 'local-takeover' && step.c % 4 === 0);
  }

  private edit(peer: Peer, step: Step): void {
    const edit = this.choice(peer, step);
    if (!edit) return;
    this.log.push(`  ${peer.name} ${JSON.stringify(edit)}`);
    peer.edit(edit, this.heard.get(peer) ?? 0, this.open);
  }

  private choice(peer: Peer, { what, a, b, c }: Step): Edit | undefined {
    const view = peer.view();
    const cell = view[a % Math.max(1, view.length)];
    const after = b % (view.length + 1) === 0 ? null : view[(b % (view.length + 1)) - 1]!.id;
    if (!cell || what === 'create') return { type: 'create', cell: `${peer.name}-${this.cells++}`, after, source: this.fresh(1 + (c % 3)) };
    const source = [...cell.source];
    const at = b % (source.length + 1);
    switch (what) {
      case 'type': {
        const remove = c % 3 === 0 ? Math.min(1 + ((c >> 3) % 3), source.length - at) : 0;
        const insert = remove > 0 && (c >> 6) % 3 === 0 ? '' : this.fresh(1 + ((c >> 8) % 3));
        return { type: 'splice', cell: cell.id, at, remove, insert };
      }
      case 'replace': {
        const fresh = this.fresh(1 + (c % 2));
        source.splice(at, (c >> 2) % 3, ...fresh);
        return { type: 'replace', cell: cell.id, source: source.join(''), fresh };
      }
      case 'delete':
        return { type: 'delete', cell: cell.id };
      case 'move':
        return after === cell.id ? undefined : { type: 'move', cell: cell.id, after };
      case 'retype':
        return { type: 'retype', cell: cell.id, to: ['code', 'markdown', 'raw'][c % 3]! };
      case 'mark':
        return { type: 'mark', cell: cell.id, value: `m${c}` };
      default:
        return undefined;
    }
  }

  private async back(peer: Peer): Promise<void> {
    await peer.join(this.host, this.info);
    if (this.schedule.policy === 'collaborative') await peer.client!.until(`${peer.name} may edit`, () => peer.client!.epoch);
    if (peer instanceof EventsPeer) peer.returned(this.open);
  }

  private async reverse(peer: Peer, what: 'undo' | 'redo'): Promise<void> {
    const made = effect(peer.name, what, this.model.rounds, { reverses: true });
    this.open.push(made);
    this.finish(made, await peer.command(what));
  }
  private finish(made: Effect, reply: any): void {
    if (!reply) made.lapses = 2;
    else made.fate = reply.ok && reply.changes !== 0 ? 'acked' : 'refused';
    if (reply && !reply.ok && reply.error.status >= 500) throw new Error(`${made.by} ${made.what}: ${JSON.stringify(reply.error)}`);
  }

  private async restore(peer: Peer, { a, b, c }: Step): Promise<void> {
    const past = `/api/v1/sessions/${this.info.session_id}/history`;
    const { versions } = (await this.host.get(past)).body;
    const { version } = versions[a % versions.length];
    const was = (await this.host.get(`${past}/${version}`)).body;
    const view = fromSnapshot(was);
    const cell = c % 4 === 0 ? view[b % Math.max(1, view.length)] : undefined;
    const made = effect(peer.name, `restore ${version}`, this.model.rounds, cell ? { replaces: [{ cell: cell.id, source: cell.source }] } : { restores: new Set(view.flatMap((one) => [...one.source])) });
    if (!peer.online) return;
    this.open.push(made);
    const reply = await peer.command('restore', { version, ...(cell ? { cell_id: cell.id } : {}) });
    this.finish(made, reply);
    this.expected = reply?.ok && !cell ? view : undefined;
  }

  private async save(peer: Peer): Promise<void> {
    await peer.settle();
    if (!peer.mayEdit) return;
    const reply = await peer.command('save', {});
    if (reply && !reply.ok && !SAVE_REFUSALS.has(reply.error.code)) throw new Error(`a save was refused: ${JSON.stringify(reply.error)}`);
  }

  /** Somebody who may edit, by taking the pen if need be. */
  private async writer(): Promise<Peer> {
    const one = this.peers.find((peer) => peer.mayEdit) ?? this.peers[0]!;
    if (!one.mayEdit) {
      const answer = await one.takeover();
      if (answer.status !== 200) throw new Error(`nobody has the pen, and ${one.name} does not get it: ${answer.status} ${answer.text}`);
    }
    await one.client!.until('the pen', () => one.client!.epoch);
    return one;
  }

  /** Settles every conflict there is. */
  private async choose(how: number): Promise<void> {
    const conflict = this.conflict();
    if (conflict.length === 0) return;
    const view = this.watcher.view();
    const here = new Set(view.flatMap((cell) => [...cell.source]));
    const made = effect('resolve', 'resolve', this.model.rounds);
    const choices = conflict.map((one, index) => {
      const theirs: string = one.theirs?.source ?? '';
      const both = one.kind === 'both_edited' && ![...theirs].some((token) => here.has(token));
      const choice = ['ours', 'theirs', both ? 'both' : 'theirs'][(how + index) % 3]!;
      if (choice === 'ours') return { cell_id: one.cell_id, choice };
      if (one.kind === 'deleted_there') made.deletes.push(one.cell_id);
      else made.replaces.push({ cell: choice === 'both' ? '' : one.cell_id, source: theirs });
      return { cell_id: one.cell_id, choice };
    });
    const chooser = this.peers.find((peer) => peer.mayEdit);
    if (!chooser) return;
    this.log.push(`  ${chooser.name} resolves ${JSON.stringify(choices)}`);
    this.open.push(made);
    const reply = await chooser.command('resolve', { choices });
    if (!reply) made.lapses = 2;
    else made.fate = reply.ok ? 'acked' : 'refused';
  }
  private conflict(): any[] {
    this.watcher.pull();
    return this.watcher.client?.events('conflict').at(-1)?.data.cells ?? [];
  }

  /** While nobody has chosen, the file's side may still be taken: somebody may make the document's what it was. */
  private undecided(): Effect {
    const made = effect('file', 'undecided', this.model.rounds);
    for (const one of this.conflict()) {
      if (one.kind === 'deleted_there') made.deletes.push(one.cell_id);
      else made.replaces.push({ cell: one.cell_id, source: one.theirs.source });
    }
    return made;
  }
  private asked: Effect = effect('file', 'undecided', 0);

  // ---- the file, as other programs treat it

  private file(step: Step, blind: boolean): void {
    const file = path.join(this.host.root, NAME);
    const what = step.what as FileStep;
    const there = fs.existsSync(file);
    if (there) this.lastText = fs.readFileSync(file, 'utf8');
    this.log.push(`file ${what}${there ? '' : ' (it is gone)'}`);
    if (what === 'touch') return there ? fs.utimesSync(file, new Date(), new Date()) : undefined;
    if (what === 'remove') return fs.rmSync(file, { force: true });
    if (what === 'put_back' && there) return;
    const text = what === 'put_back' && step.c % 2 === 0 ? this.lastText : this.altered(step, blind);
    if (what === 'write_over' && !blind) return fs.writeFileSync(file, text);
    if (what === 'remove_and_put_back') fs.rmSync(file, { force: true });
    fs.writeFileSync(`${file}.other`, text);
    fs.renameSync(`${file}.other`, file);
  }

  /** The file with something else in it. */
  private altered({ a, b, c }: Step, blind: boolean): string {
    const notebook = JSON.parse(this.lastText);
    const base = fromFile(this.lastText);
    const made = effect('file', 'outside', this.model.rounds, blind ? { blind } : {});
    const change = (cell: any, source: string[], fresh: string) => {
      cell.source = source.join('').split(/(?<=\n)/);
      made.adds.push(...[...fresh].map((token) => ({ token, cell: cell.id as string })));
    };
    const fresh = this.fresh(2);
    if (base.length === 0 || c % 5 === 0) {
      const cell: any = { cell_type: 'code', execution_count: null, id: `file-${this.cells++}`, metadata: {}, outputs: [], source: [] };
      change(cell, [...fresh], fresh);
      notebook.cells.splice(a % (base.length + 1), 0, cell);
    } else {
      const at = a % base.length;
      const source = c % 5 === 1 ? [] : [...base[at]!.source];
      source.splice(b % (source.length + 1), c % 5 === 2 ? 2 : 0, ...fresh);
      change(notebook.cells[at], source, fresh);
      if (c % 7 === 0 && base.length > 2) notebook.cells.splice((at + 1) % base.length, 1);
      if (c % 7 === 1) notebook.cells.push(notebook.cells.shift());
    }
    const text = `${JSON.stringify(notebook, null, 1)}\n`;
    const left = new Set(fromFile(text).flatMap((cell) => [...cell.source]));
    const gone = effect('file', 'outside', made.since, { lapses: 2, offers: new Set(fromFile(text).flatMap((cell) => [...cell.source])), removes: base.flatMap((cell) => [...cell.source]).filter((token) => !left.has(token)) });
    this.log.push(`  ${made.adds.map((add) => `${add.token} in ${add.cell}`).join(', ')}; without ${gone.removes.join('')}`);
    this.open.push(made, gone);
    this.outside.push({ effect: made, tokens: [...fresh] });
    return text;
  }

  /** Waits until the host has taken what others wrote, or asks about it. */
  private async noticed(): Promise<void> {
    for (const { effect: made, tokens } of this.outside.splice(0)) {
      const asked = () => this.conflict().flatMap((cell) => [...(cell.theirs?.source ?? '')]);
      const cells = new Set(made.adds.map((add) => add.cell));
      const dropped = this.open.some((one) => one.deletes.some((cell) => cells.has(cell)) || one.restores || one.reverses || one.replaces.some((other) => cells.has(other.cell)));
      await until(`the host has noticed ${tokens.join('')} in the file`, async () => {
        const told = this.watcher.client!.frames.filter((frame) => frame.op === 'conflict' || frame.data.transaction?.source === 'file').map((frame) => JSON.stringify(frame.data)).join('');
        const here = new Set((await this.document()).flatMap((cell) => [...cell.source]));
        if (tokens.every((token) => told.includes(token) || here.has(token))) return true;
        if (dropped && (await this.wasTaken(tokens))) return true;
        return (made.blind || dropped) && !tokens.some((token) => (fs.existsSync(path.join(this.host.root, NAME)) ? this.host.file(NAME) : '').includes(token));
      });
      const open = new Set(asked());
      made.fate = made.blind || tokens.some((token) => open.has(token)) ? 'unknown' : 'acked';
      if (made.fate === 'unknown') made.lapses = 1;
    }
  }

  /** Taken from the file, and gone again before anybody looked: the past has it. */
  private async wasTaken(tokens: string[]): Promise<boolean> {
    const past = `/api/v1/sessions/${this.info.session_id}/history`;
    const { versions } = (await this.host.get(past)).body;
    for (const { version, source } of versions) {
      if (source !== 'file') continue;
      const { text } = await this.host.get(`${past}/${version}`);
      if (tokens.every((token) => text.includes(token))) return true;
    }
    return false;
  }

  // ---- agreement

  private async document(): Promise<View> {
    const answer = await fetch(`${this.host.url}/api/v1/sessions/${this.info.session_id}/document`, { headers: { Authorization: `Bearer ${this.host.token}` } });
    if (answer.status !== 200) throw new Error(`the document: ${answer.status} ${await answer.text()}`);
    return fromDocument(A.load<any>(new Uint8Array(await answer.arrayBuffer())));
  }

  /** Waits until everybody with a line sees what the host has, cell by cell. */
  private async agreed(): Promise<View> {
    const end = Date.now() + 15_000;
    for (;;) {
      const document = await this.document();
      const watching = [...this.peers.filter((peer) => peer.online), this.watcher];
      const differs = watching.map((peer) => difference(peer.name, peer.view(), 'the host', document)).find((text) => text !== '');
      if (!differs) return document;
      if (Date.now() > end) throw new Error(`they do not come to agree:\n${differs}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Epochs never go back, none is given twice, and an exclusive pen has one holder. */
  private async pen(): Promise<string[]> {
    const faults: string[] = [];
    const { room } = await this.watcher.command('room');
    if (room.epoch < this.roomEpoch) faults.push(`the room's epoch was ${this.roomEpoch} and is ${room.epoch}`);
    this.roomEpoch = room.epoch;
    for (const peer of this.peers) {
      for (const epoch of peer.epochs.splice(0)) {
        if (epoch > room.epoch) faults.push(`${peer.name} has the epoch ${epoch}, the room ${room.epoch}`);
        const holder = this.epochs.get(epoch) ?? peer.key!.id;
        if (holder !== peer.key!.id) faults.push(`the epoch ${epoch} was granted twice, at last to ${peer.name}`);
        this.epochs.set(epoch, holder);
      }
    }
    const editors = room.members.filter((member: any) => member.role === 'editor');
    if (this.schedule.policy === 'local-takeover' && editors.length > 1) faults.push(`${editors.length} editors at once: ${JSON.stringify(editors)}`);
    return faults;
  }
}
