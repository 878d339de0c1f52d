// Files as bytes: into the served folder and out of it.
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, notebookText } from '../support/host';

describe('files', () => {
  let host: Host;
  beforeAll(async () => {
    host = await Host.start();
    fs.mkdirSync(path.join(host.root, 'data/.secret'), { recursive: true });
  });
  afterAll(() => host.stop());

  const url = (name: string, more = '') => `/api/v1/files/content?path=${encodeURIComponent(name)}${more}`;
  const put = (name: string, bytes: Uint8Array | string, more = '', headers: Record<string, string> = {}) =>
    host.request('POST', url(name, more), bytes, { 'Content-Type': 'application/octet-stream', ...headers });
  const bytesOf = async (route: string) => {
    const answer = await fetch(host.url + route, { headers: { Authorization: `Bearer ${host.token}` } });
    return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) };
  };
  const token = async (scope: string, session_id?: string) => {
    const made = await host.post('/api/v1/tokens', { scope, ...(session_id ? { session_id } : {}) });
    return { Authorization: `Bearer ${made.body.token}` };
  };

  it('come in whole, go out as they came, and are never replaced unasked', async () => {
    const bytes = Buffer.from([0, 255, 13, 10, 1, 200]);
    const made = await put('data/täble 1.bin', bytes);
    expect([made.status, made.body]).toMatchObject([201, { name: 'täble 1.bin', path: 'data/täble 1.bin', type: 'file', size: 6 }]);
    expect(fs.readFileSync(path.join(host.root, 'data/täble 1.bin'))).toEqual(bytes);
    const back = await bytesOf(url('data/täble 1.bin'));
    expect(back.bytes).toEqual(bytes);
    expect(back.headers.get('content-disposition')).toBe("attachment; filename*=UTF-8''t%C3%A4ble%201.bin");
    expect(back.headers.get('x-content-type-options')).toBe('nosniff');
    expect(back.headers.get('content-security-policy')).toContain('sandbox');
    const again = await put('data/täble 1.bin', 'other');
    expect([again.status, again.body.error.code]).toEqual([409, 'path_exists']);
    expect(fs.readFileSync(path.join(host.root, 'data/täble 1.bin'))).toEqual(bytes);
    fs.chmodSync(path.join(host.root, 'data/täble 1.bin'), 0o640);
    expect((await put('data/täble 1.bin', 'other', '&overwrite=true')).status).toBe(200);
    expect(fs.readFileSync(path.join(host.root, 'data/täble 1.bin'), 'utf8')).toBe('other');
    expect(fs.statSync(path.join(host.root, 'data/täble 1.bin')).mode & 0o777).toBe(0o640);
    expect(fs.readdirSync(path.join(host.root, 'data')).filter((name) => name.includes('.lectern-'))).toEqual([]);
    expect((await put('empty', '')).status).toBe(201);
  });

  it('of one name, sent one after the other, meet nobody who is still at it', async () => {
    for (let round = 0; round < 60; round += 1) {
      expect([round, (await put('again.txt', `${round}`, '&overwrite=true')).status]).toEqual([round, round === 0 ? 201 : 200]);
    }
  });

  it('of one name, sent at once: one is taken and the others are told', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, (_, at) => put('race.txt', `content ${at}`)));
    expect(answers.map((answer) => answer.status).sort()).toEqual([201, 409, 409, 409, 409, 409, 409, 409]);
    const won = answers.findIndex((answer) => answer.status === 201);
    expect(host.file('race.txt')).toBe(`content ${won}`);
  });

  it('stay inside the root, and what is hidden stays hidden', async () => {
    fs.symlinkSync('/etc', path.join(host.root, 'out'));
    fs.symlinkSync('/etc/hostname', path.join(host.root, 'name.txt'));
    fs.writeFileSync(path.join(host.root, '.env'), 'KEY=1');
    const cases: [string, number, string][] = [
      ['../x.txt', 403, 'outside_root'],
      ['/etc/x.txt', 403, 'outside_root'],
      ['out/x.txt', 403, 'outside_root'],
      ['name.txt', 403, 'outside_root'],
      ['.env', 403, 'hidden_file'],
      ['data/.secret/key', 403, 'hidden_file'],
      ['data', 400, 'is_a_folder'],
      ['nowhere/x.txt', 404, 'not_found'],
      ['a\u0000b', 400, 'bad_path'],
      ['', 400, 'bad_request'],
    ];
    for (const [name, status, code] of cases) {
      for (const overwrite of ['', '&overwrite=true']) {
        const answer = await put(name, 'x', overwrite);
        expect([name, answer.status, answer.body.error.code]).toEqual([name, status, code]);
      }
      const read = await host.get(url(name));
      expect([name, read.status, read.body.error.code]).toEqual([name, status, code]);
    }
    const missing = await host.get(url('missing.txt'));
    expect([missing.status, missing.body.error.code]).toEqual([404, 'not_found']);
  });

  it('need a token that is for the whole host and may edit; they are bounded before they are read', async () => {
    const session = (await host.open(host.notebook('scope.ipynb', [{ id: 'a', source: '1' }]))).session_id;
    for (const headers of [await token('view'), await token('interact'), await token('edit', session)]) {
      expect((await put('scoped.txt', 'x', '', headers)).status).toBe(403);
      expect((await host.get(url('race.txt'), headers)).status).toBe(403);
    }
    expect((await put('scoped.txt', 'x', '', await token('edit'))).status).toBe(201);
    const { upload_bytes, command_bytes } = (await host.get('/api/v1/info')).body.limits;
    expect(command_bytes).toBeLessThan(upload_bytes);
    const large = await fetch(host.url + url('large.bin'), {
      method: 'POST',
      headers: { Authorization: `Bearer ${host.token}`, 'Content-Length': String(upload_bytes + 1) },
      body: 'x',
    }).then((answer) => answer.status, () => 'refused by the client');
    expect([413, 'refused by the client']).toContain(large);
    expect(fs.existsSync(path.join(host.root, 'large.bin'))).toBe(false);
  });

  it('of a live notebook are what a save would write now, unsaved edits included; it is not replaced under its people', async () => {
    const name = host.notebook('live.ipynb', [{ id: 'a', source: 'before' }]);
    const info = await host.open(name);
    const a = await Client.join(host, info);
    const saved = await bytesOf(`/api/v1/sessions/${info.session_id}/file`);
    expect(saved.bytes.toString()).toBe(host.file(name));
    expect((await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'after' }] })).ok).toBe(true);
    for (const route of [`/api/v1/sessions/${info.session_id}/file`, url(name)]) {
      const now = await bytesOf(route);
      expect(now.headers.get('content-disposition')).toContain('live.ipynb');
      expect(JSON.parse(now.bytes.toString()).cells[0].source.join('')).toBe('after');
    }
    const viewer = await host.get(`/api/v1/sessions/${info.session_id}/file`, await token('view', info.session_id));
    expect(viewer.status).toBe(200);
    const over = await put(name, notebookText([{ id: 'b', source: 'theirs' }]), '&overwrite=true');
    expect([over.status, over.body.error.code]).toEqual([409, 'is_open']);
    await a.close();
    expect((await put('new.ipynb', notebookText([{ id: 'n', source: '1' }]))).body).toMatchObject({ type: 'notebook' });
    expect((await host.open('new.ipynb')).cell_count).toBe(1);
    expect((await put('new.py', '# %%\n1 + 1\n')).status).toBe(201);
  });
});
