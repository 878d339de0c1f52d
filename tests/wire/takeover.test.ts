// The pen: who has it, how it passes, what happens to those who lost it (protocol 2 "Takeover", 4 "Epochs", "Absence").
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host } from '../support/host';

describe('takeover under local-takeover', () => {
  let host: Host;
  beforeAll(async () => {
    host = await Host.start();
  });
  afterAll(() => host.stop());

  async function room(name: string, tabs: number) {
    const path = host.notebook(`${name}.ipynb`, [{ id: 'a', source: 'x = 1' }, { id: 'b', source: 'y = 2' }]);
    const info = await host.open(path);
    const clients: Client[] = [];
    for (let i = 0; i < tabs; ++i) clients.push(await Client.join(host, info));
    return { info, clients };
  }

  it('gives the pen to the first tab and lets later ones interact', async () => {
    const { clients } = await room('first', 3);
    expect(clients.map((client) => client.ready.consumer_capabilities)).toEqual([
      { edit: true, interact: true },
      { edit: false, interact: true },
      { edit: false, interact: true },
    ]);
    expect(clients[0]!.ready.epoch).toBeGreaterThan(0);
    expect(clients[1]!.ready.epoch ?? null).toBeNull();
    for (const client of clients) await client.close();
  });

  it('passes the pen there and back ten times, closes nothing and leaves a third tab undisturbed', async () => {
    const { clients } = await room('pingpong', 3);
    const [a, b, third] = clients as [Client, Client, Client];
    let epoch = a.ready.epoch as number;
    for (let round = 0; round < 10; ++round) {
      const [winner, loser] = round % 2 === 0 ? [b, a] : [a, b];
      const marks = [winner.frames.length, loser.frames.length];
      const answer = await winner.takeover();
      expect(answer.status).toBe(200);
      expect(answer.body.epoch).toBeGreaterThan(epoch);
      expect(answer.body.consumer_capabilities).toEqual({ edit: true, interact: true });
      epoch = answer.body.epoch;
      const won = await winner.event('consumer-capabilities', undefined, marks[0]!);
      expect(won.data).toMatchObject({ consumer_capabilities: { edit: true, interact: true }, epoch });
      const lost = await loser.event('consumer-capabilities', undefined, marks[1]!);
      expect(lost.data.consumer_capabilities).toEqual({ edit: false, interact: true });
      expect(won.seq).toBeNull();
      const edit = await winner.command('transaction', {
        changes: [{ type: 'set_source', cell_id: 'a', source: `round ${round}` }],
      });
      expect(edit.ok).toBe(true);
      await third.event('notebook-document-transaction', (data) =>
        data.transaction.changes.some((change: any) => change.source === `round ${round}`));
      await third.event('room-state', (data) => data.epoch === epoch && data.editor?.client_id === winner.key.id);
    }
    for (const client of clients) expect(client.closed).toBeUndefined();
    expect(third.events('consumer-capabilities')).toEqual([]);
    for (const client of clients) await client.close();
  });

  it('answers 200 with the same epoch and no events when the caller holds the pen already', async () => {
    const { clients } = await room('already', 2);
    const [a, b] = clients as [Client, Client];
    const before = [a.frames.length, b.frames.length];
    const answer = await a.takeover();
    expect(answer.status).toBe(200);
    expect(answer.body.epoch).toBe(a.ready.epoch);
    await b.command('focus', { cell_id: 'a' }, { epoch: null });
    expect(a.frames.slice(before[0]).filter((frame) => frame.op === 'consumer-capabilities')).toEqual([]);
    expect(b.frames.slice(before[1]).filter((frame) => frame.op === 'consumer-capabilities')).toEqual([]);
    for (const client of clients) await client.close();
  });

  it('lets exactly one of two racers with if_epoch win', async () => {
    const { clients } = await room('race', 4);
    const [a, ...others] = clients as [Client, Client, Client, Client];
    const if_epoch = a.ready.epoch;
    const answers = await Promise.all(others.map((client) => client.takeover({ if_epoch })));
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 409, 409]);
    const loser = answers.find((answer) => answer.status === 409)!;
    expect(loser.body.error.code).toBe('stale_epoch');
    const winner = answers.find((answer) => answer.status === 200)!;
    expect(loser.body.error.details?.epoch ?? loser.body.epoch).toBe(winner.body.epoch);
    for (const client of clients) await client.close();
  });

  it('refuses edits without the pen: 403 never granted, 409 no longer current, 400 without an epoch', async () => {
    const { clients } = await room('refused', 2);
    const [a, b] = clients as [Client, Client];
    const changes = [{ type: 'set_source', cell_id: 'a', source: 'no' }];
    const reader = await b.command('transaction', { changes }, { epoch: a.ready.epoch });
    expect(reader).toMatchObject({ ok: false, error: { code: 'read_only', status: 403 } });
    const bare = await a.command('transaction', { changes }, { epoch: null });
    expect(bare).toMatchObject({ ok: false, error: { code: 'epoch_required', status: 400 } });
    const old = a.ready.epoch;
    expect((await b.takeover()).status).toBe(200);
    const late = await a.command('transaction', { changes }, { epoch: old });
    expect(late).toMatchObject({ ok: false, error: { code: 'stale_epoch', status: 409 } });
    const overHttp = await a.post('/commands/transaction', { changes }, { 'Lectern-Epoch': String(old) });
    expect(overHttp.status).toBe(409);
    expect(overHttp.body.error.code).toBe('stale_epoch');
    for (const name of ['save', 'interrupt', 'restart', 'clear_outputs', 'execute', 'shutdown_kernel', 'trust']) {
      const body = name === 'execute' ? { cell_ids: ['a'] } : name === 'trust' ? { heads: [] } : {};
      const refused = await a.command(name, body, { epoch: null });
      expect([name, refused.ok, refused.error?.code]).toEqual([name, false, 'read_only']);
    }
    for (const client of clients) await client.close();
  });

  it('never hands the pen to a view_only client', async () => {
    const { info, clients } = await room('kiosk', 1);
    const kiosk = await Client.join(host, info, { viewOnly: true });
    expect(kiosk.ready.consumer_capabilities.edit).toBe(false);
    const answer = await kiosk.takeover();
    expect(answer.status).toBe(403);
    expect(answer.body.error.code).toBe('denied');
    await clients[0]!.command('release');
    const joined = await Client.join(host, info, { viewOnly: true });
    expect(joined.ready.consumer_capabilities.edit).toBe(false);
    for (const client of [...clients, kiosk, joined]) await client.close();
  });

  it('frees the pen on release and gives it to the next ordinary joiner', async () => {
    const { info, clients } = await room('release', 2);
    const [a, b] = clients as [Client, Client];
    expect((await a.command('release')).ok).toBe(true);
    await b.event('room-state', (data) => data.editor === null);
    const c = await Client.join(host, info);
    expect(c.ready.consumer_capabilities.edit).toBe(true);
    expect(c.ready.epoch).toBeGreaterThan(a.ready.epoch);
    for (const client of [a, b, c]) await client.close();
  });

  it('keeps grants and epochs apart between two notebooks', async () => {
    const one = await room('apart-1', 1);
    const two = await room('apart-2', 1);
    const foreign = await one.clients[0]!.host.post(
      `/api/v1/sessions/${two.info.session_id}/commands/save`,
      {},
      { 'Lectern-Client': `${one.clients[0]!.key.id}.${one.clients[0]!.key.secret}`, 'Lectern-Epoch': '1' },
    );
    expect([foreign.status, foreign.body.error.code]).toEqual([400, 'not_a_member']);
    for (const client of [...one.clients, ...two.clients]) await client.close();
  });
});

