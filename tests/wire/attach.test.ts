// Sessions of another host, attached here (docs/presence.md "Attaching"): two real hosts of one person on one machine. One
// line carries any number of viewers; who edits is decided where the session is.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cabled, type Cable } from '../support/cable';
import { Client } from '../support/client';
import { Host, LECTERN, until, type ConnectionInfo } from '../support/host';

/** The host with another token. */
function as(host: Host, token: string): Host {
  return Object.assign(Object.create(Host.prototype), host, { token }) as Host;
}

function set(cell: string, source: string) {
  return { changes: [{ type: 'set_source', cell_id: cell, source }] };
}

const attach = (host: Host, session: string) => host.post<any>(`/api/v1/remote/${session}/attach`);
const remotes = async (host: Host): Promise<any[]> => (await host.get('/api/v1/presence')).body.sessions;
const sessions = async (host: Host): Promise<any[]> => (await host.get('/api/v1/sessions')).body.sessions;
const seen = (client: Client, text: string) =>
  client.event('notebook-document-transaction', (data) => JSON.stringify(data.transaction.changes ?? []).includes(text));

describe('a session of another host', () => {
  let desk: Host;
  let couch: Host;
  let info: ConnectionInfo;

  beforeAll(async () => {
    desk = await Host.start({ args: ['--device-name', 'Desk'] });
    couch = await Host.start({ env: { XDG_RUNTIME_DIR: path.join(desk.home, 'run') }, args: ['--device-name', 'Couch'] });
    const image = { output_type: 'display_data', metadata: {}, data: { 'image/png': Buffer.alloc(300_000, 7).toString('base64') } };
    info = await desk.open(desk.notebook('shared.ipynb', [{ id: 'a', source: 'one', outputs: [image] }]));
    await until('the couch sees it', async () => (await remotes(couch)).some((row) => row.session_id === info.session_id), 30_000);
  });
  afterAll(async () => {
    await couch?.stop();
    await desk?.stop();
  });

  it('is attached, followed by viewers here and there, and edited from where the pen is', async () => {
    expect(await attach(couch, 'no-such-session')).toMatchObject({ status: 404, body: { error: { code: 'remote_session_not_found' } } });
    const started = performance.now();
    const answers = await Promise.all([attach(couch, info.session_id), attach(couch, info.session_id)]);
    console.log(`attach over loopback: ${(performance.now() - started).toFixed(1)} ms`);
    for (const answer of answers) expect(answer.status, answer.text).toBe(200);
    expect(answers[0]!.body).toMatchObject({ session_id: info.session_id, notebook_id: info.notebook_id, path: info.path, remote: { device_name: 'Desk' } });
    expect(answers[0]!.body.connect_url).toContain(`:${couch.port}/`);
    expect(await sessions(couch)).toMatchObject([{ session_id: info.session_id, path: info.path, remote: { device_name: 'Desk' } }]);
    expect((await couch.get(`/api/v1/sessions/${info.session_id}`)).body).toMatchObject({ session_id: info.session_id, remote: { device_name: 'Desk' } });
    await until('it is no longer listed as one to attach', async () => (await remotes(couch)).length === 0);
    expect(await remotes(desk), 'what is attached is not published').toEqual([]);

    const there = await Client.join(desk, info);
    const [here, also] = await Promise.all([Client.join(couch, info), Client.join(couch, info)]);
    expect(new Set([there.key.id, here.key.id, also.key.id]).size).toBe(3);
    expect(here.ready.session_id).toBe(info.session_id);
    const room = await there.event('room-state', (data) => data.members.length === 3);
    expect(room.data.members.map((member: any) => member.device).sort()).toEqual(['Couch', 'Couch', 'Desk']);

    const first = there.epoch!;
    expect((await there.command('transaction', set('a', 'from the desk'))).ok).toBe(true);
    await Promise.all([seen(here, 'from the desk'), seen(also, 'from the desk')]);

    const taken = await here.command('takeover');
    expect(taken).toMatchObject({ ok: true });
    expect(taken.epoch).toBeGreaterThan(first);
    await there.event('consumer-capabilities', (data) => !data.consumer_capabilities.edit);
    expect((await there.command('transaction', set('a', 'too late'), { epoch: first })).error.code).toBe('stale_epoch');
    expect((await here.command('transaction', set('a', 'from the couch'))).ok).toBe(true);
    await Promise.all([seen(there, 'from the couch'), seen(also, 'from the couch')]);
    expect((await here.command('save')).ok).toBe(true);
    expect(desk.file('shared.ipynb')).toContain('from the couch');

    const back = await there.command('takeover');
    expect(back.epoch).toBeGreaterThan(taken.epoch);
    await here.event('consumer-capabilities', (data) => !data.consumer_capabilities.edit);

    const orders = [there, here, also].map((client) =>
      client.events('notebook-document-transaction').map((frame) => frame.seq));
    for (const order of orders) expect(order).toEqual([...order].sort((a, b) => a! - b!));
    await Promise.all([there, here, also].map((client) => client.close()));
  });

  it('answers its HTTP routes here, and hands out what its outputs refer to', async () => {
    const base = `/api/v1/sessions/${info.session_id}`;
    const viewer = await Client.join(couch, info);
    const shown = await viewer.until('the output', () => /"\$blob":"([0-9a-f]{64})"/.exec(JSON.stringify(viewer.events('cell-op'))));
    const blob = await couch.get(`/blobs/${shown[1]}`);
    expect(blob.status).toBe(200);
    expect(blob.text).toBe((await desk.get(`/blobs/${shown[1]}`)).text);
    expect((await couch.get(`/blobs/${'0'.repeat(64)}`)).body.error.code).toBe('blob_not_found');
    const document = await couch.get(`${base}/document`);
    expect([document.status, document.headers.get('etag')]).toEqual([200, (await desk.get(`${base}/document`)).headers.get('etag')]);
    expect((await couch.get(`${base}/history?limit=1`)).body.versions).toHaveLength(1);
    expect((await couch.get(`${base}/relay`)).body.error.code, 'hosts make no chains').toBe('not_relayed');
    const program = (await couch.post(`${base}/clients`, { label: 'script' })).body;
    const key = { 'Lectern-Client': `${program.client.id}.${program.client.secret}` };
    const pen = await couch.post(`${base}/takeover`, {}, key);
    expect(pen.status, pen.text).toBe(200);
    const edit = await couch.post(`${base}/commands/transaction`, set('a', 'by a program'), { ...key, 'Lectern-Epoch': String(pen.body.epoch) });
    expect(edit.status, edit.text).toBe(200);
    await seen(viewer, 'by a program');
    const ticket = (await couch.post(`${base}/clients`, {})).body.ticket;
    expect((await couch.post(`${base}/commands/room?ticket=${ticket}`)).status).toBe(200);
    expect((await couch.post(`${base}/commands/room?ticket=${ticket}`)).status).toBe(401);
    expect((await couch.post(`${base}/commands/room`, {}, { 'Lectern-Client': 'nobody.nothing' })).body.error.code).toBe('client_unknown');
    await viewer.close();
  });

  it('is no more to a viewer here than the scope of its token', async () => {
    const minted = await couch.post('/api/v1/tokens', { scope: 'view', name: 'guest' });
    const guest = as(couch, minted.body.token);
    const base = `/api/v1/sessions/${info.session_id}`;
    const found = await attach(guest, info.session_id);
    expect([found.status, found.body.session_id], 'it finds what is attached').toEqual([200, info.session_id]);
    expect((await attach(guest, 'no-such-session')).body.error.code, 'and attaches nothing').toBe('not_attached');
    expect((await guest.request('DELETE', base)).body.error.code).toBe('scope');
    const viewer = await Client.join(guest, info);
    expect(viewer.ready.consumer_capabilities).toEqual({ edit: false, interact: false });
    expect((await viewer.command('takeover')).ok).toBe(false);
    expect((await viewer.command('transaction', set('a', 'never'), { epoch: 1 })).ok).toBe(false);
    const program = (await guest.post(`${base}/clients`, {})).body;
    const key = { 'Lectern-Client': `${program.client.id}.${program.client.secret}` };
    expect((await guest.post(`${base}/takeover`, {}, key)).status).toBe(403);
    expect((await guest.post(`${base}/commands/takeover`, {}, key)).status).toBe(403);
    expect((await guest.post(`${base}/commands/transaction`, set('a', 'never'), { ...key, 'Lectern-Epoch': '1' })).status).toBe(403);
    // A client of a larger scope is no way round it: the request itself has the smaller one.
    const larger = (await couch.post(`${base}/clients`, {})).body;
    const other = { 'Lectern-Client': `${larger.client.id}.${larger.client.secret}` };
    expect((await guest.post(`${base}/commands/takeover`, {}, other)).status).toBe(403);
    // What a forwarded request says of its asker narrows its credential there, and never widens one.
    expect((await desk.post(`${base}/takeover`, {}, { ...other, 'Lectern-Scope': 'view' })).body.error.code).toBe('denied');
    expect((await guest.post(`${base}/takeover`, {}, { ...key, 'Lectern-Scope': 'admin' })).body.error.code).toBe('denied');
    expect((await couch.request('DELETE', `/api/v1/tokens/${minted.body.id}`)).status).toBe(204);
    await viewer.until('the revoked one is cut off', () => viewer.closed);
    expect(viewer.closed).toMatchObject({ code: 1008 });
  });

  it('is let go by DELETE and taken again from the command line', async () => {
    const viewer = await Client.join(couch, info);
    expect((await couch.request('DELETE', `/api/v1/sessions/${info.session_id}`)).status).toBe(204);
    await viewer.until('its viewers are told', () => viewer.closed);
    expect(viewer.closed).toEqual({ code: 1000, reason: 'SESSION_ENDED' });
    expect(await sessions(couch)).toEqual([]);
    expect((await couch.get(`/api/v1/sessions/${info.session_id}`)).status).toBe(404);
    expect((await desk.get(`/api/v1/sessions/${info.session_id}`)).status, 'it goes on there').toBe(200);
    await until('it can be attached again', async () => (await remotes(couch)).some((row) => row.session_id === info.session_id));
    const cli = (...args: string[]) =>
      new Promise<{ code: number; out: string; err: string }>((resolve) => {
        const child = execFile(LECTERN, [...args, '--server', couch.url, '--token', couch.token], (_error, out, err) => resolve({ code: child.exitCode ?? -1, out, err }));
      });
    expect(await cli('attach', 'nothing-of-that-name')).toMatchObject({ code: 1, err: expect.stringContaining('lectern presence') });
    expect((await cli('attach')).code).toBe(2);
    const done = await cli('attach', 'shared.ipynb', '--json');
    expect([done.code, done.err]).toEqual([0, '']);
    expect(JSON.parse(done.out)).toMatchObject({ session_id: info.session_id, remote: { device_name: 'Desk' }, url: expect.stringContaining(`?session=${info.session_id}`) });
    expect((await cli('attach', info.session_id)).out).toContain(`${couch.url}/?session=${info.session_id}`);
    expect(await sessions(couch)).toHaveLength(1);
    expect((await cli('presence')).out).toMatch(/shared\.ipynb {2}on Desk .*, attached here\n/);
    expect((await cli('ls')).out).toContain(', on Desk\n');
  });
});

