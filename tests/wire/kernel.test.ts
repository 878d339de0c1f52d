// Running Python through the real ipykernel (protocol 4, 5).
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, until } from '../support/host';

describe('a kernel', () => {
  let host: Host;
  let a: Client;
  let reader: Client;
  beforeAll(async () => {
    host = await Host.start();
    const sources: Record<string, string> = {
      sum: '1 + 1',
      streams: 'import sys\nprint("out")\nprint("err", file=sys.stderr)\nprint("more")',
      error: 'raise ValueError("no")',
      after: 'print("never")',
      rich: 'from IPython.display import HTML, Image, display\ndisplay(HTML("<b>bold</b>"))',
      slow: 'import time\nfor i in range(200): time.sleep(0.1); print(i, flush=True)',
      pid: 'import os; print(os.getpid())',
      die: 'import os, signal; os.kill(os.getpid(), signal.SIGKILL)',
      ask: 'print("hello " + input("name? "))',
      prints: 'for i in range(2000): print(i)',
      progress: 'import sys\nfor i in range(50):\n    sys.stdout.write(f"\\r{i}%"); sys.stdout.flush()',
      update: 'from IPython.display import display\nh = display("one", display_id="d1")\nh.update("two")',
      image: 'from IPython.display import Image, display\nimport base64\ndisplay(Image(data=base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==")))',
      large: 'print("x" * 200000)',
    };
    const info = await host.open(host.notebook('k.ipynb', Object.entries(sources).map(([id, source]) => ({ id, source }))));
    a = await Client.join(host, info);
    reader = await Client.join(host, info);
  });
  afterAll(async () => {
    await a.close();
    await reader.close();
    await host.stop();
  });

  it('runs code and everybody sees it, readers included', async () => {
    const reply = await a.execute(['sum']);
    expect(reply.executions[0]).toMatchObject({ cell_id: 'sum' });
    expect(a.text('sum')).toBe('2');
    await reader.event('cell-op', (data) => data.cell_id === 'sum' && data.status === 'idle');
    expect(reader.text('sum')).toBe('2');
    const states = reader.events('cell-op').filter((frame) => frame.data.cell_id === 'sum').map((frame) => frame.data.status).filter(Boolean);
    expect(states[0]).toBe('queued');
    expect(states).toContain('running');
    expect(states.at(-1)).toBe('idle');
  });

  it('keeps streams in order and apart', async () => {
    await a.execute(['streams']);
    const outputs = a.outputs('streams');
    expect(outputs.every((output) => output.output_type === 'stream')).toBe(true);
    const join = (name: string) => outputs.filter((output) => output.name === name).map((output) => [output.text].flat().join('')).join('');
    expect(join('stdout')).toBe('out\nmore\n');
    expect(join('stderr')).toBe('err\n');
  });

  it('shows errors with their colours and cancels the rest of the batch', async () => {
    const from = a.frames.length;
    const reply = await a.command('execute', { cell_ids: ['error', 'after'] });
    expect(reply.ok).toBe(true);
    await a.event('cell-op', (data) => data.cell_id === 'error' && data.status === 'error', from);
    await a.event('cell-op', (data) => data.cell_id === 'after' && data.status === 'cancelled', from);
    const [error] = a.outputs('error');
    expect(error).toMatchObject({ output_type: 'error', ename: 'ValueError', evalue: 'no' });
    expect(error.traceback.join('\n')).toContain('\u001b[');
    expect(a.text('after')).toBe('');
  });

  it('shows HTML and images, and updates a display in place', async () => {
    await a.execute(['rich']);
    expect(a.outputs('rich')[0].data['text/html']).toBeDefined();
    await a.execute(['image']);
    expect(a.outputs('image')[0].data['image/png']).toMatch(/^iVBOR/);
    await a.execute(['update']);
    expect(a.outputs('update')).toHaveLength(1);
    expect(a.outputs('update')[0].data['text/plain']).toContain('two');
  });

  it('emulates the terminal for carriage returns and merges many small prints', async () => {
    await a.execute(['progress']);
    expect(a.text('progress')).toBe('49%');
    await a.execute(['prints']);
    expect(a.text('prints')).toBe(Array.from({ length: 2000 }, (_, i) => `${i}\n`).join(''));
    expect(a.outputs('prints')).toHaveLength(1);
  });

  it('hands large values out by content address', async () => {
    await a.execute(['large']);
    const joiner = await Client.join(host, a.session);
    const found = JSON.stringify(joiner.outputs('large'));
    const blob = /"\$blob":"([0-9a-f]{64})"/.exec(found);
    if (blob) {
      const answer = await host.get(`/blobs/${blob[1]}`);
      expect(answer.status).toBe(200);
      expect(answer.text).toContain('x'.repeat(1000));
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(answer.headers.get('content-security-policy')).toContain('sandbox');
    } else {
      expect(joiner.text('large')).toContain('x'.repeat(1000));
    }
    await joiner.close();
    const unknown = await host.get(`/blobs/${'0'.repeat(64)}`);
    expect(unknown.status).toBe(404);
  });

  it('asks for input and takes the first answer', async () => {
    const from = a.frames.length;
    await a.command('execute', { cell_ids: ['ask'] });
    const asked = await a.event('input-request', undefined, from);
    expect(asked.data).toMatchObject({ prompt: 'name? ', password: false });
    await reader.event('input-request');
    const answered = await reader.command('input', { request_id: asked.data.request_id, value: 'Ada' }, { epoch: null });
    expect(answered.ok).toBe(true);
    await a.event('cell-op', (data) => data.cell_id === 'ask' && data.status === 'idle', from);
    expect(a.text('ask')).toContain('hello Ada');
    expect((await a.event('input-done', undefined, from)).data).toEqual({ request_id: asked.data.request_id });
    await reader.event('input-done');
    expect(reader.events('input-request')).toHaveLength(1);
    const late = await a.command('input', { request_id: asked.data.request_id, value: 'Bob' });
    expect(late.ok).toBe(false);
  });

  it('shows an open question to who may interact only later', async () => {
    const info = await host.open(host.notebook('later.ipynb', [{ id: 'ask', source: 'input("later? ")' }]));
    const policy = { policy: 'local-takeover', config: { secondary: 'viewer' } };
    expect((await host.put(`/api/v1/sessions/${info.session_id}/policy`, policy)).status).toBe(200);
    const editor = await Client.join(host, info);
    const viewer = await Client.join(host, info);
    expect(viewer.ready.consumer_capabilities).toEqual({ edit: false, interact: false });
    // Nothing to run is no reason to start a kernel.
    expect((await editor.command('execute', { cell_ids: [] })).executions).toEqual([]);
    expect((await editor.command('interrupt')).error.code).toBe('no_kernel');
    await editor.command('execute', { cell_ids: ['ask'] });
    const asked = await editor.event('input-request', undefined, 0, 30_000);
    await viewer.command('room', {}, { epoch: null });
    expect(viewer.events('input-request')).toEqual([]);
    expect((await viewer.takeover()).status).toBe(200);
    expect((await viewer.event('input-request')).data).toEqual(asked.data);
    expect((await viewer.command('input', { request_id: asked.data.request_id, value: 'now' })).ok).toBe(true);
    await viewer.event('input-done');
    await editor.close();
    await viewer.close();
  });

  it('completes and inspects for the asker alone', async () => {
    const done = await a.command('complete', { code: 'pri', cursor_pos: 3 }, { epoch: null });
    expect(done.ok).toBe(true);
    expect(JSON.stringify(done)).toContain('print');
    const seen = await a.command('inspect', { code: 'print', cursor_pos: 5 }, { epoch: null });
    expect(seen.ok).toBe(true);
    expect(reader.events('reply').some((frame) => JSON.stringify(frame).includes('"print"'))).toBe(false);
    for (const command of ['complete', 'inspect']) {
      const past = await a.command(command, { code: 'é😀', cursor_pos: 3 }, { epoch: null });
      expect([past.error.status, past.error.message]).toEqual([400, expect.stringContaining('2 code points')]);
    }
  });

  it('answers the newest question of a kind and cancels the one before; who leaves cancels its own', async () => {
    const from = a.frames.length;
    await a.command('execute', { cell_ids: ['ask'] });
    const asked = await a.event('input-request', undefined, from);
    const leaver = await Client.join(host, a.session);
    const ask = (client: Client, id: string, command: string, body: unknown) => client.socket.send(JSON.stringify({ id, command, body }));
    const answered = (client: Client, id: string) => client.event('reply', (data) => data.id === id, 0, 30_000).then((frame) => frame.data);
    // The kernel waits for its line: nothing is answered meanwhile but what is stale.
    const kinds = { complete: { code: 'pri', cursor_pos: 3 }, inspect: { code: 'print', cursor_pos: 5 }, is_complete: { code: 'f(' }, history: { n: 1 } };
    for (const [kind, body] of Object.entries(kinds)) {
      ask(reader, `reader ${kind}`, kind, body);
      ask(a, `old ${kind}`, kind, body);
    }
    await a.command('room', {}, { epoch: null });
    expect(a.events('reply').filter((frame) => frame.data.id.startsWith('old '))).toEqual([]);
    for (const [kind, body] of Object.entries(kinds)) {
      ask(a, `new ${kind}`, kind, body);
      expect((await answered(a, `old ${kind}`)).error).toMatchObject({ code: 'cancelled', status: 409 });
    }
    // Whichever of two comes second answers the first: then both are there.
    const two = [1, 2].map(() => leaver.post('/commands/complete', kinds.complete));
    await Promise.race(two);
    await leaver.close();
    const said = (await Promise.all(two)).map((answer) => [answer.status, answer.body.error?.code, answer.body.error?.message]);
    expect(said.sort()).toEqual([
      [409, 'cancelled', 'a newer question of the same kind took its place'],
      [409, 'cancelled', 'the client that asked has left the session'],
    ]);
    expect([...a.events('reply'), ...reader.events('reply')].filter((frame) => /^(new|reader) /.test(frame.data.id))).toEqual([]);
    expect((await a.command('input', { request_id: asked.data.request_id, value: 'Ada' }, { epoch: null })).ok).toBe(true);
    for (const kind of Object.keys(kinds)) {
      expect([kind, (await answered(a, `new ${kind}`)).ok, (await answered(reader, `reader ${kind}`)).ok]).toEqual([kind, true, true]);
      expect(a.events('reply').filter((frame) => frame.data.id === `old ${kind}`)).toHaveLength(1);
    }
  });

  it('tells the history of what ran, also to who names nothing more than that', async () => {
    await a.execute(['sum']);
    for (const asked of [{}, { n: 50 }, { hist_access_type: 'search', pattern: '1 + 1', n: 5 }]) {
      const { content } = await a.command('history', asked, { epoch: null });
      expect([asked, content.history.map((line: any) => line[2])]).toEqual([asked, expect.arrayContaining(['1 + 1'])]);
    }
  });

  it('an interrupt that comes before the kernel has begun ends the run', async () => {
    for (let round = 0; round < 3; ++round) {
      const [from, epoch] = [a.frames.length, a.epoch];
      a.socket.send(JSON.stringify({ id: `run${round}`, command: 'execute', epoch, body: { cell_ids: ['slow'] } }));
      await a.event('cell-op', (data) => data.cell_id === 'slow' && data.status === 'running', from);
      a.socket.send(JSON.stringify({ id: `stop${round}`, command: 'interrupt', epoch, body: {} }));
      await a.event('cell-op', (data) => data.cell_id === 'slow' && data.status === 'error', from);
    }
  });

  it('keeps running through a takeover; the new editor can interrupt it', async () => {
    const from = reader.frames.length;
    await a.command('execute', { cell_ids: ['slow'] });
    await reader.event('cell-op', (data) => data.cell_id === 'slow' && data.outputs?.length > 0, from);
    const epochBefore = a.epoch;
    expect((await reader.takeover()).status).toBe(200);
    const mark = reader.frames.length;
    await reader.event('cell-op', (data) => data.cell_id === 'slow' && data.outputs?.length > 0, mark);
    expect((await a.command('interrupt', {}, { epoch: epochBefore })).error.code).toBe('stale_epoch');
    expect((await reader.command('interrupt')).ok).toBe(true);
    await reader.event('cell-op', (data) => data.cell_id === 'slow' && data.status === 'error', mark);
    expect((await a.takeover()).status).toBe(200);
    await a.until('the pen', () => a.epoch !== undefined && a.epoch !== epochBefore);
  });

  it('death is noticed within a second, said, and closes no socket; a restart brings it back', async () => {
    const from = a.frames.length;
    await a.command('execute', { cell_ids: ['die'] });
    await a.event('cell-op', (data) => data.cell_id === 'die' && data.status === 'running', from);
    const started = Date.now();
    const dead = await a.event('kernel-status', (data) => data.state === 'dead', from);
    expect(Date.now() - started).toBeLessThan(1500);
    expect(dead.data.error).toBeTruthy();
    await a.event('cell-op', (data) => data.cell_id === 'die' && data.status === 'error', from);
    const restarted = await a.command('restart', {}, { timeoutMs: 30_000 });
    expect(restarted.ok).toBe(true);
    await a.event('kernel-status', (data) => data.state === 'idle', a.frames.length - 1, 30_000).catch(() => undefined);
    await a.execute(['sum']);
    expect(a.text('sum')).toBe('2');
    expect([a.closed, reader.closed]).toEqual([undefined, undefined]);
  });

  it('nobody hears of a run before the edit that made its cell', async () => {
    const epoch = a.epoch;
    const [from, readerFrom] = [a.frames.length, reader.frames.length];
    const changes = [{ type: 'create_cell', cell_id: 'fresh', cell_type: 'code', source: '40 + 2' }];
    a.socket.send(JSON.stringify({ id: 'make', command: 'transaction', epoch, body: { changes } }));
    a.socket.send(JSON.stringify({ id: 'run', command: 'execute', epoch, body: { cell_ids: ['fresh'] } }));
    await reader.event('cell-op', (data) => data.cell_id === 'fresh' && data.status === 'idle', readerFrom, 30_000);
    await a.event('reply', (data) => data.id === 'run', from);
    for (const frames of [a.frames.slice(from), reader.frames.slice(readerFrom)]) {
      const of = frames.filter((frame) => frame.op === 'notebook-document-transaction' || frame.data.cell_id === 'fresh');
      expect(of[0]?.op).toBe('notebook-document-transaction');
    }
    expect(reader.text('fresh')).toBe('42');
  });

  it('late joiners see every output, after everybody left too', async () => {
    const joiner = await Client.join(host, a.session);
    const order = joiner.frames.map((frame) => frame.op);
    expect(order.indexOf('kernel-ready')).toBe(0);
    expect(order.indexOf('cell-op')).toBeGreaterThan(0);
    expect(joiner.text('sum')).toBe('2');
    expect(joiner.text('streams')).toContain('out\n');
    await joiner.close();
  });
});

