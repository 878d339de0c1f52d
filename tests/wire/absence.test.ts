// Who is there and who is not: lost lines keep their seats, keys decide who somebody is, the asked one must be alive
// (protocol 1 "Client key", 4 "Absence", 5 kernel-ready).
import net from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, LECTERN, until } from '../support/host';

const ASKING = path.resolve(path.dirname(LECTERN), '../plugins-asking');

describe('absence', () => {
  let host: Host;
  beforeAll(async () => {
    host = await Host.start();
  });
  afterAll(() => host.stop());

  const state = (seen: Client, id: string): string | undefined =>
    seen.events('room-state').at(-1)?.data.members.find((member: any) => member.client_id === id)?.state;

  for (const [how, cutLine] of [
    ['a cut line', (client: Client) => client.cut()],
    ['a FIN without a close frame', (client: Client) => ((client.socket as any)._socket as net.Socket).end()],
    ['a reset', (client: Client) => ((client.socket as any)._socket as net.Socket).resetAndDestroy()],
  ] as const) {
    it(`a reader lost to ${how} keeps its place: it comes back as a member, with resumed true`, async () => {
      const info = await host.open(host.notebook(`${how.replaceAll(' ', '-')}.ipynb`, [{ id: 'a', source: '0' }]));
      const editor = await Client.join(host, info);
      const reader = await Client.join(host, info);
      const { resume, key } = reader;
      cutLine(reader);
      await editor.until('the reader to be lost', () => state(editor, key.id) === 'lost');
      const again = await Client.join(host, info, { key, resume });
      expect([again.ready.client.id, again.ready.replay, again.ready.resumed]).toEqual([key.id, 'gap', true]);
      await editor.close();
      await again.close();
    });
  }

  it('a reader that said goodbye is gone: back with its token it gets the gap, as somebody who joins anew', async () => {
    const info = await host.open(host.notebook('goodbye.ipynb', [{ id: 'a', source: '0' }]));
    const editor = await Client.join(host, info);
    const reader = await Client.join(host, info);
    const { resume, key } = reader;
    await reader.close();
    await editor.until('the reader to be gone', () => editor.events('room-state').length > 0 && state(editor, key.id) === undefined);
    const again = await Client.join(host, info, { key, resume });
    expect([again.ready.client.id, again.ready.replay, again.ready.resumed]).toEqual([key.id, 'gap', false]);
    await editor.close();
    await again.close();
  });

  it('a key in the header that is not right is 401 before anything is upgraded, on both routes', async () => {
    const info = await host.open(host.notebook('keys.ipynb', [{ id: 'a', source: '0' }]));
    const real = await Client.join(host, info);
    const base = `/api/v1/sessions/${info.session_id}`;
    for (const wrong of [`${real.key.id}.nonsense`, 'c_nobody.nonsense', 'nonsense']) {
      const stream = await host.get(`${base}/events`, { 'Lectern-Client': wrong });
      expect([wrong, stream.status, stream.body?.error?.code]).toEqual([wrong, 401, 'client_unknown']);
      const [id, secret] = wrong.split('.') as [string, string | undefined];
      await expect(Client.connect(host, info, { key: { id, secret: secret ?? '' } })).rejects.toThrow(/401 .*client_unknown/);
    }
    expect(real.closed).toBeUndefined();
    await real.close();
  });

  it('a key as the first frame makes the connection that client, with or without client_id in the query', async () => {
    const info = await host.open(host.notebook('first-frame.ipynb', [{ id: 'a', source: '0' }]));
    const editor = await Client.join(host, info);
    const { key, epoch } = editor;
    editor.cut();
    const said = await Client.join(host, info, { key, keyInFrame: true });
    expect([said.ready.client.id, said.ready.epoch]).toEqual([key.id, epoch]);
    said.cut();
    const silent = await Client.connect(host, info, {});
    silent.socket.send(JSON.stringify({ client: `${key.id}.${key.secret}` }));
    const mine = await silent.event('kernel-ready', (data) => data.client.id === key.id);
    expect([mine.data.resumed, mine.data.epoch, mine.data.consumer_capabilities.edit]).toEqual([true, epoch, true]);
    const edit = { changes: [{ type: 'set_source', cell_id: 'a', source: 'mine' }] };
    expect((await silent.command('transaction', edit, { epoch: epoch! })).ok).toBe(true);
    const room = await silent.command('room', {}, { epoch: null });
    expect(room.room.members.map((member: any) => member.client_id)).toEqual([key.id]);
    await silent.close();
    const liar = await Client.connect(host, info, {});
    liar.socket.send(JSON.stringify({ client: `${key.id}.wrong` }));
    await liar.until('the close', () => liar.closed);
    expect(liar.closed).toEqual({ code: 1008, reason: 'UNAUTHORIZED' });
  });

  it('the notebook comes once: in kernel-ready for document=events, as 06 for document=changes', async () => {
    const info = await host.open(host.notebook('once.ipynb', [{ id: 'a', source: 'x' }]));
    const events = await Client.join(host, info);
    expect(events.ready.notebook.cells).toHaveLength(1);
    expect(events.binaries).toEqual([]);
    const changes = await Client.join(host, info, { document: 'changes' });
    await changes.until('the document', () => changes.binaries.find((one) => one.kind === 6));
    expect(changes.ready.notebook).toBeUndefined();
    const both = await Client.join(host, info, { document: 'changes', query: { notebook: 'json' } });
    expect(both.ready.notebook.cells).toHaveLength(1);
    await until('the document', () => both.binaries.find((one) => one.kind === 6));
    for (const client of [events, changes, both]) await client.close();
  });

  it('with several editors each hears where the others are, and not where it is itself', async () => {
    const info = await host.open(host.notebook('focus.ipynb', [{ id: 'a', source: 'x' }]));
    expect((await host.put(`/api/v1/sessions/${info.session_id}/policy`, { policy: 'collaborative' })).status).toBe(200);
    const one = await Client.join(host, info);
    const two = await Client.join(host, info);
    expect((await one.command('focus', { cell_id: 'a' })).ok).toBe(true);
    expect((await two.event('focus-cell')).data).toMatchObject({ cell_id: 'a', by: { client_id: one.key.id } });
    await one.command('room', {}, { epoch: null });
    expect(one.events('focus-cell')).toEqual([]);
    await one.close();
    await two.close();
  });
});

