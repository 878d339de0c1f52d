// Where people are inside cells, calls to come to one, and what only the kernel knows.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host } from '../support/host';
import { KERNELS_VENV } from '../support/jupyter';

const CURSOR = `12@${'ab'.repeat(16)}`;

describe('together', () => {
  let host: Host;
  let session: string;
  let a: Client;
  let b: Client;
  beforeAll(async () => {
    // The kernel of an environment with a formatter in it.
    host = await Host.start({ env: { LECTERN_VENV: KERNELS_VENV } });
    const name = host.notebook('t.ipynb', [
      { id: 'x', source: 'import math\nlist_ = [1, 2, 3]\ntext = "é" * 300\nbig = 10 ** 9000\nclass Lazy:\n    def __repr__(self):\n        print("shown")\n        return "never"\nlazy = Lazy()\n_hidden = 1' },
      { id: 'y', source: 'len(In), _' },
    ]);
    const info = await host.open(name);
    session = info.session_id;
    a = await Client.join(host, info);
    b = await Client.join(host, info);
  });
  afterAll(async () => {
    await a.close();
    await b.close();
    await host.stop();
  });
  const shown = (client: Client) => client.events('cursors').at(-1)?.data.cursors as { client_id: string }[] | undefined;

  it('cursors reach the others and joiners, the newest of each, and go with their people', async () => {
    expect((await a.command('cursor', { cell_id: 'x', anchor: 's', head: CURSOR })).ok).toBe(true);
    const told = await b.event('cursors', (data) => data.cursors.length === 1);
    expect(told.seq).toBeNull();
    expect(told.data.cursors).toEqual([{ client_id: a.key.id, cell_id: 'x', anchor: 's', head: CURSOR }]);
    const before = b.frames.length;
    const started = Date.now();
    for (let at = 0; at < 20; at += 1) a.command('cursor', { cell_id: 'x', head: `${at}@${'ab'.repeat(16)}` }).catch(() => undefined);
    await b.event('cursors', (data) => data.cursors[0].head.startsWith('19@'), before);
    // Told every 50 ms at most, however long this machine took for it.
    expect(b.frames.slice(before).filter((frame) => frame.op === 'cursors').length).toBeLessThan((Date.now() - started) / 50 + 3);
    const c = await Client.join(host, session);
    expect(shown(c)?.map((one) => one.client_id)).toEqual([a.key.id]);
    expect((await c.command('cursor', { cell_id: 'y', pointer: { x: 0.5, y: 1 } })).ok).toBe(true);
    const pointed = await b.event('cursors', (data) => data.cursors.length === 2);
    expect(pointed.data.cursors.find((one: { client_id: string }) => one.client_id === c.key.id)).toMatchObject({ cell_id: 'y', pointer: { x: 500, y: 1000, n: expect.any(Number) } });
    await c.close();
    await b.until('the one who left is shown no longer', () => shown(b)?.length === 1);
    expect((await a.command('cursor', {})).ok).toBe(true);
    await b.until('a cursor that was taken back is gone', () => shown(b)?.length === 0);
  });

  it('cursors are bounded and checked', async () => {
    for (const body of [{ cell_id: 'x', head: 'x'.repeat(300) }, { cell_id: 'x', anchor: '<b>' }, { cell_id: 'x', pointer: { x: 2, y: 0 } }, { cell_id: 'x', pointer: { x: 'a' } }]) {
      const reply = await b.command('cursor', body);
      expect([reply.ok, reply.error?.status]).toEqual([false, 400]);
    }
    const flood = await Promise.all(Array.from({ length: 200 }, () => b.command('cursor', { cell_id: 'x' })));
    const refused = flood.filter((reply) => !reply.ok);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0].error).toMatchObject({ status: 429, code: 'too_fast' });
  });

  it('whoever has the pen calls everybody; a reader does not', async () => {
    const replies = await Promise.all([a.command('gather', { cell_id: 'y' }), a.command('gather', { cell_id: 'y' })]);
    expect(replies[0].ok).toBe(true);
    expect(replies[1].error).toMatchObject({ status: 429, code: 'too_fast' });
    const call = await b.event('gather');
    expect(call.data).toMatchObject({ cell_id: 'y', by: { client_id: a.key.id } });
    expect(a.events('gather')).toEqual([]);
    expect((await b.command('gather', { cell_id: 'y' })).error).toMatchObject({ status: 403, code: 'read_only' });
  });

  it('the kernel tells its variables and formats, without a trace', async () => {
    expect((await b.command('variables')).error).toMatchObject({ status: 409, code: 'no_kernel' });
    await a.execute(['x']);
    await b.event('cell-op', (data) => data.cell_id === 'x' && data.status === 'idle');
    const frames = b.frames.length;
    const { content } = await b.command('variables');
    const found = Object.fromEntries(content.variables.map((one: { name: string }) => [one.name, one]));
    expect(Object.keys(found)).toEqual(['Lazy', 'big', 'lazy', 'list_', 'text']);
    expect(found.list_).toMatchObject({ type: 'list', shape: [3], value: '[1, 2, 3]' });
    expect(found.text).toMatchObject({ type: 'str', shape: [300] });
    expect(found.text.value.length).toBeLessThan(121);
    expect(found.big).toEqual({ name: 'big', type: 'int' });
    expect(found.lazy).toEqual({ name: 'lazy', type: 'Lazy' });
    const formatted = await a.command('format', { code: 'x = [ 1,2 ]\n"é"' });
    expect(formatted.ok).toBe(true);
    expect(formatted.content).toEqual({ formatter: 'black', code: 'x = [1, 2]\n"é"' });
    // Code that cannot be read is not "formatted and unchanged".
    expect((await a.command('format', { code: 'x = = 1' })).content).toMatchObject({ formatter: 'black', error: expect.stringMatching(/parse.*1:4/i) });
    expect((await b.command('format', { code: '1' })).error).toMatchObject({ status: 403 });
    await a.execute(['y']);
    expect(a.text('y')).toContain('(3, ');
    expect(b.frames.slice(frames).filter((frame) => frame.op === 'cell-op' && frame.data.cell_id === 'x')).toEqual([]);
    expect(JSON.stringify(a.events('cell-op'))).not.toContain('shown');
  });
});
