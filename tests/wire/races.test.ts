// The races about the pen, each forced: whatever comes first, a request ends exactly once, and one grant is left.
// The policy is tests/plugins-bad/asking.cpp (asks whoever has the pen, waits 6 s here); nobody trusted it, so every decision
// here also crosses to another process.
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, LECTERN, until, PATIENT } from '../support/host';

const ASKING = path.resolve(path.dirname(LECTERN), '../plugins-asking');

describe('races about the pen', () => {
  let host: Host;
  const joined: Client[] = [];
  beforeAll(async () => {
    host = await Host.start({ args: [...PATIENT, '--plugin-path', ASKING, '--policy', 'asking', '--policy-config', '{"ask_ms":6000}', '--reservation-lost-ms', '300', '--reservation-closed-ms', '300'] });
  });
  afterAll(() => host.stop());
  afterEach(async () => {
    for (const client of joined.splice(0)) await client.close();
  });

  async function asked(name: string) {
    const info = await host.open(host.notebook(`${name}.ipynb`, [{ id: 'a', source: 'x' }]));
    const editor = await Client.join(host, info);
    const asker = await Client.join(host, info);
    joined.push(editor, asker);
    const answer = await asker.takeover({ reason: name });
    expect([answer.status, answer.text]).toEqual([202, expect.any(String)]);
    await editor.event('takeover-request');
    return { info, editor, asker, request: answer.body.request_id as number };
  }
  const status = async (client: Client, request: number, wait_ms = 0) =>
    (
      await host.get(`/api/v1/sessions/${client.session}/takeover/${request}?wait_ms=${wait_ms}`, {
        'Lectern-Client': `${client.key.id}.${client.key.secret}`,
      })
    ).body;
  const answer = (client: Client, request: number, allow: boolean) => client.command('answer', { request_id: request, allow }, { epoch: null });
  /** Members that hold a grant, as the room tells it to somebody who asks now. */
  async function editors(client: Client): Promise<string[]> {
    const { room } = await client.command('room', {}, { epoch: null });
    return room.members.filter((member: any) => member.role === 'editor').map((member: any) => member.client_id);
  }
  /** HTTP may say that a request ended before the socket has brought its answer. */
  async function endedOnce(client: Client, request: number) {
    await client.event('takeover-answer', (data) => data.request_id === request);
    expect(ended(client, request)).toHaveLength(1);
  }
  const ended = (client: Client, request: number) => client.events('takeover-answer').filter((frame) => frame.data.request_id === request);

  it('the askee leaves: its ask is void and the asker gets the pen that nobody holds any more', async () => {
    const { editor, asker, request } = await asked('askee-leaves');
    await editor.close();
    const over = await status(asker, request, 10_000);
    expect(over.state).toBe('allowed');
    await endedOnce(asker, request);
    await until('one editor is left', async () => (await editors(asker)).join() === asker.key.id);
  });

  it('the askee gives the pen back: its ask is void, and its answer comes too late', async () => {
    const { editor, asker, request } = await asked('askee-releases');
    expect((await editor.command('release')).ok).toBe(true);
    expect((await status(asker, request, 10_000)).state).not.toBe('open');
    const late = await answer(editor, request, true);
    expect([late.ok, late.error?.code]).toEqual([false, 'request_closed']);
    await endedOnce(asker, request);
    expect((await editors(asker)).length).toBeLessThanOrEqual(1);
  });

  it('the asker leaves: its request is withdrawn, and an answer to it changes nothing', async () => {
    const { editor, asker, request } = await asked('asker-leaves');
    const epoch = editor.epoch;
    await asker.close();
    await editor.event('takeover-answer', (data) => data.request_id === request);
    const late = await answer(editor, request, true);
    expect([late.ok, [404, 409].includes(late.error?.status)]).toEqual([false, true]);
    expect([editor.epoch, await editors(editor)]).toEqual([epoch, [editor.key.id]]);
  });

  it('a swap while somebody is asked: the new policy finds the request open, and it ends once', async () => {
    const { info, editor, asker, request } = await asked('swap');
    const swapped = await host.put(`/api/v1/sessions/${info.session_id}/policy`, { policy: 'local-takeover' });
    expect([swapped.status, swapped.text]).toEqual([200, expect.any(String)]);
    const over = await status(asker, request, 15_000);
    expect(['allowed', 'denied', 'expired']).toContain(over.state);
    const late = await answer(editor, request, true);
    expect([late.ok, late.error?.code]).toEqual([false, 'request_closed']);
    await endedOnce(asker, request);
    expect(await editors(asker)).toHaveLength(1);
    // And what comes after it follows the new rules.
    expect((await asker.takeover()).status).toBe(200);
  });

  it('a swap, a takeover and an answer at once: all of them are answered, one editor is left', async () => {
    const { info, editor, asker, request } = await asked('all-at-once');
    const third = await Client.join(host, info);
    joined.push(third);
    const [swapped, taken, said] = await Promise.all([
      host.put(`/api/v1/sessions/${info.session_id}/policy`, { policy: 'local-takeover' }),
      third.takeover(),
      answer(editor, request, true),
    ]);
    expect(swapped.status).toBe(200);
    expect([200, 202, 403]).toContain(taken.status);
    expect(said.ok || said.error.code === 'request_closed').toBe(true);
    await until('the request is over', async () => (await status(asker, request)).state !== 'open');
    await endedOnce(asker, request);
    await until('one editor is left', async () => (await editors(asker)).length === 1);
  });

  it('answers at the deadline: each request ends once, and who was too late is told so', async () => {
    const offsets = [-12, -6, -3, -1, 0, 1, 3, 8];
    const rounds = await Promise.all(
      offsets.map(async (offset, index) => {
        const one = await asked(`deadline-${index}`);
        const told = one.editor.events('takeover-request')[0]!.data.deadline_ms as number;
        await new Promise((resolve) => setTimeout(resolve, told + offset));
        const said = await answer(one.editor, one.request, true);
        const over = await status(one.asker, one.request, 5000);
        await one.asker.event('takeover-answer', (data) => data.request_id === one.request);
        return { offset, said, over, ...one };
      }),
    );
    for (const { offset, said, over, asker, editor, request } of rounds) {
      if (said.ok) expect([offset, over.state]).toEqual([offset, 'allowed']);
      else expect([offset, said.error.code, ['denied', 'expired'].includes(over.state)]).toEqual([offset, 'request_closed', true]);
      await endedOnce(asker, request);
      expect(await editors(asker)).toEqual([(said.ok ? asker : editor).key.id]);
    }
  });

  it('people come and go while the policy decides: it decides anew on the room as it is, and nobody is left hanging', async () => {
    const { info, editor, asker, request } = await asked('crowd');
    const crowd = await Promise.all(Array.from({ length: 12 }, () => Client.join(host, info)));
    const asks = crowd.map((client) => client.takeover({ reason: 'me too' }));
    const leaving = crowd.slice(6).map((client) => client.close());
    let said = await answer(editor, request, true);
    while (said.error?.code === 'room_moved_on') said = await answer(editor, request, true); // as its hint says
    expect(said.ok).toBe(true);
    const answers = await Promise.all(asks);
    await Promise.all(leaving);
    for (const one of answers) expect([200, 202, 400, 403, 503]).toContain(one.status);
    expect((await status(asker, request)).state).toBe('allowed');
    await until('every question is over', async () => {
      const open = await Promise.all(crowd.slice(0, 6).map(async (client, i) => answers[i]!.status !== 202 || (await status(client, answers[i]!.body.request_id)).state !== 'open'));
      return open.every(Boolean);
    }, 20_000);
    expect(await editors(asker)).toEqual([asker.key.id]);
    for (const client of crowd.slice(0, 6)) await client.close();
  }, 60_000);
});

