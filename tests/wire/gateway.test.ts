// Kernels on another machine: the host as a client of a real Jupyter Server and a real Kernel Gateway.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, until } from '../support/host';
import { freePort, Jupyter, KERNELS_VENV } from '../support/jupyter';

const COMM = `from ipykernel.comm import Comm
got = []
made = Comm(target_name='jupyter.widget', comm_id='slider', metadata={'version': '2.1.0'}, buffers=[bytes(range(256)) * 4],
            data={'state': {'_model_module': 'm', '_model_name': 'IntSlider', 'value': 3, 'raw': None}, 'buffer_paths': [['raw']]})
made.on_msg(lambda msg: (got.append(msg), print('got', msg['content']['data']['state'], [bytes(b)[:3] for b in msg['buffers']])))
print('made')`;

const CELLS: Record<string, string> = {
  sum: '1 + 1',
  remote: 'import os; print(os.environ.get("JPY_PARENT_PID"), os.getpid())',
  streams: 'import sys\nfor i in range(300): print(i)\nprint("err", file=sys.stderr)',
  error: 'raise ValueError("no")',
  ask: 'print("hello " + input("name? "))',
  comm: COMM,
  slow: 'import time\nfor i in range(600): time.sleep(0.05); print(i, flush=True)',
  state: 'x = 41',
  read: 'x + 1',
  die: 'import os, signal; os.kill(os.getpid(), signal.SIGKILL)',
  gone: 'print("x" in dir())',
};
const cells = () => Object.entries(CELLS).map(([id, source]) => ({ id, source }));
const at = (name: string) => ({ kernelspec: { name, display_name: name, language: 'python' }, language_info: { name: 'python' } });

const states = (client: Client, from = 0) => client.frames.slice(from).filter((frame) => frame.op === 'kernel-status').map((frame) => frame.data.state);
const ended = (client: Client, cell: string, from: number) =>
  client.event('cell-op', (data) => data.cell_id === cell && ['idle', 'error', 'cancelled'].includes(data.status), from, 60_000);

