// Other programs and other hosts at the same file: what they write is merged, what they hold is left to them.
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, notebookText, until } from '../support/host';

const sources = (text: string) => JSON.parse(text).cells.map((cell: any) => (Array.isArray(cell.source) ? cell.source.join('') : cell.source));

/** As git and most editors write: beside it, then renamed over it. */
const replace = (file: string, text: string) => {
  fs.writeFileSync(`${file}.other`, text);
  fs.renameSync(`${file}.other`, file);
};

describe('the file of a live session', () => {
  let host: Host;
  beforeAll(async () => {
    host = await Host.start({ args: ['--autosave-after-ms', '600000', '--autosave-at-most-ms', '600000'] }); // no save comes between an edit and the one outside
  });
  afterAll(() => host.stop());

  const begin = async (name: string) => {
    const info = await host.open(host.notebook(name, [{ id: 'a', source: 'one' }, { id: 'b', source: 'two' }, { id: 'c', source: 'three' }]));
    return { info, client: await Client.join(host, info), file: path.join(host.root, name) };
  };
  it('is followed, and the edit is one of the document', async () => {
    const { client, file } = await begin('follow.ipynb');
    replace(file, host.file('follow.ipynb').replace('two', 'changed outside'));
    const event = await client.event('notebook-document-transaction', (data: any) => data.transaction.source === 'file');
    expect(event.data.transaction.changes).toEqual([expect.objectContaining({ type: 'set_source', cell_id: 'b', source: 'changed outside' })]);
    await client.close();
  });

  it('is followed within a second, however it was written', async () => {
    const { client, file } = await begin('soon.ipynb');
    const took: number[] = [];
    let text = host.file('soon.ipynb');
    for (let n = 0; n < 12; ++n) {
      const next = text.replace(/"(two|n\d\d)"/, `"n${10 + n}"`);
      const { atime, mtime } = fs.statSync(file);
      const from = client.frames.length;
      if (n % 3 === 0) replace(file, next);
      else fs.writeFileSync(file, next);
      if (n % 3 === 2) fs.utimesSync(file, atime, mtime); // of the same size, too
      const written = performance.now();
      await client.event('notebook-document-transaction', (data: any) => JSON.stringify(data).includes(`n${10 + n}`), from);
      took.push(performance.now() - written);
      text = next;
    }
    took.sort((a, b) => a - b);
    // Within a second on a machine that does nothing else; --nightly looks.
    expect(took[6], `median of ${took.map(Math.round)} ms`).toBeLessThan(process.env.LECTERN_STRICT ? 1000 : 5000);
    await client.close();
  });

  it('keeps both sides of a cell that both changed, until somebody chooses', async () => {
    const { client, file } = await begin('both.ipynb');
    await client.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'ours' }] });
    replace(file, notebookText([{ id: 'a', source: 'theirs' }, { id: 'b', source: 'two' }, { id: 'd', source: 'four' }]));
    const conflict = await client.event('conflict');
    expect(conflict.data).toMatchObject({ choices: ['resolve', 'overwrite', 'save_as'], cells: [{ cell_id: 'a', kind: 'both_edited', theirs: { source: 'theirs' } }] });
    const refused = await client.command('save', {});
    expect([refused.ok, refused.error.code, refused.error.status]).toEqual([false, 'conflict', 409]);
    const chosen = await client.command('resolve', { choices: [{ cell_id: 'a', choice: 'both' }] });
    expect(chosen).toMatchObject({ ok: true, left: 0 });
    expect((await client.command('save', {})).ok).toBe(true);
    expect(sources(host.file('both.ipynb'))).toEqual(['ours', 'theirs', 'two', 'four']);
    await client.close();
  });

  it('may be deleted and moved: nothing is lost, and the session goes along', async () => {
    const { client, file, info } = await begin('first.ipynb');
    fs.mkdirSync(path.join(host.root, 'deep'), { recursive: true });
    fs.renameSync(file, path.join(host.root, 'deep/second.ipynb'));
    await client.event('save-state', (data: any) => data.path.endsWith('deep/second.ipynb'));
    expect((await host.open('deep/second.ipynb')).session_id).toBe(info.session_id);
    // The folder too.
    fs.renameSync(path.join(host.root, 'deep'), path.join(host.root, 'deeper'));
    await client.event('save-state', (data: any) => data.path.endsWith('deeper/second.ipynb'));
    fs.rmSync(path.join(host.root, 'deeper/second.ipynb'));
    await client.event('save-state', (data: any) => data.error?.code === 'file_gone');
    // Who opens what is there, as the page does, finds the session.
    const found = await host.post('/api/v1/notebooks/open', { path: 'deeper/second.ipynb', create: false });
    expect([found.status, found.body.session_id]).toEqual([200, info.session_id]);
    await client.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'still here' }] });
    expect((await client.command('save', {})).ok).toBe(true);
    expect(sources(host.file('deeper/second.ipynb'))).toEqual(['still here', 'two', 'three']);
    await client.close();
  });

  it('is opened where nothing is yet, and in a folder', async () => {
    fs.mkdirSync(path.join(host.root, 'work'));
    const both = await Promise.all([host.open('work/new.ipynb'), host.open('work/new.ipynb')]);
    expect(both[0].session_id).toBe(both[1].session_id);
    expect(both[0].cell_count).toBe(1);
    const client = await Client.join(host, both[0]);
    expect(client.ready.notebook.cells).toMatchObject([{ cell_type: 'code', source: '' }]);
    expect((await client.command('save', {})).ok).toBe(true);
    expect(fs.existsSync(path.join(host.root, 'work/new.ipynb'))).toBe(true);
    const untitled = await host.open('work');
    expect(untitled.path.endsWith('work/untitled.ipynb')).toBe(true);
    expect(untitled.cell_count).toBe(1);
    for (const [body, status, code] of [
      [{ path: 'nowhere/x.ipynb' }, 404, 'not_found'],
      [{ path: 'gone.ipynb', create: false }, 404, 'not_found'],
      [{ path: 'gone.xyz' }, 415, 'unknown_format'],
    ] as const) {
      const answer = await host.post('/api/v1/notebooks/open', body);
      expect([answer.status, answer.body.error.code]).toEqual([status, code]);
    }
    await client.close();
  });

  it('that cannot be written is read by everybody and edited by nobody', async () => {
    const name = host.notebook('fixed.ipynb', [{ id: 'a', source: 'one' }]);
    fs.chmodSync(path.join(host.root, name), 0o444);
    const client = await Client.join(host, await host.open(name));
    expect(client.ready.notebook.cells).toHaveLength(1);
    expect((await client.takeover()).body.error.code).toBe('denied');
    const edit = await client.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'no' }] });
    expect([edit.ok, edit.error.code]).toEqual([false, 'read_only']);
    await client.close();
  });
});

