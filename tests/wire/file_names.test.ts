// Names in the served folder: folders made, files and folders given other names, and deleted.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, notebookText, until } from '../support/host';

const rename = (host: Host, from: string, to: string, headers: Record<string, string> = {}) => host.request('POST', '/api/v1/files/rename', { from, to }, headers);
const remove = (host: Host, name: string, more = '', headers: Record<string, string> = {}) => host.request('DELETE', `/api/v1/files?path=${encodeURIComponent(name)}${more}`, undefined, headers);
const folder = (host: Host, name: string, headers: Record<string, string> = {}) => host.request('POST', '/api/v1/files/folder', { path: name }, headers);
const outcome = (answer: { status: number; body: any }) => [answer.status, answer.body?.error?.code];
const source = (host: Host, name: string) => [JSON.parse(host.file(name)).cells[0].source].flat().join('');

describe('names of files', () => {
  let host: Host;
  beforeAll(async () => {
    host = await Host.start({ args: ['--autosave-at-most-ms', '0'] });
  });
  afterAll(() => host.stop());
  afterEach(() => fs.readdirSync(host.root).forEach((name) => fs.rmSync(path.join(host.root, name), { recursive: true, force: true })));

  const at = (name: string) => path.join(host.root, name);
  const write = (name: string, text = name) => {
    fs.mkdirSync(path.dirname(at(name)), { recursive: true });
    fs.writeFileSync(at(name), text);
  };
  /** What is below the root, with what files hold. */
  const all = (): Record<string, string> => {
    const found: Record<string, string> = {};
    const walk = (dir: string) => {
      for (const entry of fs.readdirSync(at(dir), { withFileTypes: true })) {
        const name = path.join(dir, entry.name);
        if (entry.isDirectory()) walk(name);
        found[name] = entry.isDirectory() ? 'folder' : entry.isSymbolicLink() ? `-> ${fs.readlinkSync(at(name))}` : fs.readFileSync(at(name), 'utf8');
      }
    };
    walk('');
    return found;
  };

  it('are made, changed and removed, and each answer says what is there now', async () => {
    const made = await folder(host, 'data');
    expect([made.status, made.body]).toMatchObject([201, { name: 'data', path: 'data', type: 'folder' }]);
    expect((await folder(host, 'data/täble 1')).status).toBe(201);
    write('a b.txt', 'hello');
    const renamed = await rename(host, 'a b.txt', 'data/ü.txt');
    expect([renamed.status, renamed.body]).toMatchObject([200, { name: 'ü.txt', path: 'data/ü.txt', type: 'file', size: 5 }]);
    expect((await rename(host, 'data', 'figures')).body).toMatchObject({ name: 'figures', type: 'folder' });
    expect(all()).toEqual({ figures: 'folder', 'figures/täble 1': 'folder', 'figures/ü.txt': 'hello' });
    expect((await rename(host, 'figures/ü.txt', 'u.txt')).status).toBe(200);
    expect((await remove(host, 'u.txt')).status).toBe(204);
    expect((await remove(host, 'figures/täble 1')).status).toBe(204);
    expect(all()).toEqual({ figures: 'folder' });
  });

  it('never replace anything, also of two that come at once', async () => {
    write('a.txt');
    write('b.txt');
    write('dir/c.txt');
    for (const [from, to] of [['a.txt', 'b.txt'], ['a.txt', 'dir'], ['dir', 'a.txt'], ['a.txt', 'a.txt']] as const) {
      expect([from, to, ...outcome(await rename(host, from, to))]).toEqual([from, to, 409, 'path_exists']);
    }
    for (const name of ['a.txt', 'dir']) expect(outcome(await folder(host, name))).toEqual([409, 'path_exists']);
    const answers = await Promise.all([rename(host, 'a.txt', 'won.txt'), rename(host, 'b.txt', 'won.txt'), folder(host, 'won.txt')]);
    expect(answers.filter(({ status }) => status < 300)).toHaveLength(1);
    for (const lost of answers.filter(({ status }) => status >= 300)) expect(lost.status).toBe(409);
    const names = Object.keys(all());
    expect(names.filter((name) => ['a.txt', 'b.txt', 'won.txt'].includes(name)).length).toBeGreaterThanOrEqual(2);
    expect(all()['dir/c.txt']).toBe('dir/c.txt');
  });

  it('stay inside the root, and what is hidden stays as it is', async () => {
    const outside = fs.mkdtempSync(path.join(path.dirname(host.root), 'lectern-outside-'));
    fs.writeFileSync(path.join(outside, 'theirs.txt'), 'theirs');
    write('mine.txt');
    write('.env', 'KEY=1');
    write('data/.secret/key', 'k');
    fs.symlinkSync(outside, at('out'));
    fs.symlinkSync(path.join(outside, 'theirs.txt'), at('theirs.txt'));
    fs.symlinkSync('loop', at('loop'));
    const before = all();
    const long = 'n'.repeat(300);
    const bad: [string, number, string][] = [
      ['../mine.txt', 403, 'outside_root'],
      ['data/../../mine.txt', 403, 'outside_root'],
      [path.join(outside, 'theirs.txt'), 403, 'outside_root'],
      ['out/theirs.txt', 403, 'outside_root'],
      ['out', 403, 'outside_root'],
      ['theirs.txt', 403, 'outside_root'],
      ['loop', 400, 'bad_path'],
      ['.env', 403, 'hidden_file'],
      ['data/.secret/key', 403, 'hidden_file'],
      ['data/.secret', 403, 'hidden_file'],
      ['nowhere/x.txt', 404, 'not_found'],
      ['mine.txt/x', 404, 'not_found'],
      ['a\u0000b', 400, 'bad_path'],
      ['', 400, 'bad_request'],
      [long, 400, 'bad_path'],
      ['.', 403, 'is_the_root'],
      ['/', 403, 'outside_root'],
      [host.root, 403, 'is_the_root'],
    ];
    for (const [name, status, code] of bad) {
      expect(['to', name, ...outcome(await rename(host, 'mine.txt', name))]).toEqual(['to', name, status, code]);
      expect(['from', name, ...outcome(await rename(host, name, 'free.txt'))]).toEqual(['from', name, status, code]);
      expect(['folder', name, ...outcome(await folder(host, name))]).toEqual(['folder', name, status, code]);
      for (const more of ['', '&recursive=true']) {
        expect(['delete', name, ...outcome(await remove(host, name, more))]).toEqual(['delete', name, status, code]);
      }
    }
    for (const answer of [await rename(host, 'missing.txt', 'free.txt'), await remove(host, 'missing.txt'), await remove(host, 'missing.txt', '&recursive=true')]) {
      expect(outcome(answer)).toEqual([404, 'not_found']);
    }
    for (const body of [{}, { from: 'mine.txt' }, { to: 'x' }, { from: 1, to: 'x' }, [], 'text']) {
      expect(outcome(await host.request('POST', '/api/v1/files/rename', body))).toEqual([400, expect.any(String)]);
    }
    expect(outcome(await rename(host, 'mine.txt', `${'d/'.repeat(3000)}x`))).toEqual([400, 'bad_path']);
    expect(outcome(await rename(host, 'data', 'data/inside'))).toEqual([400, 'bad_path']);
    expect(all()).toEqual(before);
    expect(fs.readdirSync(outside)).toEqual(['theirs.txt']);
    fs.rmSync(outside, { recursive: true });
  });

  it('of links are of the links, never of what they lead to', async () => {
    write('data/real.txt', 'real');
    fs.symlinkSync('data/real.txt', at('link.txt'));
    fs.symlinkSync('data', at('short'));
    fs.symlinkSync('data/nothing', at('dangling'));
    expect((await rename(host, 'link.txt', 'other.txt')).body).toMatchObject({ name: 'other.txt', path: 'other.txt' });
    expect(outcome(await rename(host, 'data/real.txt', 'dangling'))).toEqual([409, 'path_exists']);
    for (const name of ['other.txt', 'dangling']) expect((await remove(host, name)).status).toBe(204);
    expect((await remove(host, 'short', '&recursive=true')).status).toBe(204);
    expect(all()).toEqual({ data: 'folder', 'data/real.txt': 'real' });
    // Through a link that stays inside, it is the file itself.
    fs.symlinkSync('data', at('short'));
    expect((await rename(host, 'short/real.txt', 'short/new.txt')).body).toMatchObject({ path: 'data/new.txt' });
  });

  it('of folders go with what is in them only when that is said, and not with what is hidden or protected', async () => {
    write('full/a/b.txt');
    write('full/c.txt');
    expect(outcome(await remove(host, 'full'))).toEqual([409, 'folder_not_empty']);
    write('full/a/.git/config');
    expect(outcome(await remove(host, 'full', '&recursive=true'))).toEqual([403, 'hidden_file']);
    fs.rmSync(at('full/a/.git'), { recursive: true });
    fs.chmodSync(at('full/c.txt'), 0o444);
    for (const [name, more] of [['full', '&recursive=true'], ['full/c.txt', '']] as const) {
      expect([name, ...outcome(await remove(host, name, more))]).toEqual([name, 403, 'permission_denied']);
    }
    expect(Object.keys(all()).sort()).toEqual(['full', 'full/a', 'full/a/b.txt', 'full/c.txt']);
    fs.chmodSync(at('full/c.txt'), 0o644);
    expect((await remove(host, 'full', '&recursive=true')).status).toBe(204);
    expect(all()).toEqual({});
    // What is neither file nor folder is left alone; of a folder that nobody may write, everything.
    execFileSync('mkfifo', [at('pipe')]);
    for (const answer of [await remove(host, 'pipe'), await rename(host, 'pipe', 'x')]) expect(outcome(answer)).toEqual([403, 'not_a_file']);
    write('fixed/a.txt');
    fs.chmodSync(at('fixed'), 0o555);
    for (const answer of [await remove(host, 'fixed/a.txt'), await rename(host, 'fixed/a.txt', 'a.txt'), await folder(host, 'fixed/new')]) {
      expect(outcome(answer)).toEqual([403, 'permission_denied']);
    }
    fs.chmodSync(at('fixed'), 0o755);
  });

  it('need a token that is for the whole host and may edit', async () => {
    write('a.txt');
    const session = (await host.open(host.notebook('scope.ipynb', [{ id: 'a', source: '1' }]))).session_id;
    const token = async (scope: string, session_id?: string) => ({ Authorization: `Bearer ${(await host.post('/api/v1/tokens', { scope, ...(session_id ? { session_id } : {}) })).body.token}` });
    for (const headers of [await token('view'), await token('interact'), await token('edit', session)]) {
      for (const answer of [await rename(host, 'a.txt', 'b.txt', headers), await remove(host, 'a.txt', '', headers), await folder(host, 'new', headers)]) {
        expect(answer.status).toBe(403);
      }
    }
    const edits = await token('edit');
    expect((await rename(host, 'a.txt', 'b.txt', edits)).status).toBe(200);
    expect((await remove(host, 'b.txt', '', edits)).status).toBe(204);
    expect((await folder(host, 'new', edits)).status).toBe(201);
    expect((await host.request('DELETE', `/api/v1/sessions/${session}`)).status).toBe(204);
  });

  it('of a live notebook: renamed, its session goes along with what is unsaved; deleted it is not', async () => {
    const info = await host.open(host.notebook('live.ipynb', [{ id: 'a', source: 'before' }]));
    const a = await Client.join(host, info);
    expect((await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'after' }] })).ok).toBe(true);
    for (const [answer, code] of [
      [await remove(host, 'live.ipynb'), 'is_open'],
      [await rename(host, 'live.ipynb', 'live.py'), 'other_format'],
      [await rename(host, 'live.ipynb', 'live.txt'), 'other_format'],
    ] as const) {
      expect(outcome(answer)).toEqual([409, code]);
    }
    fs.mkdirSync(at('deep'));
    const renamed = await rename(host, 'live.ipynb', 'deep/called.ipynb');
    expect([renamed.status, renamed.body]).toMatchObject([200, { path: 'deep/called.ipynb', type: 'notebook' }]);
    await a.event('save-state', (data: any) => data.path.endsWith('/deep/called.ipynb'));
    expect(fs.existsSync(at('live.ipynb'))).toBe(false);
    expect(source(host, 'deep/called.ipynb')).toBe('after');
    expect((await host.open('deep/called.ipynb')).session_id).toBe(info.session_id);
    // The folder of a live notebook is not deleted.
    for (const answer of [await remove(host, 'deep'), await remove(host, 'deep', '&recursive=true')]) {
      const sessions = [{ session_id: info.session_id, path: 'deep/called.ipynb' }];
      expect([...outcome(answer), answer.body.error.details]).toEqual([409, 'is_open', { session_id: info.session_id, sessions }]);
    }
    // Of several, all are named.
    const second = await host.open(host.notebook('deep/er/second.ipynb', [{ id: 's', source: '' }]));
    const both = (await remove(host, 'deep', '&recursive=true')).body.error;
    expect(both.message).toContain('and 1 more are open');
    expect(both.details.sessions).toEqual([
      { session_id: info.session_id, path: 'deep/called.ipynb' },
      { session_id: second.session_id, path: 'deep/er/second.ipynb' },
    ]);
    expect((await host.request('DELETE', `/api/v1/sessions/${second.session_id}`)).status).toBe(204);
    expect((await remove(host, 'deep/er', '&recursive=true')).status).toBe(204);
    // It is edited, saved and watched there; the old path is another notebook's.
    expect((await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'there' }] })).ok).toBe(true);
    expect((await a.command('save', {})).ok).toBe(true);
    expect(source(host, 'deep/called.ipynb')).toBe('there');
    fs.writeFileSync(at('deep/called.ipynb'), host.file('deep/called.ipynb').replace('there', 'outside'));
    await a.event('notebook-document-transaction', (data: any) => data.transaction.source === 'file');
    const other = await host.open(host.notebook('live.ipynb', [{ id: 'z', source: 'other' }]));
    expect([other.session_id === info.session_id, other.notebook_id === info.notebook_id]).toEqual([false, false]);
    await a.close();
    for (const { session_id } of [info, other]) expect((await host.request('DELETE', `/api/v1/sessions/${session_id}`)).status).toBe(204);
    expect((await remove(host, 'deep', '&recursive=true')).status).toBe(204);
    expect((await remove(host, 'live.ipynb')).status).toBe(204);
    expect(all()).toEqual({});
  });

  it('of a live notebook change in the middle of typing, again and again, and nothing is lost', async () => {
    const info = await host.open(host.notebook('n0.ipynb', [{ id: 'a', source: '' }]));
    const a = await Client.join(host, info);
    let typed = '';
    let name = 'n0.ipynb';
    for (let round = 1; round <= 6; round += 1) {
      const next = `n${round}.ipynb`;
      const edits = Array.from({ length: 5 }, (_, at) => {
        typed += `${round}${at} `;
        return a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: typed }] });
      });
      const [renamed] = await Promise.all([rename(host, name, next), a.command('save', {}), ...edits]);
      expect(renamed.status).toBe(200);
      name = next;
    }
    expect((await a.command('save', {})).ok).toBe(true);
    expect(fs.readdirSync(host.root).filter((one) => one.endsWith('.ipynb'))).toEqual([name]);
    expect(source(host, name)).toBe(typed);
    await a.close();
    await host.request('DELETE', `/api/v1/sessions/${info.session_id}`);
  });

  it('of a folder with live notebooks in it: all of them go along, in the middle of typing, and nothing comes back at the old place', async () => {
    const files = ['a.ipynb', 'sub/b.ipynb', 'sub/c.ipynb'];
    const infos = await Promise.all(files.map((name) => host.open(host.notebook(`f0/${name}`, [{ id: 'a', source: '' }]))));
    const people = await Promise.all(infos.map((info) => Client.join(host, info)));
    host.notebook('f0/closed.ipynb', [{ id: 'x', source: 'closed' }]);
    const closed = await host.open('f0/closed.ipynb');
    expect((await host.request('DELETE', `/api/v1/sessions/${closed.session_id}`)).status).toBe(204);
    const typed = files.map(() => '');
    let name = 'f0';
    for (let round = 1; round <= 5; round += 1) {
      const edits = people.flatMap((one, at) =>
        Array.from({ length: 4 }, (_, step) => {
          typed[at] += `${round}${step} `;
          return one.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: typed[at] }] });
        }),
      );
      const saves = people.map((one) => one.command('save', {}));
      const [renamed, ...answers] = await Promise.all([rename(host, name, `f${round}`), ...saves, ...edits]);
      expect([renamed.status, renamed.text]).toEqual([200, expect.anything()]);
      for (const answer of answers) expect(answer).toMatchObject({ ok: true });
      name = `f${round}`;
      // Whoever comes by the new path right away finds the same session.
      for (const [at, file] of files.entries()) expect((await host.open(`${name}/${file}`)).session_id).toBe(infos[at]!.session_id);
    }
    for (const [at, one] of people.entries()) {
      await one.event('save-state', (data: any) => data.path.endsWith(`/f5/${files[at]}`));
      expect(await one.command('save', {})).toMatchObject({ ok: true, path: path.join(host.root, 'f5', files[at]!) });
      expect(source(host, `f5/${files[at]}`)).toBe(typed[at]);
      expect(one.closed).toBeUndefined();
    }
    expect(fs.readdirSync(host.root)).toEqual(['f5']);
    expect((await host.open('f5/closed.ipynb')).notebook_id).toBe(closed.notebook_id);
    expect((await host.get('/api/v1/sessions')).body.sessions.map((row: any) => path.relative(host.root, row.path)).sort()).toEqual(
      [...files, 'closed.ipynb'].map((file) => `f5/${file}`).sort(),
    );
    // They are watched there, and the old place is free.
    fs.writeFileSync(at('f5/a.ipynb'), host.file('f5/a.ipynb').replace('10 ', 'outside '));
    await people[0]!.event('notebook-document-transaction', (data: any) => data.transaction.source === 'file');
    const other = await host.open(host.notebook('f0/a.ipynb', [{ id: 'z', source: 'other' }]));
    expect([other.session_id === infos[0]!.session_id, other.notebook_id === infos[0]!.notebook_id]).toEqual([false, false]);
    for (const one of people) await one.close();
    for (const { session_id } of (await host.get('/api/v1/sessions')).body.sessions) await host.request('DELETE', `/api/v1/sessions/${session_id}`);
  });

  it('of a folder leave alone a notebook that leaves it in the same moment', async () => {
    for (let round = 0; round < 12; round += 1) {
      const [from, to, out] = [`leaving${round}`, `left${round}`, `out${round}.ipynb`];
      const info = await host.open(host.notebook(`${from}/x.ipynb`, [{ id: 'a', source: '' }]));
      const a = await Client.join(host, info);
      expect((await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: `typed ${round}` }] })).ok).toBe(true);
      const [alone, all] = await Promise.all([rename(host, `${from}/x.ipynb`, out), rename(host, from, to)]);
      expect([alone.status, all.status].every((status) => [200, 404, 409].includes(status)), `${alone.text} ${all.text}`).toBe(true);
      const row = async () => (await host.get(`/api/v1/sessions/${info.session_id}`)).body;
      expect((await a.command('save', {})).ok).toBe(true);
      const places = [`${from}/x.ipynb`, `${to}/x.ipynb`, out].filter((name) => fs.existsSync(path.join(host.root, name)));
      expect(places).toHaveLength(1);
      expect((await row()).path).toBe(path.join(host.root, places[0]!));
      expect(source(host, places[0]!)).toBe(`typed ${round}`);
      await a.close();
      expect((await host.request('DELETE', `/api/v1/sessions/${info.session_id}`)).status).toBe(204);
    }
  });

  it('of a folder with live notebooks in it that cannot be had leave all of them as they are, and say why', async () => {
    const one = await host.open(host.notebook('dir/one.ipynb', [{ id: 'a', source: 'one' }]));
    const two = await host.open(host.notebook('dir/two.ipynb', [{ id: 'a', source: 'two' }]));
    const a = await Client.join(host, one);
    const b = await Client.join(host, two);
    write('taken/x.txt');
    expect(outcome(await rename(host, 'dir', 'dir/inside'))).toEqual([400, 'bad_path']);
    expect(outcome(await rename(host, 'dir', 'taken'))).toEqual([409, 'path_exists']);
    // A session whose file is gone would have the new name of one of these.
    const gone = await host.open(host.notebook('there/one.ipynb', [{ id: 'a', source: 'gone' }]));
    const c = await Client.join(host, gone);
    fs.rmSync(at('there'), { recursive: true });
    await c.event('save-state', (data: any) => data.error?.code === 'file_gone');
    const refused = await rename(host, 'dir', 'there');
    expect([...outcome(refused), refused.body.error.message]).toEqual([409, 'path_open', expect.stringContaining('there/one.ipynb')]);
    await c.close();
    await host.request('DELETE', `/api/v1/sessions/${gone.session_id}`);
    fs.rmSync(at('there'), { recursive: true, force: true });
    // Somebody has to choose in one of them: neither goes.
    expect((await b.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'ours' }] })).ok).toBe(true);
    fs.writeFileSync(at('dir/two.ipynb'), host.file('dir/two.ipynb').replace('two', 'theirs'));
    await b.event('conflict', (data: any) => data.choices.length > 0);
    const unsettled = await rename(host, 'dir', 'there');
    expect([...outcome(unsettled), unsettled.body.error.message, unsettled.body.error.hint]).toEqual([409, 'conflict', expect.stringContaining('two.ipynb'), expect.any(String)]);
    expect((await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'goes on' }] })).ok).toBe(true);
    expect((await a.command('save', {})).ok).toBe(true);
    expect(source(host, 'dir/one.ipynb')).toBe('goes on');
    expect((await b.command('save', { overwrite: true })).ok).toBe(true);
    expect((await rename(host, 'dir', 'there')).status).toBe(200);
    expect([source(host, 'there/one.ipynb'), source(host, 'there/two.ipynb')]).toEqual(['goes on', 'ours']);
    expect(Object.keys(all()).filter((name) => name.startsWith('dir'))).toEqual([]);
    await Promise.all([a.close(), b.close()]);
    for (const { session_id } of [one, two]) await host.request('DELETE', `/api/v1/sessions/${session_id}`);
  });

  it('of a folder that change while notebooks in it are opened, made and closed: each has one place', async () => {
    host.notebook('s0/a.ipynb', [{ id: 'a', source: 'a' }]);
    const { notebook_id } = await host.open('s0/a.ipynb');
    let name = 's0';
    for (let round = 1; round <= 12; round += 1) {
      const next = `s${round}`;
      const row = (await host.get('/api/v1/sessions')).body.sessions[0];
      const [renamed, opened, made] = await Promise.all([
        rename(host, name, next),
        host.post('/api/v1/notebooks/open', { path: `${name}/a.ipynb`, create: false }),
        host.post('/api/v1/notebooks/create', { path: `${name}/made${round}.ipynb`, runtime: 'python3' }),
        ...(row && round % 3 === 0 ? [host.request('DELETE', `/api/v1/sessions/${row.session_id}`)] : []),
      ]);
      expect([200, 409], renamed.text).toContain(renamed.status);
      expect([200, 404], opened.text).toContain(opened.status);
      expect([201, 403, 404, 409], made.text).toContain(made.status);
      if (renamed.status === 200) name = next;
      expect(fs.readdirSync(host.root)).toEqual([name]);
      const sessions = (await host.get('/api/v1/sessions')).body.sessions;
      for (const { path: where } of sessions) expect(where).toContain(`/${name}/`);
      expect((await host.open(`${name}/a.ipynb`)).notebook_id).toBe(notebook_id);
    }
    for (const { session_id } of (await host.get('/api/v1/sessions')).body.sessions) await host.request('DELETE', `/api/v1/sessions/${session_id}`);
  });

  it('of a notebook that nobody has open change with its id, its edits and its past; what is deleted comes back to nobody', async () => {
    const info = await host.open(host.notebook('old.ipynb', [{ id: 'a', source: 'one' }]));
    const a = await Client.join(host, info);
    expect((await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'two' }] })).ok).toBe(true);
    await a.close();
    const end = async (session_id: string) => expect((await host.request('DELETE', `/api/v1/sessions/${session_id}`)).status).toBe(204);
    const history = async (session_id: string) => (await host.get(`/api/v1/sessions/${session_id}/history`)).body.versions.map((one: any) => one.source);
    const past = await history(info.session_id);
    await end(info.session_id);
    expect((await rename(host, 'old.ipynb', 'new.ipynb')).status).toBe(200);
    const again = await host.open('new.ipynb');
    expect(again.notebook_id).toBe(info.notebook_id);
    expect(await history(again.session_id)).toEqual(past);
    const b = await Client.join(host, again);
    expect(b.ready.notebook.cells[0].source).toBe('two');
    expect((await b.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'three' }] })).ok).toBe(true);
    expect((await b.command('save', {})).ok).toBe(true);
    await b.close();
    await end(again.session_id);
    // With its folder, too.
    fs.mkdirSync(at('dir'));
    expect((await rename(host, 'new.ipynb', 'dir/new.ipynb')).status).toBe(200);
    expect((await rename(host, 'dir', 'moved')).status).toBe(200);
    const third = await host.open('moved/new.ipynb');
    expect(third.notebook_id).toBe(info.notebook_id);
    await end(third.session_id);
    // Deleted, what is put there is another one: neither its id nor its cells nor its past come back.
    expect((await remove(host, 'moved/new.ipynb')).status).toBe(204);
    const missing = await host.post('/api/v1/notebooks/open', { path: 'moved/new.ipynb', create: false });
    expect(outcome(missing)).toEqual([404, 'not_found']);
    const fresh = await host.open(host.notebook('moved/new.ipynb', [{ id: 'z', source: 'fresh' }]));
    expect(fresh.notebook_id).not.toBe(info.notebook_id);
    const c = await Client.join(host, fresh);
    expect(c.ready.notebook.cells.map((cell: any) => cell.source)).toEqual(['fresh']);
    expect(await history(fresh.session_id)).toEqual(['import']);
    await c.close();
    await end(fresh.session_id);
    // The same for all in a folder.
    expect((await remove(host, 'moved', '&recursive=true')).status).toBe(204);
    fs.mkdirSync(at('moved'));
    const last = await host.open(host.notebook('moved/new.ipynb', [{ id: 'y', source: 'last' }]));
    expect([last.notebook_id === fresh.notebook_id, last.notebook_id === info.notebook_id]).toEqual([false, false]);
    await end(last.session_id);
  });
});