// What ZeroMQ holds for a listener that does not read is bounded, and ipykernel's own bound is a thousand messages.
it('what a kernel prints while its host stands still is all there afterwards', async () => {
  const lines = 9_000;
  const host = await Host.start();
  try {
    const printed = path.join(host.root, 'printed');
    const source = `for i in range(${lines}):\n    print(i, '.' * 3_000, flush=True)\nopen(${JSON.stringify(printed)}, 'w').close()`;
    const info = await host.open(host.notebook('still.ipynb', [{ id: 'ready', source: '1' }, { id: 'prints', source }]));
    const client = await Client.join(host, info);
    await client.execute(['ready']);
    await client.command('execute', { cell_ids: ['prints'] });
    host.process.kill('SIGSTOP');
    try {
      await until('the end of the prints', () => fs.existsSync(printed), 60_000);
    } finally {
      host.process.kill('SIGCONT');
    }
    await until('the end of the run', () => client.frames.some((frame) => frame.op === 'cell-op' && frame.data.cell_id === 'prints' && frame.data.status === 'idle'), 60_000);
    const numbers = client.text('prints').trimEnd().split('\n').map((line) => Number(line.split(' ')[0]));
    expect(numbers.findIndex((number, i) => number !== i)).toBe(-1);
    expect(numbers).toHaveLength(lines);
    await client.close();
  } finally {
    await host.stop();
  }
});
