// Editing: transactions and Automerge changes meet in one document (protocol 3 binary frames, 4 "Changes").
import * as A from '@automerge/automerge';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client, cut } from '../support/client';
import { Host } from '../support/host';

/** A client-side replica as any Automerge program would keep it. */
class Replica {
  doc: A.Doc<any>;
  private sent = 0;
  constructor(readonly client: Client, actor: string) {
    const whole = client.binaries.find((frame) => frame.kind === 6)!;
    this.doc = A.load<any>(whole.payload, { actor });
    client.socket.on('message', () => this.pull());
    this.pull();
  }
  private seen = 0;
  pull() {
    for (; this.seen < this.client.binaries.length; ++this.seen) {
      const frame = this.client.binaries[this.seen]!;
      if (frame.kind === 3) [this.doc] = A.applyChanges(this.doc, cut(frame.payload, frame.header.sizes));
    }
  }
  source(cell: string): string {
    this.pull();
    return this.doc.cells[cell].source.toString();
  }
  /** Types and returns the change, unsent. */
  type(cell: string, index: number, text: string, remove = 0): Uint8Array {
    this.doc = A.change(this.doc, (draft) => A.splice(draft, ['cells', cell, 'source'], index, remove, text));
    return A.getLastLocalChange(this.doc)!;
  }
  async send(changes: Uint8Array[], extra: Record<string, unknown> = {}): Promise<any> {
    const id = `ch${this.sent++}`;
    const from = this.client.frames.length;
    this.client.sendChanges(changes, { id, epoch: this.client.epoch, ...extra });
    return (await this.client.event('reply', (data) => data.id === id, from)).data;
  }
}

async function replica(host: Host, info: any): Promise<Replica> {
  const client = await Client.join(host, info, { document: 'changes' });
  await client.until('the document', () => client.binaries.find((frame) => frame.kind === 6));
  return new Replica(client, client.ready.actor);
}

