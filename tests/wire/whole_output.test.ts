// A cell that says more than it shows: all of it is kept, and given out by the URL in its notice (docs/http-api.md).
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, until, type ConnectionInfo } from '../support/host';

const NOTICE = 'application/vnd.lectern.whole-output+json';
const SAID = 20_050;
// Each is an output of its own, and the cell shows 20,000. With pauses: what waits in a kernel's socket, ZeroMQ drops past 1,000.
const MANY = `import time
publish = get_ipython().display_pub.publish
for i in range(${SAID}):
    publish({"text/plain": str(i)})
    if i % 200 == 0: time.sleep(0.01)`;

describe('the whole output of a cell', () => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-root-'));
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-home-'));
  let host: Host;
  let info: ConnectionInfo;
  let a: Client;
  let id: string;
  const at = (name: string, session = info.session_id) => `/api/v1/sessions/${session}/outputs/${name}`;
  const numbers = (text: string) => text.trimEnd().split('\n').map((line) => Number(JSON.parse(line).data['text/plain']));
  const all = Array.from({ length: SAID }, (_, i) => i);

  beforeAll(async () => {
    host = await Host.start({ root, home });
    info = await host.open(host.notebook('n.ipynb', [{ id: 'many', source: MANY }, { id: 'other', source: '1' }]));
    a = await Client.join(host, info);
    await a.execute(['many'], 120_000);
    id = a.outputs('many').at(-1).data?.[NOTICE]?.id;
  });
  afterAll(async () => {
    await a?.close();
    await host?.stop();
    for (const folder of [root, home]) fs.rmSync(folder, { recursive: true, force: true });
  });

  it('is named by a notice that says nothing of the machine, and downloaded from there', async () => {
    const shown = a.outputs('many');
    expect(shown).toHaveLength(20_001);
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    const words = shown.at(-1).data['text/plain'];
    expect(words).toContain(`runs again: ${at(id)}]`);
    expect(words).not.toContain(home);
    const got = await host.get(at(id));
    expect(got.status, got.text.slice(0, 500)).toBe(200);
    expect(numbers(got.text)).toEqual(all);
    expect(got.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(got.headers.get('content-disposition')).toBe(`attachment; filename="output-${id.slice(0, 8)}.txt"`);
    expect(got.headers.get('content-security-policy')).toContain('sandbox');
    expect(got.headers.get('x-content-type-options')).toBe('nosniff');
    const head = await host.request('HEAD', at(id));
    expect([head.status, head.text, head.headers.get('content-length')]).toEqual([200, '', String(Buffer.byteLength(got.text))]);
  });

  it('is for who may see the session, under its id alone', async () => {
    const scoped = async (body: object) => (await host.post('/api/v1/tokens', body)).body.token as string;
    const other = await host.open(host.notebook('other.ipynb', [{ id: 'x', source: '1' }]));
    const as = (token: string, route: string) => host.get(route, { Authorization: `Bearer ${token}` });
    expect((await as(await scoped({ scope: 'view', session_id: info.session_id }), at(id))).status).toBe(200);
    expect((await as(await scoped({ scope: 'view', session_id: other.session_id }), at(id))).body.error.code).toBe('other_session');
    expect((await as('lt_000000000000.wrong', at(id))).status).toBe(401);
    const names = [id.replace(/./g, '0'), id.toUpperCase(), `${id}.txt`, `..%2Fwhole%2F${id}.txt`, '..%2F..%2Ftokens', '%2Fetc%2Fpasswd'];
    for (const [name, session] of [...names.map((one) => [one, info.session_id]), [id, other.session_id]] as [string, string][]) {
      const refused = await host.get(at(name, session));
      expect([refused.status, typeof refused.body.error.message], name).toEqual([404, 'string']);
    }
  });

  it('is given out from any byte on, so that a download can go on', async () => {
    const { text } = await host.get(at(id));
    const size = Buffer.byteLength(text);
    const part = (range: string, headers = {}) => host.get(at(id), { Range: `bytes=${range}`, ...headers });
    for (const [range, from, to] of [['0-0', 0, 1], ['100-299', 100, 300], [`${size - 5}-`, size - 5, size], ['-7', size - 7, size], [`9-${size + 9}`, 9, size]] as const) {
      const got = await part(range);
      expect([got.status, got.text], range).toEqual([206, text.slice(from, to)]);
      expect(got.headers.get('content-range')).toBe(`bytes ${from}-${to - 1}/${size}`);
    }
    const beyond = await part(`${size}-`);
    expect([beyond.status, beyond.body.error.code, beyond.headers.get('content-range')]).toEqual([416, 'range_not_satisfiable', `bytes */${size}`]);
    for (const all of [await part('0-1,5-6'), await part('9-2'), await part('0-9', { 'If-Range': '"some version"' })]) {
      expect([all.status, all.text.length]).toEqual([200, size]);
    }
    const head = await host.request('HEAD', at(id), undefined, { Range: 'bytes=0-9' });
    expect([head.status, head.headers.get('content-length'), head.headers.get('accept-ranges')]).toEqual([200, String(size), 'bytes']);
  });

  it('is there for the next host, and gone when the cell has run again', async () => {
    await until('it is saved', () => host.file('n.ipynb').includes(id), 30_000);
    await a.close();
    await host.kill('SIGTERM');
    host.forget();
    host = await Host.start({ root, home });
    info = await host.open('n.ipynb');
    a = await Client.join(host, info);
    await a.until('the notice is shown', () => a.outputs('many').at(-1)?.data?.[NOTICE]?.id === id || null, 60_000);
    expect(numbers((await host.get(at(id))).text)).toEqual(all);

    await a.execute(['many'], 120_000);
    const next = a.outputs('many').at(-1).data[NOTICE].id as string;
    expect(next).not.toBe(id);
    expect(numbers((await host.get(at(next))).text)).toEqual(all);
    await a.takeover();
    expect((await a.command('clear_outputs', { cell_ids: ['many'] })).ok).toBe(true);
    await until('it is gone', async () => (await host.get(at(next))).body?.error?.code === 'output_not_found', 30_000);
  });
});

