// Scripts and documents as notebooks: opened, edited, run, saved and opened again with their outputs.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, LECTERN } from '../support/host';

const header = '# ---\n# title: Kept\n# jupyter:\n#   kernelspec:\n#     display_name: Python 3\n#     language: python\n#     name: python3\n# ---\n\n';
const script = `${header}# %% [markdown] tags=["a"]\n# Some *text*\n\n# %%  odd   title\nx = 20\n\n# %%\nprint(x + 1)\n`;

async function edit(client: Client, cell_id: string, source: string) {
  const reply = await client.command('transaction', { changes: [{ type: 'set_source', cell_id, source }] });
  expect(reply.ok).toBe(true);
}

describe('a percent script', () => {
  it('is opened, edited, run and saved, and comes back with its outputs', async () => {
    const first = await Host.start();
    try {
      fs.writeFileSync(path.join(first.root, 'n.py'), script);
      const a = await Client.join(first, await first.open('n.py'));
      const cells = a.ready.notebook.cells;
      expect(cells.map((cell: any) => [cell.cell_type, cell.source])).toEqual([['markdown', 'Some *text*'], ['code', 'x = 20'], ['code', 'print(x + 1)']]);
      const [, one, two] = cells.map((cell: any) => cell.id);
      await edit(a, one, 'x = 41');
      const made = await a.command('transaction', { changes: [{ type: 'create_cell', cell_id: 'made', cell_type: 'code', source: 'x', after: one }] });
      expect(made.ok).toBe(true);
      await a.execute([one, 'made', two]);
      expect(a.text(two)).toBe('42\n');
      expect((await a.command('save', {})).ok).toBe(true);
      expect(first.file('n.py')).toBe(script.replace('x = 20\n\n', 'x = 41\n\n# %%\nx\n\n'));
      await a.close();
      await first.kill('SIGTERM');
      // Another program edits a cell while no host runs: the others keep what they had.
      fs.writeFileSync(path.join(first.root, 'n.py'), first.file('n.py').replace('# Some *text*', '# Other text'));
      const second = await Host.start({ root: first.root, home: first.home });
      try {
        const b = await Client.join(second, await second.open('n.py'));
        expect(b.ready.notebook.cells.map((cell: any) => [cell.id, cell.source]).slice(1)).toEqual([[one, 'x = 41'], ['made', 'x'], [two, 'print(x + 1)']]);
        expect(b.ready.notebook.cells[0].source).toBe('Other text');
        await b.until('the outputs', () => b.text(two) === '42\n' && b.text('made') === '41');
        expect((await b.command('save', {})).ok).toBe(true);
        expect(second.file('n.py')).toContain('# Other text');
        await b.close();
      } finally {
        await second.stop();
      }
    } finally {
      first.forget();
    }
  });

  it('is what the listing, the command line and "save as" know', async () => {
    const host = await Host.start();
    try {
      fs.writeFileSync(path.join(host.root, 'n.py'), script);
      fs.writeFileSync(path.join(host.root, 'module.py'), 'import os\n');
      fs.writeFileSync(path.join(host.root, 'README.md'), '# Title\n\n```python\nx\n```\n');
      fs.writeFileSync(path.join(host.root, 'doc.qmd'), '---\njupyter: python3\n---\n\nText\n\n```{python}\n#| echo: false\n1\n```\n');
      const { entries } = (await host.get('/api/v1/files')).body;
      expect(Object.fromEntries(entries.map((entry: any) => [entry.name, entry.type]))).toEqual({ 'n.py': 'notebook', 'module.py': 'file', 'README.md': 'file', 'doc.qmd': 'notebook' });
      const refused = await host.post('/api/v1/notebooks/open', { path: 'module.py' });
      expect([refused.status, refused.body.error.code]).toEqual([415, 'unknown_format']);
      expect(host.file('module.py')).toBe('import os\n');

      const env = { ...process.env, XDG_STATE_HOME: path.join(host.home, 'state'), XDG_CONFIG_HOME: path.join(host.home, 'config'), XDG_RUNTIME_DIR: path.join(host.home, 'run') };
      const created = spawnSync(path.resolve(LECTERN), ['create', 'jupyter/python3', 'new.py', '--json', '--no-browser'], { cwd: host.root, encoding: 'utf8', timeout: 20_000, env });
      expect([created.status, created.stderr]).toEqual([0, '']);

      const a = await Client.join(host, await host.open(host.notebook('from.ipynb', [{ id: 'a', source: '6 * 7', outputs: [{ output_type: 'stream', name: 'stdout', text: ['42\n'] }], execution_count: 5 }])));
      expect((await a.command('save', { path: 'copy.md' })).ok).toBe(true);
      expect(host.file('copy.md')).toMatch(/```\{code-cell\} ipython3\n6 \* 7\n```\n$/);
      const b = await Client.join(host, await host.open('copy.md'));
      await b.until('the outputs', () => b.text(b.ready.notebook.cells[0].id) === '42\n');
      await a.close();
      await b.close();
    } finally {
      await host.stop();
    }
  });
});