describe('names of files that another host has open', () => {
  it('are left alone, and the answer says by whom', async () => {
    const first = await Host.start();
    const second = await Host.start({ root: first.root, env: { XDG_RUNTIME_DIR: path.join(first.home, 'run') } });
    try {
      const info = await first.open(first.notebook('theirs/n.ipynb', [{ id: 'a', source: '1' }]));
      for (const answer of [await rename(second, 'theirs/n.ipynb', 'mine.ipynb'), await remove(second, 'theirs/n.ipynb'), await remove(second, 'theirs', '&recursive=true')]) {
        expect(outcome(answer)).toEqual([423, 'open_elsewhere']);
        expect(answer.body.error.details.holder.pid).toBe(first.process.pid);
      }
      fs.writeFileSync(path.join(first.root, 'free.ipynb'), notebookText([{ id: 'b', source: '2' }]));
      // Of a folder they go along: its sessions follow.
      const a = await Client.join(first, info);
      expect((await rename(second, 'theirs', 'ours')).status).toBe(200);
      await a.event('save-state', (data: any) => data.path.endsWith('/ours/n.ipynb'));
      await a.close();
      expect((await first.request('DELETE', `/api/v1/sessions/${info.session_id}`)).status).toBe(204);
      await until('it may be renamed', async () => (await rename(second, 'ours/n.ipynb', 'mine.ipynb')).status === 200);
      const leases = path.join(first.home, 'run/lectern/notebooks');
      await until('no lease is left', () => fs.readdirSync(leases).every((name) => !name.startsWith('file-')));
    } finally {
      await second.stop(); // in the folders of the first
      await first.stop();
    }
  });
});