describe('the whole output of a cell on another device', () => {
  const LINE = 2_000;
  const LARGE = `import time
publish = get_ipython().display_pub.publish
for i in range(${SAID}):
    publish({"text/plain": str(i).rjust(${LINE}, ".")})
    if i % 200 == 0: time.sleep(0.02)`;
  let desk: Host;
  let couch: Host;
  let info: ConnectionInfo;
  let route: string;
  let size: number;

  interface Download {
    status: number;
    headers: http.IncomingHttpHeaders;
    body: Buffer;
    complete: boolean;
  }
  /** Unlike fetch, it says what came of an answer that ended early. `begun` is awaited with nothing read meanwhile. */
  const download = (host: Host, headers = {}, begun: () => Promise<void> = async () => {}) => new Promise<Download>((resolve, reject) => {
    http.get(host.url + route, { headers: { Authorization: `Bearer ${host.token}`, ...headers }, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('error', () => {}).on('close', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(parts), complete: response.complete }));
      response.once('data', () => {
        response.pause();
        void begun().then(() => response.resume(), reject);
      });
      response.on('data', (part: Buffer) => parts.push(part));
    }).on('error', reject);
  });

  beforeAll(async () => {
    desk = await Host.start({ args: ['--device-name', 'Desk'] });
    couch = await Host.start({ env: { XDG_RUNTIME_DIR: path.join(desk.home, 'run') }, args: ['--verbose'] });
    info = await desk.open(desk.notebook('n.ipynb', [{ id: 'large', source: LARGE }]));
    const there = await Client.join(desk, info);
    await there.execute(['large'], 180_000);
    route = `/api/v1/sessions/${info.session_id}/outputs/${there.outputs('large').at(-1).data[NOTICE].id}`;
    await there.close();
    size = Number((await desk.request('HEAD', route)).headers.get('content-length'));
    expect(size).toBeGreaterThan(40_000_000);
    await until('it is seen', async () => (await couch.get('/api/v1/presence')).body.sessions.some((row: any) => row.session_id === info.session_id), 30_000);
    const attached = await couch.post(`/api/v1/remote/${info.session_id}/attach`);
    expect(attached.status, attached.text).toBe(200);
  }, 600_000);
  afterAll(async () => {
    await couch?.stop();
    await desk?.stop();
  });

  it('comes byte by byte as that device has it, in pieces', async () => {
    const there = await download(desk);
    expect(there.body.length).toBe(size);
    const here = await download(couch);
    expect([here.status, here.complete, here.headers['content-length']]).toEqual([200, true, String(size)]);
    expect(here.body.equals(there.body)).toBe(true);
    expect(here.body.toString().trimEnd().split('\n').map((line) => Number(JSON.parse(line).data['text/plain'].replaceAll('.', ''))))
      .toEqual(Array.from({ length: SAID }, (_, i) => i));
    for (const name of ['content-type', 'content-disposition', 'content-security-policy', 'x-content-type-options', 'cache-control']) {
      expect([name, here.headers[name]]).toEqual([name, there.headers[name]]);
    }
    const [from, to] = [3_000_001, 21_000_000];
    const part = await download(couch, { Range: `bytes=${from}-${to}` });
    expect([part.status, part.headers['content-range']]).toEqual([206, `bytes ${from}-${to}/${size}`]);
    expect(part.body.equals(there.body.subarray(from, to + 1))).toBe(true);
    expect((await couch.get(route, { Range: `bytes=${size}-` })).status).toBe(416);
    const head = await couch.request('HEAD', route);
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(size)]);
  });

  it('is for who may see the session here, and answers why there is none', async () => {
    const guest = { Authorization: `Bearer ${(await couch.post('/api/v1/tokens', { scope: 'view' })).body.token}` };
    const first = (headers: Record<string, string>) => couch.get(route, { Range: 'bytes=0-9', ...headers });
    expect((await first({ ...guest, 'Lectern-Session': info.session_id })).status).toBe(206);
    expect((await first({ ...guest, 'Lectern-Session': 'another' })).body.error.code).toBe('other_session');
    expect((await first({ Authorization: 'Bearer lt_000000000000.wrong' })).status).toBe(401);
    const none = await couch.get(route.replace(/[0-9a-f]{32}$/, '0'.repeat(32)));
    expect([none.status, none.body.error.code]).toEqual([404, 'output_not_found']);
  });

  it('is cut when the token that asked for it is revoked, here and there', async () => {
    for (const host of [couch, desk]) {
      const { id: token, token: secret } = (await host.post('/api/v1/tokens', { scope: 'view', session_id: info.session_id })).body;
      const cut = await download(host, { Authorization: `Bearer ${secret}` }, async () => {
        expect((await host.request('DELETE', `/api/v1/tokens/${token}`)).status).toBe(204);
      });
      expect([cut.status, cut.headers['content-length'], cut.complete]).toEqual([200, String(size), false]);
      expect(cut.body.length).toBeLessThan(size);
    }
  });

  it('is never a short one: when that device goes away in the middle, the connection ends and says so', async () => {
    const cut = await download(couch, {}, () => desk.kill('SIGKILL'));
    expect([cut.status, cut.headers['content-length'], cut.complete]).toEqual([200, String(size), false]);
    expect(cut.body.length).toBeLessThan(size);
    expect(cut.body.length).toBeGreaterThan(0);
    await until('the log says where', () => couch.stderr.includes(`an output of session ${info.session_id} ends before its byte`));
    const after = await couch.get(route);
    expect(after.body.error.code).toMatch(/^(remote_unreachable|session_not_found)$/);
  });
});
