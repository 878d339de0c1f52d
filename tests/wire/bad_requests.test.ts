// What is wrong in a request is named: the place in words, and in details.path for programs.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host } from '../support/host';

let host: Host;
let a: Client;
beforeAll(async () => {
  host = await Host.start();
  a = await Client.join(host, await host.open(host.notebook('n.ipynb', [
    { id: 'a', source: 'import ipywidgets as w\nslider = w.IntSlider(); slider' },
  ])));
  await a.execute(['a']);
});
afterAll(async () => {
  await a.close();
  await host.stop();
});

const change = (one: object) => ({ changes: [{ type: 'set_source', cell_id: 'a', source: 'x' }, one] });
const model = (message: object, more = {}) => ({ model_id: 'SLIDER', message, ...more });

describe('a command whose body is wrong', () => {
  it.each([
    ['transaction', change({ type: 'set_metadata', cell_id: 'a', path: ['k'] }), 'body.changes[1].value'],
    ['transaction', change({ type: 'create_cell', cell_id: 'b', cell_type: 'code', source: '', metadata: 7 }), 'body.changes[1].metadata'],
    ['transaction', change({ type: 'create_cell', cell_id: 'b', cell_type: 'poem', source: '' }), 'body.changes[1]'],
    ['transaction', change({ type: 'paint_cell', cell_id: 'a' }), 'body.changes[1].type'],
    ['transaction', change({ type: 'move_cell', cell_id: 'a' }), 'body.changes[1]'],
    ['transaction', { changes: [{ type: 'splice_source', cell_id: 'a', index: 0, delete: 0, insert: 'x' }] }, 'body.changes[0]'],
    ['execute', {}, 'body'],
    ['execute', { cell_ids: ['a'], code: '1' }, 'body'],
    ['sync', { heads: ['nothing like a hash'], history_id: '' }, 'body.heads'],
    ['resolve', { choices: [{ cell_id: 'a', choice: 'mine' }] }, 'body.choices[0].choice'],
    ['cursor', { cell_id: 'a', anchor: 'here?', head: '' }, 'body.anchor'],
    ['model', model({ method: 'update', state: { value: 1 } }, { buffers: ['AAAA', '!?'] }), 'body.buffers[1]'],
    ['model', model({ method: 'paint' }), 'body.message.method'],
    ['model', model({ method: 'custom' }), 'body.message.content'],
    ['model', model({ method: 'update', state: { _esm: 'x' } }), 'body.message.state._esm'],
    ['model', model({ method: 'update', state: { value: 1 }, buffer_paths: 3 }), 'body.message.buffer_paths'],
    ['model', model({ method: 'update', state: { value: 1 }, buffer_paths: [['other', 0]] }, { buffers: ['AAAA'] }), 'body.message.buffer_paths[0]'],
  ])('%s %j is 400 at its place', async (command, body, path) => {
    const slider = a.frames.find((frame) => frame.op === 'model-lifecycle' && frame.data.message?.state?._model_name === 'IntSliderModel');
    const sent = 'model_id' in body ? { ...body, model_id: slider!.data.model_id } : body;
    const reply = await a.command(command, sent);
    expect([reply.ok, reply.error?.status, reply.error?.details?.path]).toEqual([false, 400, path]);
    expect(reply.error.message).toContain(path.replace(/^body\.(changes\[\d\])$/, '$1'));
  });
});

describe('a request whose headers or parameters are wrong', () => {
  it('is 400 with their name', async () => {
    const session = `/api/v1/sessions/${a.session}`;
    const key = { 'Lectern-Client': `${a.key.id}.${a.key.secret}` };
    for (const [answer, path] of [
      [await host.request('POST', `${session}/commands/room`, {}, { ...key, 'Lectern-Epoch': 'old' }), 'Lectern-Epoch'],
      [await host.request('POST', `${session}/commands/room`, {}, { ...key, 'Idempotency-Key': 'x'.repeat(300) }), 'Idempotency-Key'],
      [await host.request('GET', `${session}/takeover/1?wait_ms=x`, undefined, key), 'wait_ms'],
      [await host.post('/api/v1/tokens', { scope: 'everything' }), 'body.scope'],
      [await host.post('/api/v1/tokens', { scope: 'view', expires: '2h' }), 'body.expires'],
      [await host.post('/api/v1/tokens', { scope: 'view', expires_ms: 0 }), 'body.expires_ms'],
      [await host.put('/api/v1/policy', { policy: 'queue', watch_ms: 5 }), 'body.watch_ms'],
    ] as const) {
      expect([answer.status, answer.body.error.code, answer.body.error.details.path], path).toEqual([400, 'bad_request', path]);
    }
  });
});