describe('transactions', () => {
  let host: Host;
  let a: Client;
  let b: Client;
  beforeAll(async () => {
    host = await Host.start();
    const info = await host.open(host.notebook('n.ipynb', ['a', 'b', 'c'].map((id) => ({ id, source: `# ${id}` }))));
    a = await Client.join(host, info);
    b = await Client.join(host, info);
  });
  afterAll(async () => {
    await a.close();
    await b.close();
    await host.stop();
  });
  const edit = (changes: unknown[], extra = {}) => a.command('transaction', { changes, ...extra });

  it('creates, moves, edits and deletes, and tells everybody in order', async () => {
    const from = b.frames.length;
    const made = await edit([
      { type: 'create_cell', cell_id: 'n1', cell_type: 'markdown', source: '# new', after: 'a' },
      { type: 'move_cell', cell_id: 'c', before: 'a' },
      { type: 'set_source', cell_id: 'b', source: 'print("ü😀")' },
    ]);
    expect(made).toMatchObject({ ok: true, dropped: [] });
    expect(made.version).toBeGreaterThan(0);
    const told = await b.event('notebook-document-transaction', undefined, from);
    expect(told.data.transaction).toMatchObject({ source: 'client', version: made.version, by: { client_id: a.key.id } });
    expect(told.seq).toBeGreaterThan(0);
    const mine = await a.event('notebook-document-transaction', (data) => data.transaction.version === made.version);
    expect(mine.data.transaction.changes ?? null).toBeNull();
    const joiner = await Client.join(host, { session_id: a.session } as any);
    expect(joiner.ready.notebook.cells.map((cell: any) => cell.id)).toEqual(['c', 'a', 'n1', 'b']);
    expect(joiner.ready.notebook.cells[3].source).toBe('print("ü😀")');
    await joiner.close();
    expect(await edit([{ type: 'delete_cell', cell_id: 'n1' }])).toMatchObject({ ok: true });
  });

  it('splices in code points at the version the client saw, merged with what came since', async () => {
    const base = await edit([{ type: 'set_source', cell_id: 'a', source: '😀 hello' }]);
    await edit([{ type: 'splice_source', cell_id: 'a', index: 0, delete: 0, insert: '>> ' }], { base_version: base.version });
    const late = await edit([{ type: 'splice_source', cell_id: 'a', index: 7, delete: 0, insert: '!' }], { base_version: base.version });
    expect(late.ok).toBe(true);
    const joiner = await Client.join(host, { session_id: a.session } as any);
    expect(joiner.ready.notebook.cells.find((cell: any) => cell.id === 'a').source).toBe('>> 😀 hello!');
    await joiner.close();
    const without = await edit([{ type: 'splice_source', cell_id: 'a', index: 0, delete: 0, insert: 'x' }]);
    expect(without).toMatchObject({ ok: false, error: { status: 400 } });
    const gone = await edit([{ type: 'splice_source', cell_id: 'a', index: 0, delete: 0, insert: 'x' }], { base_version: 999999 });
    expect(gone).toMatchObject({ ok: false, error: { status: 409, code: 'base_gone' } });
  });

  it('refuses a stale base with the current source, drops what is gone, refuses contradictions whole', async () => {
    await edit([{ type: 'set_source', cell_id: 'b', source: 'now' }]);
    const hash = createHash('sha256').update('then').digest('hex');
    const stale = await edit([{ type: 'set_source', cell_id: 'b', source: 'mine', base_hash: hash }]);
    expect(stale).toMatchObject({ ok: false, error: { status: 409, code: 'stale_base' } });
    expect(JSON.stringify(stale.error.details)).toContain('now');
    const current = createHash('sha256').update('now').digest('hex');
    expect(await edit([{ type: 'set_source', cell_id: 'b', source: 'mine', base_hash: current }])).toMatchObject({ ok: true });
    const dropped = await edit([
      { type: 'set_source', cell_id: 'nosuch', source: 'x' },
      { type: 'set_source', cell_id: 'b', source: 'kept' },
    ]);
    expect(dropped).toMatchObject({ ok: true, dropped: [{ index: 0 }] });
    expect(dropped.dropped[0].reason).toContain('gone');
    const partly = await edit([
      { type: 'create_cell', cell_id: 'kept', cell_type: 'code', source: '', after: 'gone' },
      { type: 'reorder_cells', cell_ids: ['kept', 'gone', 'a'] },
    ]);
    expect(partly.dropped).toEqual([
      { index: 0, reason: expect.stringContaining('anchor cell is gone') },
      { index: 1, reason: expect.stringContaining('1 of the cells are not here') },
    ]);
    expect(partly.applied.map((change: any) => change.type)).toEqual(['create_cell', 'reorder_cells']);
    expect(partly.applied[1].cell_ids.slice(0, 2)).toEqual(['kept', 'a']);
    expect((await edit([{ type: 'delete_cell', cell_id: 'kept' }])).ok).toBe(true);
    const contradiction = await edit([
      { type: 'set_source', cell_id: 'b', source: 'lost' },
      { type: 'delete_cell', cell_id: 'b' },
    ]);
    expect(contradiction).toMatchObject({ ok: false, error: { status: 422 } });
    const joiner = await Client.join(host, { session_id: a.session } as any);
    expect(joiner.ready.notebook.cells.find((cell: any) => cell.id === 'b').source).toBe('kept');
    await joiner.close();
  });

  it('runs a retried command once and gives the first reply again', async () => {
    const body = { changes: [{ type: 'create_cell', cell_id: 'once', cell_type: 'code', source: '1' }] };
    const first = await a.command('transaction', body, { id: 'same' });
    const again = await a.command('transaction', body, { id: 'same' });
    expect(again).toEqual(first);
    const overHttp = await a.post('/commands/transaction', body, { 'Idempotency-Key': 'key-1', 'Lectern-Epoch': String(a.epoch) });
    const overHttpAgain = await a.post('/commands/transaction', body, { 'Idempotency-Key': 'key-1', 'Lectern-Epoch': String(a.epoch) });
    expect(overHttpAgain.body).toEqual(overHttp.body);
    const joiner = await Client.join(host, { session_id: a.session } as any);
    expect(joiner.ready.notebook.cells.filter((cell: any) => cell.id === 'once')).toHaveLength(1);
    await joiner.close();
  });

  it('names the JSON path of what is wrong', async () => {
    const wrong = await edit([{ type: 'set_source', cell_id: 5, source: 'x' }]);
    expect(wrong).toMatchObject({ ok: false, error: { status: 400 } });
    expect(wrong.error.message).toContain('changes[0].cell_id');
    const lacking: [Record<string, unknown>, string][] = [
      [{ type: 'create_cell', cell_id: 'n', cell_type: 'code' }, 'changes[0].source'],
      [{ type: 'move_cell', cell_id: 'a' }, 'before or after'],
      [{ type: 'set_metadata', path: ['x'], value: 1 }, 'changes[0].cell_id'],
    ];
    for (const [change, words] of lacking) {
      const refused = await edit([change]);
      expect([change, refused.error?.status, refused.error?.message]).toEqual([change, 400, expect.stringContaining(words)]);
    }
    for (const cell_id of ['', 'é', 'a b', 'a.b', 'x'.repeat(65), '../x']) {
      const refused = await edit([{ type: 'create_cell', cell_id, cell_type: 'code', source: '' }]);
      expect([cell_id, refused.error?.status, refused.error?.code]).toEqual([cell_id, 400, 'bad_cell_id']);
      expect(refused.error.message).toContain("changes[0].cell_id: the id");
    }
    const twice = await edit([{ type: 'reorder_cells', cell_ids: ['b', 'a', 'b'] }]);
    expect([twice.error?.status, twice.error?.message]).toEqual([400, expect.stringContaining('changes[0].cell_ids names "b" twice')]);
    const unknown = await a.command('nosuch', {});
    expect(unknown.ok).toBe(false);
    expect(unknown.error.message).toContain('nosuch');
  });
});

