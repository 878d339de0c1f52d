// The command line: help, JSON, exit codes that mean something, a configuration file that is checked.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, LECTERN } from '../support/host';

describe('lectern', () => {
  let host: Host;
  beforeAll(async () => {
    host = await Host.start();
    host.notebook('n.ipynb', [{ id: 'a', source: '1' }]);
  });
  afterAll(() => host.stop());
  const run = (...args: string[]) =>
    spawnSync(LECTERN, args, {
      encoding: 'utf8',
      timeout: 20_000,
      env: {
        ...process.env,
        XDG_STATE_HOME: path.join(host.home, 'state'),
        XDG_CONFIG_HOME: path.join(host.home, 'config'),
        XDG_RUNTIME_DIR: path.join(host.home, 'run'),
      },
    });

  it('has help for itself and each command', () => {
    const names = ['serve', 'open', 'create', 'ls', 'kernels', 'presence', 'attach', 'devices', 'pair', 'unpair', 'history', 'restore', 'takeover', 'policy', 'token', 'plugins', 'new-plugin', 'version'];
    for (const args of [['--help'], ...names.map((name) => [name, '--help'])]) {
      const result = run(...args);
      expect([args, result.status]).toEqual([args, 0]);
      expect(result.stdout.length).toBeGreaterThan(100);
    }
    expect(JSON.parse(run('version', '--json').stdout).version).toMatch(/^\d+\.\d+/);
  });

  it('refuses what it does not know with a suggestion and code 2', () => {
    const flag = run('serve', '--polcy', 'x');
    expect(flag.status).toBe(2);
    expect(flag.stderr).toContain("did you mean 'policy'");
    const command = run('takeovr');
    expect(command.status).toBe(2);
    expect(command.stderr).toContain('takeover');
    const taken = run('serve', host.root, '--port', String(host.port), '--no-browser', '--json');
    expect([taken.status, JSON.parse(taken.stderr.trim().split('\n').pop()!).error.code]).toEqual([1, 'port_taken']);
    for (const args of [['takeovr'], ['open'], ['ls', '--bogus'], ['takeover', 'x', '--if-epoch', 'y'], ['token', '--scope', 'root'], ['serve', '--port', 'x']]) {
      const wrong = run(...args, '--json');
      expect([args, wrong.status, JSON.parse(wrong.stderr).error.code]).toEqual([args, 2, 'usage']);
    }
    const config = path.join(host.home, 'bad.conf');
    fs.writeFileSync(config, 'prot = 8899\n');
    const file = run('serve', '--config', config);
    expect(file.status).toBe(2);
    expect(file.stderr).toContain('port');
  });

  it('opens, lists, shows the policy and takes over on the running host', async () => {
    const opened = run('open', path.join(host.root, 'n.ipynb'), '--json');
    expect([opened.status, opened.stderr]).toEqual([0, opened.stderr]);
    const info = JSON.parse(opened.stdout);
    const a = await Client.join(host, info.session_id);
    const listed = JSON.parse(run('ls', '--json').stdout);
    expect(JSON.stringify(listed)).toContain(info.session_id);
    expect(run('policy', '--json').stdout).toContain('local-takeover');
    const b = await Client.join(host, info.session_id);
    const tried = run('policy', 'collaborative', '--dry-run');
    expect([tried.status, tried.stdout]).toEqual([0, expect.stringMatching(/^collaborative: 1 difference\n {2}\S+: installed\n {4}now {3}nothing\n {4}then {2}grant to \d+\n/)]);
    expect(run('policy', '--json').stdout).toContain('local-takeover');
    expect(run('policy', '--dry-run').status).toBe(2);
    const reloaded = run('plugins', 'reload', 'local-takeover');
    expect([reloaded.status, reloaded.stdout]).toEqual([0, expect.stringMatching(/^local-takeover: generation \d+\n {2}\S+ {2}swapped\n$/)]);
    expect(run('plugins', 'reload').status).toBe(2);
    expect(run('plugins', 'reload', 'nosuch').status).toBe(1);
    const took = run('takeover', info.session_id, '--json');
    expect(took.status).toBe(0);
    expect(JSON.parse(took.stdout).epoch).toBeGreaterThan(a.ready.epoch);
    await a.event('consumer-capabilities', (data) => data.consumer_capabilities.edit === false);
    expect(run('takeover', 'nosuch').status).not.toBe(0);
    await a.close();
    await b.close();
  });

  it('says with its own code when no host runs', () => {
    const result = spawnSync(LECTERN, ['ls'], { encoding: 'utf8', env: { ...process.env, XDG_RUNTIME_DIR: '/nonexistent-folder' } });
    expect(result.status).toBe(3);
    expect(result.stderr).toContain('serve');
  });

  it('reads the configuration file, the environment over it, flags over both', async () => {
    const config = path.join(host.home, 'good.conf');
    fs.writeFileSync(config, 'device-name = From file\npolicy = collaborative\n');
    const names = async (env: Record<string, string>, args: string[]) => {
      const other = await Host.start({ args: ['--config', config, ...args], env });
      const info = (await other.get('/api/v1/info')).body;
      await other.stop();
      return info.device_name;
    };
    expect(await names({}, [])).toBe('From file');
    expect(await names({ LECTERN_DEVICE_NAME: 'From environment' }, [])).toBe('From environment');
    expect(await names({ LECTERN_DEVICE_NAME: 'From environment' }, ['--device-name', 'From flag'])).toBe('From flag');
  });

  it('looks at plugins where a host would, and says when the configuration is wrong', () => {
    const config = path.join(host.home, 'places.conf');
    const mine = path.join(host.home, 'my-plugins');
    fs.writeFileSync(config, `plugin-path = ${mine}\n`);
    const plugins = (named: string) => spawnSync(LECTERN, ['plugins'], { encoding: 'utf8', env: { ...process.env, LECTERN_CONFIG: named } });
    expect(plugins(config).stdout.split('\n').slice(0, 2)).toEqual(['Searched:', `  ${mine}`]);
    fs.writeFileSync(config, 'plugin-pth = x\n');
    const wrong = plugins(config);
    expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringContaining('plugin-path')]);
  });
});
