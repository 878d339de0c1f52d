// What a notebook wants installed is approved per machine, never by the file (protocol 2 connection info, 4 trust, 5
// trust-state).
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host } from '../support/host';

describe('trust', () => {
  let home: string;
  let root: string;
  let host: Host;
  beforeAll(async () => {
    home = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-trust-home-'));
    root = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-trust-root-'));
    host = await Host.start({ home, root });
  });
  afterAll(async () => {
    await host.stop();
    for (const folder of [home, root]) fs.rmSync(folder, { recursive: true, force: true });
  });

  const cells = [{ id: 'a', source: '1' }];
  const heads = async (info: { session_id: string }) => (await host.get(`/api/v1/sessions/${info.session_id}`)).body.heads as string[];
  const describeSession = async (info: { session_id: string }) => (await host.get(`/api/v1/sessions/${info.session_id}`)).body;

  for (const [manager, metadata] of [
    ['uv', { uv: { dependencies: ['requests'] } }],
    ['conda', { runt: { conda: { dependencies: ['xarray'], channels: ['bioconda'] } } }],
    ['pixi', { pixi: { dependencies: { polars: '*' } } }],
    ['deno', { deno: { permissions: ['--allow-net'] } }],
  ] as const) {
    it(`${manager}: a notebook with dependencies nobody approved needs approval, and says which`, async () => {
      const info = await host.open(host.notebook(`${manager}.ipynb`, cells, metadata));
      expect(info.needs_trust_approval).toBe(true);
      const a = await Client.join(host, info);
      const told = await a.event('trust-state');
      expect([told.seq, told.data.needs_approval]).toEqual([null, true]);
      for (const one of told.data.dependencies) expect(one).toMatch(new RegExp(`^${manager} `));
      expect((await describeSession(info)).needs_trust_approval).toBe(true);
      await a.close();
    });
  }

  it('approval is bound to the heads that were seen, holds for the machine and over a restart, and is not in the file', async () => {
    const name = host.notebook('bound.ipynb', cells, { uv: { dependencies: ['Numpy>=2'] } });
    const info = await host.open(name);
    const a = await Client.join(host, info);
    const seen = await heads(info);
    expect((await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: '2' }] })).ok).toBe(true);
    const late = await a.command('trust', { heads: seen });
    expect([late.ok, late.error.code, late.error.status]).toEqual([false, 'stale_base', 409]);
    expect(late.error.details.heads).toEqual(await heads(info));
    expect((await describeSession(info)).needs_trust_approval).toBe(true);
    expect((await a.command('trust', { heads: late.error.details.heads })).ok).toBe(true);
    await a.event('trust-state', (data) => data.needs_approval === false);
    expect((await describeSession(info)).needs_trust_approval).toBe(false);
    // The same package in another notebook, spelled otherwise; another one needs a look of its own.
    expect((await host.open(host.notebook('same.ipynb', cells, { uv: { dependencies: ['numpy'] } }))).needs_trust_approval).toBe(false);
    expect((await host.open(host.notebook('from.ipynb', cells, { uv: { dependencies: ['numpy @ https://evil/x.whl'] } }))).needs_trust_approval).toBe(true);
    expect((await a.command('save')).ok).toBe(true);
    expect(host.file(name)).not.toMatch(/trust|approv/);
    await a.close();
    await host.kill('SIGTERM');
    host = await Host.start({ home, root });
    expect((await host.open(name)).needs_trust_approval).toBe(false);
    expect((await host.open('from.ipynb')).needs_trust_approval).toBe(true);
  });

  it('who came before the document was built approves by the heads it was shown', async () => {
    const info = await host.open(host.notebook('early.ipynb', cells, { uv: { dependencies: ['early-package'] } }));
    const editor = await Client.join(host, info);
    expect(editor.ready.notebook.version).toBe(1);
    expect((await editor.command('trust', { heads: editor.ready.notebook.heads })).ok).toBe(true);
    expect((await editor.command('trust', { heads: [] })).ok).toBe(true);
    expect((await editor.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: '2' }] })).ok).toBe(true);
    expect((await editor.command('trust', { heads: [] })).error.code).toBe('stale_base');
    await editor.close();
  });

  it('a reader cannot approve', async () => {
    const info = await host.open(host.notebook('reader.ipynb', cells, { uv: { dependencies: ['reader-package'] } }));
    const editor = await Client.join(host, info);
    const reader = await Client.join(host, info);
    const refused = await reader.command('trust', { heads: await heads(info) }, { epoch: null });
    expect([refused.ok, refused.error.code]).toEqual([false, 'read_only']);
    expect((await describeSession(info)).needs_trust_approval).toBe(true);
    await editor.close();
    await reader.close();
  });

  it('dependencies named at create are consented to', async () => {
    const made = await host.post('/api/v1/notebooks/create', {
      runtime: 'jupyter/python3', path: 'created.ipynb', package_manager: 'uv', dependencies: ['a-created-package>=1'],
    });
    expect([made.status, made.body.needs_trust_approval]).toEqual([201, false]);
    expect((await host.open(host.notebook('later.ipynb', cells, { uv: { dependencies: ['a_created_package'] } }))).needs_trust_approval).toBe(false);
  });

  it('somebody who adds a dependency makes the notebook ask', async () => {
    const info = await host.open(host.notebook('added.ipynb', cells));
    expect(info.needs_trust_approval).toBe(false);
    const a = await Client.join(host, info);
    const value = { dependencies: ['added-package'] };
    expect((await a.command('transaction', { changes: [{ type: 'set_metadata', cell_id: null, path: ['uv'], value }] })).ok).toBe(true);
    expect((await a.event('trust-state')).data).toEqual({ needs_approval: true, dependencies: ['uv dependencies added-package'] });
    await a.close();
  });
});
