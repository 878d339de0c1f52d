// Choices a caller may make that few callers make: binary buffers, a document only when it changed, where a new notebook
// lies (protocol 2 and 3).
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client, cut } from '../support/client';
import { Host } from '../support/host';

const WIDGET = `from ipykernel.comm import Comm
made = Comm(target_name='jupyter.widget', data={'state': {'value': 3}, 'buffer_paths': [['raw']]}, buffers=[b'\\x00\\x01lectern\\xff'],
            metadata={'version': '2.1.0'})`;
const BYTES = Buffer.from('00016c65637465726eff', 'hex');

describe('parameters', () => {
  let host: Host;
  beforeAll(async () => {
    host = await Host.start();
  });
  afterAll(() => host.stop());

  it('buffers=binary: replies arrive, and buffers come as one binary frame, not as base64', async () => {
    const info = await host.open(host.notebook('buffers.ipynb', [{ id: 'a', source: WIDGET }]));
    const binary = await Client.join(host, info, { query: { buffers: 'binary' } });
    const text = await Client.join(host, info, { query: { buffers: 'base64' } });
    expect((await binary.command('room', {}, { epoch: null })).ok).toBe(true);
    await binary.execute(['a']);
    const opened = await binary.event('model-lifecycle');
    await text.event('model-lifecycle');
    await binary.until('the buffers', () => binary.binaries.find((one) => one.kind === 5));
    const frames = binary.binaries.filter((one) => one.kind === 5);
    expect(frames.length).toBe(1);
    expect(frames[0]!.header.sizes).toEqual([BYTES.length]);
    expect(Buffer.from(cut(frames[0]!.payload, frames[0]!.header.sizes)[0]!)).toEqual(BYTES);
    expect(JSON.stringify(opened.data)).not.toContain(BYTES.toString('base64'));
    expect(text.binaries.filter((one) => one.kind === 5)).toEqual([]);
    expect(JSON.stringify(text.events('model-lifecycle'))).toContain(BYTES.toString('base64'));
    await binary.close();
    await text.close();
  });

  it('an unknown choice of models or buffers gets no session', async () => {
    const info = await host.open(host.notebook('choice.ipynb', [{ id: 'a', source: '1' }]));
    const outcome = (query: Record<string, string>) =>
      Client.connect(host, info, { query }).then(
        (client) => (client.closed ? `closed ${client.closed.code} ${client.closed.reason}` : 'connected'),
        (error: Error) => `refused ${error.message}`,
      );
    expect(await outcome({ models: 'paper' })).toMatch(/^(closed|refused) .*models/);
    expect(await outcome({ buffers: 'paper' })).toMatch(/^(closed|refused) /);
  });

  it('GET document with If-None-Match is 304 until something changes', async () => {
    const info = await host.open(host.notebook('etag.ipynb', [{ id: 'a', source: '1' }]));
    const a = await Client.join(host, info);
    const route = `/api/v1/sessions/${info.session_id}/document`;
    const first = await host.get(route);
    expect(first.status).toBe(200);
    const etag = first.headers.get('etag')!;
    expect(etag).toMatch(/^"[0-9a-f]{64}"$/);
    const same = await host.get(route, { 'If-None-Match': etag });
    expect([same.status, same.text]).toEqual([304, '']);
    expect((await a.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: '2' }] })).ok).toBe(true);
    const changed = await host.get(route, { 'If-None-Match': etag });
    expect(changed.status).toBe(200);
    expect(changed.headers.get('etag')).not.toBe(etag);
    await a.close();
  });

  it('create with working_dir puts the notebook there, and its kernel too', async () => {
    fs.mkdirSync(path.join(host.root, 'sub/deeper'), { recursive: true });
    const made = await host.post('/api/v1/notebooks/create', { runtime: 'jupyter/python3', working_dir: 'sub/deeper' });
    expect(made.status).toBe(201);
    const folder = fs.realpathSync(path.join(host.root, 'sub/deeper'));
    expect(path.dirname(made.body.path)).toBe(folder);
    expect(fs.existsSync(made.body.path)).toBe(true);
    const a = await Client.join(host, made.body);
    const cell = a.ready.notebook.cells[0].id;
    const changes = [{ type: 'set_source', cell_id: cell, source: 'import os; print(os.getcwd())' }];
    expect((await a.command('transaction', { changes })).ok).toBe(true);
    await a.execute([cell]);
    expect(a.text(cell).trim()).toBe(folder);
    await a.close();
  });

  it('create with a working_dir that is not there, is a file or lies outside leaves nothing behind', async () => {
    fs.writeFileSync(path.join(host.root, 'plain.txt'), 'x');
    const before = (await host.get('/api/v1/sessions')).body.sessions?.length;
    for (const [working_dir, status, code] of [
      ['nowhere', 404, 'not_found'],
      ['plain.txt', 404, 'not_found'],
      ['..', 403, 'outside_root'],
    ] as const) {
      const made = await host.post('/api/v1/notebooks/create', { runtime: 'jupyter/python3', working_dir });
      expect([working_dir, made.status, made.body.error?.code]).toEqual([working_dir, status, code]);
    }
    expect((await host.get('/api/v1/sessions')).body.sessions?.length).toBe(before);
    expect(fs.existsSync(path.join(host.root, 'nowhere'))).toBe(false);
  });
});
