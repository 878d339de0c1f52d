// A cell that says more than it shows: all of it is kept, and given out by the URL in its notice (docs/http-api.md).
import fs from 'node:fs';
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

  it('is refused in words where the session is attached from elsewhere', async () => {
    const couch = await Host.start({ env: { XDG_RUNTIME_DIR: path.join(home, 'run') } });
    try {
      await until('it is seen', async () => (await couch.get('/api/v1/presence')).body.sessions.some((row: any) => row.session_id === info.session_id), 30_000);
      expect((await couch.post(`/api/v1/remote/${info.session_id}/attach`)).status).toBe(200);
      const refused = await couch.get(at(id));
      expect([refused.status, refused.body.error.code]).toEqual([501, 'not_relayed']);
      expect(refused.body.error.hint).toContain('on that device');
    } finally {
      await couch.stop();
    }
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
