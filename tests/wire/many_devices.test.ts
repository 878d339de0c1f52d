// Presence at size: 10,000 sessions of 200 devices in a shared folder and in a Redis server, and devices that are listed and do
// not answer. The list is whole, in order and quick, whatever the dials to others come to. LECTERN_STRICT=1 (nightly) holds the times too.
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Host, until } from '../support/host';
import { Redis } from '../support/redis';

const STRICT = process.env.LECTERN_STRICT === '1';
const START = Date.now() - 60_000;

interface Entry {
  id: string;
  title: string;
  updated_at_ms: number;
}
interface Endpoint {
  scheme: string;
  address: string;
  scope: string;
}

const id = (kind: string, number: number) => kind.repeat(26) + String(100_000 + number);

/** What a host of that device would write (docs/presence.md, The record). */
const record = (device: number, seq: number, endpoints: Endpoint[], sessions: Entry[], machine = 'another machine') => JSON.stringify({
  schema: 1, device_id: id('d', device), device_name: `Device ${device}`, instance_id: id('e', device), seq, state: 'live', ttl_ms: 600_000,
  written_at_ms: Date.now(), machine, boot: '', pid: 1, pid_started: 1, client: 'lectern/0.1.0',
  endpoints: endpoints.map((one, prio) => ({ ...one, auth: ['pairing'], prio })),
  sessions: sessions.map((one) => ({ ...one, lineage: [`notebook of ${one.id}`], status: 'idle', needs_input: false })),
});

/** Where the hosts of all devices tell of themselves. */
interface Store {
  write(device: number, text: string): Promise<void>;
  /** For a host that shall read it. */
  args: string[];
  remove(): Promise<void>;
}

async function folderStore(): Promise<Store & { folder: string }> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-many-'));
  return {
    folder,
    args: ['--presence-folder', folder],
    write: async (device, text) => {
      const place = path.join(folder, 'v1', id('d', device));
      fs.mkdirSync(place, { recursive: true, mode: 0o700 });
      const file = path.join(place, `${id('e', device)}.json`);
      fs.writeFileSync(`${file}.tmp`, text, { mode: 0o600 });
      fs.renameSync(`${file}.tmp`, file);
    },
    remove: async () => fs.rmSync(folder, { recursive: true, force: true }),
  };
}

/** A real redis-server; the server's own time is this machine's. */
async function redisStore(): Promise<Store> {
  const redis = await Redis.start();
  const life = 2_400_000;
  return {
    args: ['--presence', `presence-redis=${JSON.stringify({ address: `unix:${redis.socket}`, timeout_ms: 30_000 })}`],
    write: async (device, text) => {
      const member = `${id('d', device)}/${id('e', device)}`;
      const said = await redis.ask(
        ['SET', `lectern:presence:v1:record:${member}`, text, 'PX', String(life)],
        ['ZADD', 'lectern:presence:v1:index', String(Date.now() + life), member]);
      expect(said).toMatch(/^\+OK\r\n:[01]\r\n/);
    },
    remove: () => redis.stop(),
  };
}

const presence = async (host: Host): Promise<any> => (await host.get('/api/v1/presence')).body;
const ids = (list: any): string[] => list.sessions.map((row: any) => row.session_id);

async function timed<T>(work: () => Promise<T>): Promise<[number, T]> {
  const from = performance.now();
  const made = await work();
  return [performance.now() - from, made];
}
const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