describe('absence', () => {
  it('a reload keeps the pen, same grant and epoch; a lost editor frees it when the reservation ends', async () => {
    const host = await Host.start({ args: ['--reservation-lost-ms', '600', '--reservation-closed-ms', '20000'] });
    try {
      const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '1' }]));
      const a = await Client.join(host, info);
      const b = await Client.join(host, info);
      const epoch = a.ready.epoch;
      await a.close();
      const again = await Client.join(host, info, { key: a.key, resume: a.resume });
      expect(again.ready).toMatchObject({ consumer_capabilities: { edit: true, interact: true }, epoch, resumed: true });
      again.cut();
      await b.event('room-state', (data) => data.editor === null, b.frames.length);
      const late = await Client.join(host, info, { key: a.key });
      expect(late.ready.consumer_capabilities.edit || late.ready.epoch !== epoch).toBeTruthy();
      await late.close();
      await b.close();
    } finally {
      await host.stop();
    }
  });

  it('others may take over while the slot is reserved', async () => {
    const host = await Host.start();
    try {
      const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '1' }]));
      const a = await Client.join(host, info);
      const b = await Client.join(host, info);
      a.cut();
      await b.event('room-state', (data) => data.reserved_until !== undefined && data.reserved_until !== null);
      expect((await b.takeover()).status).toBe(200);
      const again = await Client.join(host, info, { key: a.key, resume: a.resume });
      expect(again.ready.consumer_capabilities).toEqual({ edit: false, interact: true });
      await again.close();
      await b.close();
    } finally {
      await host.stop();
    }
  });

  it('a second socket of the same client replaces the first with 4001', async () => {
    const host = await Host.start();
    try {
      const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '1' }]));
      const a = await Client.join(host, info);
      const again = await Client.join(host, info, { key: a.key, keyInFrame: true });
      await a.until('the first socket to close', () => a.closed);
      expect(a.closed).toMatchObject({ code: 4001, reason: 'REPLACED' });
      expect(again.ready.incarnation).toBeGreaterThan(a.ready.incarnation);
      expect(again.ready.epoch).toBe(a.ready.epoch);
      await again.close();
    } finally {
      await host.stop();
    }
  });

  it('an unknown key is refused, a wrong secret too', async () => {
    const host = await Host.start();
    try {
      const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '1' }]));
      const a = await Client.join(host, info);
      for (const key of [`${a.key.id}.wrong`, 'nobody.x', 'garbage']) {
        const answer = await host.post(`/api/v1/sessions/${info.session_id}/commands/room`, {}, { 'Lectern-Client': key });
        expect([answer.status, answer.body.error.code]).toEqual([401, 'client_unknown']);
      }
      const none = await host.post(`/api/v1/sessions/${info.session_id}/commands/room`, {});
      expect([none.status, none.body.error.code]).toEqual([400, 'client_required']);
      await a.close();
    } finally {
      await host.stop();
    }
  });
});

