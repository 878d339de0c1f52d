// serve --keep-kernels with real kernels and real ends of the host: orderly, and by SIGKILL. What goes on, what is told
// of what was lost, and that in the end nobody is left behind.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, LECTERN, until, type ClientKey } from '../support/host';

const CELLS: Record<string, string> = {
  set: 'import os\nx = 41\nprint(os.getpid())',
  read: 'x + 1',
  waits: 'x * 2',
  slow: 'import time\nfor i in range(2000):\n    print(i, flush=True)\n    time.sleep(0.02)',
  // Ends while no host is there: it waits for the host's own end.
  unseen: 'import time\nwhile not os.path.exists("go"): time.sleep(0.01)\nseen = 7\nopen("done", "w").close()',
  seen: 'seen',
  asks: 'name = input("who? ")\nprint("hello", name)\nprint("and", input("who else? "))',
};
const PYTHON = { kernelspec: { name: 'python3', display_name: 'Python 3', language: 'python' }, language_info: { name: 'python' } };

/** A process that ended and that nobody has reaped is gone, too. */
const lives = (pid: number) => {
  try {
    return !/\) [ZX] /.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

describe('kernels that are kept', () => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-root-'));
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-home-'));
  const folder = path.join(home, 'state/lectern/kernels');
  const pids: number[] = [];
  let host: Host;
  let a: Client;
  let session: string;
  let key: ClientKey; // told once

  const start = async (...args: string[]) => (host = await Host.start({ root, home, args }));
  const again = async () => {
    await start('--keep-kernels');
    await until('the session is there again', async () => (await host.get('/api/v1/sessions')).body.sessions[0]?.session_id === session);
    a = await Client.join(host, session, { key });
  };
  const pid = () => pids[pids.length - 1]!;
  // Who joins when the kernel is taken up already is told so in kernel-ready.
  const told = () => [...a.events('kernel-ready').map((frame) => frame.data.kernel), ...a.events('kernel-status').map((frame) => frame.data)];
  const kernel = (state: string) => a.until(`the kernel is ${state}`, () => told().find((one) => one?.state === state));
  const begin = async (cell: string) => {
    const reply = await a.command('execute', { cell_ids: [cell] });
    expect(reply.ok).toBe(true);
    await a.event('cell-op', (data) => data.cell_id === cell && data.status === 'running' && data.execution_count);
    return reply.executions[0].execution_id as string;
  };
  const count = (cell: string) => Math.max(...a.events('cell-op').filter((frame) => frame.data.cell_id === cell).map((frame) => frame.data.execution_count ?? 0));
  const ended = (cell: string, from = 0) => a.event('cell-op', (data) => data.cell_id === cell && ['idle', 'error', 'cancelled'].includes(data.status), from);
  const tool = (...args: string[]) => {
    const done = spawnSync(LECTERN, ['kernels', '--json', ...args], {
      encoding: 'utf8',
      env: { ...process.env, XDG_STATE_HOME: path.join(home, 'state'), XDG_CONFIG_HOME: path.join(home, 'config') },
    });
    return { status: done.status, kernels: done.status === 0 ? JSON.parse(done.stdout).kernels : done.stderr };
  };

  beforeAll(async () => {
    await start('--keep-kernels');
    const info = await host.open(host.notebook('n.ipynb', Object.entries(CELLS).map(([id, source]) => ({ id, source })), PYTHON));
    session = info.session_id;
    a = await Client.join(host, info);
    key = a.key;
    await a.execute(['set']);
    pids.push(Number(a.text('set')));
  });
  afterAll(async () => {
    await host?.stop();
    const left = pids.filter(lives);
    tool('--end'); // also one whose number no cell printed
    for (const one of left.filter(lives)) process.kill(one, 'SIGKILL');
    for (const made of [root, home]) fs.rmSync(made, { recursive: true, force: true });
    expect(left).toEqual([]);
  });

  it('outlive an orderly end, and the session goes on where it was', async () => {
    expect(fs.statSync(path.join(folder, session)).mode & 0o777).toBe(0o700);
    for (const file of fs.readdirSync(path.join(folder, session))) {
      expect(fs.statSync(path.join(folder, session, file)).mode & 0o777, file).toBe(0o600);
    }
    expect(tool().kernels[0]).toMatchObject({ session_id: session, state: 'host', process: pid() });
    expect(tool('--end', session)).toMatchObject({ status: 4 });
    await host.kill('SIGTERM');
    expect(lives(pid())).toBe(true);
    expect(tool().kernels).toMatchObject([{ session_id: session, state: 'waits', runtime: 'jupyter/python3', running: false }]);
    const config = path.join(home, 'state.conf');
    fs.writeFileSync(config, `state-dir = ${path.join(home, 'state/lectern')}\n`);
    const listed = spawnSync(LECTERN, ['kernels'], { encoding: 'utf8', env: { ...process.env, LECTERN_CONFIG: config } });
    expect(listed.stdout).toContain(session);
    await again();
    await kernel('idle');
    await a.execute(['read']);
    expect(a.text('read')).toBe('42');
    expect(count('read')).toBe(2);
    expect((await host.get('/api/v1/sessions')).body.sessions[0].runtime).toBe('jupyter/python3');
  });

  it('outlive a host that is killed in the middle of a run, which goes on, says what is missing, and is interrupted', async () => {
    const run = await begin('slow');
    await a.until('it prints', () => a.text('slow').includes('5\n'));
    const waits = (await a.command('execute', { cell_ids: ['waits'] })).executions[0].execution_id;
    await host.kill('SIGKILL');
    expect(lives(pid())).toBe(true);
    await again();
    await kernel('busy');
    expect(a.events('cell-op').find((frame) => frame.data.cell_id === 'slow')!.data).toMatchObject({ execution_id: run, status: 'running' });
    await a.until('it prints again', () => /meanwhile may be missing\]\n(\d+\n)+/.test(a.text('slow')));
    const from = a.frames.length;
    expect((await a.command('interrupt')).ok).toBe(true);
    await ended('slow', from);
    expect(a.outputs('slow').at(-1)).toMatchObject({ output_type: 'error', ename: 'KeyboardInterrupt' });
    const next = await ended('waits', from);
    expect(next.data, 'what waited comes after it, unasked').toMatchObject({ execution_id: waits, status: 'idle', execution_count: 4 });
    expect(a.text('waits')).toBe('82');
    await a.execute(['read']);
    expect(a.text('read')).toBe('42');
    expect(count('read')).toBe(5);
  });

  it('a run that ended while no host was there is told as one whose end is not known', async () => {
    await begin('unseen');
    await host.kill('SIGKILL');
    fs.writeFileSync(path.join(root, 'go'), '');
    await until('it is done', () => fs.existsSync(path.join(root, 'done')));
    await again();
    await ended('unseen');
    expect(a.outputs('unseen').at(-1)).toMatchObject({ output_type: 'error', ename: 'ConnectionLost' });
    await a.execute(['seen']);
    expect(a.text('seen')).toBe('7');
  });

  it('a run that waits for a line is asked about again, and goes on with the answer', async () => {
    await begin('asks');
    expect((await a.event('input-request')).data).toMatchObject({ prompt: 'who? ' });
    await host.kill('SIGKILL');
    await again();
    const asked = await a.event('input-request');
    // Whoever answers at once must not miss what is printed right then.
    expect(told().map((one) => one?.state).filter((state) => state === 'idle' || state === 'busy'), 'the host hears the kernel').not.toEqual([]);
    expect(asked.data).toMatchObject({ prompt: 'who? ', password: false, cell_id: 'asks' });
    const from = a.frames.length;
    const answer = (request_id: string, value: string) => a.command('input', { request_id, value });
    expect((await answer(asked.data.request_id, 'Ada')).ok).toBe(true);
    const next = await a.event('input-request', (data) => data.prompt === 'who else? ', from);
    expect((await answer(next.data.request_id, 'Grace')).ok).toBe(true);
    const end = await ended('asks', from);
    expect(end.data.status, JSON.stringify(a.outputs('asks'))).toBe('idle');
    expect(a.text('asks')).toContain('hello Ada\n');
    expect(a.text('asks')).toContain('and Grace\n');
  });

  it('one that is restarted is kept as well', async () => {
    const from = a.frames.length;
    expect((await a.command('restart')).ok).toBe(true);
    await a.event('kernel-status', (data) => data.state === 'idle', from);
    await until('the old one is gone', () => !lives(pid()));
    await a.execute(['set']);
    pids.push(Number(a.text('set')));
    await host.kill('SIGTERM');
    expect(lives(pid())).toBe(true);
  });

  it('one that died meanwhile is told, cleared away, and the next run has a new one', async () => {
    process.kill(pid(), 'SIGKILL');
    await until('it is gone', () => !lives(pid()));
    expect(tool().kernels).toMatchObject([{ state: 'gone' }]);
    await again();
    const last = await a.until('it is told', () => told().find((one) => one?.state === 'none' && one.error));
    expect(last.error).toContain('is gone');
    await until('nothing is left of it', () => !fs.existsSync(path.join(folder, session)));
    await a.execute(['set']);
    pids.push(Number(a.text('set')));
  });

  it('are ended without a host, and by one that keeps none', async () => {
    await host.kill('SIGKILL');
    expect(lives(pid())).toBe(true);
    expect(tool('--end').kernels).toMatchObject([{ session_id: session, ended: true }]);
    expect(lives(pid())).toBe(false);
    expect(tool()).toEqual({ status: 0, kernels: [] });
    await start('--keep-kernels');
    expect((await host.get('/api/v1/sessions')).body.sessions).toEqual([]);
    await host.open('n.ipynb');
    a = await Client.join(host, session, { key });
    await a.execute(['set']);
    pids.push(Number(a.text('set')));
    await host.kill('SIGTERM');
    await start();
    await until('it is taken up', async () => (await host.get('/api/v1/sessions')).body.sessions[0]?.kernel_state === 'idle');
    expect(lives(pid())).toBe(true);
    await host.kill('SIGTERM');
    expect(lives(pid())).toBe(false);
    expect(tool().kernels).toEqual([]);
  });
});
