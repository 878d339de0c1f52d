// Never silence: a reconnect gets exactly what it missed, or a snapshot (protocol 3, 5).
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, until } from '../support/host';

describe('replay', () => {
  let host: Host;
  beforeAll(async () => {
    host = await Host.start();
  });
  afterAll(() => host.stop());

  it('gives exactly the missed events after a cut socket', async () => {
    const info = await host.open(host.notebook('gap.ipynb', [{ id: 'a', source: '0' }]));
    const a = await Client.join(host, info);
    const b = await Client.join(host, info);
    await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'seen' }] });
    await b.event('notebook-document-transaction');
    const resume = b.resume;
    const last = b.lastSeq;
    b.cut();
    const missed: string[] = [];
    for (let i = 0; i < 5; ++i) {
      missed.push(`missed ${i}`);
      await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: `missed ${i}` }] });
    }
    const again = await Client.join(host, info, { key: b.key, resume });
    expect(again.ready.replay).toBe('gap');
    expect(again.ready.resumed).toBe(true);
    expect(again.ready.notebook ?? null).toBeNull();
    const recorded = again.frames.filter((frame) => frame.seq !== null);
    expect(recorded.map((frame) => frame.seq)).toEqual(recorded.map((_, index) => last + 1 + index));
    const sources = recorded
      .filter((frame) => frame.op === 'notebook-document-transaction')
      .map((frame) => frame.data.transaction.changes[0].source);
    expect(sources).toEqual(missed);
    await a.close();
    await again.close();
  });

  it('gives a snapshot to a token of another stream', async () => {
    const info = await host.open(host.notebook('other.ipynb', [{ id: 'a', source: '0' }]));
    const a = await Client.join(host, info);
    const again = await Client.join(host, info, { key: a.key, resume: 'elsewhere.12' });
    expect(again.ready.replay).toBe('snapshot');
    expect(again.ready.notebook.cells).toHaveLength(1);
    await again.close();
  });

  it('serves the same events over SSE with Last-Event-ID', async () => {
    const info = await host.open(host.notebook('sse.ipynb', [{ id: 'a', source: '0' }]));
    const a = await Client.join(host, info);
    const made = await host.post(`/api/v1/sessions/${info.session_id}/clients`, { label: 'stream', kind: 'program' });
    expect(made.status).toBe(201);
    expect(made.body.consumer_capabilities.edit).toBe(false);
    const abort = new AbortController();
    const response = await fetch(`${host.url}/api/v1/sessions/${info.session_id}/events?ticket=${made.body.ticket}`, {
      headers: { Authorization: `Bearer ${host.token}` },
      signal: abort.signal,
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    let text = '';
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of response.body as any) text += decoder.decode(chunk);
    })().catch(() => undefined);
    await until('kernel-ready on the stream', () => text.includes('"kernel-ready"'));
    await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'over sse' }] });
    await until('the edit on the stream', () => text.includes('over sse'));
    const ids = [...text.matchAll(/^id: ?(\S+)$/gm)].map((match) => match[1]!);
    expect(ids.at(-1)).toMatch(new RegExp(`^${a.ready.stream}\\.\\d+$`));
    abort.abort();
    await reading;
    const reused = await fetch(`${host.url}/api/v1/sessions/${info.session_id}/events?ticket=${made.body.ticket}`, {
      headers: { Authorization: `Bearer ${host.token}` },
    });
    expect(reused.status).toBe(401);
    await a.close();
  });
});