describe('Automerge changes', () => {
  it('start from the frozen first change of the schema', async () => {
    const host = await Host.start();
    try {
      const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: 'hi' }]));
      const one = await replica(host, info);
      const hashes = A.getAllChanges(one.doc).map((change) => A.decodeChange(change).hash);
      expect(hashes[0]).toBe('5cb837a3e10c24a4107f4bf04260c35621ad8f003ec7fbcbe63407028a22f33b');
      expect(one.source('a')).toBe('hi');
      const answer = await fetch(`${host.url}/api/v1/sessions/${info.session_id}/document`, {
        headers: { Authorization: `Bearer ${host.token}` },
      });
      expect(answer.headers.get('etag')).toBeTruthy();
      const whole = A.load<any>(new Uint8Array(await answer.arrayBuffer()));
      expect(A.getHeads(whole)).toEqual(A.getHeads(one.doc));
      await one.client.close();
    } finally {
      await host.stop();
    }
  });

  it('two tabs typing at the same place converge under collaborative, also while cut off from each other', async () => {
    const host = await Host.start({ args: ['--policy', 'collaborative'] });
    try {
      const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: 'start' }]));
      const [one, two] = [await replica(host, info), await replica(host, info)];
      const events = await Client.join(host, info);
      // Each types a word without having seen the other's letters, then both submit.
      const words: Uint8Array[][] = [[], []];
      for (let i = 0; i < 5; ++i) {
        words[0]!.push(one.type('a', 5 + i, 'abcde'[i]!));
        words[1]!.push(two.type('a', 5 + i, 'vwxyz'[i]!));
      }
      const replies = await Promise.all([one.send(words[0]!), two.send(words[1]!)]);
      expect(replies.map((reply) => reply.ok)).toEqual([true, true]);
      await one.client.until('both words', () => one.source('a').length === 15);
      await two.client.until('both words', () => two.source('a').length === 15);
      expect(one.source('a')).toBe(two.source('a'));
      expect(one.source('a')).toMatch(/^start(abcdevwxyz|vwxyzabcde)$/);
      // A third client that sees transactions has the same text, and its own transaction reaches the replicas.
      const edit = await events.command('transaction', { changes: [{ type: 'create_cell', cell_id: 'z', cell_type: 'code', source: 'z' }] });
      expect(edit.ok).toBe(true);
      await one.client.until('the cell', () => { one.pull(); return one.doc.cells.z; });
      const joiner = await Client.join(host, info);
      expect(joiner.ready.notebook.cells.find((cell: any) => cell.id === 'a').source).toBe(one.source('a'));
      for (const client of [one.client, two.client, events, joiner]) await client.close();
    } finally {
      await host.stop();
    }
  });

  it('merges one flush of a demoted tab within 300 ms and refuses what comes later', async () => {
    const host = await Host.start();
    try {
      const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '' }]));
      const one = await replica(host, info);
      const other = await Client.join(host, info);
      const epoch = one.client.epoch;
      const pending = one.type('a', 0, 'typed just before');
      expect((await other.takeover()).status).toBe(200);
      const flushed = await one.send([pending], { epoch, flush: true });
      expect(flushed.ok).toBe(true);
      await other.event('notebook-document-transaction', (data) => JSON.stringify(data).includes('typed just before'));
      // Its answer lost, it is sent again: what is here already is no draft, whoever sends it.
      expect(await one.send([pending], { epoch })).toMatchObject({ ok: true, version: flushed.version, hashes: [] });
      expect(await one.send([pending])).toMatchObject({ ok: true });
      const late = await one.send([one.type('a', 0, 'later ')], { epoch });
      expect(late).toMatchObject({ ok: false, error: { code: 'stale_epoch', status: 409 } });
      expect(late.error.details?.actor ?? late.actor).toBeTruthy();
      const secondFlush = await one.send([one.type('a', 0, 'again ')], { epoch, flush: true });
      expect(secondFlush.ok).toBe(false);
      await one.client.close();
      await other.close();
    } finally {
      await host.stop();
    }
  });

  it('make no cell of an id that nbformat does not allow, but leave those alone that a file has', async () => {
    const host = await Host.start({ args: ['--policy', 'collaborative'] });
    try {
      const info = await host.open(host.notebook('n.ipynb', ['a', 'né e', 'x'.repeat(80)].map((id) => ({ id, source: 'old' }))));
      const odd = 'né e';
      const make = (one: Replica, id: string) => {
        const scalar = (text: string) => new A.ImmutableString(text);
        one.doc = A.change(one.doc, (draft: any) => {
          draft.cells[id] = { id: scalar(id), cell_type: scalar('code'), position: scalar('zz'), source: 'made', execution_count: scalar('null'), metadata: {}, resolved_assets: {}, attachments: {} };
        });
        return A.getLastLocalChange(one.doc)!;
      };
      const one = await replica(host, info);
      const edits = await Client.join(host, info);
      for (const id of ['other é', 'y'.repeat(65)]) {
        const two = await replica(host, info);
        const refused = await two.send([make(two, id)]);
        expect([refused.ok, refused.error?.status, refused.error?.code]).toEqual([false, 422, 'bad_cell_id']);
        expect(refused.error.details.hashes).toHaveLength(1);
        await two.client.close();
      }
      expect(await one.send([make(one, 'fine-1_X')])).toMatchObject({ ok: true });
      // What the file has is edited, deleted, taken back and saved like anything else.
      expect(await one.send([one.type(odd, 0, 'new ')])).toMatchObject({ ok: true });
      one.doc = A.change(one.doc, (draft: any) => delete draft.cells[odd]);
      expect(await one.send([A.getLastLocalChange(one.doc)!])).toMatchObject({ ok: true });
      expect(await one.send([make(one, odd)])).toMatchObject({ ok: true });
      expect(await edits.command('transaction', { changes: [{ type: 'delete_cell', cell_id: 'x'.repeat(80) }] })).toMatchObject({ ok: true });
      expect(await edits.command('undo', {})).toMatchObject({ ok: true, changes: 1 });
      expect(await edits.command('save', {})).toMatchObject({ ok: true });
      const saved = JSON.parse(host.file('n.ipynb')).cells.map((cell: any) => [cell.id, cell.source.join('')]);
      expect(Object.fromEntries(saved)).toEqual({ a: 'old', [odd]: 'made', ['x'.repeat(80)]: 'old', 'fine-1_X': 'made' });
      await one.client.close();
      await edits.close();
    } finally {
      await host.stop();
    }
  });

  it('refuses foreign actors, unknown dependencies and garbage; the author is hurt alone', async () => {
    const host = await Host.start({ args: ['--policy', 'collaborative'] });
    try {
      const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '' }]));
      const one = await replica(host, info);
      const two = await replica(host, info);
      const foreign = A.clone(one.doc, { actor: 'ff'.repeat(16) });
      const forged = A.change(foreign, (draft: any) => A.splice(draft, ['cells', 'a', 'source'], 0, 0, 'forged'));
      expect(await one.send([A.getLastLocalChange(forged)!])).toMatchObject({ ok: false, error: { code: 'foreign_actor' } });
      one.type('a', 0, 'first');
      const second = one.type('a', 0, 'second');
      expect(await one.send([second])).toMatchObject({ ok: false, error: { code: 'unknown_dependency' } });
      expect(await one.send([new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8, 9])])).toMatchObject({ ok: false, error: { code: 'malformed_change' } });
      expect(await two.send([two.type('a', 0, 'fine')])).toMatchObject({ ok: true });
      // A program that throws away all cells, and their map with them, leaves a notebook that can be edited.
      two.doc = A.change(two.doc, (draft: any) => delete draft.cells);
      expect(await two.send([A.getLastLocalChange(two.doc)!])).toMatchObject({ ok: true });
      const edits = await Client.join(host, info);
      expect(edits.ready.notebook.cells).toEqual([]);
      const made = await edits.command('transaction', { changes: [{ type: 'create_cell', cell_id: 'n', cell_type: 'code', source: '1' }] });
      expect(made).toMatchObject({ ok: true, dropped: [] });
      const again = await replica(host, info);
      expect(again.source('n')).toBe('1');
      for (const client of [edits, again.client]) await client.close();
      expect(one.client.closed).toBeUndefined();
      await one.client.close();
      await two.client.close();
    } finally {
      await host.stop();
    }
  });

  it('a client that edited while cut off comes back with its heads and loses nothing', async () => {
    const host = await Host.start({ args: ['--policy', 'collaborative'] });
    try {
      const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: 'base' }]));
      const one = await replica(host, info);
      const two = await replica(host, info);
      const resume = one.client.resume;
      one.client.cut();
      const offline = one.type('a', 4, ' offline');
      expect((await two.send([two.type('a', 0, 'online ')])).ok).toBe(true);
      const back = await Client.join(host, info, { key: one.client.key, resume, document: 'changes' });
      const from = back.frames.length;
      back.sendChanges([offline], { id: 'late', epoch: back.epoch });
      expect((await back.event('reply', (data) => data.id === 'late', from)).data.ok).toBe(true);
      await two.client.until('the offline words', () => two.source('a') === 'online base offline');
      await back.close();
      await two.client.close();
    } finally {
      await host.stop();
    }
  });
});

