// Taking back: each client its own edits, with everybody else's kept (protocol 4 `undo`, `redo`), whichever way they came.
import * as A from '@automerge/automerge';
import fs from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Client, cut } from '../support/client';
import { Host, until } from '../support/host';

describe('undo', () => {
  let host: Host;
  let a: Client;
  let b: Client;
  let notebook = 0;
  beforeAll(async () => {
    host = await Host.start({ args: ['--policy', 'collaborative'] });
  });
  afterAll(async () => {
    await host.stop();
  });
  beforeEach(async () => {
    const cells = ['a', 'b', 'c'].map((id) => ({ id, source: `${id} ${id}` }));
    const info = await host.open(host.notebook(`n${notebook++}.ipynb`, cells));
    a = await Client.join(host, info);
    b = await Client.join(host, info);
  });

  const edit = async (who: Client, ...changes: unknown[]) => {
    const reply = await who.command('transaction', { changes, base_version: (await at(who)).version });
    expect(reply).toMatchObject({ ok: true, dropped: [] });
    return reply;
  };
  const at = async (who: Client) => {
    const joiner = await Client.join(host, { session_id: who.session } as any);
    const { notebook } = joiner.ready;
    await joiner.close();
    return notebook;
  };
  const sources = async () => Object.fromEntries((await at(a)).cells.map((cell: any) => [cell.id, cell.source]));

  it('takes back the sender’s text alone, again and again, and puts it back', async () => {
    await edit(a, { type: 'set_source', cell_id: 'a', source: 'a ANN a' });
    await edit(b, { type: 'splice_source', cell_id: 'a', index: 4, delete: 0, insert: 'bob' });
    await edit(a, { type: 'set_source', cell_id: 'b', source: 'gone' });
    expect((await sources()).a).toBe('a ANbobN a');
    expect(await a.command('undo')).toMatchObject({ ok: true, changes: 1, undo_left: 1, redo_left: 1 });
    expect((await sources()).b).toBe('b b');
    const from = b.frames.length;
    expect(await a.command('undo')).toMatchObject({ ok: true, undo_left: 0, redo_left: 2 });
    expect((await sources()).a.replace(/ /g, '')).toBe('aboba');
    const told = await b.event('notebook-document-transaction', undefined, from);
    expect(told.data.transaction).toMatchObject({ source: 'client', by: { client_id: a.key.id } });
    expect(await a.command('undo')).toMatchObject({ ok: true, changes: 0, undo_left: 0 });
    expect(await a.command('redo')).toMatchObject({ ok: true, redo_left: 1 });
    expect((await sources()).a).toBe('a ANbobN a');
    expect(await b.command('undo')).toMatchObject({ ok: true, changes: 1, undo_left: 0 });
    expect((await sources()).a).toBe('a ANN a');
  });

  it('takes back what happened to cells: made, deleted, moved, changed', async () => {
    await edit(a, { type: 'create_cell', cell_id: 'n', cell_type: 'code', source: 'new', after: 'a' });
    await edit(a, { type: 'delete_cell', cell_id: 'b' });
    await edit(a, { type: 'move_cell', cell_id: 'c', before: 'a' });
    await edit(a, { type: 'set_cell_type', cell_id: 'c', cell_type: 'markdown' });
    await edit(b, { type: 'create_cell', cell_id: 'bob', cell_type: 'code', source: 'bob', after: 'a' });
    const order = async () => (await at(a)).cells.map((cell: any) => cell.id).join(' ');
    expect(await order()).toBe('c a bob n');
    await a.command('undo');
    expect((await at(a)).cells[0]).toMatchObject({ id: 'c', cell_type: 'code' });
    await a.command('undo');
    expect(await order()).toBe('a bob n c');
    await a.command('undo');
    expect((await sources()).b).toBe('b b');
    expect(await a.command('undo')).toMatchObject({ undo_left: 0, redo_left: 4 });
    expect((await sources()).n).toBeUndefined();
    for (let i = 0; i < 4; ++i) expect(await a.command('redo')).toMatchObject({ ok: true, changes: 1 });
    expect(await order()).toBe('c a bob n');
  });

  it('knows edits that came as Automerge changes', async () => {
    const client = await Client.join(host, { session_id: a.session } as any, { document: 'changes' });
    const whole = await client.until('the document', () => client.binaries.find((frame) => frame.kind === 6));
    let doc = A.load<any>(whole.payload, { actor: client.ready.actor });
    doc = A.change(doc, (draft) => A.splice(draft, ['cells', 'a', 'source'], 1, 2, 'xyz'));
    client.sendChanges([A.getLastLocalChange(doc)!], { id: 'x', epoch: client.epoch });
    await client.event('reply', (data) => data.id === 'x');
    expect((await sources()).a).toBe('axyz');
    const seen = client.binaries.length;
    expect(await client.command('undo')).toMatchObject({ ok: true, changes: 1 });
    const back = await client.until('the change', () => client.binaries.slice(seen).find((frame) => frame.kind === 3));
    [doc] = A.applyChanges(doc, cut(back.payload, back.header.sizes));
    expect(doc.cells.a.source.toString()).toBe('a a');
    expect(await b.command('undo')).toMatchObject({ ok: true, changes: 0 });
    await client.close();
  });

  it('tells its sender too what it changed, by undo, redo and restore, which no reply says', async () => {
    await edit(a, { type: 'set_source', cell_id: 'a', source: 'a A a' });
    const told = async (command: string, body = {}) => {
      const from = a.frames.length;
      expect(await a.command(command, body)).toMatchObject({ ok: true });
      return (await a.event('notebook-document-transaction', undefined, from)).data.transaction.changes;
    };
    expect(await told('undo')).toEqual([{ type: 'splice_source', cell_id: 'a', index: 2, delete: 2, insert: '' }]);
    expect(await told('redo')).toEqual([{ type: 'splice_source', cell_id: 'a', index: 2, delete: 0, insert: 'A ' }]);
    expect(await told('restore', { version: '1' })).toEqual([{ type: 'set_source', cell_id: 'a', source: 'a a' }]);
  });

  it('needs the pen', async () => {
    const viewer = await Client.join(host, { session_id: a.session } as any, { viewOnly: true });
    const refused = await viewer.command('undo');
    expect(refused).toMatchObject({ ok: false, error: { status: 403, code: 'read_only' } });
    await viewer.close();
  });
});

