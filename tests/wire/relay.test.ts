// lectern-relay.v1 at the host that has the session: any number of viewers of another host on one WebSocket, each as good
// as a tab here (docs/protocol.md 7).
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, type ConnectionInfo } from '../support/host';
import { Relay, encodeRelay, refused } from '../support/relay';

describe('a relay', () => {
  let host: Host;
  let info: ConnectionInfo;
  let next = 0;
  beforeAll(async () => {
    host = await Host.start({ args: ['--device-name', 'Desk'] });
  });
  afterAll(() => host.stop());

  const fresh = async () => (info = await host.open(host.notebook(`n${next++}.ipynb`, [{ id: 'a', source: '0' }])));
  const set = (source: string) => ({ changes: [{ type: 'set_source', cell_id: 'a', source }] });
  const dial = (headers = {}) => Relay.dial(host, info, headers);
  const as = (token: string): Host => Object.create(host, { token: { value: token } }) as Host;

  it('passes the pen among its viewers and a direct tab, and tells all of them with one message', async () => {
    await fresh();
    const relay = await dial();
    const [one, two, three] = [await relay.join(), await relay.join(), await relay.join()];
    expect(one.ready.consumer_capabilities.edit).toBe(true);
    expect(new Set([one, two, three].map((each) => each.key.id)).size).toBe(3);
    const tab = await Client.join(host, info);
    expect(await two.command('takeover', { if_epoch: 1 })).toMatchObject({ ok: true, epoch: 2 });
    await one.event('consumer-capabilities', (data) => data.reason === 'taken_over');
    expect((await one.command('transaction', set('too late'), 1)).error.code).toBe('stale_epoch');
    expect((await tab.command('takeover', { if_epoch: 1 }, { epoch: null })).error.code).toBe('stale_epoch');
    expect(await tab.command('takeover', { if_epoch: 2 }, { epoch: null })).toMatchObject({ ok: true, epoch: 3 });
    await two.event('consumer-capabilities', (data) => data.reason === 'taken_over');
    expect((await tab.command('transaction', set('from the desk'))).ok).toBe(true);
    for (const each of [one, two, three]) await each.event('notebook-document-transaction');
    const told = relay.with('from the desk');
    expect(told.map((message) => [...message.header.c].sort())).toEqual([[1, 2, 3]]);
    expect(await three.command('takeover')).toMatchObject({ ok: true, epoch: 4 });
    expect((await three.command('transaction', set('from afar'), 4)).ok).toBe(true);
    await tab.event('notebook-document-transaction', (data) => JSON.stringify(data).includes('from afar'));
    expect(tab.closed ?? relay.closed).toBeUndefined();
    await tab.close();
    await relay.close();
  });

  it('lets one viewer go alone, and all come back after a cut with what they missed', async () => {
    await fresh();
    const tab = await Client.join(host, info);
    const relay = await dial();
    const [one, two, three] = [await relay.join(), await relay.join({ query: { document: 'changes' } }), await relay.join()];
    expect(await one.command('takeover')).toMatchObject({ epoch: 2 });
    three.close();
    await tab.event('room-state', (data) => data.members.length === 3 && data.editor?.client_id === one.key.id);
    const resume = [one.resume, two.resume];
    relay.cut();
    await tab.event('room-state', (data) => Boolean(data.reserved_until));
    const epoch = (await tab.command('takeover', {}, { epoch: null })).epoch;
    expect((await tab.command('transaction', set('missed'), { epoch })).ok).toBe(true);
    const again = await dial();
    const back = again.open({ key: one.key, resume: resume[0] });
    const changes = again.open({ key: two.key, resume: resume[1], query: { document: 'changes' } });
    await back.event('replay-complete');
    await changes.event('replay-complete');
    expect(back.ready).toMatchObject({ resumed: true, replay: 'gap', client: { id: one.key.id } });
    expect(back.ready.notebook ?? null).toBeNull();
    expect(JSON.stringify(back.frames.filter((frame) => frame.op === 'notebook-document-transaction'))).toContain('missed');
    expect(changes.ready).toMatchObject({ resumed: true, client: { id: two.key.id } });
    expect((await back.command('takeover')).ok).toBe(true);
    await again.close();
    await tab.close();
  });

  it('shows where its viewers are, as their host proved or as its owner says on this machine, in the room and in the past', async () => {
    await fresh();
    const tab = await Client.join(host, info);
    const relay = await dial({ 'Lectern-Device-Name': Buffer.from('Couch\u202e').toString('latin1') });
    const one = await relay.join({ query: { label: 'afar', device: 'Elsewhere' } });
    const { members } = (await tab.event('room-state', (data) => data.members.length === 2)).data;
    expect(Object.fromEntries(members.map((member: any) => [member.label, member.device]))).toEqual({ '': 'Desk', afar: 'Couch' });
    expect(one.ready.device_name).toBe('Desk');
    const { epoch } = await one.command('takeover');
    await one.command('transaction', set('seen'), epoch);
    expect((await tab.event('notebook-document-transaction')).data.transaction.by).toMatchObject({ label: 'afar', device: 'Couch' });
    expect((await host.get(`/api/v1/sessions/${info.session_id}/history`)).text).toContain('"device":"Couch"');
    await relay.close();
    await tab.close();
  });

  it('gives nobody more than the credential has, and ends with it', async () => {
    await fresh();
    const tab = await Client.join(host, info);
    const minted = (await host.post('/api/v1/tokens', { scope: 'view', session_id: info.session_id })).body;
    const relay = await Relay.dial(as(minted.token), info, { 'Lectern-Device-Name': 'Not mine' });
    const one = await relay.join({ scope: 'edit' });
    expect(one.ready.consumer_capabilities).toEqual({ edit: false, interact: false });
    expect((await one.command('takeover')).error.status).toBe(403);
    expect((await one.command('transaction', set('no'), 1)).error.code).toBe('read_only');
    await tab.event('room-state', (data) => data.members.length === 2 && data.members.every((member: any) => member.device === 'Desk'));
    const owner = await dial();
    const asked = await owner.join({ scope: 'view' });
    expect((await asked.command('takeover')).error.status).toBe(403);
    expect((await host.request('DELETE', `/api/v1/tokens/${minted.id}`)).status).toBe(204);
    expect(await relay.until('the end', () => relay.closed)).toEqual({ code: 1008, reason: 'UNAUTHORIZED' });
    expect(one.end).toMatchObject({ op: 'closed', code: 1008 });
    expect((await refused(Relay.dial(as(minted.token), info))).status).toBe(401);
    const other = await host.open(host.notebook('other.ipynb', [{ id: 'a', source: '0' }]));
    const narrow = (await host.post('/api/v1/tokens', { scope: 'edit', session_id: info.session_id })).body;
    expect((await refused(Relay.dial(as(narrow.token), other))).status).toBe(403);
    expect((await refused(Relay.dial(as('nobody'), info))).status).toBe(401);
    expect((await refused(Relay.dial(host, { ...info, session_id: 'nosuch' }))).status).toBe(404);
    expect((await asked.command('room')).ok).toBe(true);
    await owner.close();
    await tab.close();
  });

  it('refuses a viewer alone, and ends at once and for all when the other side speaks wrongly', async () => {
    await fresh();
    const tab = await Client.join(host, info);
    const relay = await dial();
    const stranger = relay.open({ key: { id: 'nobody', secret: 'x' } });
    const odd = relay.open({ query: { document: 'odd' } });
    await relay.until('both to be refused', () => stranger.end && odd.end);
    expect(stranger.end).toMatchObject({ op: 'refused', status: 401, error: { code: 'client_unknown' } });
    expect(odd.end).toMatchObject({ op: 'refused', status: 400 });
    const good = await relay.join();
    good.send('this is no command');
    expect((await good.event('reply')).data.error.code).toBe('bad_request');
    const instead = await relay.join({ key: good.key });
    expect(await relay.until('the older end', () => good.end)).toMatchObject({ op: 'closed', code: 4001, reason: 'REPLACED' });
    expect((await instead.command('room')).ok).toBe(true);
    expect(relay.closed).toBeUndefined();
    await relay.close();

    const hostile: [string | Buffer, number][] = [
      ['{"op":"open"}', 1007],
      [Buffer.from('no'), 1007],
      [Buffer.from([255, 255, 255, 255, 1]), 1009],
      [encodeRelay({ op: 'open', c: 2, scope: 'admin' }), 1007],
      [encodeRelay({ op: 'frame', c: 7, text: true }, '{}'), 1008],
      [encodeRelay({ op: 'open', c: 1, scope: 'edit' }), 1008],
      [encodeRelay({ op: 'closed', c: 1, code: 1000, reason: '' }), 1007],
      [encodeRelay({ op: 'frame', c: 1, text: true }, Buffer.from([0xff])), 1007],
    ];
    for (const [bytes, code] of hostile) {
      const bad = await dial();
      await bad.join();
      bad.socket.send(bytes);
      expect([bytes.toString(), (await bad.until('the end', () => bad.closed)).code]).toEqual([bytes.toString(), code]);
      expect(bad.closed!.reason).not.toBe('');
    }
    expect((await tab.command('room')).ok).toBe(true);
    await tab.close();
  });

  it('ends with its session', async () => {
    await fresh();
    const relay = await dial();
    const one = await relay.join();
    expect((await host.request('DELETE', `/api/v1/sessions/${info.session_id}`)).status).toBe(204);
    expect(await relay.until('the end', () => relay.closed)).toEqual({ code: 1000, reason: 'SESSION_ENDED' });
    expect(one.end).toMatchObject({ op: 'closed', code: 1000, reason: 'SESSION_ENDED' });
  });
});
