// The past of a notebook over the wire: who did what and when, how it was, who wrote a cell, and the way back.
import fs from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, LECTERN, until, type ConnectionInfo } from '../support/host';

describe('history', () => {
  let host: Host;
  beforeAll(async () => {
    host = await Host.start({ args: ['--autosave-after-ms', '600000', '--autosave-at-most-ms', '600000'] }); // the file stays as it was until it is looked at
  });
  afterAll(() => host.stop());

  const base = (info: ConnectionInfo) => `/api/v1/sessions/${info.session_id}`;
  const versions = async (info: ConnectionInfo): Promise<any[]> => (await host.get(`${base(info)}/history`)).body.versions;
  const set = (client: Client, cell_id: string, source: string) => client.command('transaction', { changes: [{ type: 'set_source', cell_id, source }] });
  const sources = async (info: ConnectionInfo, version: string): Promise<string[]> =>
    (await host.get(`${base(info)}/history/${version}`)).body.cells.map((cell: any) => `${cell.id}=${cell.source}`);
  const cli = (args: string[]) => {
    const done = spawnSync(LECTERN, [...args, '--server', host.url, '--token', host.token], {
      encoding: 'utf8',
      env: { ...process.env, XDG_RUNTIME_DIR: path.join(host.home, 'run'), XDG_STATE_HOME: path.join(host.home, 'state'), XDG_CONFIG_HOME: path.join(host.home, 'config') },
    });
    return { code: done.status, out: done.stdout, err: done.stderr };
  };

  it('says who did what and when, and how it was; a restore is a new change', async () => {
    const before = Date.now();
    const info = await host.open(host.notebook('past.ipynb', [{ id: 'a', source: 'one' }, { id: 'b', source: 'two' }]));
    const ann = await Client.join(host, info, { query: { label: 'Ann' } });
    await set(ann, 'a', 'one!');
    await ann.command('transaction', { changes: [{ type: 'delete_cell', cell_id: 'b' }, { type: 'create_cell', cell_id: 'c', cell_type: 'markdown', source: 'three', after: 'a' }] });
    const bob = await Client.join(host, info, { query: { label: 'Bob' } });
    expect((await bob.takeover()).status).toBe(200);
    await bob.until('the pen', () => bob.epoch);
    await set(bob, 'a', 'one?');

    const told = await versions(info);
    expect(told.map((version) => [version.version, version.source, version.authors.map((author: any) => author.label), version.edits])).toEqual([
      ['3', 'client', ['Bob'], 1],
      ['2', 'client', ['Ann'], 2],
      ['1', 'import', [], 0],
    ]);
    for (const version of told) {
      expect(Date.parse(version.ended_at)).toBeGreaterThanOrEqual(before - 1);
      expect(Date.parse(version.ended_at)).toBeLessThanOrEqual(Date.now() + 1);
    }
    expect(told[1].cells).toEqual([
      { cell_id: 'a', inserted: 1, deleted: 0 },
      { cell_id: 'b', inserted: 0, deleted: 0, removed: true },
      { cell_id: 'c', inserted: 5, deleted: 0, created: true },
    ]);
    expect(await sources(info, '1')).toEqual(['a=one', 'b=two']);
    expect(await sources(info, '2')).toEqual(['a=one!', 'c=three']);
    expect(await sources(info, 'now')).toEqual(['a=one?', 'c=three']);
    expect(await sources(info, 'file')).toEqual(['a=one', 'b=two']);

    const did = (await host.get(`${base(info)}/history/2?against=previous`)).body;
    expect(did.cells.map((cell: any) => [cell.cell_id, cell.change, cell.before?.source, cell.after?.source])).toEqual([
      ['a', 'changed', 'one', 'one!'],
      ['b', 'removed', 'two', undefined],
      ['c', 'added', undefined, 'three'],
    ]);
    const since = (await host.get(`${base(info)}/history/1?against=now`)).body;
    expect([since.cells.length, since.unchanged, since.truncated]).toEqual([3, 0, false]);

    const blame = (await host.get(`${base(info)}/blame/a`)).body;
    expect([blame.last.version, blame.last.author.label]).toEqual(['3', 'Bob']);
    expect(blame.lines).toEqual([expect.objectContaining({ first: 0, count: 1, version: '3', author: expect.objectContaining({ label: 'Bob' }) })]);

    // The former editor may not; whoever has the pen may, and everybody hears of it as of any edit.
    expect((await ann.command('restore', { version: '1' }, { epoch: 1 })).error.code).toBe('stale_epoch');
    expect((await ann.command('restore', { version: '1' }, { epoch: null })).error.code).toBe('read_only');
    const heard = ann.frames.length;
    const reply = await bob.command('restore', { version: '1' });
    expect([reply.ok, reply.changes > 0]).toEqual([true, true]);
    const event = await ann.event('notebook-document-transaction', () => true, heard);
    expect(event.data.transaction.by.label).toBe('Bob');
    expect(await sources(info, 'now')).toEqual(['a=one', 'b=two']);
    const [last] = await versions(info);
    expect([last.version, last.source, last.restored, last.authors[0].label]).toEqual(['4', 'restore', '1', 'Bob']);
    expect((await bob.command('restore', { version: '1' })).changes, 'nothing differs any more').toBe(0);
    expect((await bob.command('restore', { version: '2', cell_id: 'c' })).ok).toBe(true);
    expect(await sources(info, 'now')).toEqual(['a=one', 'c=three', 'b=two']);
    await ann.close();
    await bob.close();
  });

  it('refuses what is not there', async () => {
    const info = await host.open(host.notebook('gone.ipynb', [{ id: 'a', source: '1' }]));
    const ann = await Client.join(host, info);
    const code = async (route: string) => {
      const answer = await host.get(base(info) + route);
      return `${answer.status} ${answer.body?.error?.code}`;
    };
    expect(await code('/history/99')).toBe('404 unknown_version');
    expect(await code('/history/..%2f..%2fetc')).toMatch(/^404/);
    expect(await code('/history/copy-1')).toBe('404 unknown_version');
    expect(await code('/history/1?against=nonsense')).toBe('404 unknown_version');
    expect(await code('/history?before=x')).toBe('400 bad_request');
    expect(await code('/blame/z')).toBe('404 unknown_cell');
    expect((await ann.command('restore', { version: 'now' })).error.code).toBe('unknown_version');
    expect((await ann.command('restore', {})).error.code).toBe('bad_request');
    expect((await ann.command('restore', { version: '1', cell_id: 'z' })).error.code).toBe('unknown_cell');
    await ann.close();
  });

  it('pages through many versions', async () => {
    const info = await host.open(host.notebook('many.ipynb', [{ id: 'a', source: '0' }]));
    const ann = await Client.join(host, info);
    for (let at = 1; at <= 6; at += 1) {
      await set(ann, 'a', `${at}`);
      await ann.command('restore', { version: '1' });
    }
    const seen: string[] = [];
    let next: string | undefined;
    do {
      const page = (await host.get(`${base(info)}/history?limit=5${next ? `&before=${next}` : ''}`)).body;
      expect('kept' in page).toBe(next === undefined);
      seen.push(...page.versions.map((version: any) => version.version));
      next = page.next_before;
    } while (next !== undefined);
    expect(seen).toEqual([...Array(13).keys()].map((at) => `${13 - at}`));
    await ann.close();
  });

  it('remembers after a crash, also what the log had not heard', async () => {
    const patient = ['--autosave-after-ms', '600000', '--autosave-at-most-ms', '600000'];
    const own = await Host.start({ args: patient });
    const name = own.notebook('crash.ipynb', [{ id: 'a', source: 'one' }]);
    const info = await own.open(name);
    const ann = await Client.join(own, info, { query: { label: 'Ann' } });
    await set(ann, 'a', 'before the crash');
    const journal = () => fs.readdirSync(path.join(own.home, 'state/lectern/notebooks'), { recursive: true }).filter((file) => String(file).endsWith('history.lj'));
    await until('the log', () => journal().length > 0);
    await own.kill('SIGKILL');

    const again = await Host.start({ root: own.root, home: own.home, args: patient });
    const there = await again.open(name);
    const told = (await again.get(`${base(there)}/history`)).body.versions;
    expect(told.at(-1).source).toBe('import');
    expect(told[0].authors.map((author: any) => author.label)).toEqual(['Ann']);
    expect(['client', 'recovered']).toContain(told[0].source);
    expect((await again.get(`${base(there)}/history/file?against=now`)).body.cells.map((cell: any) => [cell.before.source, cell.after.source])).toEqual([['one', 'before the crash']]);
    const back = await Client.join(again, there);
    expect(back.ready.recovered).toEqual({ edits: 1 });
    expect((await again.get(`${base(there)}/history/saved?against=now`)).body.cells.map((cell: any) => [cell.before.source, cell.after.source])).toEqual([['one', 'before the crash']]);
    await back.close();
    await again.stop();
    own.forget();
  });

  it('lectern history and lectern restore', async () => {
    const name = host.notebook('tool.ipynb', [{ id: 'a', source: 'one\ntwo' }]);
    const info = await host.open(name);
    const ann = await Client.join(host, info, { query: { label: 'Ann' } });
    await set(ann, 'a', 'one\nTWO');
    const file = path.join(host.root, name);
    const listed = cli(['history', file]);
    expect([listed.code, listed.err]).toEqual([0, '']);
    expect(listed.out).toMatch(/^2 {2}\S+Z {2}Ann.*1 cell, \+3 -3\n1 {2}\S+Z {2}- {2}opened the file\n/);
    expect(JSON.parse(cli(['history', file, '--json']).out).versions.length).toBe(2);
    expect(cli(['history', file, '1']).out).toContain('changed a\n-one\n-two\n+one\n+TWO\n');
    expect(cli(['history', file, '--blame', 'a']).out).toMatch(/^changed last by Ann, \S+Z, in version 2\nline 1 {2}import {2}\S+Z\nline 2 {2}Ann {2}\S+Z\n$/);
    expect(cli(['history', file, '77']).code).toBe(1);
    const held = cli(['restore', file, '1']);
    expect([held.code, held.err]).toEqual([4, expect.stringContaining('Ann is editing')]);
    const taken = cli(['restore', file, '1', '--take-pen', '--json']);
    expect([taken.code, JSON.parse(taken.out).changes]).toEqual([0, 1]);
    await ann.close();
    const again = cli(['restore', file, '2', '--cell', 'a', '--take-pen']);
    expect([again.code, again.out]).toEqual([0, 'Restored, as 1 edits.\n']);
    expect(await sources(info, 'now')).toEqual(['a=one\nTWO']);
    expect(cli(['restore', file]).code).toBe(2);
    expect(cli(['restore', '--help']).out).toContain('--take-pen');
  });
});