describe('policies', () => {
  it('local-takeover with secondary=viewer lets later tabs neither edit nor interact', async () => {
    const host = await Host.start({ args: ['--policy', 'local-takeover', '--policy-config', '{"secondary":"viewer"}'] });
    try {
      const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '1' }]));
      const a = await Client.join(host, info);
      const b = await Client.join(host, info);
      expect(b.ready.consumer_capabilities).toEqual({ edit: false, interact: false });
      const model = await b.command('input', { request_id: 'x', value: '1' }, { epoch: null });
      expect(model).toMatchObject({ ok: false, error: { code: 'read_only', status: 403 } });
      await b.takeover();
      const lost = await a.event('consumer-capabilities');
      expect(lost.data.consumer_capabilities).toEqual({ edit: false, interact: false });
      await a.close();
      await b.close();
    } finally {
      await host.stop();
    }
  });

  it('swaps the policy while people work: nobody is disconnected, everybody may edit afterwards', async () => {
    const host = await Host.start();
    try {
      const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '1' }]));
      const a = await Client.join(host, info);
      const b = await Client.join(host, info);
      expect((await host.get('/api/v1/policy')).body.policy).toBe('local-takeover');
      const swapped = await host.put('/api/v1/policy', { policy: 'collaborative' });
      expect(swapped.status).toBe(200);
      await b.event('policy-changed', (data) => data.policy === 'collaborative' && data.multi_editor === true);
      await b.until('b may edit', () => b.epoch);
      const disjoint = [a, b].map((client) => client.epoch);
      expect(new Set(disjoint).size).toBe(2);
      for (const client of [a, b]) {
        const edit = await client.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: client.key.id }] });
        expect(edit.ok).toBe(true);
      }
      const back = await host.put('/api/v1/policy', { policy: 'local-takeover' });
      expect(back.status).toBe(200);
      const from = a.frames.length;
      await b.until('one of them lost the pen', () => [a, b].filter((client) => client.epoch !== undefined).length === 1);
      expect(from).toBeGreaterThan(0);
      const unknown = await host.put('/api/v1/policy', { policy: 'nosuch' });
      expect([unknown.status >= 400, unknown.body.error.message.includes('nosuch')]).toEqual([true, true]);
      const badConfig = await host.put('/api/v1/policy', { policy: 'local-takeover', config: { secondry: 'viewer' } });
      expect(badConfig.status).toBe(400);
      expect(a.closed ?? b.closed).toBeUndefined();
      await a.close();
      await b.close();
    } finally {
      await host.stop();
    }
  });
});