describe('a notebook on another device', () => {
  let desk: Host;
  let couch: Host;
  let there: string;
  const create = (host: Host, device: string, body: unknown) => host.post<any>(`/api/v1/remote/${device}/create`, body);
  beforeAll(async () => {
    desk = await Host.start({ args: ['--device-name', 'Desk'] });
    couch = await Host.start({ env: { XDG_RUNTIME_DIR: path.join(desk.home, 'run') }, args: ['--device-name', 'Couch'] });
    // It has no session yet, and is a device all the same.
    there = await until('the couch hears of the desk', async () => (await couch.get('/api/v1/presence')).body.devices.find((row: any) => row.device_name === 'Desk')?.device_id, 30_000);
  });
  afterAll(async () => {
    await couch?.stop();
    await desk?.stop();
  });

  it('is created there, attached here and edited from here', async () => {
    const made = await create(couch, there, { runtime: 'jupyter/python3', path: 'made.ipynb' });
    expect(made.status, made.text).toBe(201);
    expect(made.body).toMatchObject({ session_id: expect.any(String), path: expect.stringContaining('made.ipynb'), remote: { device_id: there, device_name: 'Desk' } });
    expect(made.body.connect_url).toContain(`:${couch.port}/`);
    expect(await sessions(couch)).toMatchObject([{ session_id: made.body.session_id, remote: { device_name: 'Desk' } }]);
    expect(await sessions(desk)).toMatchObject([{ session_id: made.body.session_id }]);
    const viewer = await Client.join(couch, made.body);
    const added = await viewer.command('transaction', { changes: [{ type: 'create_cell', cell_id: 'new', cell_type: 'code', source: 'from the couch' }] });
    expect(added, JSON.stringify(added)).toMatchObject({ ok: true });
    expect((await viewer.command('save')).ok).toBe(true);
    expect(desk.file('made.ipynb')).toContain('from the couch');
    await viewer.close();
  });

  it('is refused in the words of that device, and nothing is left here', async () => {
    const before = await sessions(couch);
    const outcome = async (host: Host, device: string, body: unknown) => {
      const answer = await create(host, device, body);
      return `${answer.status} ${answer.body.error.code}: ${answer.body.error.message}`;
    };
    expect(await outcome(couch, '0'.repeat(32), { runtime: 'jupyter/python3' })).toMatch(/^404 remote_device_not_found/);
    expect(await outcome(couch, there, {})).toMatch(/^400 bad_request: (?!'Desk' said)/);
    expect(await outcome(couch, there, { runtime: 'no/such' })).toMatch(/^400 unknown_runtime: 'Desk' said: /);
    expect(await outcome(couch, there, { runtime: 'jupyter/python3', path: '../../etc/made.ipynb' })).toMatch(/^403 outside_root: 'Desk' said: /);
    for (const scope of ['view', 'interact']) {
      const minted = await couch.post('/api/v1/tokens', { scope, name: scope });
      expect(await outcome(as(couch, minted.body.token), there, { runtime: 'jupyter/python3' })).toMatch(/^403 scope/);
    }
    const mine = await until('the desk hears of the couch', async () => (await desk.get('/api/v1/presence')).body.devices.find((row: any) => row.device_name === 'Couch')?.device_id, 30_000);
    expect(await outcome(couch, mine, { runtime: 'jupyter/python3' }), 'not on itself').toMatch(/^404 remote_device_not_found/);
    // Ids alone: what a row of another device says is renewed now and then, and one that nobody watches is let go.
    const ids = (rows: any[]) => rows.map((row) => row.session_id);
    expect(ids(before)).toEqual(expect.arrayContaining(ids(await sessions(couch))));
    expect(await sessions(desk)).toHaveLength(before.length);
  });

  it('is made from the command line, on the device of that name', async () => {
    const cli = (...args: string[]) =>
      new Promise<{ code: number; out: string; err: string }>((resolve) => {
        const child = execFile(LECTERN, ['create', ...args, '--server', couch.url, '--token', couch.token], (_error, out, err) => resolve({ code: child.exitCode ?? -1, out, err }));
      });
    const done = await cli('jupyter/python3', 'typed.ipynb', '--on', 'Desk', '--json');
    expect([done.code, done.err]).toEqual([0, '']);
    const info = JSON.parse(done.out);
    expect(info).toMatchObject({ remote: { device_name: 'Desk' }, url: `${couch.url}/?session=${info.session_id}&token=${couch.token}` });
    expect(desk.file('typed.ipynb')).toContain('cells');
    expect(await cli('jupyter/python3', '--on', 'Attic')).toMatchObject({ code: 1, err: expect.stringContaining('lectern devices') });
  });
});