describe('a host that dies while it renames', () => {
  const intents = (host: Host) => path.join(host.home, 'state/lectern/renames');

  it('leaves every notebook where its file is, with its id and all that was acknowledged', async () => {
    let host = await Host.start({ args: ['--autosave-at-most-ms', '0'] });
    const { root, home } = host;
    const first = host;
    try {
      const files = ['a.ipynb', 'sub/b.ipynb'];
      const ids = new Map<string, string>();
      for (const file of files) ids.set(file, (await host.open(host.notebook(`f0/${file}`, [{ id: 'a', source: '' }]))).notebook_id);
      let name = 'f0';
      for (let round = 1; round <= 8; round += 1) {
        const people: Client[] = [];
        for (const file of files) people.push(await Client.join(host, await host.open(`${name}/${file}`)));
        const acknowledged = files.map(() => '');
        const next = `f${round}`;
        // What is acknowledged comes before the rename and while it goes on; where in it the host dies is chance.
        const edit = async (at: number, step: number) => {
          const text = `${round}.${step}`;
          const reply = await people[at]!.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: text }] });
          if (reply.ok) acknowledged[at] = text;
        };
        for (const at of files.keys()) await edit(at, 0);
        const renaming = rename(host, name, next).catch(() => undefined);
        const editing = files.map(async (_, at) => {
          for (let step = 1; step < 40 && !people[at]!.closed; step += 1) await Promise.race([edit(at, step), people[at]!.until('it is closed', () => people[at]!.closed)]);
        });
        const begun = () => round % 2 === 1 && fs.existsSync(intents(host)) && fs.readdirSync(intents(host)).length > 0;
        const end = Date.now() + 15_000;
        while (!begun() && !fs.existsSync(path.join(root, next)) && Date.now() < end) await new Promise(setImmediate);
        await host.kill('SIGKILL');
        await Promise.allSettled([renaming, ...editing]);
        host = await Host.start({ root, home, args: ['--autosave-at-most-ms', '0'] });
        expect(fs.readdirSync(intents(host))).toEqual([]);
        const left = fs.readdirSync(root);
        expect(left).toHaveLength(1);
        name = left[0]!;
        for (const [at, file] of files.entries()) {
          const info = await host.open(`${name}/${file}`);
          expect([file, info.notebook_id]).toEqual([file, ids.get(file)]);
          const reader = await Client.join(host, info, { viewOnly: true });
          const [, step] = reader.ready.notebook.cells[0].source.split('.');
          const [, known] = acknowledged[at]!.split('.');
          expect(Number(step)).toBeGreaterThanOrEqual(Number(known)); // one that was not acknowledged may be there too
          await reader.close();
        }
      }
    } finally {
      await host.stop();
      first.forget();
    }
  });

  it('right after the rename is made good by its next start, and one that was not begun is forgotten', async () => {
    const first = await Host.start({ args: ['--autosave-at-most-ms', '0'] });
    const { root, home } = first;
    try {
      const info = await first.open(first.notebook('old/n.ipynb', [{ id: 'a', source: 'file' }]));
      const a = await Client.join(first, info);
      expect((await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'journal' }] })).ok).toBe(true);
      await first.kill('SIGKILL');
      // As it is between the rename and the first that is told of it, and before another one.
      const inode = fs.statSync(path.join(root, 'old')).ino;
      const intent = (from: string, to: string) => JSON.stringify({ from: path.join(root, from), to: path.join(root, to), inode });
      fs.mkdirSync(intents(first), { recursive: true });
      fs.writeFileSync(path.join(intents(first), '1.json'), intent('old', 'new'));
      fs.writeFileSync(path.join(intents(first), '2.json'), intent('new', 'never'));
      fs.writeFileSync(path.join(intents(first), '3.json'), intent('old', 'new').slice(0, 20));
      fs.renameSync(path.join(root, 'old'), path.join(root, 'new'));
      const second = await Host.start({ root, home });
      try {
        expect(fs.readdirSync(intents(second))).toEqual([]);
        const again = await second.open('new/n.ipynb');
        expect([again.notebook_id, again.session_id]).toEqual([info.notebook_id, info.session_id]);
        const b = await Client.join(second, again);
        expect(b.ready.notebook.cells[0].source).toBe('journal');
        // Whoever had it open comes back by the old path, relative or not, and finds it where it is.
        for (const old of ['old/n.ipynb', path.join(root, 'old/n.ipynb')]) {
          const found = await second.open(old);
          expect([found.session_id, found.path]).toEqual([info.session_id, path.join(root, 'new/n.ipynb')]);
        }
        expect(outcome(await second.post('/api/v1/notebooks/open', { path: 'old/other.ipynb' }))).toEqual([404, 'not_found']);
        await b.close();
        // Until something else is at that path: then it means that.
        fs.mkdirSync(path.join(root, 'old'));
        const fresh = await second.open('old/n.ipynb');
        expect(fresh.path).toBe(path.join(root, 'old/n.ipynb'));
        expect([fresh.session_id === info.session_id, fresh.notebook_id === info.notebook_id]).toEqual([false, false]);
        expect((await second.open('new/n.ipynb')).session_id).toBe(info.session_id);
      } finally {
        await second.stop();
      }
    } finally {
      first.forget();
    }
  });
});
