// One path has one owner: saving under another name while that is opened or made, under one name twice, and one file
// under two names.
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, until } from '../support/host';

describe('one path', () => {
  let host: Host;
  const writers: Client[] = [];
  beforeAll(async () => {
    host = await Host.start({ args: ['--autosave-at-most-ms', '0'] });
    for (const name of ['one', 'two']) {
      writers.push(await Client.join(host, await host.open(host.notebook(`${name}.ipynb`, [{ id: 'a', source: name }]))));
    }
  });
  afterAll(async () => {
    for (const writer of writers) await writer.close();
    await host.stop();
  });
  const saveAs = (writer: number, name: string, more: object = {}) => writers[writer]!.command('save', { path: name, ...more });
  const sourcesAt = async (name: string) => {
    const reader = await Client.join(host, await host.open(name), { viewOnly: true });
    const sources = reader.ready.notebook.cells.map((cell: any) => cell.source);
    await reader.close();
    return sources;
  };
  const onDisk = (name: string) => JSON.parse(host.file(name)).cells.map((cell: any) => [cell.source].flat().join(''));
  const taken = ['path_open', 'path_exists', 'open_elsewhere'];

  it('that cannot be saved to is the asker\'s matter: the notebook itself stays as safe as it was', async () => {
    const reader = await Client.join(host, writers[0]!.session, { viewOnly: true });
    const refused: [string, string][] = [['../out.ipynb', 'outside_root'], ['x.nosuch', 'unknown_format'], ['.', 'is_a_folder']];
    for (const [name, code] of refused) expect([name, (await saveAs(0, name)).error.code]).toEqual([name, code]);
    const joiner = await Client.join(host, writers[0]!.session, { viewOnly: true });
    expect((await joiner.event('save-state')).data.state).toBe('saved');
    expect(reader.events('save-state').map((frame) => frame.data.state)).not.toContain('failed');
    await reader.close();
    await joiner.close();
  });

  it('is saved to and opened at once: the session has what was saved, or the save is refused', async () => {
    const outcomes = new Set<boolean>();
    for (let i = 0; i < 24; ++i) {
      const name = `race-${i}.ipynb`;
      const both = () => [host.post('/api/v1/notebooks/open', { path: name }), saveAs(0, name)] as const;
      const turned = () => [saveAs(0, name), host.post('/api/v1/notebooks/open', { path: name })] as const;
      const [opened, saved] = i % 2 ? await Promise.all(both()) : (await Promise.all(turned())).reverse();
      expect(opened.status, JSON.stringify(opened.body)).toBe(200);
      if (!saved.ok) expect(taken).toContain(saved.error.code);
      outcomes.add(saved.ok);
      expect(await sourcesAt(name)).toEqual([saved.ok ? 'one' : '']);
      if (saved.ok) expect(onDisk(name)).toEqual(['one']);
      await host.request('DELETE', `/api/v1/sessions/${opened.body.session_id}`);
    }
    expect(outcomes.size).toBeGreaterThan(0);
  });

  it('is saved to twice at once: one has it, the other is told', async () => {
    for (let i = 0; i < 12; ++i) {
      const name = `twice-${i}.ipynb`;
      const answers = await Promise.all([saveAs(0, name), saveAs(1, name)]);
      expect(answers.filter((answer) => answer.ok).length).toBe(1);
      const winner = answers.findIndex((answer) => answer.ok);
      expect(taken).toContain(answers[1 - winner].error.code);
      expect(answers[1 - winner].error.status).toBeOneOf([409, 423]);
      expect(onDisk(name)).toEqual([winner === 0 ? 'one' : 'two']);
    }
  });

  it('is made and saved to at once: one of them has it', async () => {
    for (let i = 0; i < 6; ++i) {
      const name = `made-${i}.ipynb`;
      const create = host.post('/api/v1/notebooks/create', { path: name, runtime: 'python3' });
      const [created, saved] = await Promise.all([create, saveAs(0, name)]);
      if (created.status === 201) {
        expect(saved.ok).toBe(false);
        expect(taken).toContain(saved.error.code);
      } else {
        expect(saved.ok, JSON.stringify([created.body, saved])).toBe(true);
        expect(onDisk(name)).toEqual(['one']);
      }
    }
  });

  it('is created and opened at once: all who get it share one session', async () => {
    for (let i = 0; i < 24; ++i) {
      const name = `both-${i}.ipynb`;
      const create = () => host.post('/api/v1/notebooks/create', { path: name, runtime: 'python3' });
      const open = (more: object = {}) => host.post('/api/v1/notebooks/open', { path: name, ...more });
      const [created, ...opened] = await Promise.all([create(), open(), open({ create: false }), open()]);
      expect([201, 409], created.text).toContain(created.status);
      const found = opened.filter((answer) => answer.status === 200);
      expect([opened[0]!.status, opened[2]!.status]).toEqual([200, 200]);
      expect([200, 404], opened[1]!.text).toContain(opened[1]!.status); // it may have been the first
      expect(new Set([...(created.status === 201 ? [created] : []), ...found].map((answer) => answer.body.session_id)).size).toBe(1);
      if (created.status === 201) expect(onDisk(name)).toEqual(['']);
      await host.request('DELETE', `/api/v1/sessions/${found[0]!.body.session_id}`);
    }
  });

  it('that is open here is nobody else’s to save to', async () => {
    const refused = await saveAs(0, 'two.ipynb', { overwrite: true });
    expect([refused.error?.status, refused.error?.code]).toEqual([409, 'path_open']);
    expect(onDisk('two.ipynb')).toEqual(['two']);
    expect((await saveAs(0, 'free.ipynb')).ok).toBe(true);
    expect((await saveAs(1, 'free.ipynb')).error.code).toBe('path_exists');
    expect((await saveAs(1, 'free.ipynb', { overwrite: true })).ok).toBe(true);
    expect(onDisk('free.ipynb')).toEqual(['two']);
  });

  it('and one file has one writer, whatever its names', async () => {
    fs.linkSync(path.join(host.root, 'one.ipynb'), path.join(host.root, 'same.ipynb'));
    const refused = await host.post('/api/v1/notebooks/open', { path: 'same.ipynb' });
    expect([refused.status, refused.body.error.code]).toEqual([423, 'open_elsewhere']);
    expect(refused.body.error.message).toContain('one.ipynb');
    const watching = await host.post('/api/v1/notebooks/open', { path: 'same.ipynb', watch: true });
    expect(watching.status).toBe(200);
    await host.request('DELETE', `/api/v1/sessions/${watching.body.session_id}`);
    // A save makes a new file: the other name has the old one, which a worker frees behind the answer.
    const edit = { changes: [{ type: 'set_source', cell_id: 'a', source: 'newer' }] };
    expect((await writers[0]!.command('transaction', edit)).ok).toBe(true);
    expect((await writers[0]!.command('save', {})).ok).toBe(true);
    await until('the old one is free', async () => (await host.post('/api/v1/notebooks/open', { path: 'same.ipynb' })).status === 200);
    // Another program puts its own file there, and gives it a second name.
    fs.writeFileSync(path.join(host.root, '.next'), host.file('one.ipynb').replace('newer', 'theirs'));
    const seen = writers[0]!.frames.length;
    fs.renameSync(path.join(host.root, '.next'), path.join(host.root, 'one.ipynb'));
    await writers[0]!.event('notebook-document-transaction', (data) => data.transaction.source === 'file', seen);
    fs.linkSync(path.join(host.root, 'one.ipynb'), path.join(host.root, 'again.ipynb'));
    expect((await host.post('/api/v1/notebooks/open', { path: 'again.ipynb' })).status).toBe(423);
  });
});
