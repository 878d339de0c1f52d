// Limits at their edge, and what is answered there.
import http from 'node:http';
import WebSocket from 'ws';
import { afterEach, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Disk } from '../support/disk';
import { Host, until } from '../support/host';

let host: Host | undefined;
afterEach(async () => {
  await host?.stop();
  host = undefined;
});
const serve = async (...args: string[]) => (host = await Host.start({ args }));

/** A request whose headers are what they are said to be: fetch sets some of these itself. */
const raw = (path: string, headers: Record<string, string>) =>
  new Promise<{ status: number; headers: http.IncomingHttpHeaders; body: any }>((resolve, reject) => {
    const request = http.get(`${host!.url}${path}`, { headers: { Authorization: `Bearer ${host!.token}`, ...headers } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece) => (text += piece));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: text.startsWith('{') ? JSON.parse(text) : text }));
    });
    request.on('error', reject);
  });

describe('a command that is sent again', () => {
  it('runs once as long as 255 others came in between, and anew after that', async () => {
    await serve();
    const a = await Client.join(host!, await host!.open(host!.notebook('n.ipynb', [{ id: 'a', source: '' }])));
    const create = (cell: string) => a.command('transaction', { changes: [{ type: 'create_cell', cell_id: cell, cell_type: 'code', source: '' }] }, { id: `create-${cell}` });
    const first = await create('first');
    const second = await create('second');
    for (let n = 0; n < 254; ++n) expect((await a.command('room', {}, { id: `r${n}` })).ok).toBe(true);
    expect(await create('first')).toEqual(first);
    expect((await a.command('room', {}, { id: 'one more' })).ok).toBe(true);
    const again = await create('first');
    expect([again.ok, again.dropped]).toEqual([true, [{ index: 0, reason: 'the cell exists already' }]]);
    expect(second.ok).toBe(true);
    await a.close();
  });
});

describe('a message', () => {
  it('of 16 MiB is taken, a larger one closes its connection alone', async () => {
    await serve();
    const info = await host!.open(host!.notebook('n.ipynb', [{ id: 'a', source: '' }]));
    const a = await Client.join(host!, info);
    const b = await Client.join(host!, info);
    expect((await a.command('room', { pad: 'x'.repeat((16 << 20) - 1000) })).ok).toBe(true);
    a.socket.send('x'.repeat((16 << 20) + 1));
    await until('it is closed', () => a.closed);
    expect(a.closed!.code).toBe(1009);
    expect((await b.command('room')).ok).toBe(true);
    await b.close();
  });
});

describe('a connection that does not say who it is', () => {
  it('is closed after 10 s, and the session that waited for it ends', async () => {
    await serve('--session-ttl-ms', '5000');
    const info = await host!.open(host!.notebook('n.ipynb', [{ id: 'a', source: '' }]));
    const address = `${host!.url.replace(/^http/, 'ws')}/api/v1/sessions/${info.session_id}/connect?client_id=somebody`;
    const socket = new WebSocket(address, 'lectern.v1', { headers: { Authorization: `Bearer ${host!.token}` } });
    const begun = Date.now();
    const closed = await new Promise((resolve, reject) => {
      socket.on('close', (code, reason) => resolve({ code, reason: String(reason) }));
      socket.on('error', reject);
    });
    expect(closed).toEqual({ code: 1008, reason: 'UNAUTHORIZED' });
    expect(Date.now() - begun).toBeGreaterThan(9_000);
    await until('the session has ended', async () => (await host!.request('GET', '/api/v1/sessions')).body.sessions.length === 0);
  });
});

describe('a request from a browser', () => {
  it('is refused when another site sent it, and when it names another host', async () => {
    await serve('--host-name', 'lectern.example');
    const list = '/api/v1/sessions';
    expect((await raw(list, { 'Sec-Fetch-Site': 'same-origin' })).status).toBe(200);
    for (const site of ['cross-site', 'same-site']) {
      const refused = await raw(list, { 'Sec-Fetch-Site': site, 'Sec-Fetch-Mode': 'cors' });
      expect([refused.status, refused.body.error.code]).toEqual([403, 'cross_site']);
    }
    expect((await raw(list, { Host: `lectern.example:${host!.port}` })).status).toBe(200);
    const other = await raw(list, { Host: `rebound.example:${host!.port}` });
    expect([other.status, other.body.error.code]).toEqual([421, 'misdirected']);
  });
});

describe('a host that shuts down', () => {
  it('answers 503 and when to ask again, until it is gone', async () => {
    const disk = new Disk();
    disk.is('well');
    host = await disk.start({ args: ['--autosave-at-most-ms', '0'] });
    try {
      const a = await Client.join(host, await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '' }])));
      const edit = (source: string) => a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source }] });
      expect((await edit('kept')).ok).toBe(true);
      disk.is('ENOSPC');
      expect((await edit('refused')).ok).toBe(false);
      // Its end waits for a disk that takes what was promised.
      host.process.kill('SIGTERM');
      const told = await until('it drains', async () => {
        const answer = await raw('/api/v1/sessions', {});
        return answer.status === 503 ? answer : undefined;
      });
      expect(told.body.error.code).toBe('draining');
      expect(Number(told.headers['retry-after'])).toBeGreaterThan(0);
      disk.is('well');
      await until('it is gone', () => host!.process.exitCode !== null || host!.process.signalCode !== null, 30_000);
      host = await disk.restart();
      const again = await Client.join(host, await host.open('n.ipynb'));
      expect(['kept', 'refused'], 'what was kept, or what came after it').toContain(again.ready.notebook.cells[0].source);
      await again.close();
    } finally {
      disk.is('well');
      await host?.stop();
      disk.forget();
    }
  });
});
