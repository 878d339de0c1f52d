// New builds of plugins under a running host: reloaded by the API, or by a watched folder; tried before they are loaded.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, LECTERN, until } from '../support/host';

const BIN = path.dirname(LECTERN);
const BUILT = path.resolve(BIN, '../plugins');
const CRASHING = path.resolve(BIN, '../plugins-crashing');

describe('plugins that are replaced on disk', () => {
  const plugins = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-reload-'));
  const library = (id: string) => path.join(plugins, id, `${id}.so`);
  /** Another content, the same code. */
  function rebuild(id: string, mark: string, from = library(id)) {
    fs.writeFileSync(`${library(id)}.new`, Buffer.concat([fs.readFileSync(from), Buffer.from(mark)]));
    fs.renameSync(`${library(id)}.new`, library(id));
  }
  const generations = async (host: Host, id: string) =>
    (await host.get('/api/v1/plugins')).body.plugins.filter((one: any) => one.id === id).flatMap((one: any) => one.generations);
  let host: Host;
  beforeAll(async () => {
    for (const id of ['local-takeover', 'format-ipynb', 'runtime-jupyter']) fs.cpSync(path.join(BUILT, id), path.join(plugins, id), { recursive: true });
    host = await Host.start({ args: ['--plugin-path', plugins, '--watch-plugins'] });
  });
  afterAll(async () => {
    await host.stop();
    fs.rmSync(plugins, { recursive: true });
  });

  it('a policy in use is swapped as soon as its file is replaced; people stay', async () => {
    const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '1' }]));
    const a = await Client.join(host, info);
    const running = async () => (await host.get(`/api/v1/sessions/${info.session_id}/policy`)).body;
    const before = (await running()).generation;
    rebuild('local-takeover', 'second build');
    await until('the new generation is in', async () => (await running()).generation > before);
    expect((await running()).policy).toBe('local-takeover');
    expect((await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: '2' }] })).ok).toBe(true);
    expect(a.closed).toBeUndefined();
    await a.close();
  });

  it('a format serves the notebooks that are opened from then on; a transport wants a restart', async () => {
    await host.open(host.notebook('first.ipynb', [{ source: '1' }]));
    const before = (await generations(host, 'format-ipynb')).length;
    rebuild('format-ipynb', 'second build');
    await until('it is loaded', async () => (await generations(host, 'format-ipynb')).length > before);
    const reloaded = await host.post('/api/v1/plugins/format-ipynb/reload');
    expect([reloaded.status, reloaded.body.id]).toEqual([200, 'format-ipynb']);
    const newest = (await generations(host, 'format-ipynb')).at(-1);
    expect(reloaded.body.generation).toBe(newest.number);
    await host.open(host.notebook('second.ipynb', [{ source: '1' }]));
    expect((await generations(host, 'format-ipynb')).find((one: any) => one.number === newest.number).calls).toBeGreaterThan(0);
    const refused = await host.post('/api/v1/plugins/transport-sse/reload');
    expect([refused.status, refused.body.error.code]).toEqual([409, 'not_reloadable']);
  });

  it('a build that dies when it is tried is refused with the blame; the old one goes on', async () => {
    const info = await host.open(host.notebook('tried.ipynb', [{ id: 'a', source: '1' }]));
    const a = await Client.join(host, info);
    rebuild('local-takeover', '', path.join(CRASHING, 'crashing-start/crashing-start.so'));
    await until('it was refused', () => /'local-takeover' was replaced on disk and is not reloaded:.*SIGSEGV/.test(host.stderr));
    const asked = await host.post('/api/v1/plugins/local-takeover/reload');
    expect(asked.status).toBeGreaterThanOrEqual(400);
    expect(asked.body.error.message).toMatch(/SIGSEGV/);
    expect((await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: '2' }] })).ok).toBe(true);
    await a.close();
  });

  it('staged copies that no process uses go at the next start; those in use stay', async () => {
    const staged = (state: string) => fs.readdirSync(path.join(state, 'lectern/plugins'));
    const state = path.join(host.home, 'state');
    const old = path.join(state, 'lectern/plugins', '0'.repeat(64));
    fs.mkdirSync(old, { mode: 0o700 });
    fs.writeFileSync(path.join(old, 'left-over.so'), 'of a host that is gone');
    const inUse = (await generations(host, 'format-ipynb')).map((one: any) => one.sha256);
    const second = await Host.start({ home: host.home, root: host.root });
    await until('it is gone', () => !staged(state).includes('0'.repeat(64)));
    expect(staged(state)).toEqual(expect.arrayContaining([inUse.at(-1)]));
    await second.stop();
  });
});

describe('a plugin that is looked at', () => {
  const plugins = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-look-'));
  let host: Host;
  beforeAll(async () => {
    for (const id of ['local-takeover', 'collaborative', 'format-ipynb', 'runtime-jupyter']) fs.cpSync(path.join(BUILT, id), path.join(plugins, id), { recursive: true });
    host = await Host.start({ args: ['--plugin-path', plugins] });
  });
  afterAll(async () => {
    await host.stop();
    fs.rmSync(plugins, { recursive: true });
  });

  it('goes on as it is though another build lies on disk; one that nobody uses says its schema', async () => {
    await host.open(host.notebook('n.ipynb', [{ source: '1' }]));
    const library = path.join(plugins, 'local-takeover/local-takeover.so');
    fs.writeFileSync(`${library}.new`, Buffer.concat([fs.readFileSync(library), Buffer.from('second build')]));
    fs.renameSync(`${library}.new`, library);
    const used = await host.get('/api/v1/plugins/local-takeover');
    expect(used.body.generations.map((one: any) => one.state)).toEqual(['active']);
    expect(used.body.generations[0].config_schema.title).toBe('Local takeover');
    const unused = await host.get('/api/v1/plugins/collaborative');
    expect([unused.status, unused.body.generations.length]).toEqual([200, 1]);
  });
});
