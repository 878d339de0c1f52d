// What plugins say of themselves by extensions: the schema of their settings, their health, their figures; and how closely
// they are watched.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, LECTERN } from '../support/host';

const BAD = path.resolve(path.dirname(LECTERN), '../plugins-bad');

describe('extensions of plugins', () => {
  let host: Host;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-devices-'));
  beforeAll(async () => {
    host = await Host.start({ args: ['--presence-folder', folder, '--plugin-checks', 'maximal'] });
  });
  afterAll(async () => {
    await host.stop();
    fs.rmSync(folder, { recursive: true });
  });
  const listed = async (id: string) => {
    const answer = await host.get('/api/v1/plugins');
    return answer.body.plugins.find((one: any) => one.id === id && one.state !== 'refused');
  };

  it('settings that break the schema are refused with pointer and rule, and the policy stays', async () => {
    const info = await host.open(host.notebook('schema.ipynb', [{ id: 'a', source: 'x' }]));
    const ada = await Client.join(host, info);
    const refused = await host.put('/api/v1/policy', { policy: 'local-takeover', config: { secondary: 'audience' } });
    expect(refused.status).toBe(400);
    expect(refused.body.error).toMatchObject({ code: 'bad_config', details: { pointer: '/secondary', rule: 'enum' } });
    expect(refused.body.error.hint).toContain('"interactor", "viewer"');
    const stranger = await host.put('/api/v1/policy', { policy: 'local-takeover', config: { primary: 1 } });
    expect(stranger.body.error.message).toContain('"/primary" is no setting');
    expect((await host.put('/api/v1/policy', { policy: 'local-takeover', config: { secondary: 'viewer' } })).status).toBe(200);
    await ada.close();
  });

  it('GET /plugins shows schema, health and breaches', async () => {
    const presence = (await listed('presence-folder')).generations.at(-1);
    expect(presence.health).toEqual({ state: 'ok', summary: '' });
    expect(presence.config_schema.required).toEqual(['folder']);
    const policy = (await listed('local-takeover')).generations.at(-1);
    expect(policy.config_schema.properties.secondary.enum).toEqual(['interactor', 'viewer']);
    const answer = await host.get('/api/v1/plugins');
    for (const one of answer.body.plugins) {
      for (const generation of one.generations) expect([one.id, generation.breaches]).toEqual([one.id, undefined]);
    }
  });

  it('/metrics shows what a plugin counts, with its id', async () => {
    const info = await host.open(host.notebook('metrics.ipynb', [{ id: 'a', source: 'x' }]));
    const ada = await Client.join(host, info);
    const watcher = await Client.join(host, info, { viewOnly: true, query: { label: 'watcher' } });
    await watcher.takeover();
    const text = (await host.get('/metrics')).text;
    expect(text).toContain('# TYPE lectern_plugin_contract_breaches_total counter\n');
    expect(text).toMatch(/^lectern_plugin_contract_breaches_total\{plugin="local-takeover"\} 0$/m);
    await ada.close();
    await watcher.close();
  });

  it('a start with settings the schema refuses ends with the reason', () => {
    const run = spawnSync(LECTERN, ['serve', folder, '--port', '0', '--no-browser', '--policy-config', '{"secondary":"audience"}'], {
      encoding: 'utf8',
      env: { ...process.env, XDG_STATE_HOME: path.join(folder, 'state'), XDG_RUNTIME_DIR: path.join(folder, 'run') },
    });
    expect(run.status).not.toBe(0);
    expect(run.stderr).toContain('--policy-config: local-takeover could not take these settings: "/secondary" breaks the rule "enum"');
  });

  it('a level that is none is named', () => {
    const run = spawnSync(LECTERN, ['serve', '--plugin-checks', 'most'], { encoding: 'utf8' });
    expect(run.status).not.toBe(0);
    expect(run.stderr).toContain('it can be off, minimal or maximal');
  });

  it('lectern plugins --json shows the schemas without a server, and why one has none to show', () => {
    const run = spawnSync(LECTERN, ['plugins', '--json', '--plugin-path', BAD], {
      encoding: 'utf8',
      env: { ...process.env, XDG_STATE_HOME: path.join(folder, 'state') },
    });
    expect(run.status).toBe(0);
    const of = (id: string) => JSON.parse(run.stdout).plugins.find((one: any) => one.id === id);
    expect(of('local-takeover').config_schema.title).toBe('Local takeover');
    expect(of('local-takeover').health.state).toBe('ok');
    expect(of('init-fails').not_described.message).toContain('the licence server is away');
  });
});