describe('after a restart', () => {
  it('a notebook that was moved while it was open is the same notebook in the same session', async () => {
    const first = await Host.start();
    const info = await first.open(first.notebook('old.ipynb', [{ id: 'a', source: 'one' }]));
    const a = await Client.join(first, info);
    fs.renameSync(path.join(first.root, 'old.ipynb'), path.join(first.root, 'new.ipynb'));
    await a.event('save-state', (data: any) => data.path.endsWith('new.ipynb'));
    expect((await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'two' }] })).ok).toBe(true);
    await first.kill('SIGTERM');
    const second = await Host.start({ root: first.root, home: first.home });
    try {
      const again = await second.open('new.ipynb');
      expect([again.notebook_id, again.session_id]).toEqual([info.notebook_id, info.session_id]);
      const b = await Client.join(second, again, { key: a.key });
      expect(b.ready.client.id).toBe(a.key.id);
      expect(b.ready.notebook.cells[0].source).toBe('two');
      await b.close();
      // Who comes to the old path finds another one.
      const other = await second.open(second.notebook('old.ipynb', [{ id: 'z', source: 'other' }]));
      expect(other.notebook_id).not.toBe(info.notebook_id);
      expect(other.session_id).not.toBe(info.session_id);
    } finally {
      await second.stop();
      first.forget();
    }
  });
});

