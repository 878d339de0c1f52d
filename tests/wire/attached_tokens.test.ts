// Scoped tokens of a session of another host, attached here: made here, and worth here what they say for as long as it is
// attached.
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { EventReader } from '../support/event_stream';
import { Host, until, type ConnectionInfo } from '../support/host';

const set = (cell: string, source: string) => ({ changes: [{ type: 'set_source', cell_id: cell, source }] });

describe('a token of an attached session', () => {
  let desk: Host;
  let couch: Host;
  let info: ConnectionInfo;
  let own: ConnectionInfo;
  const attach = (host: Host) => host.post<any>(`/api/v1/remote/${info.session_id}/attach`);
  const as = (token: string): Host => Object.create(couch, { token: { value: token } }) as Host;
  const ask = (body: Record<string, unknown>) => couch.post('/api/v1/tokens', { session_id: info.session_id, ...body });
  async function mint(body: Record<string, unknown>): Promise<{ id: string; token: string }> {
    const answer = await ask(body);
    expect(answer.status, answer.text).toBe(201);
    return answer.body;
  }
  const revoke = async (id: string) => expect((await couch.request('DELETE', `/api/v1/tokens/${id}`)).status).toBe(204);

  beforeAll(async () => {
    desk = await Host.start({ args: ['--device-name', 'Desk'] });
    couch = await Host.start({ env: { XDG_RUNTIME_DIR: path.join(desk.home, 'run') }, args: ['--device-name', 'Couch'] });
    const image = { output_type: 'display_data', metadata: {}, data: { 'image/png': Buffer.alloc(100_000, 7).toString('base64') } };
    info = await desk.open(desk.notebook('shared.ipynb', [{ id: 'a', source: 'one', outputs: [image] }]));
    own = await couch.open(couch.notebook('own.ipynb', [{ id: 'a', source: '1' }]));
    await until('the couch sees it', async () => (await couch.get('/api/v1/presence')).body.sessions.some((row: any) => row.session_id === info.session_id), 30_000);
  });
  afterAll(async () => {
    await couch?.stop();
    await desk?.stop();
  });

  it('is made while it is attached, and reaches it alone', async () => {
    expect((await ask({ scope: 'view' })).body.error.code, 'it is not attached yet').toBe('session_not_found');
    expect((await attach(couch)).status).toBe(200);
    expect((await ask({ scope: 'admin' })).status).toBe(400);
    const { id, token } = await mint({ scope: 'view' });
    expect((await couch.get('/api/v1/tokens')).body.tokens).toContainEqual(expect.objectContaining({ id, scope: 'view', session_id: info.session_id }));
    const guest = as(token);
    const found = await attach(guest);
    expect([found.status, found.body.session_id, found.body.remote.device_name]).toEqual([200, info.session_id, 'Desk']);
    expect((await guest.get('/api/v1/sessions')).body.sessions).toMatchObject([{ session_id: info.session_id, remote: { device_name: 'Desk' } }]);
    expect((await guest.get(`/api/v1/sessions/${info.session_id}/document`)).status).toBe(200);
    expect((await guest.get(`/api/v1/sessions/${own.session_id}`)).body.error.code).toBe('other_session');
    expect((await guest.get('/api/v1/presence')).body.error.code).toBe('other_session');
    const viewer = await Client.join(guest, info);
    const sha256 = await viewer.until('a blob', () => /"\$blob":"([0-9a-f]{64})"/.exec(JSON.stringify(viewer.frames))?.[1]);
    expect((await guest.get(`/blobs/${sha256}`)).status).toBe(200);
    const other = await mint({ scope: 'view', session_id: own.session_id });
    expect((await as(other.token).get(`/blobs/${sha256}`)).status).toBe(404);
    expect((await attach(as(other.token))).body.error.code).toBe('other_session');
    expect((await as(other.token).get('/api/v1/sessions')).body.sessions.map((row: any) => row.session_id)).toEqual([own.session_id]);
    await viewer.close();
    await revoke(id);
  });

  it('lets a viewer look, and no more', async () => {
    const { id, token } = await mint({ scope: 'view' });
    const guest = as(token);
    const viewer = await Client.join(guest, info);
    expect(viewer.ready.consumer_capabilities).toEqual({ edit: false, interact: false });
    expect((await viewer.command('takeover')).ok).toBe(false);
    expect((await viewer.command('transaction', set('a', 'never'), { epoch: 1 })).ok).toBe(false);
    expect((await viewer.takeover()).body.error.code).toBe('denied');
    expect((await viewer.post('/commands/transaction', set('a', 'never'), { 'Lectern-Epoch': '1' })).body.error.code).toBe('scope');
    expect((await guest.request('DELETE', `/api/v1/sessions/${info.session_id}`)).body.error.code).toBe('scope');
    expect((await guest.put(`/api/v1/sessions/${info.session_id}/policy`, { policy: 'collaborative' })).body.error.code).toBe('scope');
    const reader = await EventReader.join(guest, info);
    await revoke(id);
    await viewer.until('the socket to be closed', () => viewer.closed);
    expect(viewer.closed).toEqual({ code: 1008, reason: 'UNAUTHORIZED' });
    await reader.untilEnded();
    expect((await guest.get(`/api/v1/sessions/${info.session_id}`)).status).toBe(401);
  });

  it('lets an editor edit, until it is revoked: the pen is free in that moment', async () => {
    const interact = await mint({ scope: 'interact' });
    const helper = await Client.join(as(interact.token), info);
    expect(helper.ready.consumer_capabilities).toEqual({ edit: false, interact: true });
    expect((await helper.command('takeover')).ok).toBe(false);
    const { id, token } = await mint({ scope: 'edit' });
    const there = await Client.join(desk, info);
    const editor = await Client.join(as(token), info);
    expect((await editor.command('takeover')).ok).toBe(true);
    expect((await editor.command('transaction', set('a', 'by the guest'))).ok).toBe(true);
    await there.event('notebook-document-transaction', (data) => JSON.stringify(data).includes('by the guest'));
    await there.event('room-state', (data) => data.editor?.client_id === editor.key.id);
    const from = there.frames.length;
    await revoke(id);
    await editor.until('the socket to be closed', () => editor.closed);
    expect(editor.closed!.code).toBe(1008);
    const gone = (data: any) => data.editor?.client_id !== editor.key.id && !data.members.some((one: any) => one.client_id === editor.key.id);
    await there.event('room-state', gone, from);
    const states = there.frames.slice(from).filter((frame) => frame.op === 'room-state').flatMap((frame) => frame.data.members);
    expect(states.filter((one: any) => one.client_id === editor.key.id && one.state === 'lost'), 'nothing is kept for it').toEqual([]);
    expect(helper.closed).toBeUndefined();
    await Promise.all([helper, there].map((client) => client.close()));
    await revoke(interact.id);
  });

  it('ends when its time is over, and is worth nothing once the session is let go', async () => {
    const short = await mint({ scope: 'edit', expires_ms: 1500 });
    const viewer = await Client.join(as(short.token), info);
    await viewer.until('the socket to be closed', () => viewer.closed);
    expect(viewer.closed!.code).toBe(1008);
    expect((await attach(as(short.token))).status).toBe(401);
    expect((await couch.get('/api/v1/tokens')).body.tokens.some((one: any) => one.id === short.id)).toBe(false);

    const { token } = await mint({ scope: 'edit' });
    const guest = as(token);
    const last = await Client.join(guest, info);
    expect((await couch.request('DELETE', `/api/v1/sessions/${info.session_id}`)).status).toBe(204);
    await last.until('the socket to be closed', () => last.closed);
    expect((await guest.get(`/api/v1/sessions/${info.session_id}`)).body.error.code).toBe('session_not_found');
    expect((await attach(guest)).body.error.code, 'it brings nothing back').toBe('not_attached');
    expect((await guest.get('/api/v1/sessions')).body.sessions).toEqual([]);
  });
});
