// What cells showed when the host was killed, although no save had written it: real kernels, SIGKILL, the next host.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Disk, fill, mayMount } from '../support/disk';
import { Host, until } from '../support/host';

const CELLS: Record<string, string> = {
  prints: 'for i in range(300): print(i)',
  progress: 'import sys, time\nfor i in range(20):\n    sys.stdout.write(f"\\r{i}%"); sys.stdout.flush(); time.sleep(0.01)',
  error: 'raise ValueError("no")',
  update: 'from IPython.display import display\nh = display("one", display_id="d1")\nh.update("two")',
  cleared: 'from IPython.display import clear_output\nprint("old")\nclear_output(wait=True)\nprint("new")',
  image: 'from IPython.display import Image, display\nimport os, base64\nnoise = os.urandom(90_000)\n' +
    'display(Image(data=base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==") + noise))',
  sum: '1 + 1',
  slow: 'import time\nfor i in range(1000):\n    print("line", i, flush=True); time.sleep(0.02)',
};

/** As text, whether it is in the file's lines or in one piece, and with what is large inlined by reference alone. */
const plain = (outputs: any[]) => JSON.parse(JSON.stringify(outputs, (_, value) =>
  Array.isArray(value) && value.length > 0 && value.every((line) => typeof line === 'string') ? value.join('') : value));