describe('a source replaced as a whole', () => {
  it('is made on a worker; edits, joiners and saves come behind it', async () => {
    const host = await Host.start({ args: ['--policy', 'collaborative'] });
    const line = (first: string) => Array.from({ length: 60_000 }, (_, i) => String.fromCharCode(first.charCodeAt(0) + (i % 13))).join('');
    const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: line('a') }, { id: 'b', source: '' }]));
    const a = await Client.join(host, info);
    const b = await Client.join(host, info);
    const replaced = a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: line('n') }] });
    const behind = a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'b', source: 'behind' }] });
    const saved = a.command('save');
    const elsewhere = b.command('transaction', { changes: [{ type: 'set_source', cell_id: 'b', source: 'elsewhere' }] });
    const [first, second, , third] = await Promise.all([replaced, behind, saved, elsewhere]);
    expect(first).toMatchObject({ ok: true });
    expect(second.version).toBeGreaterThan(first.version);
    expect(third).toMatchObject({ ok: true });
    expect(await saved).toMatchObject({ ok: true });
    const joiner = await Client.join(host, info);
    expect(joiner.ready.notebook.cells[0].source).toBe(line('n'));
    expect(await a.command('undo')).toMatchObject({ ok: true });
    expect(await a.command('undo')).toMatchObject({ ok: true });
    const again = await Client.join(host, info);
    expect(again.ready.notebook.cells[0].source).toBe(line('a'));
    await host.stop();
  });
});

describe('a history that grew past its limit', () => {
  it('begins anew when the notebook is opened: who comes back with the old one gets the new one, and no cell is doubled', async () => {
    const first = await Host.start();
    const file = first.notebook('n.ipynb', [{ id: 'a', source: '' }, { id: 'b', source: 'two' }]);
    const info = await first.open(file);
    const typist = await Client.join(first, info, { document: 'changes' });
    const whole = await typist.until('the document', () => typist.binaries.find((frame) => frame.kind === 6));
    let doc = A.load<any>(whole.payload, { actor: typist.ready.actor });
    const changes: Uint8Array[] = [];
    for (let i = 0; i < 600; ++i) {
      doc = A.change(doc, (draft) => A.splice(draft, ['cells', 'a', 'source'], (i * 7) % ((i >> 1) + 1), i % 2, String.fromCharCode(97 + (i % 26))));
      changes.push(A.getLastLocalChange(doc)!);
    }
    typist.sendChanges(changes, { id: 'all', epoch: typist.epoch });
    expect((await typist.event('reply', (data) => data.id === 'all')).data).toMatchObject({ ok: true });
    const typed = doc.cells.a.source.toString();
    await typist.command('save');
    await first.kill('SIGKILL');

    const second = await Host.start({ root: first.root, home: first.home, args: ['--history-limit', '500', '--session-ttl-ms', '5000'] });
    const query = { heads: A.getHeads(doc).join(','), history_id: whole.header.history_id };
    const behind = await Client.join(second, await second.open(file), { document: 'changes', query });
    expect(behind.ready.history_id, 'who was there when the host died may have more of it').toBe(whole.header.history_id);
    await behind.close();
    await until('the session ends', async () => (await second.request('GET', '/api/v1/sessions')).body.sessions.length === 0, 30_000);
    const again = await second.open(file);
    const back = await Client.join(second, again, { document: 'changes', query });
    const anew = await back.until('the document', () => back.binaries.find((frame) => frame.kind === 6));
    expect(anew.header.history_id).not.toBe(whole.header.history_id);
    expect(back.ready.history_id).toBe(anew.header.history_id);
    expect(anew.payload.length).toBeLessThan(A.save(doc).length);
    const fresh = A.load<any>(anew.payload);
    expect(Object.keys(fresh.cells).sort()).toEqual(['a', 'b']);
    expect(fresh.cells.a.source.toString()).toBe(typed);
    const kept = fs.readdirSync(first.home, { recursive: true }).filter((name) => /journal-\d+\.kept\.lj$/.test(String(name)));
    expect(kept).toHaveLength(1);
    await second.stop();
    first.forget();
  });
});