describe('an event stream that ends', () => {
  it('takes nothing from a client whose commands come over HTTP, the pen neither; from who only listens it takes the place', async () => {
    const host = await Host.start({ args: ['--reservation-closed-ms', '0', '--reservation-lost-ms', '0'] });
    try {
      const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '0' }]));
      const session = `/api/v1/sessions/${info.session_id}`;
      const watcher = await Client.join(host, info, { viewOnly: true });
      const joined = async (name: string) => {
        const made = (await host.post(`${session}/clients`, { label: name, kind: 'program' })).body;
        return { name, id: made.client.id as string, ticket: made.ticket as string, 'Lectern-Client': `${made.client.id}.${made.client.secret}` };
      };
      const listen = async (query: string) => {
        const abort = new AbortController();
        const response = await fetch(`${host.url}${session}/events?${query}`, { headers: { Authorization: `Bearer ${host.token}` }, signal: abort.signal });
        const reader = response.body!.getReader();
        let text = '';
        let found: RegExpExecArray | null;
        while (!(found = /"client":{"id":"([^"]+)"/.exec(text))) text += new TextDecoder().decode((await reader.read()).value);
        return { end: () => abort.abort(), id: found[1]! };
      };
      const member = (id: string) => (data: any) => data.members.find((one: any) => one.client_id === id);
      const editor = await joined('editor'), other = await joined('other');
      const headers = { 'Lectern-Client': editor['Lectern-Client'] };
      const pen = await host.request('POST', `${session}/takeover`, { reason: 'a test' }, headers);
      expect(pen.status).toBe(200);
      const streams = [await listen(`ticket=${editor.ticket}`), await listen(`ticket=${other.ticket}`), await listen('view_only=1')];
      await watcher.event('room-state', member(streams[2]!.id));
      for (const stream of streams) stream.end();
      await watcher.event('room-state', (data) => !member(streams[2]!.id)(data), watcher.frames.length - 1);
      const edit = { changes: [{ type: 'set_source', cell_id: 'a', source: 'after' }] };
      const edited = await host.request('POST', `${session}/commands/transaction`, edit, { ...headers, 'Lectern-Epoch': String(pen.body.epoch) });
      expect([edited.status, edited.body.error]).toEqual([200, undefined]);
      const asked = await host.request('POST', `${session}/commands/room`, {}, { 'Lectern-Client': other['Lectern-Client'] });
      expect(asked.status).toBe(200);
      expect(asked.body.room.members.map((one: any) => one.client_id).sort()).toEqual([watcher.ready.client.id, editor.id, other.id].sort());
      await watcher.close();
    } finally {
      await host.stop();
    }
  });
});

describe('a session that is full', () => {
  it('says so to who comes, takes nobody else in, and has room again when somebody goes', async () => {
    const host = await Host.start({ args: ['--max-members', '2', '--reservation-closed-ms', '0', '--reservation-lost-ms', '0'] });
    try {
      const info = await host.open(host.notebook('full.ipynb', [{ id: 'a', source: '0' }]));
      const a = await Client.join(host, info);
      const b = await Client.join(host, info);
      const refused = await Client.connect(host, info);
      expect([refused.closed, refused.frames]).toEqual([{ code: 1013, reason: 'SESSION_FULL' }, []]);
      const made = await host.post(`/api/v1/sessions/${info.session_id}/clients`, { label: 'one more', kind: 'program' });
      expect([made.status, made.body.error.code]).toEqual([429, 'session_full']);
      // Who is in it comes back to a place of its own.
      a.cut();
      const again = await Client.join(host, info, { key: a.key, resume: a.resume });
      expect(again.ready.client.id).toBe(a.key.id);
      await b.close();
      const c = await until('there is room', async () => {
        const next = await Client.connect(host, info);
        return next.closed ? undefined : next;
      });
      await c.close();
      await again.close();
    } finally {
      await host.stop();
    }
  });
});

describe('a ping', () => {
  it('is answered to whoever sends it, and remembered by nobody', async () => {
    const host = await Host.start();
    try {
      const info = await host.open(host.notebook('ping.ipynb', [{ id: 'a', source: '0' }]));
      const a = await Client.join(host, info);
      const reader = await Client.join(host, info, { viewOnly: true });
      const edit = { id: 'once', command: 'transaction', epoch: a.ready.epoch, body: { changes: [{ type: 'create_cell', cell_id: 'b', cell_type: 'code', source: '' }] } };
      const send = async (message: object, who = a) => {
        const seen = who.frames.length;
        who.socket.send(JSON.stringify(message));
        return (await who.event('reply', () => true, seen)).data;
      };
      expect(await send(edit)).toMatchObject({ ok: true });
      // More of them than ids are remembered.
      for (let at = 0; at < 300; at += 1) expect(await send({ id: `p${at}`, command: 'ping', body: {} })).toEqual({ id: `p${at}`, ok: true });
      expect(await send(edit)).toMatchObject({ ok: true });
      expect(await send({ id: 'r', command: 'ping', body: {} }, reader)).toEqual({ id: 'r', ok: true });
      await a.close();
      await reader.close();
    } finally {
      await host.stop();
    }
  });
});
