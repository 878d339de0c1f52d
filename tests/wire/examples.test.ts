// examples/api/ is documentation that runs: every script, as its README says, against a real host and kernel.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Host, ROOT } from '../support/host';

const EXAMPLES = path.join(ROOT, 'examples/api');

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

function run(program: string, args: string[], env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const { LECTERN_URL: _, ...rest } = process.env;
    const child = spawn(program, args, { cwd: EXAMPLES, env: { ...rest, PYTHONDONTWRITEBYTECODE: '1', ...env } });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => (out += chunk));
    child.stderr.on('data', (chunk) => (err += chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

describe('examples/api', () => {
  let host: Host;
  let url: string;
  beforeAll(async () => {
    host = await Host.start();
    url = `${host.url}/?token=${host.token}`;
  });
  afterAll(() => host.stop());
  const python = (script: string, ...args: string[]) => run('python3', [script, ...args], { LECTERN_URL: url });
  const sources = (name: string) =>
    JSON.parse(host.file(name)).cells.map((cell: any) => (Array.isArray(cell.source) ? cell.source.join('') : cell.source));

  it('walk.sh opens, joins, takes the pen, runs, saves and creates with curl alone', async () => {
    host.notebook('walk.ipynb', [{ id: 'a', source: '1' }]);
    const ended = await run('sh', ['walk.sh', url, 'walk.ipynb']);
    expect([ended.code, ended.err]).toEqual([0, '']);
    expect(ended.out).toMatch(/^ {2}session [0-9a-zA-Z_-]+$/m);
    expect(ended.out).toMatch(/^ {2}epoch [1-9][0-9]*$/m);
    expect(ended.out).toMatch(/"execution_id"/);
    const last = JSON.parse(ended.out.trim().split('\n').pop()!);
    expect(last.session_id).toMatch(/./);
    expect(fs.existsSync(last.path)).toBe(true);
    expect(sources('walk.ipynb')).toEqual(['1', '6*7']);
  });

  it('walk.sh shows the reason and ends with an error for a notebook that is not there', async () => {
    const ended = await run('sh', ['walk.sh', url, 'nowhere.ipynb']);
    expect([ended.code, ended.out]).toEqual([1, 'open nowhere.ipynb\n']);
    expect(ended.err).toContain('there is no file nowhere.ipynb');
    const takeover = await python('takeover.py', 'nowhere.ipynb');
    expect([takeover.code, takeover.out]).toEqual([1, '']);
    expect(takeover.err).toMatch(/^404 not_found: there is no file nowhere\.ipynb \(.*\)\n$/);
  });

  it('open.py prints the connection info', async () => {
    host.notebook('open.ipynb', [{ id: 'a', source: '1' }, { id: 'b', source: '2' }]);
    const ended = await python('open.py', 'open.ipynb');
    expect([ended.code, ended.err]).toEqual([0, '']);
    expect(JSON.parse(ended.out)).toMatchObject({ path: path.join(host.root, 'open.ipynb'), cell_count: 2, format: 'format-ipynb' });
    const missing = await python('open.py', 'nowhere.ipynb');
    expect([missing.code, missing.out]).toEqual([1, '']);
    expect(missing.err).toMatch(/^404 not_found: .*nowhere\.ipynb/);
  });

  it('open.py finds the running server by itself', async () => {
    host.notebook('found.ipynb', [{ id: 'a', source: '1' }]);
    const ended = await run('python3', ['open.py', 'found.ipynb'], { XDG_RUNTIME_DIR: path.join(host.home, 'run') });
    expect([ended.code, ended.err]).toEqual([0, '']);
    expect(JSON.parse(ended.out).path).toBe(path.join(host.root, 'found.ipynb'));
    const none = await run('python3', ['open.py', 'found.ipynb'], { XDG_RUNTIME_DIR: path.join(host.home, 'empty') });
    expect([none.code, none.out]).toEqual([1, '']);
    expect(none.err).toContain('no server is running');
  });

  it('create.py makes a notebook for a runtime, and shows the known ones for an unknown runtime', async () => {
    const ended = await python('create.py', 'jupyter/python3', 'made.ipynb');
    expect([ended.code, ended.err]).toEqual([0, '']);
    expect(JSON.parse(ended.out).path).toBe(path.join(host.root, 'made.ipynb'));
    expect(fs.existsSync(path.join(host.root, 'made.ipynb'))).toBe(true);
    const unknown = await python('create.py', 'jupyter/no-such-language');
    expect([unknown.code, unknown.out]).toEqual([1, '']);
    expect(unknown.err).toContain('python3');
  });

  it('takeover.py passes the pen between two programs; the loser is refused', async () => {
    host.notebook('pen.ipynb', [{ id: 'a', source: '1' }]);
    const ended = await python('takeover.py', 'pen.ipynb');
    expect([ended.code, ended.err]).toEqual([0, '']);
    const lines = ended.out.trim().split('\n');
    const epochs = lines.slice(0, 2).map((line) => Number(/epoch (\d+)$/.exec(line)?.[1]));
    expect(epochs[1]).toBeGreaterThan(epochs[0]!);
    expect(lines[2]).toMatch(/my next edit is refused: 4\d\d /);
    expect(lines[3]).toBe('second: I gave it back');
  });

  it('execute.py prints what the code writes, and ends with 1 when it fails', async () => {
    host.notebook('run.ipynb', [{ id: 'a', source: '1' }]);
    const ended = await python('execute.py', 'run.ipynb', 'print("from the kernel"); 6 * 7');
    expect([ended.code, ended.err]).toEqual([0, '']);
    expect(ended.out).toBe('from the kernel\n42\n');
    const failed = await python('execute.py', 'run.ipynb', '1 / 0');
    expect([failed.code, failed.err]).toEqual([1, '']);
    expect(failed.out).toContain('ZeroDivisionError');
  });
});