describe('a device that names what it does not have', () => {
  it('is refused a session of this host, which stays what it was', async () => {
    const shared = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-names-'));
    const couch = await Host.start({ args: ['--no-presence-local', '--presence-folder', shared] });
    let named = '';
    const asked: string[] = [];
    const liar = http.createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      response.setHeader('Content-Type', 'application/json').writeHead(201).end(JSON.stringify({ session_id: named }));
    });
    await new Promise<void>((resolve) => liar.listen(0, '127.0.0.1', resolve));
    const address = `127.0.0.1:${(liar.address() as net.AddressInfo).port}`;
    try {
      const own = await couch.open(couch.notebook('own.ipynb', [{ id: 'a', source: '1' }]));
      const before = await sessions(couch);
      const record = await until('the couch publishes', () => {
        const name = fs.readdirSync(shared, { recursive: true, encoding: 'utf8' }).find((one) => one.endsWith('.json') && !path.basename(one).startsWith('.'));
        return name && JSON.parse(fs.readFileSync(path.join(shared, name), 'utf8'));
      }, 30_000);
      const [device, instance] = ['a'.repeat(32), 'b'.repeat(32)];
      Object.assign(record, { device_id: device, instance_id: instance, device_name: 'Liar', ttl_ms: 600_000, sessions: [], endpoints: [{ ...record.endpoints[0], scheme: 'ws', address }] });
      fs.mkdirSync(path.join(shared, 'v1', device), { mode: 0o700 });
      fs.writeFileSync(path.join(shared, 'v1', device, `${instance}.json`), JSON.stringify(record), { mode: 0o600 });
      const start = fs.readFileSync('/proc/self/stat', 'utf8').replace(/^.*\) /s, '').split(' ')[19];
      fs.writeFileSync(path.join(couch.home, 'run', 'lectern', 'servers', `${process.pid}.json`), JSON.stringify({ pid: process.pid, start_time: start, url: `http://${address}`, token: 'token', root: '/', tls_cert: '', started_at: '2026-01-01T00:00:00Z' }), { mode: 0o600 });
      await until('it is heard of', async () => (await couch.get('/api/v1/presence')).body.devices.some((row: any) => row.device_id === device), 30_000);
      named = own.session_id;
      const made = await couch.post<any>(`/api/v1/remote/${device}/create`, { runtime: 'jupyter/python3' });
      expect([made.status, made.body.error.code]).toEqual([502, 'protocol_mismatch']);
      expect(made.body.error.message).toBe("'Liar' named a session of this host");
      expect(asked).toEqual(['POST /api/v1/notebooks/create']);
      const ids = (rows: any[]) => rows.map((row) => [row.session_id, row.remote]);
      expect(ids(await sessions(couch))).toEqual(ids(before));
    } finally {
      await couch.stop();
      liar.closeAllConnections();
      liar.close();
      fs.rmSync(shared, { recursive: true, force: true });
    }
  });
});

