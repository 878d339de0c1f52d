// The policies that ship, each put in place on a live session with PUT /api/v1/policy: its main rule bites over real
// sockets, and nobody is disconnected. What each does in detail is in tests/scenarios.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, LECTERN, PATIENT } from '../support/host';

describe('the policies that ship', () => {
  let host: Host;
  const joined: Client[] = [];
  beforeAll(async () => {
    host = await Host.start({ args: [...PATIENT] });
  });
  afterAll(() => host.stop());
  afterEach(async () => {
    for (const client of joined) expect(client.closed).toBeUndefined();
    for (const client of joined.splice(0)) await client.close();
    expect((await host.put('/api/v1/policy', { policy: 'local-takeover' })).status).toBe(200);
  });

  /** A session under local-takeover with one client per label (the first has the pen), then swapped. */
  async function under(policy: string, config: Record<string, unknown>, labels: string[]): Promise<Client[]> {
    const info = await host.open(host.notebook(`${policy}-${joined.length}-${Date.now()}.ipynb`, [{ id: 'a', source: 'x' }]));
    const clients: Client[] = [];
    for (const label of labels) clients.push(await Client.join(host, info, { query: { label } }));
    joined.push(...clients);
    const swapped = await host.put('/api/v1/policy', { policy, config });
    expect(`${swapped.status} ${swapped.text}`).toMatch(/^200 .*/s);
    for (const client of clients) await client.event('policy-changed', (data) => data.policy === policy);
    return clients;
  }
  const edit = (client: Client, source: string, epoch = client.epoch) =>
    client.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source }] }, { epoch: epoch ?? null });
  const act = (client: Client, verb: string, target?: Client) =>
    client.command('act', { verb, ...(target ? { target: target.key.id } : {}) }, { epoch: null });
  /** Waits until `client` has just these capabilities. */
  const has = (client: Client, want: boolean) => client.until(`edit ${want}`, () => (client.epoch !== undefined) === want);

  it('ask-first: the editor is asked, and its answer decides', async () => {
    const [ada, bob] = (await under('ask-first', {}, ['ada', 'bob'])) as [Client, Client];
    const asked = await bob.takeover({ reason: 'please' });
    expect(asked.status).toBe(202);
    const told = await ada.event('takeover-request');
    expect(told.data).toMatchObject({ request_id: asked.body.request_id, reason: 'please' });
    expect((await edit(ada, 'still mine')).ok).toBe(true);
    expect((await ada.command('answer', { request_id: asked.body.request_id, allow: true }, { epoch: null })).ok).toBe(true);
    await has(bob, true);
    expect((await edit(bob, 'mine')).ok).toBe(true);
    // The one who was asked is cut off: an absent editor does not block.
    const again = await ada.takeover();
    expect(again.status).toBe(202);
    joined.splice(joined.indexOf(bob), 1);
    bob.cut();
    await has(ada, true);
  });

  it('ask-first: silence grants where that is wanted', async () => {
    const [ada, bob] = (await under('ask-first', { silence: 'grant', deadline_s: 1 }, ['ada', 'bob'])) as [Client, Client];
    expect((await bob.takeover()).status).toBe(202);
    await has(bob, true);
    expect(await edit(ada, 'late')).toMatchObject({ ok: false });
  });

  it('idle-handoff: asked for while the editor edits, free to take when it has not for a while', async () => {
    const [ada, bob] = (await under('idle-handoff', { idle_s: 6, deadline_s: 600 }, ['ada', 'bob'])) as [Client, Client];
    expect((await edit(ada, 'at work')).ok).toBe(true);
    const asked = await bob.takeover();
    expect(asked.status).toBe(202);
    expect(asked.body.deadline_ms).toBeLessThanOrEqual(6000);
    await has(bob, true);
    await has(ada, false);
    // Bob has the whole time to begin, then it is ada's for the taking.
    await ada.until('bob to be idle', () => bob.epoch !== undefined);
    const back = await ada.takeover();
    expect([200, 202]).toContain(back.status);
    await has(ada, true);
  });

  it('presenter: the pen is the presenter\'s, and the audience only watches', async () => {
    const [ada, bob, cy] = (await under('presenter', { presenter: 'bob', audience: 'viewer' }, ['ada', 'bob', 'cy'])) as [Client, Client, Client];
    await has(bob, true);
    await has(ada, false);
    const refused = await ada.takeover();
    expect([refused.status, refused.body.error]).toEqual([403, expect.objectContaining({ code: 'denied', message: 'Only the presenter edits.' })]);
    expect((await edit(bob, 'talk')).ok).toBe(true);
    const caps = await cy.event('consumer-capabilities');
    expect(caps.data.consumer_capabilities).toEqual({ edit: false, interact: false });
    await cy.event('notebook-document-transaction');
  });

  it('roles: names decide, and several edit at the same time', async () => {
    const config = { editors: ['ada', 'bob'], interactors: ['cy'], viewers: ['eve'], others: 'viewer' };
    const [ada, bob, cy, eve] = (await under('roles', config, ['ada', 'bob', 'cy', 'eve'])) as [Client, Client, Client, Client];
    await has(bob, true);
    expect((await edit(ada, 'one')).ok).toBe(true);
    expect((await edit(bob, 'two')).ok).toBe(true);
    expect((await cy.takeover()).body.error.message).toBe('Your role does not include editing.');
    const watches = await eve.event('consumer-capabilities');
    expect(watches.data.consumer_capabilities).toEqual({ edit: false, interact: false });
    expect(cy.events('consumer-capabilities')).toEqual([]);
  });

  it('queue: a line that everybody sees, and turns', async () => {
    const [ada, bob, cy] = (await under('queue', { turn_s: 3600 }, ['ada', 'bob', 'cy'])) as [Client, Client, Client];
    expect((await bob.takeover()).status).toBe(202);
    expect((await cy.takeover()).status).toBe(202);
    await ada.event('room-state', (data) => JSON.stringify(data.policy?.line) === '["bob","cy"]');
    expect((await cy.event('notice')).data.text).toBe('You are number 2 in line.');
    expect((await act(ada, 'pass-on')).ok).toBe(true);
    await has(bob, true);
    expect((await edit(bob, 'my turn')).ok).toBe(true);
    expect((await act(cy, 'leave-line')).ok).toBe(true);
    expect((await cy.event('takeover-answer')).data).toMatchObject({ allowed: false, reason: 'You left the line.' });
    expect((await bob.command('release')).ok).toBe(true);
    await ada.event('room-state', (data) => data.editor === null && data.policy.line.length === 0);
    expect(cy.epoch).toBeUndefined();
  });

  it('queue: a turn ends while somebody waits', async () => {
    const [ada, bob] = (await under('queue', { turn_s: 1 }, ['ada', 'bob'])) as [Client, Client];
    const answer = await bob.takeover();
    expect([200, 202]).toContain(answer.status);
    await has(bob, true);
    await has(ada, false);
  });

  it('classroom: a student raises a hand, the teacher hands out the pen and takes it back', async () => {
    const [bob, ada, cy] = (await under('classroom', { teachers: ['ada'] }, ['bob', 'ada', 'cy'])) as [Client, Client, Client];
    await has(ada, true);
    await has(bob, false);
    const asked = await bob.takeover();
    expect(asked.status).toBe(202);
    expect((await ada.event('takeover-request')).data.text).toBe('bob raises a hand.');
    expect((await act(cy, 'raise-hand')).ok).toBe(true);
    await bob.event('room-state', (data) => JSON.stringify(data.policy?.hands) === '["bob","cy"]');
    expect((await act(cy, 'give', cy)).ok).toBe(true);
    expect((await cy.event('notice')).data.text).toBe('Only a teacher hands out the pen.');
    expect((await act(ada, 'give', cy)).ok).toBe(true);
    await has(cy, true);
    expect((await edit(cy, 'solved')).ok).toBe(true);
    expect((await act(ada, 'take-back')).ok).toBe(true);
    await has(ada, true);
    expect((await ada.command('answer', { request_id: asked.body.request_id, allow: false }, { epoch: null })).ok).toBe(true);
    expect((await bob.event('takeover-answer')).data).toMatchObject({ allowed: false, reason: 'Not now.' });
  });

  it('settings that are wrong change nothing and say what is right', async () => {
    const [ada] = (await under('local-takeover', {}, ['ada'])) as [Client];
    for (const [policy, config, word] of [['presenter', {}, 'presenter'], ['queue', { turn_s: 'long' }, 'turn_s'], ['ask-first', { silenc: 'deny' }, 'silence']] as const) {
      const refused = await host.put(`/api/v1/sessions/${ada.session}/policy`, { policy, config });
      expect([policy, refused.status]).toEqual([policy, 400]);
      expect(refused.text).toContain(word);
    }
    expect((await edit(ada, 'as before')).ok).toBe(true);
  });

  it('records what was decided; the recording replays the same, and another policy differs', async () => {
    const [ada, bob] = (await under('ask-first', {}, ['ada', 'bob'])) as [Client, Client];
    expect((await bob.takeover()).status).toBe(202);
    const env = { ...process.env, XDG_STATE_HOME: path.join(host.home, 'state'), XDG_CONFIG_HOME: path.join(host.home, 'config'), XDG_RUNTIME_DIR: path.join(host.home, 'run') };
    const run = (...args: string[]) => spawnSync(LECTERN, ['policy', ...args], { encoding: 'utf8', timeout: 60_000, env });
    const recorded = run('record', ada.session);
    expect([recorded.status, recorded.stderr]).toEqual([0, '']);
    const lines = recorded.stdout.trim().split('\n').map((line) => JSON.parse(line));
    expect(lines.map((line) => line.event.kind)).toEqual(expect.arrayContaining(['installed', 'joined', 'requested']));
    const file = path.join(host.home, 'room.jsonl');
    fs.writeFileSync(file, recorded.stdout);
    const same = run('replay', file);
    expect([same.status, same.stdout.trim(), same.stderr]).toEqual([0, `${lines.length} decisions the same, 0 different`, '']);
    const other = run('replay', file, '--policy', 'local-takeover', '--json');
    expect(other.status).toBe(1);
    const differing = JSON.parse(other.stdout).events.filter((event: any) => !event.same);
    expect(differing).toContainEqual(expect.objectContaining({ event: 'bob asks for the pen', replayed: [expect.stringContaining("allows bob's request")] }));
    expect(run('record', 'nosuch').status).toBe(1);
    expect((await host.get(`/api/v1/sessions/${ada.session}/policy/record`)).headers.get('content-type')).toBe('application/jsonl');
  });
});