describe('after a crash', () => {
  it('what was merged is not taken from the file again while a choice is open, and the choice is asked for again', async () => {
    const args = ['--autosave-at-most-ms', '0'];
    const first = await Host.start({ args });
    try {
      const file = (a: string, b: string) => first.notebook('n.ipynb', [{ id: 'a', source: a }, { id: 'b', source: b }]);
      const a = await Client.join(first, await first.open(file('one', 'two')));
      const edit = async (cell_id: string, source: string) =>
        expect((await a.command('transaction', { changes: [{ type: 'set_source', cell_id, source }] })).ok).toBe(true);
      await edit('b', 'ours');
      file('from outside', 'theirs');
      await a.event('conflict', (data: any) => data.cells[0]?.cell_id === 'b');
      await edit('a', 'one');
      await first.kill('SIGKILL');
      const second = await Host.start({ root: first.root, home: first.home, args });
      try {
        const b = await Client.join(second, await second.open('n.ipynb'));
        const asked = await b.event('conflict');
        expect(asked.data.cells.map((cell: any) => cell.cell_id)).toEqual(['b']);
        expect(await b.command('resolve', { choices: [{ cell_id: 'b', choice: 'ours' }] })).toMatchObject({ ok: true, left: 0 });
        expect((await b.command('save', {})).ok).toBe(true);
        expect(sources(second.file('n.ipynb'))).toEqual(['one', 'ours']);
        await b.close();
      } finally {
        await second.stop();
      }
    } finally {
      first.forget();
    }
  });
});

