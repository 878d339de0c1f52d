// Scoped tokens (protocol 1): minted by API and command line, listed, revoked; never more than their scope, on HTTP, on
// sockets and for blobs.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { Client } from '../support/client';
import { Host, LECTERN, type ConnectionInfo } from '../support/host';

describe('scoped tokens', () => {
  let host: Host;
  let info: ConnectionInfo;
  let other: ConnectionInfo;
  beforeAll(async () => {
    host = await Host.start();
    info = await host.open(host.notebook('one.ipynb', [{ id: 'a', source: 'x' }]));
    other = await host.open(host.notebook('two.ipynb', [{ id: 'a', source: 'y' }]));
  });
  afterAll(() => host.stop());

  const run = (...args: string[]) =>
    spawnSync(LECTERN, args, {
      encoding: 'utf8',
      timeout: 20_000,
      env: { ...process.env, XDG_STATE_HOME: path.join(host.home, 'state'), XDG_CONFIG_HOME: path.join(host.home, 'config'), XDG_RUNTIME_DIR: path.join(host.home, 'run') },
    });
  async function mint(body: Record<string, unknown>): Promise<{ id: string; token: string; principal: string }> {
    const answer = await host.post('/api/v1/tokens', body);
    expect([answer.status, answer.text]).toEqual([201, expect.stringContaining('"token"')]);
    return answer.body;
  }
  /** The same host, seen with another token. */
  const as = (token: string): Host => Object.create(host, { token: { value: token } }) as Host;

  it('a view token reads and does nothing else', async () => {
    const { token } = await mint({ scope: 'view' });
    const guest = as(token);
    expect((await guest.get('/api/v1/sessions')).status).toBe(200);
    const joined = await Client.join(guest, info);
    expect(joined.ready.consumer_capabilities).toEqual({ edit: false, interact: false });
    expect((await joined.takeover()).status).toBe(403);
    expect((await joined.command('takeover', {}, { epoch: null })).error.status).toBe(403);
    expect((await joined.command('model', { model_id: 'm', message: { method: 'custom', content: {} } }, { epoch: null })).error.code).toBe('read_only');
    for (const [method, route, body] of [
      ['POST', '/api/v1/notebooks/create', { runtime: 'jupyter/python3' }],
      ['PUT', '/api/v1/policy', { policy: 'collaborative' }],
      ['DELETE', `/api/v1/sessions/${info.session_id}`, undefined],
      ['POST', '/api/v1/tokens', { scope: 'admin' }],
      ['GET', '/api/v1/tokens', undefined],
      ['GET', `/api/v1/sessions/${info.session_id}/policy/record`, undefined],
    ] as const) {
      const refused = await guest.request(method, route, body);
      expect([method, route, refused.status, refused.body.error.code]).toEqual([method, route, 403, 'scope']);
    }
    // The link it was handed names a path: it finds what is open, and opens nothing.
    expect((await guest.open('one.ipynb')).session_id).toBe(info.session_id);
    host.notebook('closed.ipynb', [{ id: 'a', source: '' }]);
    expect((await guest.post('/api/v1/notebooks/open', { path: 'closed.ipynb' })).body.error.code).toBe('not_open');
    await joined.close();
  });

  it('is not made of what is not understood: a narrowing that is misspelt would make one for everything', async () => {
    const before = (await host.get('/api/v1/tokens')).body;
    for (const [body, meant] of [
      [{ scope: 'view', session: info.session_id }, 'session_id'],
      [{ scope: 'view', expires: 60_000 }, 'expires_ms'],
    ] as const) {
      const refused = await host.post('/api/v1/tokens', body);
      expect([refused.status, refused.body.error.code]).toEqual([400, 'bad_request']);
      expect(refused.body.error.hint).toContain(`body.${meant}`);
    }
    expect((await host.get('/api/v1/tokens')).body).toEqual(before);
  });

  it('an interact token interacts and never edits; an edit token edits and administers nothing', async () => {
    const interact = await Client.join(as((await mint({ scope: 'interact' })).token), other);
    expect(interact.ready.consumer_capabilities).toEqual({ edit: false, interact: true });
    expect((await interact.takeover()).status).toBe(403);
    const editor = as((await mint({ scope: 'edit' })).token);
    const edits = await Client.join(editor, other);
    expect(edits.ready.consumer_capabilities).toEqual({ edit: true, interact: true });
    const reply = await edits.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'mine' }] });
    expect(reply.ok).toBe(true);
    expect((await editor.put('/api/v1/policy', { policy: 'collaborative' })).status).toBe(403);
    await interact.close();
    await edits.close();
  });

  it('a client key does not carry the rights of the token it was made with', async () => {
    const owner = await Client.join(host, info);
    const { token } = await mint({ scope: 'view' });
    const refused = await as(token).post(`/api/v1/sessions/${info.session_id}/commands/transaction`, { changes: [{ type: 'set_source', cell_id: 'a', source: 'no' }] }, {
      'Lectern-Client': `${owner.key.id}.${owner.key.secret}`,
      'Lectern-Epoch': String(owner.ready.epoch),
    });
    expect(refused.status).toBe(403);
    await owner.close();
  });

  it('a token of one session reaches that session alone', async () => {
    const { token } = await mint({ scope: 'edit', session_id: info.session_id });
    const guest = as(token);
    expect((await guest.get(`/api/v1/sessions/${info.session_id}`)).status).toBe(200);
    const elsewhere = await guest.get(`/api/v1/sessions/${other.session_id}`);
    expect([elsewhere.status, elsewhere.body.error.code]).toEqual([403, 'other_session']);
    expect((await guest.get('/api/v1/sessions')).body.sessions.map((row: any) => row.session_id)).toEqual([info.session_id]);
    expect((await guest.get('/api/v1/files?path=')).status).toBe(403);
    expect((await guest.get('/api/v1/events')).status).toBe(403);
    expect((await guest.open('one.ipynb')).session_id).toBe(info.session_id);
    expect((await guest.post('/api/v1/notebooks/open', { path: 'two.ipynb' })).status).toBe(403);
    await expect(Client.connect(guest, other)).rejects.toThrow('403');
    expect((await host.post('/api/v1/tokens', { scope: 'view', session_id: 'nosuch' })).status).toBe(404);
  });

  it('blobs are for those who may read the session that shows them', async () => {
    const writer = await Client.join(host, info);
    const taken = await writer.takeover();
    expect(taken.status).toBe(200);
    await writer.until('the pen', () => writer.epoch !== undefined);
    await writer.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: "from IPython.display import HTML\nHTML('z' * 3_000_000)" }] });
    expect((await writer.command('start_kernel', { runtime: 'jupyter/python3' }, { timeoutMs: 60_000 })).ok).toBe(true);
    await writer.execute(['a']);
    const sha256 = await writer.until('a blob', () => /"\$blob":"([0-9a-f]{64})"/.exec(JSON.stringify(writer.frames))?.[1]);
    const status = async (body: Record<string, unknown>) => (await as((await mint(body)).token).get(`/blobs/${sha256}`)).status;
    expect(await status({ scope: 'view' })).toBe(200);
    expect(await status({ scope: 'view', session_id: info.session_id })).toBe(200);
    expect(await status({ scope: 'edit', session_id: other.session_id })).toBe(404);
    expect((await as('lt_000000000000.wrong').get(`/blobs/${sha256}`)).status).toBe(401);
    expect((await as('').get(`/blobs/${sha256}`)).status).toBe(401);
    await writer.close();
  });

  it('revoking takes the grant and the connection at once, and leaves the others alone', async () => {
    const minted = await mint({ scope: 'edit', name: 'ada' });
    expect(minted.principal).toBe('ada');
    const bystander = await Client.join(host, info);
    const ada = await Client.join(as(minted.token), info);
    expect((await ada.takeover()).status).toBe(200);
    await ada.until('the pen', () => ada.epoch !== undefined);
    const listed = (await host.get('/api/v1/tokens')).body.tokens;
    expect(listed).toContainEqual(expect.objectContaining({ id: minted.id, name: 'ada', scope: 'edit' }));
    expect(JSON.stringify(listed)).not.toContain(minted.token);
    expect((await host.post('/api/v1/tokens', { scope: 'view', name: 'ada' })).status).toBe(409);
    expect((await host.request('DELETE', `/api/v1/tokens/${minted.id}`)).status).toBe(204);
    await ada.until('the socket to be closed', () => ada.closed);
    expect(ada.closed).toEqual({ code: 1008, reason: 'UNAUTHORIZED' });
    await bystander.event('room-state', (data) => data.editor === null && !data.members.some((one: any) => one.client_id === ada.key.id));
    expect((await as(minted.token).get('/api/v1/sessions')).status).toBe(401);
    expect((await host.request('DELETE', `/api/v1/tokens/${minted.id}`)).status).toBe(404);
    expect(bystander.closed).toBeUndefined();
    await bystander.close();
  });

  it('expiry does the same, by itself', async () => {
    const minted = await mint({ scope: 'edit', expires_ms: 5000 });
    const guest = await Client.join(as(minted.token), info);
    await guest.until('the socket to be closed', () => guest.closed, 30_000);
    expect(guest.closed!.code).toBe(1008);
    expect((await as(minted.token).get('/api/v1/sessions')).status).toBe(401);
    expect((await host.get('/api/v1/tokens')).body.tokens.some((one: any) => one.id === minted.id)).toBe(false);
  });

  it('revoking reaches a connection that has yet to say whose it is', async () => {
    const minted = await mint({ scope: 'edit' });
    const socket = new WebSocket(info.connect_url + '?client_id=somebody', 'lectern.v1', { headers: { Authorization: `Bearer ${minted.token}` } });
    await new Promise<void>((resolve, reject) => socket.once('open', () => resolve()).once('error', reject));
    const ended = new Promise<unknown>((resolve) => {
      socket.once('message', (data) => resolve(String(data)));
      socket.once('close', (code, reason) => resolve([code, String(reason)]));
    });
    expect((await host.request('DELETE', `/api/v1/tokens/${minted.id}`)).status).toBe(204);
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ client: 'somebody.secret' }), () => {});
    expect(await ended).toEqual([1008, 'UNAUTHORIZED']);
    socket.terminate();
  });

  it('revoking and expiry end the streams of the host', async () => {
    const revoked = await mint({ scope: 'view' });
    const follow = async (token: string) => {
      const answer = await fetch(`${host.url}/api/v1/events`, { headers: { Authorization: `Bearer ${token}`, Accept: 'text/event-stream' } });
      expect(answer.status).toBe(200);
      const reader = answer.body!.getReader();
      expect((await reader.read()).done).toBe(false);
      const rest = (async () => {
        while (!(await reader.read()).done);
        return 'ended';
      })().catch(() => 'ended');
      return { rest, cancel: () => reader.cancel().catch(() => {}) };
    };
    const owner = await follow(host.token);
    const streams = [await follow(revoked.token), await follow((await mint({ scope: 'view', expires_ms: 5000 })).token)];
    expect((await host.request('DELETE', `/api/v1/tokens/${revoked.id}`)).status).toBe(204);
    for (const stream of streams) expect(await stream.rest).toBe('ended');
    expect(await Promise.race([owner.rest, host.get('/health').then(() => 'open')])).toBe('open');
    await owner.cancel();
  });

  it('a token opens the host of its folder, and one host writes the tokens of a folder', async () => {
    const { token, id } = await mint({ scope: 'admin' });
    const elsewhere = await Host.start({ home: host.home });
    expect((await Object.create(elsewhere, { token: { value: token } }).get('/api/v1/sessions')).status).toBe(401);
    await elsewhere.stop();
    const second = await Host.start({ home: host.home, root: host.root });
    const seen: Host = Object.create(second, { token: { value: token } });
    expect((await seen.get('/api/v1/tokens')).status).toBe(200);
    expect((await second.post('/api/v1/tokens', { scope: 'view' })).body.error.code).toBe('tokens_locked');
    expect((await second.request('DELETE', `/api/v1/tokens/${id}`)).status).toBe(409);
    expect((await host.request('DELETE', `/api/v1/tokens/${id}`)).status).toBe(204);
    expect((await seen.get('/api/v1/tokens')).status).toBe(401);
    await second.stop();
  });

  it('the page swaps a scoped token for a cookie of the same scope', async () => {
    const { token } = await mint({ scope: 'view' });
    const page = await fetch(`${host.url}/?token=${token}`, { redirect: 'manual' });
    expect(page.status).toBe(303);
    const cookie = page.headers.get('set-cookie')!.split(';')[0]!;
    expect(cookie).not.toContain(token);
    expect((await fetch(`${host.url}/api/v1/sessions`, { headers: { Cookie: cookie } })).status).toBe(200);
    expect((await fetch(`${host.url}/api/v1/tokens`, { headers: { Cookie: cookie } })).status).toBe(403);
  });

  it('the policy knows who somebody is by the token, whatever they call themselves', async () => {
    const { token } = await mint({ scope: 'edit', name: 'grace' });
    expect((await host.put(`/api/v1/sessions/${other.session_id}/policy`, { policy: 'roles', config: { editors: ['principal:grace'], others: 'viewer' } })).status).toBe(200);
    const named = await Client.join(host, other, { query: { label: 'grace' } });
    expect(named.ready.consumer_capabilities.edit).toBe(false);
    const proven = await Client.join(as(token), other, { query: { label: 'somebody' } });
    expect(proven.ready.consumer_capabilities.edit).toBe(true);
    await named.close();
    await proven.close();
  });

  it('lectern token mints, lists and revokes', async () => {
    const made = run('token', 'mint', '--scope', 'interact', '--name', 'screen', '--session', info.session_id, '--expires', '2h');
    expect([made.status, made.stderr]).toEqual([0, '']);
    const token = made.stdout.trim();
    expect((await as(token).get(`/api/v1/sessions/${info.session_id}`)).status).toBe(200);
    const listed = run('token', 'ls');
    expect(listed.stdout).toMatch(/interact {2}screen {2}session \S+ {2}until \d{4}-/);
    expect(listed.stdout).not.toContain(token);
    const id = JSON.parse(run('token', 'ls', '--json').stdout).tokens.find((one: any) => one.name === 'screen').id;
    expect(run('token', 'revoke', id).status).toBe(0);
    expect((await as(token).get(`/api/v1/sessions/${info.session_id}`)).status).toBe(401);
    expect(run('token', 'revoke', id).status).toBe(1);
    expect(run('token', '--scope', 'view', '--json').stdout).toContain('"token":"lt_');
    for (const wrong of [['token'], ['token', 'steal'], ['token', '--scope', 'view', '--expires', 'soon'], ['token', 'revoke']]) {
      expect([wrong, run(...wrong).status]).toEqual([wrong, 2]);
    }
    expect(run('token', '--scope', 'all').status).not.toBe(0);
    const state = path.join(host.home, 'state', 'lectern');
    const name = createHash('sha256').update(fs.realpathSync(host.root)).digest('hex').slice(0, 16);
    const file = path.join(state, `tokens-${name}.json`);
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
    expect(fs.readFileSync(file, 'utf8')).not.toContain(token);
  });
});