describe('lectern policy', () => {
  it('the command line plays scenario files against an id or a library', () => {
    const run = (...args: string[]) => spawnSync(LECTERN, ['policy', ...args], { encoding: 'utf8', timeout: 60_000 });
    const scenarios = path.resolve(import.meta.dirname, '../scenarios');
    const ok = run('test', path.join(scenarios, 'ask-first.yaml'));
    expect([ok.status, ok.stderr]).toEqual([0, '']);
    expect(ok.stdout).toMatch(/\d+ passed, 0 failed/);
    const library = path.resolve(path.dirname(LECTERN), '../plugins/local-takeover/local-takeover.so');
    const other = run('test', library, path.join(scenarios, 'ask-first.yaml'), '--config', '{}');
    expect(other.status).toBe(1);
    expect(other.stdout).toContain('expected, and it did not happen: ada is asked by bob');
    const told = run('explain', 'ask-first', path.join(scenarios, 'ask-first.yaml'));
    expect(told.status).toBe(0);
    expect(told.stdout).toContain('bob gets the pen (epoch 2)');
    expect(told.stdout).toContain('before: ada has the pen (epoch 1), bob interacts');
    const bad = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-scenarios-')), 'bad.yaml');
    fs.writeFileSync(bad, 'policy: queue\nscenarios:\n  - name: x\n    steps: [{when: ada sings}]\n');
    const wrong = run('test', bad);
    expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringContaining('line 4')]);
    expect(run('test', 'no-such-policy', bad).status).toBe(2);
    expect(run('test').status).toBe(2);
    expect(run('test', '--help').stdout).toContain('Exit codes');
  });
});
