// Plugins are real: taking one away removes exactly its ability, and a bad one is refused with its reason.
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, LECTERN, until } from '../support/host';
import { BUILT, installWithout } from '../support/installation';

describe('taking a plugin away', () => {
  const cleanup: (() => Promise<void>)[] = [];
  afterAll(async () => {
    await Promise.all(cleanup.map((task) => task()));
  });
  async function start(missing: string | string[], args: string[] = []) {
    const { folder, binary } = installWithout(...[missing].flat());
    const host = await Host.start({ args, binary });
    cleanup.push(async () => {
      await host.stop();
      fs.rmSync(folder, { recursive: true });
    });
    return host;
  }
  const names = (answer: any, id: string) => expect(JSON.stringify(answer)).toContain(id);

  it('format-ipynb: notebooks do not open; the rest answers', async () => {
    const host = await start('format-ipynb');
    host.notebook('n.ipynb', [{ source: '1' }]);
    const answer = await host.post('/api/v1/notebooks/open', { path: 'n.ipynb' });
    expect([answer.status, answer.body.error.code]).toEqual([415, 'unknown_format']);
    const named = /no format plugin/i;
    expect(answer.body.error.message).toMatch(named);
    const made = await host.post('/api/v1/notebooks/create', { runtime: 'jupyter/python3' });
    expect(made.status).toBe(415);
    expect(made.body.error.message).toMatch(named);
    expect((await host.get('/api/v1/sessions')).text).not.toContain('n.ipynb');
    expect((await host.get('/api/v1/files')).status).toBe(200);
  });

  it('every runtime: editing and saving work, running says what is missing', async () => {
    const host = await start(['runtime-gateway', 'runtime-jupyter', 'runtime-shell']);
    const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '1' }]));
    const a = await Client.join(host, info);
    expect((await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: '2' }] })).ok).toBe(true);
    expect((await a.command('save', {})).ok).toBe(true);
    const run = await a.command('execute', { cell_ids: ['a'] });
    expect([run.ok, run.error.code, run.error.status]).toEqual([false, 'no_runtime_plugin', 503]);
    expect(`${run.error.message} ${run.error.hint}`).toMatch(/runtime plugin.*runtime-jupyter/);
    const made = await host.post('/api/v1/notebooks/create', { runtime: 'python3' });
    expect([made.status, made.body.error.code]).toEqual([503, 'no_runtime_plugin']);
    expect(made.body.error.message).toMatch(/runtime plugin|runtime-jupyter/);
    await a.close();
  });

  it('runtime-shell: its kernel is not there, the others are', async () => {
    const host = await start('runtime-shell');
    const made = await host.post('/api/v1/notebooks/create', { runtime: 'shell/sh' });
    expect([made.status, made.body.error.code]).toEqual([400, 'unknown_runtime']);
    names(made.body.error.details.known, 'jupyter/python3');
    expect(JSON.stringify(made.body.error.details.known)).not.toContain('shell/');
  });

  it('runtime-jupyter: notebooks open, its kernels are not there, the shell runs', async () => {
    const host = await start('runtime-jupyter');
    const made = await host.post('/api/v1/notebooks/create', { runtime: 'jupyter/python3' });
    expect([made.status, made.body.error.code]).toEqual([400, 'unknown_runtime']);
    expect(JSON.stringify(made.body.error.details.known)).not.toContain('jupyter/');
    const a = await Client.join(host, await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '1' }])));
    await a.command('execute', { cell_ids: ['a'] });
    const status = await a.event('kernel-status', (data) => data.error !== undefined);
    expect(status.data.state).toBe('none');
    expect(status.data.error).toMatch(/there is no runtime "python3".*known: shell\/sh/);
    await a.close();
    const shell = await host.post('/api/v1/notebooks/create', { runtime: 'shell/sh' });
    expect(shell.status).toBe(201);
    const b = await Client.join(host, shell.body);
    expect((await b.command('transaction', { changes: [{ type: 'create_cell', cell_id: 's', cell_type: 'code', source: 'echo here' }] })).ok).toBe(true);
    await b.execute(['s']);
    expect(b.text('s')).toContain('here');
    await b.close();
  });

  it.each([
    ['format-percent', 'n.py', '# %%\n1\n'],
    ['format-markdown', 'n.md', '---\nkernelspec:\n  name: python3\n---\n\n```{code-cell}\n1\n```\n'],
    ['format-quarto', 'n.qmd', '# Title\n\n```{python}\n1\n```\n'],
  ])('%s: its files do not open, and those that do are named', async (id, name, text) => {
    const host = await start(id);
    fs.writeFileSync(path.join(host.root, name), text);
    const answer = await host.post('/api/v1/notebooks/open', { path: name });
    expect([answer.status, answer.body.error.code]).toEqual([415, 'unknown_format']);
    names(answer.body, '.ipynb');
    expect(fs.readFileSync(path.join(host.root, name), 'utf8')).toBe(text);
    await host.open(host.notebook('n.ipynb', [{ source: '1' }]));
  });

  it('presence-local: hosts beside it are not seen, and the list says why', async () => {
    const host = await start('presence-local');
    const listed = await host.get('/api/v1/presence');
    expect(listed.status).toBe(200);
    expect(listed.body.sessions).toEqual([]);
    const row = listed.body.backends.find((one: any) => one.id === 'presence-local');
    expect(row.ok).toBe(false);
    expect(row.problem).toContain('presence-local');
    await until('the warning is out', () => /warning.*other hosts on this machine are not seen.*presence-local/.test(host.stderr));
  });

  it('presence-redis: a host given a server refuses to start, one without starts', async () => {
    const host = await start('presence-redis');
    expect((await host.get('/api/v1/presence')).status).toBe(200);
    const { folder, binary } = installWithout('presence-redis');
    try {
      const args = ['--presence', 'presence-redis={"address":"127.0.0.1:1"}'];
      const refused = Host.start({ args, binary }).then((started) => started.stop());
      await expect(refused).rejects.toThrow(/the plugin presence-redis is not in the plugin path or was refused/);
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });

  it('transport-websocket: sockets are refused with its name, the event stream works', async () => {
    const host = await start('transport-websocket');
    const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '1' }]));
    await expect(Client.join(host, info)).rejects.toThrow(/404 .*plugin_missing.*transport-websocket/);
    const made = await host.post(`/api/v1/sessions/${info.session_id}/clients`, {});
    const stream = await fetch(`${host.url}/api/v1/sessions/${info.session_id}/events?ticket=${made.body.ticket}`, {
      headers: { Authorization: `Bearer ${host.token}` },
    });
    expect(stream.status).toBe(200);
    await stream.body!.cancel();
  });

  it('transport-sse: event streams are refused, sockets work', async () => {
    const host = await start('transport-sse');
    const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '1' }]));
    const a = await Client.join(host, info);
    const made = await host.post(`/api/v1/sessions/${info.session_id}/clients`, {});
    const stream = await host.get(`/api/v1/sessions/${info.session_id}/events?ticket=${made.body.ticket}`);
    expect([stream.status, stream.body.error.code]).toEqual([404, 'plugin_missing']);
    names(stream.body, 'transport-sse');
    const wide = await host.get('/api/v1/events');
    expect([wide.status, wide.body.error.code]).toEqual([404, 'plugin_missing']);
    names(wide.body, 'transport-sse');
    await a.close();
  });

  it('presence-folder: no remote sessions, and a host given a folder refuses to start', async () => {
    const host = await start('presence-folder');
    const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '1' }]));
    const a = await Client.join(host, info);
    const presence = await host.get('/api/v1/presence');
    expect(presence.status).toBe(200);
    expect(presence.body.sessions ?? presence.body).toEqual([]);
    await a.close();
    const { folder, binary } = installWithout('presence-folder');
    const shared = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-presence-'));
    try {
      const refused = Host.start({ args: ['--presence-folder', shared], binary }).then((started) => started.stop());
      await expect(refused).rejects.toThrow(/the plugin presence-folder is not in the plugin path or was refused/);
      expect(fs.readdirSync(shared)).toEqual([]);
    } finally {
      fs.rmSync(folder, { recursive: true });
      fs.rmSync(shared, { recursive: true });
    }
  });

  it('runtime-gateway: kernels here run, and a host given a gateway refuses to start', async () => {
    const host = await start('runtime-gateway');
    const a = await Client.join(host, await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '6 * 7' }])));
    await a.execute(['a']);
    expect(a.text('a')).toBe('42');
    await a.close();
    const { folder, binary } = installWithout('runtime-gateway');
    try {
      const refused = Host.start({ args: ['--gateway', 'http://127.0.0.1:9'], binary }).then((started) => started.stop());
      await expect(refused).rejects.toThrow(/the plugin runtime-gateway is not in the plugin path or was refused/);
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });

  it('local-takeover: a host told to use it says what is missing', async () => {
    const { folder, binary } = installWithout('local-takeover');
    try {
      await expect(Host.start({ args: ['--policy', 'local-takeover'], binary })).rejects.toThrow(/local-takeover/);
      const host = await Host.start({ args: ['--policy', 'collaborative'], binary });
      const swapped = await host.put('/api/v1/policy', { policy: 'local-takeover' });
      expect(swapped.status).toBeGreaterThanOrEqual(400);
      names(swapped.body, 'local-takeover');
      await host.stop();
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });

  it('local-takeover, the default: the host starts with a warning, and opening names what is missing', async () => {
    const host = await start('local-takeover');
    await until('the warning is out', () => /warning.*'local-takeover' is not in the plugin path or was refused/.test(host.stderr));
    const answer = await host.post('/api/v1/notebooks/open', { path: host.notebook('n.ipynb', [{ source: '1' }]) });
    expect([answer.status, answer.body.error.code]).toEqual([404, 'plugin_missing']);
    expect(answer.body.error.message).toMatch(/no policy plugin "local-takeover"/);
    expect((await host.get('/api/v1/sessions')).text).not.toContain('n.ipynb');
    expect((await host.put('/api/v1/policy', { policy: 'collaborative' })).status).toBe(200);
    await host.open('n.ipynb');
  });

  it('collaborative: it cannot be chosen, the default policy works', async () => {
    const host = await start('collaborative');
    const swapped = await host.put('/api/v1/policy', { policy: 'collaborative' });
    expect(swapped.status).toBeGreaterThanOrEqual(400);
    names(swapped.body, 'collaborative');
    const a = await Client.join(host, await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '1' }])));
    expect(a.ready.consumer_capabilities.edit).toBe(true);
    await a.close();
  });
});