describe('a session of a paired device', () => {
  it('is attached over TLS to the key of the pairing, with its scope and name, until the pairing ends', async () => {
    const shared = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-paired-'));
    const desk = await Host.start({ args: ['--device-name', 'Desk', '--tls', '--no-presence-local', '--presence-folder', shared] });
    const couch = await Host.start({ args: ['--device-name', 'Couch', '--no-presence-local', '--presence-folder', shared] });
    const ask = (method: string, route: string, body?: unknown) =>
      new Promise<any>((resolve, reject) => {
        const sent = body === undefined ? '' : JSON.stringify(body);
        const headers = { Authorization: `Bearer ${desk.token}`, 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(sent) };
        const request = https.request(desk.url + route, { method, agent: false, rejectUnauthorized: false, headers }, (response) => {
          let text = '';
          response.on('data', (chunk) => (text += chunk));
          response.on('end', () => resolve(text.startsWith('{') ? JSON.parse(text) : { status: response.statusCode }));
        });
        request.on('error', reject);
        request.end(sent);
      });
    try {
      const info = await ask('POST', '/api/v1/notebooks/open', { path: desk.notebook('paired.ipynb', [{ id: 'a', source: 'one' }]) });
      await until('the couch sees it', async () => (await remotes(couch)).some((row) => row.session_id === info.session_id), 30_000);
      expect((await attach(couch, info.session_id)).body.error.code).toBe('not_paired');
      const make = async () => (await couch.post<any>(`/api/v1/remote/${info.device_id}/create`, { runtime: 'jupyter/python3' })).body.error;
      info.device_id = (await remotes(couch))[0].device_id;
      expect((await make()).code).toBe('not_paired');
      const { code } = await ask('POST', '/api/v1/pairing', { scope: 'view' });
      const joined = await couch.post('/api/v1/pairing/join', { code, address: `127.0.0.1:${desk.port}` });
      expect(joined.status, joined.text).toBe(201);
      const attached = await attach(couch, info.session_id);
      expect([attached.status, attached.text]).toEqual([200, expect.stringContaining('"device_name":"Desk"')]);
      expect(await make(), 'nor does it make anything there').toMatchObject({ code: 'scope', message: expect.stringContaining("'Desk' said: ") });
      const viewer = await Client.join(couch, info);
      expect(viewer.ready.consumer_capabilities.edit, 'the pairing lets it look').toBe(false);
      expect((await viewer.command('takeover')).ok).toBe(false);
      const room = await viewer.event('room-state', (data) => data.members.length > 0);
      expect(room.data.members).toMatchObject([{ device: 'Couch' }]);
      const [device] = (await ask('GET', '/api/v1/devices')).devices;
      expect((await ask('DELETE', `/api/v1/devices/${device.device_id}`)).status).toBe(204);
      await viewer.until('the pairing is over', () => viewer.closed);
      expect(viewer.closed!.code).toBe(1008);
      await until('and so is the session here', async () => (await sessions(couch)).length === 0);
      await until('which is seen again', async () => (await remotes(couch)).length === 1);
      expect((await attach(couch, info.session_id)).body.error.code).toBe('not_paired');
    } finally {
      await couch.stop();
      await desk.stop();
      fs.rmSync(shared, { recursive: true, force: true });
    }
  });
});

