// Plugins of third parties in the real host: examples/plugins, built here against the installed SDK alone. A notebook in the
// C format is opened and edited over the CBOR subprotocol, beside a client that speaks JSON.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import WebSocket from 'ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decode, encode, type Cbor } from '../support/cbor';
import { Client } from '../support/client';
import { Host, LECTERN, PATIENT, ROOT, until, type ConnectionInfo } from '../support/host';

class CborClient {
  readonly frames: any[] = [];
  closed: { code: number; reason: string } | undefined;
  private wake: () => void = () => {};
  private next = 0;

  private constructor(readonly socket: WebSocket) {
    socket.binaryType = 'arraybuffer';
    socket.on('message', (data, isBinary) => {
      this.frames.push(isBinary ? decode(new Uint8Array(data as ArrayBuffer)) : { op: 'TEXT', data: String(data) });
      this.wake();
    });
    socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.wake();
    });
  }
  static async join(host: Host, info: ConnectionInfo, document = 'events'): Promise<CborClient> {
    const url = `${host.url.replace(/^http/, 'ws')}/api/v1/sessions/${info.session_id}/connect?document=${document}`;
    const client = new CborClient(new WebSocket(url, 'lectern.v1+cbor', { headers: { Authorization: `Bearer ${host.token}` } }));
    await new Promise<void>((resolve, reject) => {
      client.socket.once('open', () => resolve());
      client.socket.once('error', reject);
    });
    expect(client.socket.protocol).toBe('lectern.v1+cbor');
    await client.frame((frame) => frame.op === 'replay-complete');
    return client;
  }
  /** As join(), for as long as the transport's process rests after it died. */
  static async joinWhenRested(host: Host, info: ConnectionInfo): Promise<CborClient> {
    return until('the transport is back', () => CborClient.join(host, info).catch(() => undefined), 30_000);
  }
  async frame(match: (frame: any) => boolean, from = 0): Promise<any> {
    const end = Date.now() + 15_000;
    for (;;) {
      const found = this.frames.slice(from).find(match);
      if (found) return found;
      if (this.closed || Date.now() > end) throw new Error(`no such frame; closed: ${JSON.stringify(this.closed)}; got ${this.frames.map((f) => f.op)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 500);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
  async end() {
    await until('the connection is closed', () => this.closed);
    return this.closed!;
  }
  get ready() {
    return this.frames.find((frame) => frame.op === 'kernel-ready').data;
  }
  send(frame: Cbor) {
    this.socket.send(encode(frame));
  }
  async command(name: string, body: Cbor = {}): Promise<any> {
    const id = `c${this.next++}`;
    this.send({ id, command: name, epoch: this.ready.epoch, body });
    return (await this.frame((frame) => frame.op === 'reply' && frame.data.id === id)).data;
  }
  close() {
    this.socket.close();
  }
}

const TEXT = 'Kept as it is.\n%% markdown\n# Title\n\n%%\nprint(1)\n%% raw\nlast, without a line end';

let out: string;
beforeAll(() => {
  out = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-third-'));
  execFileSync(path.join(ROOT, 'tests/consumer/examples.sh'), [path.resolve(path.dirname(LECTERN), '..'), out], { stdio: 'pipe' });
}, 600_000);
afterAll(() => fs.rmSync(out, { recursive: true, force: true }));

/** Their process in a host; undefined = none of its own. */
async function pidOf(host: Host, id: string): Promise<number | undefined> {
  const all = (await host.get('/api/v1/plugins')).body.plugins as any[];
  return all.find((one) => one.id === id && one.state !== 'refused').generations.at(-1)?.pid;
}

describe.each([{ trusted: true }, { trusted: false }])('plugins built from the installed SDK, trusted: $trusted', ({ trusted }) => {
  let home: string;
  let host: Host;
  beforeAll(async () => {
    home = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-home-'));
    const plugins = path.join(out, 'plugins');
    const env = { ...process.env, XDG_CONFIG_HOME: path.join(home, 'config'), XDG_STATE_HOME: path.join(home, 'state') };
    for (const id of trusted ? ['transport-cbor', 'percent-text', 'sheet'] : []) {
      execFileSync(LECTERN, ['plugins', 'trust', path.join(plugins, id, `${id}.so`)], { env, stdio: 'pipe' });
    }
    host = await Host.start({ home, args: [...PATIENT, '--plugin-path', plugins] });
  });
  afterAll(async () => {
    await host?.stop();
    fs.rmSync(home, { recursive: true, force: true });
  });

  async function opened(name: string): Promise<ConnectionInfo> {
    fs.writeFileSync(path.join(host.root, name), TEXT);
    return host.open(name);
  }

  it('opens a file by the C format, edits it over CBOR and saves what changed only', async () => {
    const info = await opened('a.percent');
    expect([info.format, info.cell_count]).toEqual(['percent-text', 3]);
    const a = await CborClient.join(host, info);
    const b = await Client.join(host, info);
    expect(a.frames.every((frame) => frame.op !== 'TEXT')).toBe(true);
    expect(a.ready.protocol).toBe('lectern.v1');
    expect(a.ready.notebook.cells.map((cell: any) => [cell.id, cell.cell_type, cell.source])).toEqual([
      ['cell-1', 'markdown', '# Title\n'],
      ['cell-2', 'code', 'print(1)'],
      ['cell-3', 'raw', 'last, without a line end'],
    ]);
    const source = 'é = "\u{1F4A1}"\n%% markdown\n\\%% code\nend';
    const from = b.frames.length;
    const done = await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'cell-2', source }] });
    expect([done.ok, done.dropped]).toEqual([true, []]);
    const seen = await b.event('notebook-document-transaction', () => true, from);
    expect(JSON.stringify(seen.data)).toContain('cell-2');
    expect((await a.command('save')).ok).toBe(true);
    const saved = TEXT.replace('print(1)', 'é = "\u{1F4A1}"\n\\%% markdown\n\\\\%% code\nend');
    expect(host.file('a.percent')).toBe(saved);
    a.close();
    await b.close();
    const back = await host.request('DELETE', `/api/v1/sessions/${info.session_id}`);
    expect(back.status).toBe(204);
    const again = await CborClient.join(host, await host.open('a.percent'));
    expect(again.ready.notebook.cells[1].source).toBe(source);
    again.close();
  });

  it('bytes are bytes: a document and its changes', async () => {
    const info = await opened('b.percent');
    const writer = await Client.join(host, info);
    const reader = await CborClient.join(host, info, 'changes');
    const whole = await reader.frame((frame) => frame.op === 'document');
    expect(whole.bytes).toBeInstanceOf(Uint8Array);
    expect([...whole.bytes.slice(0, 4)]).toEqual([0x85, 0x6f, 0x4a, 0x83]);
    expect(whole.document).toBe('notebook');
    const from = reader.frames.length;
    await writer.command('transaction', { changes: [{ type: 'set_source', cell_id: 'cell-2', source: '2' }] });
    const changes = await reader.frame((frame) => frame.op === 'changes', from);
    expect(changes.changes.length).toBeGreaterThan(0);
    expect(changes.changes.every((one: unknown) => one instanceof Uint8Array)).toBe(true);
    reader.close();
    await writer.close();
  });

  it('answers what it does not understand, and closes only what speaks another language', async () => {
    const info = await opened('c.percent');
    const client = await CborClient.join(host, info);
    client.send({ id: 'x', command: 'room', body: 'not a map' });
    const told = await client.frame((frame) => frame.op === 'reply' && frame.data.id === 'x');
    expect([told.data.ok, told.data.error.code]).toEqual([false, 'bad_request']);
    expect(told.data.error.message).toContain('body must be a map');
    const from = client.frames.length;
    client.socket.send(Uint8Array.of(0xa1, 0x62, 0x69)); // a text that ends early
    expect((await client.frame((frame) => frame.op === 'reply', from)).data.error.message).toContain('not CBOR at byte');
    client.send({ something: 'new' });
    expect((await client.command('room')).ok).toBe(true);
    client.socket.send('{"id":"1","command":"room"}');
    await client.end();
    expect(client.closed).toMatchObject({ code: 1008 });
    expect(client.closed!.reason).toContain('binary frames only');
  });

  it.skipIf(trusted)('a transport that is killed or hangs ends its own connections, and is back', async () => {
    const info = await opened('e.percent');
    const json = await Client.join(host, info);
    const edit = async (source: string) =>
      expect((await json.command('transaction', { changes: [{ type: 'set_source', cell_id: 'cell-2', source }] })).ok).toBe(true);
    const idle = await CborClient.join(host, info);
    const first = await pidOf(host, 'transport-cbor');
    expect(first).toBeGreaterThan(1);
    process.kill(first!, 'SIGKILL');
    expect(await idle.end()).toEqual({ code: 1012, reason: 'TRANSPORT_ENDED' });
    await edit('beside it');

    const again = await CborClient.joinWhenRested(host, info);
    expect(again.ready.notebook.cells[1].source).toBe('beside it');
    const second = await pidOf(host, 'transport-cbor');
    expect(second).not.toBe(first);
    process.kill(second!, 'SIGSTOP');
    again.send({ id: 'x', command: 'room' });
    await edit('while it hangs');
    expect(await again.end()).toEqual({ code: 1012, reason: 'TRANSPORT_ENDED' });
    const back = await CborClient.joinWhenRested(host, info);
    expect(back.ready.notebook.cells[1].source).toBe('while it hangs');
    expect(json.closed).toBeUndefined();
    back.close();
    await json.close();
  });

  it('a kernel that runs cells by itself: to everybody they are runs like any other', async () => {
    const file = host.notebook('sheet.ipynb', [
      { id: 'price', source: 'price = 3' },
      { id: 'count', source: 'count = 4' },
      { id: 'sum', source: 'sum = price * count' },
      { id: 'tax', source: 'sum / 10' },
      { id: 'other', source: '1 / 4' },
    ], { kernelspec: { name: 'sheet', display_name: 'Sheet', language: 'sheet' } });
    const info = await host.open(file);
    const a = await Client.join(host, info);
    const reader = await Client.join(host, info, { viewOnly: true });
    const shows = (client: Client, id: string) => client.outputs(id).map((one: any) => one.data?.['text/plain'] ?? one.evalue);
    const runs = (client: Client, from: number) => client.frames.slice(from).filter((frame) => frame.op === 'cell-op')
      .map((frame) => `${frame.data.cell_id} ${frame.data.status}`).filter((one, i, all) => one !== all[i - 1]);
    await a.execute(['price', 'count', 'sum', 'tax', 'other']);
    expect([shows(a, 'sum'), shows(a, 'tax')]).toEqual([['12'], ['1.2']]);
    await reader.event('cell-op', (data) => data.cell_id === 'other' && data.status === 'idle');

    let from = reader.frames.length;
    const fromOfA = a.frames.length;
    const replaced = { changes: [{ type: 'set_source', cell_id: 'price', source: 'price = 5' }] };
    expect((await a.command('transaction', replaced)).ok).toBe(true);
    await a.execute(['price']);
    await reader.event('cell-op', (data) => data.cell_id === 'tax' && data.status === 'idle', from);
    await a.event('cell-op', (data) => data.cell_id === 'tax' && data.status === 'idle', fromOfA);
    for (const client of [a, reader]) expect([shows(client, 'sum'), shows(client, 'tax')]).toEqual([['20'], ['2']]);
    expect(runs(reader, from)).toEqual(['price queued', 'price running', 'price idle', 'sum queued', 'tax queued', 'sum running', 'sum idle', 'tax running', 'tax idle']);
    const again = reader.frames.slice(from).filter((frame) => frame.data?.cell_id === 'sum' && frame.op === 'cell-op');
    expect(new Set(again.map((frame) => frame.data.execution_id)).size).toBe(1);
    const joiner = await Client.join(host, info, { viewOnly: true });
    expect([shows(joiner, 'sum'), shows(joiner, 'tax'), shows(joiner, 'other')]).toEqual([['20'], ['2'], ['0.25']]);

    // One that becomes text gives nothing any more, nor does one that goes.
    from = reader.frames.length;
    expect((await a.command('transaction', { changes: [{ type: 'set_cell_type', cell_id: 'price', cell_type: 'markdown' }] })).ok).toBe(true);
    await reader.event('cell-op', (data) => data.cell_id === 'tax' && data.status === 'error', from);
    expect(shows(reader, 'sum')).toEqual(['no cell gives "price"']);
    from = reader.frames.length;
    expect((await a.command('transaction', { changes: [{ type: 'set_cell_type', cell_id: 'price', cell_type: 'code' }] })).ok).toBe(true);
    await a.execute(['price']);
    await reader.event('cell-op', (data) => data.cell_id === 'tax' && data.status === 'idle', from);
    from = reader.frames.length;
    expect((await a.command('transaction', { changes: [{ type: 'delete_cell', cell_id: 'count' }] })).ok).toBe(true);
    await reader.event('cell-op', (data) => data.cell_id === 'tax' && data.status === 'error', from);
    expect([shows(reader, 'sum'), shows(reader, 'tax')]).toEqual([['no cell gives "count"'], ['"sum" has no value']]);
    expect((await a.command('save', {})).ok).toBe(true);
    const saved = JSON.parse(host.file('sheet.ipynb')).cells.find((cell: any) => cell.id === 'sum');
    expect(saved.outputs[0].evalue).toBe('no cell gives "count"');

    // A restart forgets all.
    await a.command('restart');
    from = a.frames.length;
    await a.execute(['tax']);
    expect(shows(a, 'tax')).toEqual(['no cell gives "sum"']);
    await a.execute(['sum']);
    await a.event('cell-op', (data) => data.cell_id === 'tax' && data.status === 'error', from);
    for (const client of [a, reader, joiner]) await client.close();
  });

  it('takes the policies in C and C++', async () => {
    const info = await opened('d.percent');
    const a = await Client.join(host, info);
    const b = await Client.join(host, info);
    expect((await host.put('/api/v1/policy', { policy: 'fair-turns', config: { minutes: 10 } })).status).toBe(200);
    const denied = await b.takeover();
    expect([denied.status, denied.body.error.message]).toEqual([403, expect.stringMatching(/The turn lasts \d+ s more/)]);
    expect((await host.put('/api/v1/policy', { policy: 'watch-only' })).status).toBe(200);
    await a.event('consumer-capabilities', (data) => data.consumer_capabilities.edit === false);
    expect((await a.takeover()).body.error.message).toContain('Nobody edits here.');
    expect((await host.put('/api/v1/policy', { policy: 'local-takeover' })).status).toBe(200);
    expect((await b.takeover()).status).toBe(200);
    await a.close();
    await b.close();
  });
});
