// The event stream of a session of another host, attached here: its reader is a viewer there like any, and gets what a
// reader of a stream there gets.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cabled } from '../support/cable';
import { Client } from '../support/client';
import { EventReader, type Sent } from '../support/event_stream';
import { Host, until, type ConnectionInfo } from '../support/host';
import { BUILT, installWithout } from '../support/installation';

const as = (host: Host, token: string) => Object.assign(Object.create(Host.prototype), host, { token }) as Host;
const set = (cell: string, source: string) => ({ changes: [{ type: 'set_source', cell_id: cell, source }] });
const recorded = (events: Sent[]) => events.filter((event) => event.id !== undefined);
/** What a snapshot tells but for who is told, and when. */
const shown = (reader: EventReader) =>
  reader.events.filter((event) => ['cell-op', 'document', 'replay-complete'].includes(event.op)).concat({ ...reader.ready.notebook });
const edited = (text: string) => [(data: any) => JSON.stringify(data).includes(text)] as const;

async function attached(pair: Cabled): Promise<void> {
  await until('it is attached', async () => (await pair.couch.post(`/api/v1/remote/${pair.info.session_id}/attach`)).status === 200, 30_000);
}

describe('the event stream of an attached session', () => {
  let pair: Cabled;
  let desk: Host;
  let couch: Host;
  let info: ConnectionInfo;
  let editor: Client;
  const write = async (text: string) => {
    expect((await editor.command('transaction', set('a', text))).ok).toBe(true);
  };

  beforeAll(async () => {
    const image = { output_type: 'display_data', metadata: {}, data: { 'image/png': Buffer.alloc(100_000, 7).toString('base64') } };
    pair = await Cabled.start([{ id: 'a', source: 'one', outputs: [image] }, { id: 'b', source: 'two' }]);
    ({ desk, couch, info } = pair);
    await pair.cable.up();
    await attached(pair);
    editor = await Client.join(desk, info);
    expect(editor.epoch).toBeDefined();
  });
  afterAll(async () => {
    await editor?.close();
    await pair?.stop();
  });

  it('has the events of a stream there, under the same ids', async () => {
    for (const query of [{ view_only: 'true' }, { view_only: 'true', document: 'changes', notebook: 'json' }] as Record<string, string>[]) {
      const [there, here] = await Promise.all([EventReader.join(desk, info, { query }), EventReader.join(couch, info, { query })]);
      expect(here.response.headers['content-type']).toContain('text/event-stream');
      expect(here.ready).toMatchObject({ session_id: info.session_id, stream: there.ready.stream, replay: 'snapshot' });
      expect(shown(here)).toEqual(shown(there));
      expect(JSON.stringify(shown(here))).toContain('$blob');
      const before = recorded(here.events).length;
      for (let i = 0; i < 5; ++i) await write(`${Object.keys(query).length} after ${i}\n"quoted" \u{1f4d3}`);
      const told = (reader: EventReader) => reader.events.filter((event) => ['changes', 'notebook-document-transaction'].includes(event.op));
      await until('both have all', () => [there, here].every((reader) => told(reader).length === 5));
      expect(told(here)).toEqual(told(there));
      const ids = recorded(here.events).slice(before).map((event) => event.id);
      expect(recorded(there.events).map((event) => event.id).slice(-ids.length)).toEqual(ids);
      for (const id of ids) expect(id).toMatch(new RegExp(`^${here.ready.stream}\\.\\d+$`));
      await Promise.all([there.close(), here.close()]);
    }
    await editor.event('room-state', (data) => data.members.length === 1);
  });

  it('is taken up by Last-Event-ID: exactly what was missed, else a snapshot', async () => {
    const first = await EventReader.join(couch, info);
    await write('seen');
    await first.event('notebook-document-transaction', ...edited('seen'));
    const last = first.lastId!;
    await first.close();
    const from = editor.frames.length;
    await write('missed once');
    await write('missed twice');
    const back = await EventReader.join(couch, info, { headers: { 'Last-Event-ID': last } });
    expect(back.ready.replay).toBe('gap');
    expect(back.ready.notebook).toBeUndefined();
    const missed = editor.frames.slice(from).filter((frame) => frame.op === 'notebook-document-transaction');
    expect(back.events.filter((event) => event.op === 'notebook-document-transaction').map((event) => event.seq)).toEqual(missed.map((frame) => frame.seq));
    expect(recorded(back.events)[0]!.seq).toBe(Number(last.split('.').at(-1)) + 1);
    await back.close();
    const lost = await EventReader.join(couch, info, { headers: { 'Last-Event-ID': 'another.1' } });
    expect(lost.ready.replay).toBe('snapshot');
    await lost.close();
  });

  it('ends with the line, and whoever comes back gets the gap', async () => {
    const reader = await EventReader.join(couch, info);
    await write('before the cut');
    await reader.event('notebook-document-transaction', ...edited('before the cut'));
    await pair.cable.down();
    await reader.untilEnded();
    await write('while it was cut');
    const returning = EventReader.open(couch, info, { headers: { 'Last-Event-ID': reader.lastId! } });
    await pair.cable.up();
    const back = await returning;
    await back.event('replay-complete');
    expect(back.ready.replay).toBe('gap');
    expect(JSON.stringify(recorded(back.events))).toContain('while it was cut');
    expect(JSON.stringify(recorded(back.events))).not.toContain('before the cut');
    await back.close();
  });

  it('is paced for a reader that takes nothing: what waits is at the session, which judges it', async () => {
    const [slow, brisk] = await Promise.all([EventReader.join(couch, info), EventReader.join(couch, info)]);
    slow.response.pause();
    const block = 'x'.repeat(1 << 20);
    for (let i = 0, most = 0; ; ++i) {
      expect(i, 'it waits there before long, and then is dropped').toBeLessThan(60);
      const large = { changes: [{ type: 'set_metadata', cell_id: 'b', path: ['large'], value: `${i}:${block}` }] };
      expect((await editor.command('transaction', large)).ok).toBe(true);
      await brisk.event('notebook-document-transaction', (data) => data.transaction.changes?.[0].value?.startsWith(`${i}:`));
      const waiting = (await desk.get(`/api/v1/sessions/${info.session_id}`)).body.longest_queue_bytes;
      if (most > block.length && waiting < most / 2) break;
      most = Math.max(most, waiting);
    }
    expect(brisk.events.filter((event) => event.op === 'resync')).toEqual([]);
    slow.response.resume();
    await until('it gets a fresh snapshot, or comes back for one', () => slow.ended || slow.events.some((event) => event.op === 'resync'));
    expect((await editor.command('transaction', { changes: [{ type: 'set_metadata', cell_id: 'b', path: ['large'], value: null }] })).ok).toBe(true);
    await Promise.all([slow.close(), brisk.close()]);
  });

  it('is no more than the token has, and ends with it', async () => {
    const minted = (await couch.post('/api/v1/tokens', { scope: 'view', name: 'reader' })).body;
    const guest = as(couch, minted.token);
    const made = (await guest.post(`/api/v1/sessions/${info.session_id}/clients`, {})).body;
    const key = `${made.client.id}.${made.client.secret}`;
    const reader = await EventReader.join(guest, info, { headers: { 'Lectern-Client': key } });
    expect(reader.ready).toMatchObject({ client: { id: made.client.id }, consumer_capabilities: { edit: false, interact: false } });
    const command = (name: string, body: unknown) =>
      guest.post(`/api/v1/sessions/${info.session_id}/commands/${name}`, body, { 'Lectern-Client': key, 'Lectern-Epoch': '1' });
    expect((await command('takeover', {})).body.error.code).toBe('denied');
    expect((await command('transaction', set('a', 'never'))).body.error.code).toBe('scope');
    await write('for the guest');
    await reader.event('notebook-document-transaction', ...edited('for the guest'));
    expect((await couch.request('DELETE', `/api/v1/tokens/${minted.id}`)).status).toBe(204);
    await reader.untilEnded();
    await expect(EventReader.open(guest, info)).rejects.toThrow(/^401 /);
  });

  it('is refused as one here is, where that can be known here', async () => {
    const local = await couch.open(couch.notebook('here.ipynb', [{ id: 'a', source: '1' }]));
    for (const wrong of ['ticket=nobody', 'view_only=perhaps', 'document=all', 'buffers=none']) {
      const answers = await Promise.all([info, local].map((one) => couch.get(`/api/v1/sessions/${one.session_id}/events?${wrong}`)));
      expect(answers[0]!.status).toBeGreaterThanOrEqual(400);
      expect([answers[0]!.status, answers[0]!.body]).toEqual([answers[1]!.status, answers[1]!.body]);
    }
    const unknown = await EventReader.open(couch, info, { headers: { 'Lectern-Client': 'nobody.nothing' } });
    await unknown.untilEnded();
    expect(unknown.events).toEqual([]);
    // How a WebSocket has its buffers is no choice of a stream's.
    const binary = await EventReader.join(couch, info, { query: { buffers: 'binary' } });
    await binary.close();
  });

  it('ends when the session is let go here, and is not there any more', async () => {
    const reader = await EventReader.join(couch, info);
    expect((await couch.request('DELETE', `/api/v1/sessions/${info.session_id}`)).status).toBe(204);
    await reader.untilEnded();
    await expect(EventReader.open(couch, info)).rejects.toThrow(/^404 .*session_not_found/);
    await attached(pair);
    const again = await EventReader.join(couch, info, { headers: { 'Last-Event-ID': reader.lastId ?? '' } });
    expect((await desk.request('DELETE', `/api/v1/sessions/${info.session_id}`)).status).toBe(204);
    await again.untilEnded();
    await until('no socket is left', () => pair.cable.sockets.size === 0);
  });
});

