// Plugins that nobody vouched for live in processes of their own: what they do to themselves, they do to nobody else.
// The plugins are tests/plugins-bad/crashing_*.cpp: the file, or the reason of a takeover, says how to die.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, LECTERN, until } from '../support/host';

const CRASHING = path.resolve(path.dirname(LECTERN), '../plugins-crashing');
const BUILT = path.resolve(path.dirname(LECTERN), '../plugins');

const metric = (text: string, name: string) => Number(new RegExp(`^lectern_${name} (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
async function plugin(host: Host, id: string) {
  const list = (await host.get('/api/v1/plugins')).body.plugins as any[];
  return list.find((one) => one.id === id && one.state !== 'refused');
}

describe('a format that crashes', () => {
  let host: Host;
  beforeAll(async () => {
    host = await Host.start({ args: ['--plugin-path', CRASHING, '--isolated-memory-mb', '256'] });
  });
  afterAll(() => host.stop());
  const open = (how: string) => {
    const name = `${how}.crash`;
    fs.writeFileSync(path.join(host.root, name), how);
    return host.post('/api/v1/notebooks/open', { path: name });
  };

  it('costs the call that killed it, with the blame in words; notebooks and sessions go on', async () => {
    const info = await host.open(host.notebook('good.ipynb', [{ id: 'a', source: '1' }]));
    const a = await Client.join(host, info);
    for (const [how, blame] of [
      ['segv', /SIGSEGV/],
      ['abort', /SIGABRT/],
      ['exec', /SIGSYS/],
      ['bomb', /out of memory|its process was ended|did not answer/],
    ] as const) {
      const answer = await until(`${how} was tried`, async () => {
        const tried = await open(how);
        return tried.status === 503 ? undefined : tried;
      });
      expect([how, answer.status]).toEqual([how, 500]);
      expect(answer.body.error.message).toMatch(blame);
      expect(answer.body.error.message).toContain('crashing-format');
      expect((await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: how }] })).ok).toBe(true);
    }
    const fine = await until('the plugin is back', async () => {
      const tried = await open('fine');
      return tried.status === 503 ? undefined : tried;
    });
    expect([fine.status, fine.body.format]).toEqual([200, 'crashing-format']);
    expect(a.closed).toBeUndefined();
    const shown = await plugin(host, 'crashing-format');
    expect([shown.trusted, shown.isolation]).toEqual([false, 'process']);
    const generation = shown.generations.at(-1);
    expect(generation.restarts).toBeGreaterThanOrEqual(3);
    expect(generation.failures).toBeGreaterThanOrEqual(4);
    expect(generation.memory_bytes).toBeGreaterThan(1 << 20);
    expect(generation.pid).not.toBe(host.process.pid);
    expect((await plugin(host, 'format-ipynb')).generations.at(-1).isolation).toBe('none');
    await a.close();
  });

  it('is found out when it loops, and nobody waits for it but who asked', async () => {
    const looping = open('loop');
    const info = await host.open(host.notebook('other.ipynb', [{ id: 'a', source: '1' }]));
    const a = await Client.join(host, info);
    expect((await a.command('save', {})).ok).toBe(true);
    const answer = await looping;
    expect(answer.status).toBe(500);
    expect(answer.body.error.message).toMatch(/did not answer within/);
    await a.close();
  }, 60_000);
});

/** The plugin processes of a host. */
function children(host: Host): number[] {
  return fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).filter((pid) => {
    try {
      const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      return parent === host.process.pid && stat.includes('(lectern-plugin');
    } catch {
      return false; // it has ended since
    }
  }).map(Number);
}

/** Ends it, if it has not ended since it was listed. */
function killed(pid: number) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

describe('a format that is slow with one file', () => {
  it('reads the others meanwhile', async () => {
    const host = await Host.start({ args: ['--plugin-path', CRASHING] });
    try {
      fs.writeFileSync(path.join(host.root, 'wait.crash'), 'wait');
      let answered = false;
      const slow = host.post('/api/v1/notebooks/open', { path: 'wait.crash' }).then((answer) => {
        answered = true;
        return answer;
      });
      let n = 0;
      await until('two processes read', async () => {
        const name = `quick${++n}.crash`;
        fs.writeFileSync(path.join(host.root, name), `# ${name}`);
        const quick = await host.post('/api/v1/notebooks/open', { path: name });
        expect([quick.status, quick.body.format]).toEqual([200, 'crashing-format']);
        return children(host).length >= 2;
      });
      expect(answered).toBe(false);
      await until('the slow one has an end', () => {
        for (const pid of children(host)) killed(pid);
        return answered;
      });
      expect((await slow).body.error.message).toMatch(/SIGKILL/);
    } finally {
      await host.stop();
    }
  });
});