describe('who is asked', () => {
  let host: Host;
  beforeAll(async () => {
    host = await Host.start({ args: ['--plugin-path', ASKING, '--policy', 'asking', '--policy-config', '{"ask_ms":8000}', '--asked-alive-ms', '2500'] });
  });
  afterAll(() => host.stop());

  it('must show a sign of life soon, or counts as lost and keeps only its reservation', async () => {
    const info = await host.open(host.notebook('silent.ipynb', [{ id: 'a', source: 'x' }]));
    const editor = await Client.join(host, info);
    const asker = await Client.join(host, info);
    editor.socket.pause(); // the line is there, nobody answers on it
    expect((await asker.takeover({ reason: 'are you there?' })).status).toBe(202);
    // This policy denies when the deadline passes, and lets anybody take over from an editor who is away.
    const answered = await asker.event('takeover-answer', undefined, 0, 30_000);
    expect(answered.data.allowed).toBe(true);
    await asker.event('consumer-capabilities', (data) => data.consumer_capabilities.edit);
    const room = await asker.command('room', {}, { epoch: null });
    expect(room.room.members.find((one: any) => one.client_id === editor.key.id)?.state).toBe('lost');
    await asker.close();
    editor.cut();
  });

  it('an editor that answers pings is asked until the deadline', async () => {
    const info = await host.open(host.notebook('alive.ipynb', [{ id: 'a', source: 'x' }]));
    const editor = await Client.join(host, info);
    const asker = await Client.join(host, info);
    expect((await asker.takeover()).status).toBe(202);
    await asker.event('takeover-answer', undefined, 0, 30_000);
    expect(editor.closed).toBeUndefined();
    expect((await editor.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'here' }] })).ok).toBe(true);
    await asker.close();
    await editor.close();
  });
});
