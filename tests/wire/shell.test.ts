// Cells in the system's own shell, on an installation without Jupyter: what it keeps, what it tells, how it ends; and
// what the host does about kernels that nobody uses or that use too much.
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, until } from '../support/host';
import { installWithout } from '../support/installation';

const SHELL = { kernelspec: { name: 'sh', display_name: 'Shell (sh)', language: 'sh' }, language_info: { name: 'sh' } };
const alive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
const cellsOf = (sources: Record<string, string>) => Object.entries(sources).map(([id, source]) => ({ id, source }));

describe('the shell', () => {
  let host: Host;
  let a: Client;
  let folder: string;
  const ended = (id: string, from: number, timeoutMs = 15_000) =>
    a.event('cell-op', (data) => data.cell_id === id && ['idle', 'error', 'cancelled'].includes(data.status), from, timeoutMs);
  const run = async (id: string) => {
    await a.execute([id]);
    return a.text(id);
  };
  const stream = (id: string, name: string) =>
    a.outputs(id).filter((output) => output.name === name).map((output) => [output.text].flat().join('')).join('');

  beforeAll(async () => {
    const installation = installWithout('runtime-jupyter', 'runtime-gateway');
    folder = installation.folder;
    host = await Host.start({ binary: installation.binary });
    fs.mkdirSync(path.join(host.root, 'sub'));
    const info = await host.open(
      host.notebook(
        'k.ipynb',
        cellsOf({
          set: 'plain="a  b\'c"; export LOUD=yes; umask 027; cd sub\nf() {\n  echo "f: $plain"\n}\ng() { echo short; }',
          use: 'f; g; sh -c \'echo $LOUD\'; basename "$PWD"; umask',
          streams: 'echo out; echo err >&2; printf "\\303\\244\\n"; printf "\\377\\n"',
          progress: 'for i in 1 2 3 4 5; do printf "\\r%s%%" "$i" >&2; done',
          live: 'echo first; sleep 30; echo never',
          fails: 'echo before; false',
          missing: 'no-such-command-here',
          broken: 'if true; then',
          after: 'echo after',
          ask: 'printf "name? "; read name; echo "hello $name"; cat',
          leave: 'plain=left; exit 3',
          strict: 'set -e; plain=strict; false; echo never',
          flood: 'head -c 12000000 /dev/zero | tr "\\0" "x" | fold -w 99',
          background: 'sleep 1000 & echo $!',
          log: 'exec >log; PS1="> "; echo hidden',
          large: 'large=$(head -c 3000000 /dev/zero | tr "\\0" "x"); later=1',
          small: 'unset large later',
          die: 'kill -9 $$',
        }),
        SHELL,
      ),
    );
    a = await Client.join(host, info);
  });
  afterAll(async () => {
    await a.close();
    await host.stop();
    fs.rmSync(folder, { recursive: true });
  });

  it('is what a new notebook without Python gets, and is listed', async () => {
    expect((await host.get('/api/v1/info')).body.runtimes.map((one: any) => one.name)).toEqual(['shell/sh']);
    const made = await host.post('/api/v1/notebooks/create', { runtime: 'shell/sh', path: 'new.ipynb' });
    expect(made.status).toBe(201);
    const b = await Client.join(host, made.body);
    const [cell] = b.ready.notebook.cells;
    await b.command('transaction', { changes: [{ type: 'set_source', cell_id: cell.id, source: 'echo $((6 * 7))' }] });
    await b.execute([cell.id]);
    expect(b.text(cell.id)).toBe('42\n');
    expect((await b.command('save')).ok).toBe(true);
    expect(JSON.parse(host.file('new.ipynb')).metadata).toMatchObject({ kernelspec: { name: 'sh' }, language_info: { name: 'sh' } });
    await b.close();
  });

  it('runs nothing of another language', async () => {
    const python = { kernelspec: { name: 'python3', display_name: 'Python 3', language: 'python' } };
    for (const [name, metadata] of [['python.ipynb', python], ['bare.ipynb', { kernelspec: undefined, language_info: undefined }]] as const) {
      const info = await host.open(host.notebook(name, [{ id: 'a', source: 'import os' }], metadata));
      const b = await Client.join(host, info);
      const from = b.frames.length;
      await b.command('execute', { cell_ids: ['a'] });
      const status = await b.event('kernel-status', (data) => data.state === 'none', from);
      expect(status.data.error).toContain('there is no runtime');
      await b.close();
    }
  });

  it('keeps variables, functions, folder and umask from cell to cell', async () => {
    await a.execute(['set']);
    expect(await run('use')).toBe("f: a  b'c\nshort\nyes\nsub\n0027\n");
  });

  it('tells both streams as they come, as text, with lines written over', async () => {
    await a.execute(['streams']);
    expect([stream('streams', 'stdout'), stream('streams', 'stderr')]).toEqual(['out\nä\n\ufffd\n', 'err\n']);
    expect(await run('progress')).toBe('5%');
    const from = a.frames.length;
    await a.command('execute', { cell_ids: ['live'] });
    await a.until('its first line', () => a.text('live') === 'first\n');
    expect((await a.command('interrupt')).ok).toBe(true);
    await ended('live', from);
    expect(a.outputs('live').at(-1)).toMatchObject({ output_type: 'error', ename: 'Interrupted' });
    expect(await run('use')).toContain("f: a  b'c"); // the shell itself lived on
  });

  it('says how a cell failed; what follows is cancelled, or not', async () => {
    let from = a.frames.length;
    await a.command('execute', { cell_ids: ['fails', 'after'] });
    await ended('after', from);
    expect(a.outputs('fails').at(-1)).toMatchObject({ output_type: 'error', ename: 'ExitStatus', evalue: 'exit status 1' });
    expect(a.text('after')).toBe('');
    from = a.frames.length;
    await a.command('execute', { cell_ids: ['missing', 'broken', 'after'], stop_on_error: false });
    await ended('after', from);
    expect(a.outputs('missing').at(-1).evalue).toBe('exit status 127: a command was not found');
    expect(stream('missing', 'stderr')).toContain('no-such-command-here');
    expect(a.outputs('broken').at(-1)).toMatchObject({ output_type: 'error', ename: 'ExitStatus' });
    expect(stream('broken', 'stderr')).toMatch(/yntax error/);
    expect(a.text('after')).toBe('after\n');
  });

  it('asks for what a cell reads', async () => {
    const from = a.frames.length;
    await a.command('execute', { cell_ids: ['ask'] });
    const asked = await a.event('input-request', undefined, from);
    expect(asked.data).toMatchObject({ prompt: 'name? ', cell_id: 'ask' });
    expect((await a.command('input', { request_id: asked.data.request_id, value: 'Ada' })).ok).toBe(true);
    const more = await a.event('input-request', (data) => data.request_id !== asked.data.request_id, from);
    expect((await a.command('input', { request_id: more.data.request_id, value: 'to cat' })).ok).toBe(true);
    await a.until('both answers', () => stream('ask', 'stdout') === 'name? hello Ada\nto cat\n');
    await a.command('interrupt');
    await ended('ask', from);
  });

  it('outlives exit, set -e and what a cell does to its own descriptors', async () => {
    for (const [cell, status, kept] of [['leave', 3, 'left'], ['strict', 1, 'strict']] as const) {
      await a.execute([cell]);
      expect(a.outputs(cell).at(-1).evalue).toBe(`exit status ${status}`);
      expect(await run('use')).toBe(`f: ${kept}\nshort\nyes\nsub\n0027\n`);
    }
    await a.execute(['log']);
    expect(await run('after')).toBe('after\n');
    expect(fs.readFileSync(path.join(host.root, 'sub/log'), 'utf8')).toBe('hidden\n');
  });

  it('knows the variables of a cell as soon as it has ended', async () => {
    const later = async () => (await a.command('complete', { code: 'echo $late', cursor_pos: 10 })).content.matches;
    for (let round = 0; round < 10; ++round) {
      await a.execute(['large']);
      expect(await later()).toEqual(['later']);
      await a.execute(['small']);
      expect(await later()).toEqual([]);
      // In one go: the shell is still writing down the first when the second begins, and does so twice after that.
      await a.execute(['small', 'large']);
      expect(await later()).toEqual(['later']);
      await a.execute(['large', 'small']);
      expect(await later()).toEqual([]);
    }
  });

  it('writes down its variables once a cell, however many cells run in a row', async () => {
    const cells = Array.from({ length: 12 }, (_, at) => `n${at}`);
    // The shell asks for its folder when it writes down what it has. That is slow here, and so are the cells, so that each prompt is seen by itself.
    const count = 'pwd() { echo >>calls; sleep 0.05; command pwd; }';
    const info = await host.open(host.notebook('row.ipynb', cellsOf({ count, ...Object.fromEntries(cells.map((id) => [id, 'sleep 0.03'])) }), SHELL));
    const b = await Client.join(host, info);
    await b.execute(['count', ...cells]);
    expect((await b.command('complete', { code: 'echo $HO', cursor_pos: 8 })).ok).toBe(true);
    const calls = host.file('calls').length;
    expect(calls).toBeGreaterThanOrEqual(cells.length);
    expect(calls).toBeLessThanOrEqual(cells.length + 3);
    await b.close();
  });

  it('completes and explains without running anything', async () => {
    const complete = async (code: string) => (await a.command('complete', { code, cursor_pos: [...code].length })).content;
    expect((await complete('ä; basen')).matches).toContain('basename');
    expect(await complete('ä; basen')).toMatchObject({ cursor_start: 3, cursor_end: 8 });
    expect((await complete('cat lo')).matches).toEqual(['log']);
    expect((await complete('echo $LOU')).matches).toEqual(['LOUD']);
    const inspect = async (code: string) => (await a.command('inspect', { code, cursor_pos: 1 })).content;
    expect((await inspect('f')).data['text/plain']).toContain('echo "f: $plain"');
    expect((await inspect('basename')).data['text/plain']).toMatch(/^basename is \/.*\/basename$/);
    expect((await inspect('no-such-thing')).found).toBe(false);
    const complete_ = async (code: string) => (await a.command('is_complete', { code })).content.status;
    expect([await complete_('echo 1'), await complete_('if true; then'), await complete_('fi')]).toEqual(['complete', 'incomplete', 'invalid']);
  });

  it('takes a flood whole, in bounded memory', async () => {
    const rss = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${host.process.pid}/status`, 'utf8'))![1]) / 1024;
    const before = rss();
    const from = a.frames.length;
    await a.command('execute', { cell_ids: ['flood'] });
    let most = 0;
    await until('the end of the flood', () => {
      most = Math.max(most, rss());
      return a.frames.slice(from).some((frame) => frame.op === 'cell-op' && frame.data.cell_id === 'flood' && frame.data.status === 'idle');
    }, 40_000);
    const sanitized = /lib[at]san/.test(fs.readFileSync(`/proc/${host.process.pid}/maps`, 'utf8')); // they keep what was freed
    if (!sanitized) expect(most - before).toBeLessThan(400);
    expect(await run('after')).toBe('after\n');
  });

  it('tells what it uses; death is noticed, and a restart runs all', async () => {
    const pid = Number(await run('background'));
    expect(alive(pid)).toBe(true);
    const row = await until('its figures', async () => {
      const rows = (await host.get('/api/v1/sessions')).body.sessions;
      return rows.find((one: any) => one.path.endsWith('k.ipynb') && one.resources?.processes > 0);
    });
    expect(row.resources.rss).toBeGreaterThan(100_000);
    let from = a.frames.length;
    const started = Date.now();
    await a.command('execute', { cell_ids: ['die'] });
    const dead = await a.event('kernel-status', (data) => data.state === 'dead', from);
    expect(Date.now() - started).toBeLessThan(10_000);
    expect(dead.data.error).toContain('signal 9');
    await ended('die', from);
    await until('the end of what it left behind', () => !alive(pid));
    const changes = ['live', 'fails', 'missing', 'broken', 'ask', 'leave', 'strict', 'flood', 'large', 'small', 'die'].map((cell_id) => ({ type: 'delete_cell', cell_id }));
    expect((await a.command('transaction', { changes })).ok).toBe(true);
    from = a.frames.length;
    const again = await a.command('restart', { run_all: true });
    expect(again.executions.map((one: any) => one.cell_id)).toEqual(['set', 'use', 'streams', 'progress', 'after', 'background', 'log']);
    await ended('log', from);
    const second = Number(a.text('background'));
    expect(alive(second)).toBe(true);
    expect((await a.command('shutdown_kernel')).ok).toBe(true);
    await a.event('kernel-status', (data) => data.state === 'none', from);
    await until('the end of the background', () => !alive(second));
  });
});

describe('kernels that are looked after', () => {
  it('end when nobody uses them, or when they use too much', async () => {
    const host = await Host.start({ args: ['--cull-idle', '0.02', '--kernel-memory', '200000000'] });
    const sources = {
      one: 'echo one',
      slow: 'sleep 2; echo slow',
      hungry: 'head -c 300000000 /dev/zero | tail -c 300000000 | sleep 30',
    };
    const a = await Client.join(host, await host.open(host.notebook('c.ipynb', cellsOf(sources), SHELL)));
    await a.execute(['slow']); // longer than the limit: what runs is in use
    expect(a.text('slow')).toBe('slow\n');
    const culled = await a.event('kernel-status', (data) => data.reason === 'culled');
    expect(culled.data).toMatchObject({ state: 'none', error: expect.stringContaining('0.02 minutes') });
    expect((await a.command('restart')).ok).toBe(true);
    let from = a.frames.length;
    await a.execute(['one']);
    await a.event('kernel-status', (data) => data.reason === 'culled', from);
    from = a.frames.length;
    await a.command('execute', { cell_ids: ['hungry'] }); // begins a kernel anew
    const over = await a.event('kernel-status', (data) => data.reason === 'memory', from, 30_000);
    expect(over.data).toMatchObject({ state: 'dead', error: expect.stringContaining('--kernel-memory') });
    expect(a.outputs('hungry').at(-1)).toMatchObject({ output_type: 'error', ename: 'KernelOutOfMemory' });
    expect((await a.command('restart')).ok).toBe(true);
    await a.execute(['one']);
    expect(a.text('one')).toBe('one\n');
    await a.close();
    await host.stop();
  });
});