describe.each([['a shared folder', folderStore], ['a Redis server', redisStore]] as const)('200 devices with 50 sessions each, through %s', (_, start) => {
  let store: Store;
  let desk: Host;
  let couch: Host;
  const lan = (device: number): Endpoint[] => [{ scheme: 'wss', address: `10.0.${device >> 8}.${device & 255}:8899`, scope: 'lan' }];
  /** Sessions of all devices in turns, so that the order is nobody's order of files. */
  const sessions = (device: number): Entry[] =>
    Array.from({ length: 50 }, (_, i) => ({ id: `session-${device}-${i}`, title: `n${i}.ipynb`, updated_at_ms: START - (i * 200 + ((device * 37) % 200)) * 1_000 }));

  beforeAll(async () => {
    store = await start();
    for (let device = 0; device < 200; ++device) await store.write(device, record(device, 1, lan(device), sessions(device)));
    desk = await Host.start({ args: ['--device-name', 'Desk'] });
    couch = await Host.start({ env: { XDG_RUNTIME_DIR: path.join(desk.home, 'run') }, args: store.args });
  });
  afterAll(async () => {
    await couch?.stop();
    await desk?.stop();
    await store?.remove();
  });

  it('are listed whole and in order, quickly, and what one of them says anew comes to the top', async () => {
    const list = await until('all are seen', async () => {
      const seen = await presence(couch);
      return seen.sessions.length === 10_000 && seen;
    }, 30_000);
    const expected = Array.from({ length: 200 }, (_, device) => sessions(device)).flat().sort((a, b) => b.updated_at_ms - a.updated_at_ms);
    expect(ids(list)).toEqual(expected.map((one) => one.id));
    expect(list.rejected).toEqual([]);
    expect(list.devices.filter((one: any) => one.hosts === 1 && one.sessions === 50)).toHaveLength(200);
    expect(list.sessions.every((row: any) => row.device_name === `Device ${row.session_id.split('-')[1]}`)).toBe(true);

    const took: number[] = [];
    for (let i = 0; i < 7; ++i) took.push((await timed(() => presence(couch)))[0]);
    console.log(`a list of 10,000 sessions: median ${median(took).toFixed(1)} ms`);
    expect(median(took)).toBeLessThan(STRICT ? 250 : 3_000);

    const used = 'session-123-45';
    await store.write(123, record(123, 2, lan(123), sessions(123).map((one) => (one.id === used ? { ...one, updated_at_ms: Date.now() } : one))));
    const after = await until('it is the first', async () => {
      const seen = await presence(couch);
      return ids(seen)[0] === used && seen;
    }, 30_000);
    expect(ids(after).slice(1)).toEqual(ids(list).filter((one) => one !== used));
  });

  it('do not hide the one that is here: it is attached at once, and is no row meanwhile', async () => {
    const { session_id } = await desk.open(desk.notebook('real.ipynb', [{ id: 'a', source: '1' }]));
    await until('it is listed among the others', async () => ids(await presence(couch)).includes(session_id), 30_000);
    const [took, attached] = await timed(() => couch.post<any>(`/api/v1/remote/${session_id}/attach`));
    console.log(`attach among 10,000: ${took.toFixed(1)} ms`);
    expect([attached.status, attached.body.remote?.device_name], attached.text).toEqual([200, 'Desk']);
    if (STRICT) expect(took).toBeLessThan(300);
    expect(ids(await presence(couch))).not.toContain(session_id);
    expect((await couch.request('DELETE', `/api/v1/sessions/${session_id}`)).status).toBe(204);
    await until('it is a row again', async () => ids(await presence(couch)).includes(session_id), 30_000);
  });
});