describe('a dry run', () => {
  let host: Host;
  beforeAll(async () => {
    host = await Host.start({ args: [...PATIENT, '--plugin-path', ASKING] });
  });
  afterAll(() => host.stop());

  it('shows what the new policy would have done, and does none of it', async () => {
    const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: 'x' }]));
    const a = await Client.join(host, info);
    const b = await Client.join(host, info);
    const route = `/api/v1/sessions/${info.session_id}/policy`;
    const dry = await host.put(route, { policy: 'collaborative', dry_run: true });
    expect([dry.status, dry.body.policy, dry.body.multi_editor]).toEqual([200, 'collaborative', true]);
    expect(dry.body.differences).toEqual([{ event: 'installed', now: [], then: [expect.stringMatching(/^grant to \d+$/)] }]);
    expect(a.events('policy-changed')).toEqual([]);
    expect(b.epoch).toBeUndefined();

    // In the shadow of the installed one: the policy that asks would have asked.
    let over = false;
    const watching = host.put(route, { policy: 'asking', dry_run: true, watch_ms: 3000 }).finally(() => (over = true));
    while (!over) {
      for (const client of [b, a]) expect((await client.takeover({ reason: 'now' })).status).toBe(200);
    }
    const seen = await watching;
    expect([seen.status, seen.body.events >= 1]).toEqual([200, true]);
    const asked = seen.body.differences.find((row: any) => row.event === 'requested');
    expect(asked.now).toEqual([expect.stringMatching(/^resolve .*allow/)]);
    expect(asked.then).toEqual([expect.stringMatching(/^ask to \d+ request \d+ : May I have the pen\?$/)]);
    expect(a.events('takeover-request')).toEqual([]);
    expect((await host.get(route)).body.policy).toBe('local-takeover');

    const wide = await host.put('/api/v1/policy', { policy: 'collaborative', dry_run: true });
    expect(wide.body.differences[0]).toMatchObject({ event: 'installed', session_id: info.session_id });
    expect((await host.get('/api/v1/policy')).body.policy).toBe('local-takeover');
    expect((await host.put(route, { policy: 'collaborative', watch_ms: 5 })).status).toBe(400);
    expect([a.closed, b.closed]).toEqual([undefined, undefined]);
    await a.close();
    await b.close();
  });
});