describe('presence in a process of its own', () => {
  /** Why it cannot be had here: the kernel lacks what holds it to its folder. */
  async function lacksLandlock(host: Host) {
    const answer = await host.get('/api/v1/presence');
    return /no Landlock/.test(answer.text);
  }
  const temporary = () => fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-isolated-presence-'));
  const rows = async (host: Host) => {
    const body = (await host.get('/api/v1/presence')).body;
    return (body.sessions ?? body) as any[];
  };

  it('sees others and is seen, says how it is, and is back after it was killed', async (test) => {
    const shared = temporary();
    const one = await Host.start({ args: ['--presence-folder', shared, '--isolate', 'presence-folder', '--plugin-checks', 'maximal'] });
    const two = await Host.start({ args: ['--presence-folder', shared] });
    try {
      if (await lacksLandlock(one)) test.skip('this kernel has no Landlock');
      const generation = async () => (await plugin(one, 'presence-folder')).generations.at(-1);
      const shown = await generation();
      expect(shown).toMatchObject({ isolation: 'process', health: { state: 'ok', summary: '' } });
      expect(shown.config_schema.required).toEqual(['folder']);
      expect(shown.breaches).toBeUndefined();
      expect((await one.get('/metrics')).text).toMatch(/^lectern_plugin_contract_breaches_total\{plugin="presence-folder"\} 0$/m);
      const here = await one.open(one.notebook('here.ipynb', [{ id: 'a', source: '1' }]));
      const there = await two.open(two.notebook('there.ipynb', [{ id: 'a', source: '1' }]));
      const seen = (host: Host, info: any) => async () => (await rows(host)).some((row) => row.session_id === info.session_id);
      await until('what the isolated one published is seen', seen(two, here), 30_000);
      await until('the isolated one sees the other', seen(one, there), 30_000);
      killed(shown.pid);
      await until('another process took over', async () => {
        const now = await generation();
        return now.restarts >= 1 && now.pid !== undefined && now.pid !== shown.pid;
      }, 30_000);
      await until('and still sees the other', seen(one, there), 30_000);
    } finally {
      await one.stop();
      await two.stop();
      fs.rmSync(shared, { recursive: true, force: true });
    }
  }, 180_000);

  it('costs nobody else anything when it crashes, and recovers', async (test) => {
    const shared = temporary();
    const how = path.join(shared, 'how');
    const host = await Host.start({
      args: ['--plugin-path', path.resolve(CRASHING, '../plugins-crashing-presence'), '--presence-folder', shared],
    });
    try {
      if (await lacksLandlock(host)) test.skip('this kernel has no Landlock');
      const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '1' }]));
      const a = await Client.join(host, info);
      fs.writeFileSync(how, 'segv');
      const generation = async () => (await plugin(host, 'presence-folder')).generations.at(-1);
      await until('it died and is told', async () => /SIGSEGV/.test((await generation()).last_failure ?? ''), 30_000);
      expect((await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: '2' }] })).ok).toBe(true);
      const records = () => fs.readdirSync(shared).filter((name) => name.endsWith('.json'));
      for (const name of records()) fs.rmSync(path.join(shared, name));
      fs.writeFileSync(how, '');
      await host.open(host.notebook('more.ipynb', [{ id: 'a', source: '1' }])); // something to publish before the next beat
      await until('it publishes again', () => records().length > 0, 60_000);
      expect((await generation()).restarts).toBeGreaterThanOrEqual(1);
      expect(a.closed).toBeUndefined();
      await a.close();
    } finally {
      await host.stop();
      fs.rmSync(shared, { recursive: true, force: true });
    }
  }, 180_000);
});

