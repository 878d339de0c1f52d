// What was acknowledged survives; what was not changed stays as it was, byte for byte.
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, notebookText, until } from '../support/host';

describe('kill -9', () => {
  it('right after an acknowledged edit loses nothing', async () => {
    const first = await Host.start();
    const root = first.root;
    const home = first.home;
    try {
      const info = await first.open(first.notebook('n.ipynb', [{ id: 'a', source: 'old' }]));
      const before = first.file('n.ipynb');
      const a = await Client.join(first, info);
      const reply = await a.command('transaction', {
        changes: [
          { type: 'set_source', cell_id: 'a', source: 'acknowledged' },
          { type: 'create_cell', cell_id: 'b', cell_type: 'markdown', source: 'too', after: 'a' },
        ],
      });
      expect(reply.ok).toBe(true);
      await first.kill('SIGKILL');
      const after = fs.readFileSync(path.join(root, 'n.ipynb'), 'utf8');
      expect([before, notebookText([])].includes(after) || after.includes('acknowledged')).toBe(true);
      const second = await Host.start({ root, home });
      try {
        const again = await second.open('n.ipynb');
        expect(again.notebook_id).toBe(info.notebook_id);
        expect(again.session_id).toBe(info.session_id);
        const b = await Client.join(second, again, { key: a.key, resume: a.resume });
        expect(b.ready.notebook.cells.map((cell: any) => [cell.id, cell.source])).toEqual([['a', 'acknowledged'], ['b', 'too']]);
        expect(b.ready.client.id).toBe(a.key.id);
        const save = await b.command('save', {});
        expect(save.ok).toBe(true);
        expect(second.file('n.ipynb')).toContain('acknowledged');
        await b.close();
      } finally {
        await second.stop();
      }
    } finally {
      first.forget();
    }
  });

  it('epochs rise over a restart', async () => {
    const first = await Host.start();
    try {
      const info = await first.open(first.notebook('n.ipynb', [{ id: 'a', source: 'old' }]));
      const a = await Client.join(first, info);
      const b = await Client.join(first, info);
      let epoch = 0;
      for (let i = 0; i < 6; ++i) epoch = (await (i % 2 ? a : b).takeover()).body.epoch;
      await first.kill('SIGKILL');
      const second = await Host.start({ root: first.root, home: first.home });
      try {
        const c = await Client.join(second, await second.open('n.ipynb'));
        const won = await c.takeover();
        expect(won.status).toBe(200);
        expect(won.body.epoch).toBeGreaterThan(epoch);
        await c.close();
      } finally {
        await second.stop();
      }
    } finally {
      first.forget();
    }
  });
});

describe('a notebook written by Jupyter', () => {
  // Written by hand in Jupyter's own style, with what hosts usually lose: odd numbers, unknown keys, unicode, order.
  const text = `{
 "cells": [
  {
   "cell_type": "markdown",
   "id": "intro",
   "metadata": {
    "zeta": 1.10,
    "alpha": {
     "big": 12345678901234567890123,
     "exp": 1e2,
     "minus": -0
    }
   },
   "source": [
    "# Ünïcode 😀\\n",
    "text"
   ]
  },
  {
   "cell_type": "code",
   "execution_count": 3,
   "id": "code",
   "metadata": {},
   "outputs": [
    {
     "data": {
      "application/vnd.custom+json": {
       "n": 1.0
      },
      "text/plain": [
       "'é'"
      ]
     },
     "execution_count": 3,
     "metadata": {},
     "output_type": "execute_result"
    }
   ],
   "source": [
    "'é'"
   ]
  },
  {
   "cell_type": "code",
   "execution_count": 8,
   "id": "silent",
   "metadata": {},
   "outputs": [],
   "source": [
    "x = 1"
   ]
  }
 ],
 "metadata": {
  "kernelspec": {
   "display_name": "Python 3 (ipykernel)",
   "language": "python",
   "name": "python3"
  },
  "custom": {
   "precision": 0.1000
  },
  "language_info": {
   "name": "python"
  }
 },
 "nbformat": 4,
 "nbformat_minor": 5
}
`;

  it('comes back from open and save with only what changed changed', async () => {
    const host = await Host.start();
    try {
      const file = path.join(host.root, 'j.ipynb');
      fs.writeFileSync(file, text);
      const a = await Client.join(host, await host.open('j.ipynb'));
      const untouched = await a.command('save', {});
      expect(untouched.ok).toBe(true);
      expect(fs.readFileSync(file, 'utf8')).toBe(text);
      const edit = await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'code', source: "'è'" }] });
      expect(edit.ok).toBe(true);
      const saved = await a.command('save', {});
      expect(saved).toMatchObject({ ok: true, path: expect.stringContaining('j.ipynb') });
      expect(fs.readFileSync(file, 'utf8')).toBe(text.replace('   "source": [\n    "\'é\'"\n   ]', '   "source": [\n    "\'è\'"\n   ]'));
      expect(fs.readdirSync(host.root)).toEqual(['j.ipynb']);
      await a.close();
    } finally {
      await host.stop();
    }
  });

  it('is not overwritten when somebody else changed it: both edits are in it', async () => {
    const host = await Host.start({ args: ['--autosave-at-most-ms', '0'] });
    try {
      const file = path.join(host.root, 'j.ipynb');
      fs.writeFileSync(file, text);
      const a = await Client.join(host, await host.open('j.ipynb'));
      await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'code', source: 'mine' }] });
      const theirs = text.replace('# Ünïcode', '# Theirs');
      fs.writeFileSync(file, theirs);
      const save = await a.command('save', {});
      expect(save).toMatchObject({ ok: true });
      expect(fs.readFileSync(file, 'utf8')).toBe(theirs.replace('   "source": [\n    "\'é\'"\n   ]', '   "source": [\n    "mine"\n   ]'));
      await a.close();
    } finally {
      await host.stop();
    }
  });
});

describe('autosave', () => {
  it('comes when it has been quiet', async () => {
    const host = await Host.start({ args: ['--autosave-after-ms', '100', '--autosave-at-most-ms', '600000'] });
    try {
      const a = await Client.join(host, await host.open(host.notebook('n.ipynb', [{ id: 'a', source: 'old' }])));
      const from = a.frames.length;
      await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'quiet' }] });
      await a.event('save-state', (data) => data.state === 'saved' && data.heads[0] !== a.ready.notebook.heads[0], from);
      expect(host.file('n.ipynb')).toContain('quiet');
      await a.close();
    } finally {
      await host.stop();
    }
  });

  it('does not wait for ever for people who never stop', async () => {
    const host = await Host.start({ args: ['--autosave-after-ms', '600000', '--autosave-at-most-ms', '300'] });
    try {
      const a = await Client.join(host, await host.open(host.notebook('n.ipynb', [{ id: 'a', source: 'old' }])));
      let edits = 0;
      await until('a save happens while edits go on', async () => {
        await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: `busy ${++edits}` }] });
        return host.file('n.ipynb').includes('busy'); // not `saved`: on a slow disk the next edit is there before it ends
      });
      await a.close();
    } finally {
      await host.stop();
    }
  });
});