describe('a gateway', () => {
  let jupyter: Jupyter;
  let old: Jupyter; // with TLS
  let host: Host;
  let a: Client;
  let folder: string;
  beforeAll(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-tls-'));
    const [cert, key] = [path.join(folder, 'cert.pem'), path.join(folder, 'key.pem')];
    const asked = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    spawnSync('openssl', ['req', '-x509', '-nodes', '-days', '2', ...asked, '-keyout', key, '-out', cert]);
    [jupyter, old] = await Promise.all([Jupyter.start(), Jupyter.start({ kind: 'kernel_gateway', oldSubprotocol: true, tls: { cert, key } })]);
    host = await Host.start({ args: [...jupyter.args, ...old.args, '--gateway-ca-file', cert] });
    a = await Client.join(host, await host.open(host.notebook('g.ipynb', cells(), at('gateway/python3'))));
  }, 90_000);
  afterAll(async () => {
    await a?.close();
    await host?.stop();
    await jupyter?.stop();
    await old?.stop();
    fs.rmSync(folder, { recursive: true });
  });

  it('lists the kernels of all gateways by name, and an unknown one says what there is', async () => {
    const known = (await host.get('/api/v1/info')).text + (await host.post('/api/v1/notebooks/create', { runtime: 'gateway/nothing' })).text;
    expect(known).toContain('gateway/python3');
    expect(known).toContain(`gateway/python3@localhost:${old.port}`);
  });

  it('runs code there, with streams, errors and counts', async () => {
    await a.execute(['sum', 'remote', 'streams'], 60_000);
    expect(a.text('sum')).toBe('2');
    const [parent, pid] = a.text('remote').trim().split(' ').map(Number);
    expect(parent).toBeGreaterThan(0);
    expect(fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[3]).not.toBe(String(host.process.pid));
    const streams = a.outputs('streams');
    expect(streams.find((output) => output.name === 'stdout').text).toBe(Array.from({ length: 300 }, (_, i) => `${i}\n`).join(''));
    expect(streams.find((output) => output.name === 'stderr').text).toBe('err\n');
    const from = a.frames.length;
    await a.command('execute', { cell_ids: ['error', 'sum'] });
    await ended(a, 'error', from);
    expect(a.outputs('error')[0]).toMatchObject({ output_type: 'error', ename: 'ValueError', evalue: 'no' });
    await a.event('cell-op', (data) => data.cell_id === 'sum' && data.status === 'cancelled', from);
    expect((await jupyter.kernels()).length).toBe(1);
  });

  it('asks, completes and inspects through it', async () => {
    const from = a.frames.length;
    await a.command('execute', { cell_ids: ['ask'] });
    const asked = await a.event('input-request', undefined, from);
    expect(asked.data).toMatchObject({ prompt: 'name? ', password: false });
    await a.command('input', { request_id: asked.data.request_id, value: 'Ada' });
    await ended(a, 'ask', from);
    expect(a.text('ask')).toContain('hello Ada');
    expect(JSON.stringify(await a.command('complete', { code: 'pri', cursor_pos: 3 }))).toContain('print');
    expect((await a.command('is_complete', { code: 'for i in x:' })).content.status).toBe('incomplete');
    const { content } = await a.command('variables');
    expect(content.variables.map((one: { name: string }) => one.name)).toContain('i');
    expect((await a.command('format', { code: 'x = [ 1,2 ]' })).content).toMatchObject({ formatter: expect.anything() });
    // The files of widgets lie where the kernel is.
    const widgets = path.join(KERNELS_VENV, 'share/jupyter/nbextensions');
    const [some] = fs.readdirSync(widgets, { recursive: true }).map(String).filter((name) => name.endsWith('.js'));
    const fetched = (name: string) => host.get(`/api/v1/sessions/${a.session}/nbextensions?path=${encodeURIComponent(name)}`);
    const file = await fetched(some!);
    expect([file.status, file.text]).toEqual([200, fs.readFileSync(path.join(widgets, some!), 'utf8')]);
    for (const name of ['../kernels/python3/kernel.json', 'no/such.js']) expect((await fetched(name)).status, name).toBe(404);
  });

  async function commRoundTrip(client: Client) {
    const from = client.frames.length;
    await client.execute(['comm'], 60_000);
    const opened = await client.event('model-lifecycle', (data) => data.model_id === 'slider' && data.message.method === 'open', from);
    expect(opened.data.message.state).toMatchObject({ value: 3 });
    expect(Buffer.from(opened.data.buffers[0], 'base64').equals(Buffer.from(Array.from({ length: 1024 }, (_, i) => i % 256)))).toBe(true);
    const written = await client.command('model', {
      model_id: 'slider',
      message: { method: 'update', state: { value: 7, raw: null }, buffer_paths: [['raw']] },
      buffers: [Buffer.from([0, 255, 7]).toString('base64')],
    });
    expect(written.ok).toBe(true);
    await client.until('the kernel got it', () => client.text('comm').includes("'value': 7") && client.text('comm').includes("[b'\\x00\\xff\\x07']"));
  }

  it('carries widget messages with binary buffers both ways', () => commRoundTrip(a));

  it('interrupts, and restarts on the spot', async () => {
    let from = a.frames.length;
    await a.command('execute', { cell_ids: ['slow'] });
    await a.event('cell-op', (data) => data.cell_id === 'slow' && data.outputs?.length > 0, from);
    expect((await a.command('interrupt')).ok).toBe(true);
    await ended(a, 'slow', from);
    expect(a.outputs('slow').at(-1).ename).toBe('KeyboardInterrupt');
    await a.execute(['state']);
    from = a.frames.length;
    expect((await a.command('restart')).ok).toBe(true);
    await a.event('kernel-status', (data) => data.state === 'idle', from, 60_000);
    await a.execute(['gone']);
    expect(a.text('gone').trim()).toBe('False');
    expect((await jupyter.kernels()).length).toBe(1);
  });

  it('tells a death within the time the gateway notices it, and goes on with the process it started', async () => {
    const from = a.frames.length;
    await a.command('execute', { cell_ids: ['die'] });
    const dead = await a.event('kernel-status', (data) => data.state === 'dead', from);
    expect(dead.data.error).toMatch(/died.*starts it again/);
    expect((await ended(a, 'die', from)).data.status).toBe('error');
    await a.event('kernel-status', (data) => data.state === 'idle', a.frames.indexOf(dead), 60_000);
    await a.execute(['sum']);
    expect(a.text('sum')).toBe('2');
  });

  it('speaks the older form with a Kernel Gateway as well, over TLS', async () => {
    const b = await Client.join(host, await host.open(host.notebook('k.ipynb', cells(), at(`gateway/python3@localhost:${old.port}`))));
    await b.execute(['sum', 'streams'], 60_000);
    expect(b.text('sum')).toBe('2');
    await commRoundTrip(b);
    expect((await b.command('shutdown_kernel')).ok).toBe(true);
    await b.event('kernel-status', (data) => data.state === 'none', 1);
    await b.close();
  });

  it('verifies its certificate, and against the name', async () => {
    const named = ['--gateway', old.url.replace('localhost', '127.0.0.1'), '--gateway-token-file', old.tokenFile, '--gateway-ca-file', path.join(folder, 'cert.pem')];
    for (const args of [old.args, named]) {
      const strict = await Host.start({ args });
      try {
        expect((await strict.post('/api/v1/notebooks/create', { runtime: 'gateway/python3' })).body.error.code).toBe('unknown_runtime');
        await until('it says why', () => /certificate verify failed/.test(strict.stderr));
      } finally {
        await strict.stop();
      }
    }
  });

  it('says at once that the gateway is gone; what it no longer has is dead, and a restart makes a new one', async () => {
    await a.execute(['state']);
    let from = a.frames.length;
    await a.command('execute', { cell_ids: ['slow'] });
    await a.event('cell-op', (data) => data.cell_id === 'slow' && data.outputs?.length > 0, from);
    await jupyter.down();
    const cut = Date.now();
    const lost = await a.event('kernel-status', (data) => data.state === 'unreachable', from);
    expect(Date.now() - cut).toBeLessThan(5_000);
    expect(lost.data.error).toMatch(/gateway at http:\/\/localhost:\d+ cannot be reached/);
    expect((await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'sum', source: '2 + 2' }] })).ok).toBe(true);
    await jupyter.up();
    const dead = await a.event('kernel-status', (data) => data.state === 'dead', from, 30_000);
    expect(dead.data.error).toMatch(/ended this kernel, or was started anew/);
    expect((await ended(a, 'slow', from)).data.status).toBe('error');
    from = a.frames.length;
    expect((await a.command('restart')).ok).toBe(true);
    await a.event('kernel-status', (data) => data.state === 'idle', from, 60_000);
    await a.execute(['sum']);
    expect(a.text('sum')).toBe('4');
  });

  it('keeps a kernel there when it is told to: the next host finds it by its id', async () => {
    const [root, home] = [fs.mkdtempSync(path.join(folder, 'root-')), fs.mkdtempSync(path.join(folder, 'home-'))];
    const others = (await jupyter.kernels()).length;
    let kept = await Host.start({ root, home, args: [...jupyter.args, '--keep-kernels'] });
    try {
      const name = kept.notebook('kept.ipynb', cells(), at('gateway/python3'));
      let b = await Client.join(kept, await kept.open(name));
      await b.execute(['state', 'comm'], 60_000);
      await b.command('execute', { cell_ids: ['slow'] });
      await b.until('it prints', () => b.text('slow').includes('3\n'));
      await kept.kill('SIGKILL');
      kept = await Host.start({ root, home, args: [...jupyter.args, '--keep-kernels'] });
      b = await Client.join(kept, await kept.open(name));
      await b.until('it goes on', () => /may be missing\]\n(\d+\n)+/.test(b.text('slow')));
      const from = b.frames.length;
      expect((await b.command('interrupt')).ok).toBe(true);
      await ended(b, 'slow', from);
      await b.execute(['read']);
      expect(b.text('read')).toBe('42');
      const opened = b.events('model-lifecycle').find((frame) => frame.data.model_id === 'slider');
      expect(opened!.data).toMatchObject({ cell_id: 'comm', message: { method: 'open', state: { value: 3 }, buffer_paths: [['raw']] } });
      const written = await b.command('model', { model_id: 'slider', message: { method: 'update', state: { value: 9 }, buffer_paths: [] } });
      expect(written.ok, JSON.stringify(written)).toBe(true);
      await b.until('its callback prints in its own cell', () => b.text('comm').includes("got {'value': 9}"));
      await kept.kill('SIGTERM');
      expect((await jupyter.kernels()).length).toBe(others + 1);
      kept = await Host.start({ root, home, args: jupyter.args });
      b = await Client.join(kept, await kept.open(name));
      await b.execute(['read']);
      expect(b.text('read')).toBe('42');
    } finally {
      await kept.stop();
    }
    expect((await jupyter.kernels()).length).toBe(others);
  });

  it('lets no token out, and ends its kernels with the host', async () => {
    expect(host.stderr).not.toContain(jupyter.token);
    for (const server of [jupyter, old]) expect(server.output).not.toContain(server.token);
    await a.close();
    await host.stop();
    await until('the kernels there are gone', async () => (await jupyter.kernels()).length === 0);
  });
});

describe('--gateway', () => {
  const refused = (args: string[]) => Host.start({ args }).then((host) => host.stop());

  it('names what is wrong with it', async () => {
    const port = await freePort();
    await expect(refused(['--gateway', 'http://cluster.example:8888'])).rejects.toThrow(/everybody on the way/);
    await expect(refused(['--gateway', `http://u:p@127.0.0.1:${port}/`])).rejects.toThrow(/must not hold a user/);
    await expect(refused(['--gateway', `http://127.0.0.1:${port}`, '--gateway-token-file', '/nothing/there'])).rejects.toThrow(/\/nothing\/there cannot be read/);
  });

  it('one that is out of reach keeps nobody waiting: notebooks open, and a run says why it cannot', async () => {
    const port = await freePort();
    const host = await Host.start({ args: ['--gateway', `http://127.0.0.1:${port}`] });
    try {
      const a = await Client.join(host, await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '1' }], at('gateway/python3'))));
      const created = await host.post('/api/v1/notebooks/create', { runtime: 'gateway/python3' });
      expect([created.status, created.body.error.code]).toEqual([400, 'unknown_runtime']);
      await a.close();
    } finally {
      await host.stop();
    }
  });
});