describe('a line to another host', () => {
  let desk: Host;
  let couch: Host;
  let stranger: Host;
  let info: ConnectionInfo;
  let cable: Cable;
  let pair: Cabled;

  beforeAll(async () => {
    const image = { output_type: 'display_data', metadata: {}, data: { 'image/png': Buffer.alloc(100_000, 7).toString('base64') } };
    pair = await Cabled.start([{ id: 'a', source: 'one', outputs: [image] }, { id: 'b', source: 'two' }]);
    ({ desk, couch, info, cable } = pair);
    stranger = await Host.start({ args: ['--no-presence-local', '--presence-folder', pair.near] });
    await until('it is heard of', async () => (await remotes(stranger)).some((row) => row.session_id === info.session_id), 30_000);
  });
  afterAll(async () => {
    await stranger?.stop();
    await pair?.stop();
  });

  it('that cannot be had changes nothing and says why', async () => {
    const failed = await attach(couch, info.session_id);
    expect([failed.status, failed.body.error?.code]).toEqual([504, 'remote_unreachable']);
    expect(failed.body.error.details.endpoints).toMatchObject([{ endpoint: `127.0.0.1:${cable.port}` }]);
    expect(failed.text).not.toContain(desk.token);
    expect(await sessions(couch)).toEqual([]);
    expect(await remotes(couch)).toHaveLength(1);
    const unknown = await attach(stranger, info.session_id);
    expect([unknown.status, unknown.body.error.code]).toEqual([401, 'not_paired']);
  });

  it('that is cut comes back, and with it everybody, their pens and what they missed', async () => {
    await cable.up();
    await until('it has cooled down and is attached', async () => (await attach(couch, info.session_id)).status === 200);
    const there = await Client.join(desk, info);
    const reader = await Client.join(couch, info);
    const editor = await Client.join(couch, info);
    const pen = await editor.command('takeover');
    expect(pen.ok).toBe(true);
    await cable.down();
    await Promise.all([reader, editor].map((client) => client.until('viewers see a cut line', () => client.closed)));
    expect(editor.closed!.code).toBe(1006);
    await there.event('room-state', (data) => data.members.some((member: any) => member.client_id === editor.key.id && member.state === 'lost'), 0);
    const returning = Promise.all([reader, editor].map((client) => Client.join(couch, info, { key: client.key, resume: client.resume })));
    await cable.up();
    const [reader2, editor2] = await returning;
    expect(editor2!.ready).toMatchObject({ resumed: true, replay: 'gap', epoch: pen.epoch });
    expect(reader2!.ready).toMatchObject({ resumed: true, replay: 'gap' });
    expect((await editor2!.command('transaction', set('a', 'after the cut'), { id: 'after' })).ok).toBe(true);
    await Promise.all([seen(there, 'after the cut'), seen(reader2!, 'after the cut')]);

    const missed = reader2!.resume;
    await cable.down();
    await reader2!.until('it is cut again', () => reader2!.closed);
    const back = await there.command('takeover');
    expect((await there.command('transaction', set('b', 'nobody was looking'), { epoch: back.epoch })).ok).toBe(true);
    await cable.up();
    const reader3 = await Client.join(couch, info, { key: reader.key, resume: missed });
    expect(reader3.ready.replay).toBe('gap');
    await seen(reader3, 'nobody was looking');
    await Promise.all([there, reader3].map((client) => client.close()));
  });

  it('hands out no bytes but those a name stands for, and never as a page of this host', async () => {
    const viewer = await Client.join(couch, info);
    const shown = await viewer.until('the output', () => /"\$blob":"([0-9a-f]{64})"/.exec(JSON.stringify(viewer.events('cell-op'))));
    const nines = { output_type: 'display_data', metadata: {}, data: { 'image/png': Buffer.alloc(100_000, 9).toString('base64') } };
    const other = await Client.join(desk, await desk.open(desk.notebook('other.ipynb', [{ id: 'a', source: 'one', outputs: [nines] }])));
    const theirs = await other.until('its output', () => /"\$blob":"([0-9a-f]{64})"/.exec(JSON.stringify(other.events('cell-op'))));
    expect((await desk.get(`/blobs/${theirs[1]}`)).status).toBe(200);
    expect((await couch.get(`/blobs/${theirs[1]}`)).status, 'shown by a session that is not attached').toBe(404);
    await other.close();
    const sevens = Buffer.alloc(64, 7);
    let asked = 0;
    cable.tamper = (chunk) => {
      if (!chunk.includes(sevens)) return chunk;
      ++asked;
      return Buffer.from(chunk.map((byte) => (byte === 7 ? 8 : byte)));
    };
    expect((await couch.get(`/blobs/${shown[1]}`)).body?.error?.code).toBe('blob_not_found');
    expect(asked).toBeGreaterThan(0);
    cable.tamper = (chunk) => Buffer.from(chunk.toString('latin1').replace('image/png', 'text/html').replace(/: sandbox;/g, ': upgrade;').replace(': nosniff', ': nothing'), 'latin1');
    const page = await couch.get(`/blobs/${shown[1]}`);
    cable.tamper = (chunk) => chunk;
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html']);
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
    expect(page.headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/);
    await viewer.close();
  });

  it('is not held up by a viewer that takes nothing', async () => {
    const there = await Client.join(desk, info);
    const [slow, brisk] = await Promise.all([Client.join(couch, info), Client.join(couch, info)]);
    expect((await there.command('takeover')).ok).toBe(true);
    slow.socket.pause();
    const block = 'x'.repeat(1 << 20);
    // Until the session gives the slow one up: what waits for it there grows, and then is dropped.
    for (let i = 0, most = 0; i < 60; ++i) {
      const large = { changes: [{ type: 'set_metadata', cell_id: 'b', path: ['large'], value: `${i}:${block}` }] };
      expect((await there.command('transaction', large)).ok).toBe(true);
      await brisk.until(`the brisk one has number ${i}`, () =>
        brisk.events('notebook-document-transaction').some((frame) => frame.data.transaction.changes?.[0].value?.startsWith(`${i}:`)));
      const waiting = (await desk.get(`/api/v1/sessions/${info.session_id}`)).body.longest_queue_bytes;
      if (most > block.length && waiting < most / 2) break;
      most = Math.max(most, waiting);
    }
    expect(brisk.events('resync')).toEqual([]);
    slow.socket.resume();
    await slow.until('the slow one is told as a direct one is', () => slow.events('resync').length > 0 || slow.closed?.code === 1013);
    await Promise.all([there, slow, brisk].map((client) => client.close()));
  });

  it('ends with its session, and leaves nothing', async () => {
    const viewer = await Client.join(couch, info);
    expect((await desk.request('DELETE', `/api/v1/sessions/${info.session_id}`)).status).toBe(204);
    await viewer.until('viewers are told', () => viewer.closed);
    expect(viewer.closed).toMatchObject({ code: 1000, reason: 'SESSION_ENDED' });
    await until('it is no session here any more', async () => (await sessions(couch)).length === 0);
    await until('no socket is left', () => cable.sockets.size === 0);
  });
});