describe('a runtime in a process of its own', () => {
  it('runs what people run; when it is killed they are told, and the kernel can be restarted', async () => {
    // Not where its environment would be found without being named.
    const host = await Host.start({ args: ['--isolate', 'runtime-jupyter'], cwd: os.tmpdir() });
    try {
      const pids = 'import os; print(os.getpid(), os.getppid())';
      const info = await host.open(host.notebook('k.ipynb', [
        { id: 'pids', source: pids },
        { id: 'long', source: 'import time\nprint("on it", flush=True)\nwhile True: time.sleep(0.1)' },
        { id: 'sum', source: '1 + 1' },
      ]));
      const a = await Client.join(host, info);
      await a.execute(['pids']);
      const [kernel, runtime] = a.text('pids').trim().split(' ').map(Number) as [number, number];
      const shown = (await plugin(host, 'runtime-jupyter')).generations.at(-1);
      expect([shown.isolation, shown.pid]).toEqual(['process', runtime]);
      await a.command('execute', { cell_ids: ['long'] });
      await until('it runs', () => a.text('long').includes('on it'));
      let from = a.frames.length;
      const killed_ms = Date.now();
      killed(runtime);
      const dead = await a.event('kernel-status', (data) => data.state === 'dead', from);
      expect(Date.now() - killed_ms).toBeLessThan(5000); // a second on a machine that is not busy
      expect(JSON.stringify(dead.data)).toContain('SIGKILL');
      await until('it took its kernel along', () => !fs.existsSync(`/proc/${kernel}`));
      from = a.frames.length;
      expect((await a.command('restart', {})).ok).toBe(true);
      await a.event('kernel-status', (data) => data.state === 'idle', from);
      await a.execute(['sum']);
      expect(a.text('sum')).toBe('2');
      expect((await plugin(host, 'runtime-jupyter')).generations.at(-1).restarts).toBe(1);
      expect(a.closed).toBeUndefined();
      await a.close();
    } finally {
      await host.stop();
    }
  }, 60_000);

  it('says so in the room when it does not take what it was handed', async () => {
    const host = await Host.start({ args: ['--plugin-path', path.resolve(CRASHING, '../plugins-crashing-live')] });
    try {
      const made = await host.post('/api/v1/notebooks/create', { runtime: 'crashing-runtime/crash' });
      expect(made.status, made.text).toBe(201);
      const a = await Client.join(host, made.body);
      const b = await Client.join(host, made.body.session_id);
      expect((await a.command('execute', { code: 'widget' })).ok).toBe(true);
      await a.event('model-lifecycle', (data) => data.message.method === 'open');
      const write = (value: string) => a.command('model', { model_id: 'model', message: { method: 'update', state: { value }, buffer_paths: [] } });
      expect(await write('refuse')).toMatchObject({ ok: true, revision: 2 }); // handed over
      const told = await a.event('notice');
      expect(told.data.text).toContain('The kernel was not told everything');
      // What the kernel has is told to all, who wrote it too; that question was refused once as well.
      for (const one of [a, b]) {
        const corrected = await one.event('model-lifecycle', (data) => data.message.method === 'update' && data.message.state.value === '');
        expect(corrected.data).toMatchObject({ model_id: 'model', revision: 3 });
        expect(corrected.data.origin).toBeUndefined();
      }
      expect(b.events('model-lifecycle').map((frame) => frame.data.message.state.value)).toEqual(['', 'refuse', '']);
      expect(await write('fine')).toMatchObject({ ok: true, revision: 4 });
      await b.event('model-lifecycle', (data) => data.message.state?.value === 'fine');
      expect(a.events('notice')).toHaveLength(1);
      await a.close();
      await b.close();
    } finally {
      await host.stop();
    }
  });

  it('says so once, whatever comes of the widget before the host\'s own question is refused', async () => {
    const host = await Host.start({ args: ['--plugin-path', path.resolve(CRASHING, '../plugins-crashing-live')] });
    try {
      const made = await host.post('/api/v1/notebooks/create', { runtime: 'crashing-runtime/crash' });
      const a = await Client.join(host, made.body);
      expect((await a.command('execute', { code: 'widget' })).ok).toBe(true);
      await a.event('model-lifecycle', (data) => data.message.method === 'open');
      const value = 'refuse, and the kernel says first';
      expect((await a.command('model', { model_id: 'model', message: { method: 'update', state: { value }, buffer_paths: [] } })).ok).toBe(true);
      await a.event('model-lifecycle', (data) => data.message.state?.of_a_callback === 1);
      await a.event('model-lifecycle', (data) => data.message.method === 'update' && data.message.state.value === '');
      expect(a.events('notice').map((frame) => frame.data.text)).toEqual([expect.stringContaining('The kernel was not told everything')]);
      await a.close();
    } finally {
      await host.stop();
    }
  });
});