describe('bad plugins', () => {
  let install: ReturnType<typeof installWithout>;
  let folder: string;
  let host: Host;
  beforeAll(async () => {
    install = installWithout('');
    folder = install.plugins;
    const bad = path.resolve(path.dirname(LECTERN), '../plugins-bad');
    if (fs.existsSync(bad)) for (const id of fs.readdirSync(bad)) fs.cpSync(path.join(bad, id), path.join(folder, id), { recursive: true });
    const text = path.join(folder, 'text-file');
    fs.mkdirSync(text);
    fs.writeFileSync(path.join(text, 'text-file.so'), 'I am not a library\n');
    const manifest = JSON.parse(fs.readFileSync(path.join(BUILT, 'local-takeover/local-takeover.plugin.json'), 'utf8'));
    fs.writeFileSync(
      path.join(text, 'text-file.plugin.json'),
      JSON.stringify({ ...manifest, id: 'text-file', library: 'text-file.so', sha256: undefined }),
    );
    host = await Host.start({ binary: install.binary });
  });
  afterAll(async () => {
    await host.stop();
    fs.rmSync(install.folder, { recursive: true });
  });

  it('each is refused with a reason, and the host and its sessions go on', async () => {
    const a = await Client.join(host, await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '1' }])));
    const bad = fs.readdirSync(folder).filter((id) => !fs.existsSync(path.join(BUILT, id)));
    expect(bad.length).toBeGreaterThanOrEqual(4);
    for (const id of bad) {
      const swapped = await host.put('/api/v1/policy', { policy: id });
      if (swapped.status === 200) {
        // One that loads but misbehaves: requests are denied or the last good policy is put back; nobody is cut off.
        const b = await Client.join(host, a.session);
        const answer = await b.takeover();
        expect([id, [200, 202, 403, 500, 503].includes(answer.status)]).toEqual([id, true]);
        await b.close();
      } else {
        expect([id, swapped.body.error.message.length > 20]).toEqual([id, true]);
      }
      const back = await host.put('/api/v1/policy', { policy: 'local-takeover' });
      expect([id, back.status]).toEqual([id, 200]);
      expect([id, a.closed]).toEqual([id, undefined]);
    }
    expect((await a.command('room', {}, { epoch: null })).ok).toBe(true);
    await a.close();
  });

  it('`lectern plugins` lists what was found, what was refused and why', () => {
    const result = spawnSync(install.binary, ['plugins', '--json'], { encoding: 'utf8' });
    const listed = JSON.parse(result.stdout);
    const text = JSON.stringify(listed);
    expect(text).toContain('local-takeover');
    expect(text).toContain('text-file');
    const plain = execFileSync(install.binary, ['plugins'], { encoding: 'utf8' });
    expect(plain).toMatch(/text-file.*\n?.*(refused|not)/i);
  });
});