describe('two hosts', () => {
  it('never have one file: the second is told who has it, may watch, and has it when the first was killed', async () => {
    const first = await Host.start();
    // Its own state, and the same person: XDG_RUNTIME_DIR.
    const second = await Host.start({ root: first.root, env: { XDG_RUNTIME_DIR: path.join(first.home, 'run') } });
    try {
      const info = await first.open(first.notebook('one.ipynb', [{ id: 'a', source: 'old' }]));
      const writer = await Client.join(first, info);
      const refused = await second.post('/api/v1/notebooks/open', { path: 'one.ipynb' });
      expect([refused.status, refused.body.error.code]).toEqual([423, 'open_elsewhere']);
      expect(refused.body.error.details.holder).toMatchObject({ pid: first.process.pid, url: first.url });
      expect(refused.body.error.details.holder.process_start).toMatch(/^\d+$/);
      const watching = await second.post('/api/v1/notebooks/open', { path: 'one.ipynb', watch: true });
      expect(watching.status).toBe(200);
      const reader = await Client.join(second, watching.body);
      expect(reader.ready.consumer_capabilities.edit).toBe(false);
      await writer.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'new' }] });
      expect((await writer.command('save', {})).ok).toBe(true);
      const seen = await reader.event('notebook-document-transaction', (data: any) => data.transaction.source === 'file');
      expect(seen.data.transaction.changes[0]).toMatchObject({ type: 'set_source', source: 'new' });
      await reader.close();
      expect((await second.request('DELETE', `/api/v1/sessions/${watching.body.session_id}`)).status).toBe(204);
      await first.kill('SIGKILL');
      const own = await until('the lock is free', async () => {
        const answer = await second.post('/api/v1/notebooks/open', { path: 'one.ipynb' });
        return answer.status === 200 ? answer.body : undefined;
      });
      const heir = await Client.join(second, own);
      expect((await heir.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'mine' }] })).ok).toBe(true);
      await heir.close();
    } finally {
      await second.stop();
      await first.stop();
    }
  });

  it('of two people never have one file either: the second is told that somebody has it, saves of the first included', async () => {
    const first = await Host.start();
    const second = await Host.start({ root: first.root });
    try {
      const info = await first.open(first.notebook('one.ipynb', [{ id: 'a', source: 'old' }]));
      const writer = await Client.join(first, info);
      for (const source of ['one', 'two']) {
        const refused = await second.post('/api/v1/notebooks/open', { path: 'one.ipynb' });
        expect([refused.status, refused.body.error.code, refused.body.error.details]).toEqual([423, 'open_elsewhere', { holder: null }]);
        expect((await writer.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source }] })).ok).toBe(true);
        expect((await writer.command('save', {})).ok).toBe(true);
      }
      const watching = await second.post('/api/v1/notebooks/open', { path: 'one.ipynb', watch: true });
      expect(watching.status).toBe(200);
      expect((await second.request('DELETE', `/api/v1/sessions/${watching.body.session_id}`)).status).toBe(204);
      await first.kill('SIGKILL');
      const heir = await Client.join(second, await second.open('one.ipynb'));
      expect(heir.ready.notebook.cells[0].source).toBe('two');
      await heir.close();
    } finally {
      await second.stop();
      await first.stop();
    }
  });

  it('an edit between a crash and the next start is merged with what was acknowledged and never saved', async () => {
    const first = await Host.start({ args: ['--autosave-at-most-ms', '0'] });
    try {
      const info = await first.open(first.notebook('n.ipynb', [{ id: 'a', source: 'one' }, { id: 'b', source: 'two' }]));
      const a = await Client.join(first, info);
      expect((await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'acknowledged' }] })).ok).toBe(true);
      const history = a.ready.history_id;
      await first.kill('SIGKILL');
      first.notebook('n.ipynb', [{ id: 'a', source: 'one' }, { id: 'b', source: 'edited meanwhile' }]);
      const second = await Host.start({ root: first.root, home: first.home });
      try {
        const b = await Client.join(second, await second.open('n.ipynb'));
        expect(b.ready.history_id).toBe(history);
        await until('merged', async () => {
          const saved = await b.command('save', {});
          return saved.ok && JSON.stringify(sources(second.file('n.ipynb'))) === '["acknowledged","edited meanwhile"]';
        });
        await b.close();
      } finally {
        await second.stop();
      }
    } finally {
      first.forget();
    }
  });

  it('that went while no host had it comes back as an edit of what it was: what was deleted here stays deleted', async () => {
    const first = await Host.start({ args: ['--autosave-at-most-ms', '0'] });
    const cells = [{ id: 'a', source: 'one' }, { id: 'b', source: 'two' }, { id: 'c', source: 'three' }];
    try {
      await first.open(first.notebook('n.ipynb', cells));
      await first.kill('SIGTERM');
      fs.rmSync(path.join(first.root, 'n.ipynb'));
      const second = await Host.start({ root: first.root, home: first.home, args: ['--autosave-at-most-ms', '0'] });
      try {
        const a = await Client.join(second, await second.open('n.ipynb'));
        expect(a.ready.notebook.cells.map((cell: any) => cell.source)).toEqual(['one', 'two', 'three']);
        expect((await a.command('transaction', { changes: [{ type: 'delete_cell', cell_id: 'a' }, { type: 'delete_cell', cell_id: 'c' }] })).ok).toBe(true);
        replace(path.join(second.root, 'n.ipynb'), notebookText([{ id: 'a', source: 'one, edited' }, { id: 'b', source: 'two, edited' }, cells[2]!]));
        const conflict = await a.event('conflict');
        expect(conflict.data.cells).toMatchObject([{ cell_id: 'a', kind: 'deleted_here', theirs: { source: 'one, edited' } }]);
        const reader = await Client.join(second, a.session, { viewOnly: true });
        expect(reader.ready.notebook.cells.map((cell: any) => cell.source)).toEqual(['two, edited']);
        await reader.close();
        await a.close();
      } finally {
        await second.stop();
      }
    } finally {
      first.forget();
    }
  });
});