// Its cells are shown from the file first; the document is built behind them, or for whoever waits for it.
describe('a large file', () => {
  let host: Host;
  const comment = `# ${'x'.repeat(4_000)}`;
  const large = (name: string) => host.notebook(name, Array.from({ length: 300 }, (_, n) => ({ id: `c${n}`, source: `${comment} ${n}` })));
  beforeAll(async () => {
    host = await Host.start();
  });
  afterAll(async () => {
    await host.stop();
  });

  it('is edited by who comes right after it was opened, and has all of it when the host is killed', async () => {
    const info = await host.open(large('edited.ipynb'));
    const client = await Client.join(host, info);
    expect(await client.command('transaction', { changes: [{ type: 'set_source', cell_id: 'c299', source: 'mine' }] })).toMatchObject({ ok: true });
    const { root, home } = host;
    await host.kill('SIGKILL');
    host = await Host.start({ root, home });
    const again = await Client.join(host, await host.open('edited.ipynb'));
    expect(again.ready.notebook.cells).toHaveLength(300);
    expect(again.ready.notebook.cells[299].source).toBe('mine');
    await again.close();
  });

  it('comes as a document to who asks for that at once', async () => {
    const reader = await replica(host, await host.open(large('document.ipynb')));
    expect(reader.source('c299')).toBe(`${comment} 299`);
    await reader.client.close();
  });

  it('ends before anybody saw it, unchanged, and opens again', async () => {
    const name = large('ended.ipynb');
    const before = host.file(name);
    const info = await host.open(name);
    expect((await host.request('DELETE', `/api/v1/sessions/${info.session_id}`)).status).toBe(204);
    expect(host.file(name) === before).toBe(true);
    const client = await Client.join(host, await host.open(name));
    expect(client.ready.notebook.cells).toHaveLength(300);
    expect(await client.command('transaction', { changes: [{ type: 'set_source', cell_id: 'c0', source: 'then' }] })).toMatchObject({ ok: true });
    await client.close();
  });
});