describe('a policy in a process of its own', () => {
  const id = 'crashing-policy';
  const plugins = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-crashing-'));
  let host: Host;
  beforeAll(async () => {
    fs.cpSync(path.join(CRASHING, id), path.join(plugins, id), { recursive: true });
    host = await Host.start({ args: ['--plugin-path', plugins] });
  });
  afterAll(async () => {
    await host.stop();
    fs.rmSync(plugins, { recursive: true });
  });

  for (const how of ['segv', 'loop', 'throw', 'garbage', 'stranger', 'exit']) {
    it(`${how}: the last good one is back, nothing was granted, everybody is told`, async () => {
      const info = await host.open(host.notebook(`${how}.ipynb`, [{ id: 'a', source: '1' }]));
      const a = await Client.join(host, info);
      const b = await Client.join(host, info);
      // What was taken out for a fault is not loaded again: each way gets a build of its own.
      const library = path.join(plugins, id, `${id}.so`);
      fs.writeFileSync(`${library}.new`, Buffer.concat([fs.readFileSync(library), Buffer.from(how)]));
      fs.renameSync(`${library}.new`, library);
      const swapped = await host.put(`/api/v1/sessions/${info.session_id}/policy`, { policy: id });
      expect([swapped.status, swapped.text]).toEqual([200, expect.any(String)]);
      const before = metric((await host.get('/metrics')).text, 'policy_fallbacks_total');
      const answer = await b.takeover({ reason: how });
      expect([how, answer.status]).toEqual([how, 403]);
      const notice = await b.event('notice');
      expect(notice.data.text).toMatch(/crashing-policy failed.*local-takeover is back/);
      await until('it is counted', async () => metric((await host.get('/metrics')).text, 'policy_fallbacks_total') > before);
      expect((await host.get(`/api/v1/sessions/${info.session_id}/policy`)).body.policy).toBe('local-takeover');
      expect((await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: how }] })).ok).toBe(true);
      expect((await b.takeover({ reason: 'please' })).status).toBe(200);
      expect([a.closed, b.closed]).toEqual([undefined, undefined]);
      await a.close();
      await b.close();
    });
  }

  it('is refused with the reason when it dies as soon as it is loaded', async () => {
    const start = await Host.start({ args: ['--plugin-path', CRASHING] });
    const refused = await start.put('/api/v1/policy', { policy: 'crashing-start' });
    expect([refused.status, refused.body.error.code]).toEqual([500, 'plugin_died']);
    expect(refused.body.error.message).toMatch(/SIGSEGV/);
    await start.stop();
  });
});