describe('the encoding of an attached stream', () => {
  let desk: Host;
  let info: ConnectionInfo;
  beforeAll(async () => {
    desk = await Host.start({ args: ['--device-name', 'Desk'] });
    info = await desk.open(desk.notebook('shared.ipynb', [{ id: 'a', source: 'one' }]));
  });
  afterAll(() => desk?.stop());

  async function attaching(binary: string | undefined, args: string[]): Promise<Host> {
    const couch = await Host.start({ binary, env: { XDG_RUNTIME_DIR: path.join(desk.home, 'run') }, args: ['--device-name', 'Couch', ...args] });
    await until('the couch sees it', async () => (await couch.get('/api/v1/presence')).body.sessions.some((row: any) => row.session_id === info.session_id), 30_000);
    expect((await couch.post(`/api/v1/remote/${info.session_id}/attach`)).status).toBe(200);
    return couch;
  }

  it("is this host's to know: without the plugin it is refused as that of a session here", async () => {
    const { folder, binary } = installWithout('transport-sse');
    const couch = await attaching(binary, []);
    try {
      const local = await couch.open(couch.notebook('here.ipynb', [{ id: 'a', source: '1' }]));
      const answers = await Promise.all([info, local].map((one) => couch.get(`/api/v1/sessions/${one.session_id}/events`)));
      expect([answers[0]!.status, answers[0]!.body.error.code]).toEqual([404, 'plugin_missing']);
      expect(answers[0]!.body).toEqual(answers[1]!.body);
      const viewer = await Client.join(couch, info);
      await viewer.close();
    } finally {
      await couch.stop();
      fs.rmSync(folder, { recursive: true });
    }
  });

  it('may be made in a process of its own', async () => {
    const plugins = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-third-'));
    fs.cpSync(path.join(BUILT, 'transport-sse'), path.join(plugins, 'transport-sse'), { recursive: true });
    fs.appendFileSync(path.join(plugins, 'transport-sse', 'transport-sse.so'), 'somebody else built this');
    const couch = await attaching(undefined, ['--plugin-path', plugins]);
    try {
      const rows = (await couch.get('/api/v1/plugins')).body.plugins.filter((row: any) => row.path.startsWith(plugins));
      expect(rows.map((row: any) => row.generations.at(-1).isolation)).toEqual(['process']);
      const editor = await Client.join(desk, info);
      expect((await editor.command('takeover')).ok).toBe(true);
      const reader = await EventReader.join(couch, info);
      for (let i = 0; i < 50; ++i) expect((await editor.command('transaction', set('a', `number ${i}`))).ok).toBe(true);
      await reader.event('notebook-document-transaction', ...edited('number 49'));
      const told = (frames: { op: string; seq: number | null }[]) => frames.filter((one) => one.op === 'notebook-document-transaction').map((one) => one.seq);
      expect(told(reader.events)).toEqual(told(editor.frames));
      expect((await couch.request('DELETE', `/api/v1/sessions/${info.session_id}`)).status).toBe(204);
      await reader.untilEnded();
      await editor.close();
    } finally {
      await couch.stop();
      fs.rmSync(plugins, { recursive: true });
    }
  });
});