describe('50 devices that do not answer', () => {
  const dead = 50;
  const session = (device: number) => `dead-${device}`;
  let store: Awaited<ReturnType<typeof folderStore>>;
  let home: string;
  let host: Host;
  let silent: net.Server;
  const held = new Set<net.Socket>();
  let heard = 0;

  beforeAll(async () => {
    store = await folderStore();
    home = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-home-'));
    // They are paired, so that there is something to show to whoever answers.
    const state = path.join(home, 'state', 'lectern');
    fs.mkdirSync(state, { recursive: true, mode: 0o700 });
    const devices = Array.from({ length: dead }, (_, device) => ({
      device_id: id('d', device), device_name: `Device ${device}`, pin: 'ab'.repeat(32), scope: 'view', digest: '',
      their_scope: 'edit', token: `ld_${id('d', device)}.secret`, paired_at_ms: 1, plaintext: false,
    }));
    fs.writeFileSync(path.join(state, 'devices.json'), JSON.stringify({ version: 1, devices }), { mode: 0o600 });
    // Takes every connection and says nothing.
    silent = net.createServer((socket) => {
      ++heard;
      held.add(socket);
      socket.on('error', () => {}).on('close', () => held.delete(socket));
      socket.resume();
    });
    await new Promise<void>((resolve) => silent.listen(0, '0.0.0.0', resolve));
    host = await Host.start({ home, args: store.args });
  });
  afterAll(async () => {
    for (const socket of held) socket.destroy();
    silent?.close();
    await host?.stop();
    await store?.remove();
    fs.rmSync(home, { recursive: true, force: true });
  });

  it('are refused within the time of a dial, and the list is as quick as without them', async () => {
    const own = await until('its own record', () => {
      const found = (fs.readdirSync(store.folder, { recursive: true }) as string[]).find((name) => name.endsWith('.json'));
      return found === undefined ? undefined : (JSON.parse(fs.readFileSync(path.join(store.folder, found), 'utf8')) as { machine: string });
    }, 30_000);
    const lists = async (count: number, meanwhile = () => false) => {
      const took: number[] = [];
      while (took.length < count || meanwhile()) took.push((await timed(() => presence(host)))[0]);
      return took;
    };
    const alone = median(await lists(20));

    // On this machine by their own words, each at an address of its own; a second one is closed.
    const closed = await new Promise<number>((resolve) => {
      const server = net.createServer().listen(0, '127.0.0.1', () => {
        const { port } = server.address() as net.AddressInfo;
        server.close(() => resolve(port));
      });
    });
    const { port } = silent.address() as net.AddressInfo;
    for (let device = 0; device < dead; ++device) {
      const at = `127.0.1.${device + 1}`;
      await store.write(device, record(device, 1,
        [{ scheme: 'wss', address: `${at}:${port}`, scope: 'loopback' }, { scheme: 'wss', address: `${at}:${closed}`, scope: 'loopback' }],
        [{ id: session(device), title: 'n.ipynb', updated_at_ms: START }], own.machine));
    }
    await until('all are listed', async () => (await presence(host)).sessions.length === dead, 30_000);
    const listed = median(await lists(20));

    let waiting = dead;
    const dials = Promise.all(Array.from({ length: dead }, (_, device) =>
      timed(() => host.post<any>(`/api/v1/remote/${session(device)}/attach`)).finally(() => --waiting)));
    const during = await lists(5, () => waiting > 0);
    const answers = await dials;
    for (const [device, [, answer]] of answers.entries()) {
      expect([device, answer.status, answer.body.error?.code]).toEqual([device, 504, 'remote_unreachable']);
      const said = JSON.stringify(answer.body.error);
      for (const each of [port, closed]) expect(said).toContain(`127.0.1.${device + 1}:${each}`);
    }
    const longest = Math.max(...answers.map(([took]) => took));
    console.log(`50 dead peers: refused after at most ${longest.toFixed(0)} ms; a list: none ${alone.toFixed(1)}, listed ${listed.toFixed(1)}, while dialled ${median(during).toFixed(1)} ms`);
    expect(longest).toBeLessThan(STRICT ? 3_500 : 12_000);
    expect(heard).toBeGreaterThanOrEqual(dead);
    expect(during.length).toBeGreaterThanOrEqual(5);
    for (const took of [listed, median(during)]) expect(took).toBeLessThan(STRICT ? 5 * alone + 20 : 10 * alone + 1_000);

    expect((await host.get('/api/v1/sessions')).body.sessions).toEqual([]);
    expect((await presence(host)).sessions).toHaveLength(dead);
    await until('no connection is left', () => held.size === 0);
  });
});