describe('lectern policy test', () => {
  it('runs what nobody trusted in a process of its own, as a host does', () => {
    const home = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-policy-test-'));
    const scenario = path.join(home, 'one.yaml');
    fs.writeFileSync(scenario, 'policy: none\nscenarios:\n  - name: One\n    steps: [{when: ada joins, then: ada edits}]\n');
    const run = (...args: string[]) =>
      spawnSync(LECTERN, ['policy', 'test', ...args, scenario], {
        encoding: 'utf8',
        env: { ...process.env, XDG_CONFIG_HOME: path.join(home, 'config'), XDG_STATE_HOME: path.join(home, 'state') },
      });
    try {
      const dead = run(path.join(CRASHING, 'crashing-start/crashing-start.so'));
      expect([dead.signal, dead.status]).toEqual([null, 2]);
      expect(dead.stderr).toMatch(/SIGSEGV/);
      const fine = run(path.join(CRASHING, 'crashing-policy/crashing-policy.so'));
      expect([fine.status, fine.stdout]).toEqual([0, expect.stringContaining('1 passed, 0 failed')]);
      const own = run('--isolate', 'local-takeover');
      expect([own.status, own.stdout]).toEqual([0, expect.stringContaining('1 passed, 0 failed')]);
    } finally {
      fs.rmSync(home, { recursive: true });
    }
  });
});

describe('lectern plugins trust', () => {
  const run = (home: string, ...args: string[]) =>
    spawnSync(LECTERN, ['plugins', ...args], {
      encoding: 'utf8',
      env: { ...process.env, XDG_STATE_HOME: path.join(home, 'state'), XDG_CONFIG_HOME: path.join(home, 'config'), XDG_RUNTIME_DIR: path.join(home, 'run') },
    });

  it('lets a library run inside the host, by its content, until it is taken back', async () => {
    const plugins = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-third-'));
    for (const id of ['collaborative', 'transport-sse']) {
      fs.cpSync(path.join(BUILT, id), path.join(plugins, id), { recursive: true });
      fs.appendFileSync(path.join(plugins, id, `${id}.so`), 'somebody else built this');
    }
    const host = await Host.start({ args: ['--plugin-path', plugins] });
    try {
      const library = path.join(plugins, 'collaborative/collaborative.so');
      const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '1' }]));
      expect((await plugin(host, 'transport-sse')).generations.at(-1).isolation).toBe('process');
      for (const [route, event] of [['events', 'sessions-changed'], [`sessions/${info.session_id}/events`, 'kernel-ready']]) {
        const stop = new AbortController();
        const stream = await fetch(`${host.url}/api/v1/${route}`, { headers: { Authorization: `Bearer ${host.token}` }, signal: stop.signal });
        const reader = stream.body!.getReader();
        let text = '';
        for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
          if ((text += new TextDecoder().decode(chunk.value)).includes(`"op":"${event}"`)) break;
        }
        expect(text).toContain(`"op":"${event}"`);
        stop.abort();
      }
      const isolation = async () => {
        expect((await host.put('/api/v1/policy', { policy: 'collaborative' })).status).toBe(200);
        const found = (await host.get('/api/v1/plugins')).body.plugins.find((one: any) => one.path.startsWith(plugins) && one.id === 'collaborative');
        const { generation } = (await host.get(`/api/v1/sessions/${info.session_id}/policy`)).body;
        return [found.trusted, found.generations.find((one: any) => one.number === generation).isolation];
      };
      expect(await isolation()).toEqual([false, 'process']);
      expect(run(host.home, '--plugin-path', plugins).stdout).toMatch(/not trusted: runs in a process of its own.*lectern plugins trust/);
      const trusted = run(host.home, 'trust', library);
      expect([trusted.status, trusted.stderr]).toEqual([0, '']);
      expect(await isolation()).toEqual([true, 'none']);
      expect(JSON.parse(run(host.home, 'untrust', library, '--json').stdout)).toMatchObject({ trusted: false, changed: true });
      expect(await isolation()).toEqual([false, 'process']);
      expect(run(host.home, 'trust', path.join(plugins, 'nothing.so')).status).toBe(1);
      expect(run(host.home, 'trust').status).toBe(2);
    } finally {
      await host.stop();
      fs.rmSync(plugins, { recursive: true });
    }
  });
});
