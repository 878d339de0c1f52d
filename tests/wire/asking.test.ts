// Asking for the pen: under a policy that asks, a takeover waits for the editor (protocol 2 "Takeover", 4, 5). The policy
// is tests/plugins-bad/asking.cpp: it asks whoever has the pen and waits 2 s.
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, LECTERN, PATIENT } from '../support/host';

const ASKING = path.resolve(path.dirname(LECTERN), '../plugins-asking');

describe('a policy that asks the editor', () => {
  let host: Host;
  const joined: Client[] = [];
  beforeAll(async () => {
    host = await Host.start({ args: [...PATIENT, '--plugin-path', ASKING, '--policy', 'asking'] });
  });
  afterAll(() => host.stop());
  afterEach(async () => {
    for (const client of joined.splice(0)) await client.close();
  });

  /** The editor, and somebody whose takeover has just been put to the editor. */
  async function asked(name: string) {
    const info = await host.open(host.notebook(`${name}.ipynb`, [{ id: 'a', source: 'x' }]));
    const editor = await Client.join(host, info);
    const asker = await Client.join(host, info);
    joined.push(editor, asker);
    expect(editor.ready.consumer_capabilities.edit).toBe(true);
    expect(asker.ready.consumer_capabilities).toEqual({ edit: false, interact: true });
    const answer = await asker.takeover({ reason: 'to fix a cell' });
    expect(answer.status).toBe(202);
    const request = answer.body.request_id as number;
    return { info, editor, asker, answer, request };
  }
  const status = (client: Client, request: number, wait_ms?: number) =>
    host.get(`/api/v1/sessions/${client.session}/takeover/${request}${wait_ms === undefined ? '' : `?wait_ms=${wait_ms}`}`, {
      'Lectern-Client': `${client.key.id}.${client.key.secret}`,
    });
  const reply = (client: Client, request: number, allow: boolean) =>
    client.command('answer', { request_id: request, allow }, { epoch: null });
  const edit = (client: Client, source: string) =>
    client.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source }] });

  it('answers 202 and tells the editor who asks and why; nothing changes hands yet', async () => {
    const { editor, asker, answer, request } = await asked('question');
    expect(answer.body).toEqual({
      asked: expect.objectContaining({ client_id: editor.key.id }),
      request_id: request,
      deadline_ms: expect.any(Number),
    });
    expect(answer.body.deadline_ms).toBeGreaterThan(0);
    expect(answer.body.deadline_ms).toBeLessThanOrEqual(2000);
    const told = await editor.event('takeover-request');
    expect(told.seq).toBeNull();
    expect(told.data).toMatchObject({ request_id: request, reason: 'to fix a cell', from: { client_id: asker.key.id } });
    expect(told.data.deadline_ms).toBeGreaterThan(0);
    expect(asker.events('takeover-request')).toEqual([]);
    expect((await status(asker, request)).body).toMatchObject({ request_id: request, state: 'open' });
    expect((await edit(editor, 'still mine')).ok).toBe(true);
    const early = await edit(asker, 'not yet');
    expect([early.ok, early.error?.code]).toEqual([false, 'read_only']);
  });

  it('allowed: the asker gets the pen and the answer, the editor loses it', async () => {
    const { editor, asker, request } = await asked('allowed');
    const before = editor.epoch!;
    await editor.event('takeover-request');
    expect((await reply(editor, request, true)).ok).toBe(true);
    const answered = await asker.event('takeover-answer');
    expect(answered).toMatchObject({ seq: null, data: { request_id: request, allowed: true } });
    const won = await asker.event('consumer-capabilities');
    expect(won.data).toMatchObject({ consumer_capabilities: { edit: true, interact: true } });
    expect(won.data.epoch).toBeGreaterThan(before);
    const lost = await editor.event('consumer-capabilities');
    expect(lost.data.consumer_capabilities).toEqual({ edit: false, interact: true });
    expect((await status(asker, request)).body).toMatchObject({ state: 'allowed', epoch: won.data.epoch });
    expect((await edit(asker, 'mine now')).ok).toBe(true);
    const late = await editor.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'late' }] }, { epoch: before });
    expect([late.ok, late.error?.code]).toEqual([false, 'stale_epoch']);
  });

  it('denied: the asker is told the reason, nobody loses anything', async () => {
    const { editor, asker, request } = await asked('denied');
    expect((await reply(editor, request, false)).ok).toBe(true);
    const answered = await asker.event('takeover-answer');
    expect(answered.data).toEqual({ request_id: request, allowed: false, reason: 'The editor said no.' });
    expect((await status(asker, request)).body).toMatchObject({ state: 'denied', reason: 'The editor said no.' });
    expect((await edit(editor, 'still mine')).ok).toBe(true);
    expect([...editor.events('consumer-capabilities'), ...asker.events('consumer-capabilities')]).toEqual([]);
  });

  it('withdrawn: the request is closed for both', async () => {
    const { editor, asker, request } = await asked('withdrawn');
    const other = await editor.command('withdraw', { request_id: request }, { epoch: null });
    expect([other.ok, other.error?.status]).toEqual([false, 403]);
    expect((await asker.command('withdraw', { request_id: request }, { epoch: null })).ok).toBe(true);
    expect((await status(asker, request)).body).toMatchObject({ state: 'withdrawn' });
    const late = await reply(editor, request, true);
    expect([late.ok, late.error?.code, late.error?.status]).toEqual([false, 'request_closed', 409]);
    expect((await edit(editor, 'still mine')).ok).toBe(true);
    // Having withdrawn, one may ask again.
    const again = await asker.takeover();
    expect(again.status).toBe(202);
    expect(again.body.request_id).toBeGreaterThan(request);
  });

  it('no answer in time: the asker learns it, the pen stays, a late answer changes nothing', async () => {
    const { editor, asker, request } = await asked('silence');
    const answered = await asker.event('takeover-answer', undefined, 0, 10_000);
    expect(answered.data).toEqual({ request_id: request, allowed: false, reason: 'There was no answer.' });
    expect(['denied', 'expired']).toContain((await status(asker, request)).body.state);
    const late = await reply(editor, request, true);
    expect([late.ok, late.error?.code]).toEqual([false, 'request_closed']);
    expect((await edit(editor, 'still mine')).ok).toBe(true);
    expect(asker.events('consumer-capabilities')).toEqual([]);
  });

  it('a second answer, another one\'s answer and an unknown request are refused', async () => {
    const { info, editor, asker, request } = await asked('twice');
    const third = await Client.join(host, info);
    joined.push(third);
    const meddling = await reply(third, request, true);
    expect([meddling.ok, meddling.error?.status]).toEqual([false, 403]);
    const self = await reply(asker, request, true);
    expect([self.ok, self.error?.status]).toEqual([false, 403]);
    expect((await reply(editor, request, false)).ok).toBe(true);
    const second = await reply(editor, request, true);
    expect([second.ok, second.error?.code, second.error?.status]).toEqual([false, 'request_closed', 409]);
    expect(asker.events('consumer-capabilities')).toEqual([]);
    const unknown = await reply(editor, 999_999, true);
    expect([unknown.ok, unknown.error?.status]).toEqual([false, 404]);
    expect((await status(third, request)).status).toBe(404);
  });

  it('GET takeover/{request_id}?wait_ms answers when the request has ended, not before', async () => {
    const { editor, asker, request } = await asked('waiting');
    expect((await status(asker, request, 0)).body.state).toBe('open');
    expect((await status(asker, request, 50)).body.state).toBe('open');
    let ended = false;
    const waiting = status(asker, request, 30_000).finally(() => (ended = true));
    expect((await status(asker, request)).body.state).toBe('open');
    expect(ended).toBe(false);
    expect((await reply(editor, request, true)).ok).toBe(true);
    const answer = await waiting;
    expect([answer.status, answer.body.state]).toEqual([200, 'allowed']);
    expect(answer.body.epoch).toBeGreaterThan(editor.ready.epoch);
    for (const bad of ['-1', 'soon', '60001']) {
      const refused = await host.get(`/api/v1/sessions/${asker.session}/takeover/${request}?wait_ms=${bad}`, {
        'Lectern-Client': `${asker.key.id}.${asker.key.secret}`,
      });
      expect([bad, refused.status]).toEqual([bad, 400]);
    }
  });
});
