// /metrics: what is counted, and that counters do not fall when a session ends.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { Client } from '../support/client';
import { Host, until } from '../support/host';

describe('metrics', () => {
  let host: Host;
  beforeAll(async () => {
    host = await Host.start();
  });
  afterAll(() => host.stop());

  const figures = async () => {
    const { text } = await host.get('/metrics');
    const found = new Map<string, number>();
    for (const line of text.split('\n')) {
      const match = /^lectern_(\w+) (\S+)$/.exec(line);
      if (match) found.set(match[1]!, Number(match[2]));
    }
    for (const [name] of found) expect(text).toContain(`# TYPE lectern_${name} ${name.endsWith('_total') ? 'counter' : 'gauge'}`);
    return (name: string) => {
      expect(found.has(name), name).toBe(true);
      return found.get(name)!;
    };
  };

  it('commands, refused ones, frames that became none, and grants; also after the session has ended', async () => {
    expect((await figures())('commands_total')).toBe(0);
    const info = await host.open(host.notebook('counted.ipynb', [{ id: 'a', source: 'x' }]));
    const a = await Client.join(host, info);
    for (let i = 0; i < 3; ++i) await a.command('room', {}, { epoch: null });
    expect((await a.command('save', {}, { epoch: null })).error.code).toBe('epoch_required');
    a.socket.send(JSON.stringify({ id: 7, command: 'room' }));
    const bad = await a.event('reply', (data) => data.id === '');
    expect([bad.data.error.status, bad.data.error.message]).toEqual([400, expect.stringContaining('id must be a string')]);
    const check = (figure: (name: string) => number) => {
      expect([figure('commands_total'), figure('commands_refused_total'), figure('commands_dropped_total'), figure('grants_total')]).toEqual([4, 1, 1, 1]);
    };
    check(await figures());
    await a.close();
    expect((await host.request('DELETE', `/api/v1/sessions/${info.session_id}`)).status).toBe(204);
    await until('the session to be gone', async () => (await figures())('sessions') === 0);
    check(await figures());
  });

  it('bytes that wait for a consumer that does not read', async () => {
    // More than the sockets of both ends hold, all of it in the first frame.
    const info = await host.open(host.notebook('slow.ipynb', [{ id: 'a', source: 'x' }], { large: 'y'.repeat(16_000_000) }));
    const slow = new WebSocket(`${host.url.replace('http', 'ws')}/api/v1/sessions/${info.session_id}/connect`, 'lectern.v1', {
      headers: { Authorization: `Bearer ${host.token}` },
    });
    slow.once('open', () => slow.pause());
    await until('bytes to wait', async () => (await figures())('queue_bytes') > 0);
    expect((await figures())('longest_queue_bytes')).toBeGreaterThan(0);
    slow.terminate();
  });
});