describe('a host that is killed before it saved', () => {
  let host: Host | undefined;
  let root = '', home = '';
  const start = async (...args: string[]) => (host = await Host.start(root === '' ? { args } : { root, home, args }));
  const unsaved = async (cells = CELLS, ...args: string[]) => {
    await start('--autosave-at-most-ms', '0', ...args);
    ({ root, home } = host!);
    const info = await host!.open(host!.notebook('n.ipynb', Object.entries(cells).map(([id, source]) => ({ id, source }))));
    return Client.join(host!, info);
  };
  const logs = () => (fs.readdirSync(path.join(home, 'state/lectern/notebooks'), { recursive: true }) as string[])
    .filter((name) => path.basename(name) === 'outputs.lj').map((name) => path.join(home, 'state/lectern/notebooks', name));
  const logged = (text: string) => until(`the log has ${text}`, () => logs().some((name) => fs.readFileSync(name).includes(text)));
  const kill = () => host!.kill('SIGKILL');
  const again = async (...args: string[]) => {
    await start(...args);
    return Client.join(host!, await host!.open('n.ipynb'));
  };
  const inFile = () => JSON.parse(host!.file('n.ipynb')).cells as any[];

  afterEach(async () => {
    await host?.stop();
    host?.forget();
    host = undefined;
    root = home = '';
  });

  it('shows all of it again, and saves it', async () => {
    const a = await unsaved();
    const ids = Object.keys(CELLS).filter((id) => id !== 'slow');
    for (const id of ids) await a.execute([id]);
    const before = Object.fromEntries(ids.map((id) => [id, plain(a.outputs(id))]));
    expect(before.prints[0].text).toContain('299\n');
    await logged('"text/plain":"2"');
    expect(inFile().every((cell) => cell.outputs.length === 0)).toBe(true);
    await kill();

    const b = await again();
    for (const id of ids) expect(plain(b.outputs(id)), id).toEqual(before[id]);
    expect(b.text('progress')).toBe('19%');
    expect(b.text('cleared')).toBe('new\n');
    expect(b.ready.recovered).toEqual({ edits: 0, cells: ids.length });
    // By itself: nobody edits or runs anything.
    await until('it is saved', () => inFile().find((cell) => cell.id === 'sum').outputs.length === 1);
    const file = inFile();
    expect(file.find((cell) => cell.id === 'sum').execution_count).toBe(ids.length);
    expect([file.find((cell) => cell.id === 'prints').outputs[0].text].flat().join('')).toBe(before.prints[0].text);
    expect([file.find((cell) => cell.id === 'image').outputs[0].data['image/png']].flat().join('').length).toBeGreaterThan(120_000);
    await b.close();
  });

  it('has a plot again when the power went as soon as the log that names it was synced', async () => {
    const disk = new Disk();
    disk.is('well');
    try {
      host = await disk.start({ plan: 'die=before loss=all trace=1', args: ['--autosave-at-most-ms', '0'] });
      ({ root, home } = host);
      const cells = ['image', 'sum'].map((id) => ({ id, source: CELLS[id]! }));
      const a = await Client.join(host, await host.open(host.notebook('n.ipynb', cells)));
      await a.execute(['image']);
      const before = plain(a.outputs('image'));
      expect(before[0].data['image/png'].$blob).toHaveLength(64);
      await logged('$blob');
      const done = host.stderr.length;
      await a.execute(['sum']);
      await until('it is synced', () => /^call \d+ fdatasync \S+\/outputs\.lj$/m.test(host!.stderr.slice(done)));
      const gone = new Promise<void>((resolve) => host!.process.once('exit', () => resolve()));
      disk.is('kill 1');
      const edit = a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'sum', source: '2' }] });
      await Promise.race([edit, gone]);
      await gone;
      host = await disk.restart();
      const b = await Client.join(host, await host.open('n.ipynb'));
      expect(plain(b.outputs('image'))).toEqual(before);
      await b.close();
      await host.stop();
    } finally {
      disk.forget();
    }
  });

  it.runIf(mayMount)('goes on with the log of a script whose disk is full: what it shows is kept beside it, and more came', async () => {
    const disk = new Disk();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk.root]);
    try {
      host = await disk.restart({ args: ['--autosave-at-most-ms', '0'] });
      ({ root, home } = host);
      fs.writeFileSync(path.join(root, 'n.py'), '# %%\nprint(n := globals().get("n", 0) + 1)\n\n# %%\n2\n');
      const a = await Client.join(host, await host.open('n.py'));
      const [runs, edited] = a.ready.notebook.cells.map((cell: any) => cell.id as string) as [string, string];
      await a.execute([runs]);
      expect((await a.command('save', {})).ok).toBe(true);
      await a.execute([runs]);
      fill(path.join(root, 'filler'));
      const source = '3'.repeat(5000);
      expect((await a.command('transaction', { changes: [{ type: 'set_source', cell_id: edited, source }] })).ok).toBe(true);
      expect((await a.command('save', {})).error).toMatchObject({ status: 507, code: 'disk_full' });
      await a.execute([runs]);
      expect(a.text(runs)).toBe('3\n');
      await logged('"3\\n"');
      await kill();
      const b = await Client.join((host = await disk.restart({ args: ['--autosave-at-most-ms', '0'] })), await host.open('n.py'));
      expect(b.text(runs)).toBe('3\n');
      await b.close();
    } finally {
      await host?.stop();
      execFileSync('umount', [disk.root]);
      disk.forget();
    }
  });

  it('has what a cell said until then, and a second kill changes nothing of it', async () => {
    const a = await unsaved();
    await a.command('execute', { cell_ids: ['slow'] });
    await a.event('cell-op', () => a.text('slow').includes('line 20\n'));
    await logged('line 20');
    await kill();
    const told = a.text('slow');
    for (let life = 0; life < 2; ++life) {
      const b = await again('--autosave-at-most-ms', '0');
      const text = b.text('slow');
      expect(text).toContain('line 0\nline 1\n');
      expect(text).toContain('line 20\n');
      expect(told.startsWith(text) || text.startsWith(told)).toBe(true);
      await kill();
    }
  });

  it('goes on behind a save with what came after it', async () => {
    const a = await unsaved();
    await a.execute(['sum']);
    await a.command('execute', { cell_ids: ['slow'] });
    await a.event('cell-op', () => a.text('slow').includes('line 5\n'));
    expect((await a.command('save', {})).ok).toBe(true);
    const saved = inFile().find((cell: any) => cell.id === 'slow').outputs.map((one: any) => [one.text].flat().join('')).join('');
    const late = `line ${saved.trimEnd().split('\n').length + 30}`;
    await a.event('cell-op', () => a.text('slow').includes(`${late}\n`));
    await logged(late);
    await kill();
    const b = await again();
    expect(b.text('slow')).toMatch(/^line 0\nline 1\n/);
    expect(b.text('slow').split('line 7\n')).toHaveLength(2);
    expect(b.text('slow')).toContain(`${late}\n`);
    expect(b.text('sum')).toBe('2');
    await b.close();
  });

  it('leaves a file alone that another program wrote meanwhile', async () => {
    const a = await unsaved();
    await a.execute(['sum']);
    await logged('"text/plain":"2"');
    await kill();
    const notebook = JSON.parse(host!.file('n.ipynb'));
    notebook.cells.find((cell: any) => cell.id === 'prints').outputs = [{ output_type: 'stream', name: 'stdout', text: ['theirs\n'] }];
    fs.writeFileSync(path.join(root, 'n.ipynb'), JSON.stringify(notebook));
    const b = await again();
    expect(b.text('prints')).toBe('theirs\n');
    expect(b.text('sum')).toBe('');
    await b.close();
  });

  it('has what ran here also when another program wrote the file since, and a cell waits for a choice', async () => {
    const a = await unsaved();
    await a.execute(['sum']);
    await logged('"text/plain":"2"');
    await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'error', source: 'ours' }] });
    const notebook = JSON.parse(host!.file('n.ipynb'));
    notebook.cells.find((cell: any) => cell.id === 'error').source = ['theirs'];
    fs.writeFileSync(path.join(root, 'n.ipynb.other'), JSON.stringify(notebook));
    fs.renameSync(path.join(root, 'n.ipynb.other'), path.join(root, 'n.ipynb'));
    await a.event('conflict', (data: any) => data.choices.length > 0);
    // Nobody says anything more, and no save is allowed: it must be in the log by now, for this content.
    await until('the log begins anew', () => logs().some((name) => fs.readFileSync(name).toString('latin1').split('"text/plain":"2"').length > 2));
    await kill();
    const b = await again('--autosave-at-most-ms', '0');
    expect(b.text('sum')).toBe('2');
    expect(b.ready.recovered).toMatchObject({ cells: 1 });
    await b.close();
  });

  it('has of a cell that was deleted and came back what it said since', async () => {
    const a = await unsaved({ counts: 'print("said", globals().setdefault("n", []).append(1) or len(n))' });
    await a.execute(['counts']);
    await logged('said 1');
    const deleted = await a.command('transaction', { changes: [{ type: 'delete_cell', cell_id: 'counts' }] });
    expect(deleted.ok, JSON.stringify(deleted)).toBe(true);
    expect((await a.command('undo', {})).ok).toBe(true);
    await a.execute(['counts']);
    await logged('said 2');
    await kill();
    const b = await again('--autosave-at-most-ms', '0');
    expect(b.text('counts')).toBe('said 2\n');
    await b.close();
  });

  it('opens with a log that is damaged, and loses no edit', async () => {
    const a = await unsaved();
    await a.execute(['sum']);
    await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'error', source: 'edited' }] });
    await logged('"text/plain":"2"');
    await kill();
    for (const name of logs()) {
      const bytes = fs.readFileSync(name);
      bytes[40] = (bytes[40] ?? 0) ^ 0xff;
      fs.writeFileSync(name, bytes);
    }
    const b = await again();
    expect(b.ready.notebook.cells.find((cell: any) => cell.id === 'error').source).toBe('edited');
    await b.execute(['sum']);
    expect(b.text('sum')).toBe('2');
    await b.close();
  });

  it('goes on where a kernel that is kept goes on', async () => {
    const a = await unsaved(CELLS, '--keep-kernels');
    await a.command('execute', { cell_ids: ['slow'] });
    await a.event('cell-op', () => a.text('slow').includes('line 10\n'));
    await logged('line 10');
    await kill();
    const b = await again('--autosave-at-most-ms', '0', '--keep-kernels');
    const shown = b.text('slow');
    expect(shown).toContain('line 10\n');
    await b.event('cell-op', () => b.text('slow').length > shown.length + 40);
    const lines = b.text('slow').trim().split('\n');
    expect(new Set(lines).size).toBe(lines.length);
    expect(b.text('slow').startsWith(shown)).toBe(true);
    expect((await b.command('shutdown_kernel', {})).ok).toBe(true);
    await b.close();
  });
});
