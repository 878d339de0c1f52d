// Interrupts of a kernel whose kernelspec says `interrupt_mode: message`: a request on its control channel, no signal.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, ROOT } from '../support/host';

// ipykernel's own, but for writing down that it was asked.
const KERNEL = `from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp

class Kernel(IPythonKernel):
    async def interrupt_request(self, stream, ident, parent):
        self.shell.user_ns.setdefault('asked', []).append(parent['header']['msg_type'])
        await super().interrupt_request(stream, ident, parent)

IPKernelApp.launch_instance(kernel_class=Kernel)
`;

describe('a kernel that is interrupted by message', () => {
  let host: Host;
  let editor: Client;
  const data = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-kernels-'));
  const sources: Record<string, string> = {
    // No interrupt is missed before there is something to interrupt.
    slow: 'import time\nprint("in", flush=True)\ntime.sleep(600)',
    after: 'print("never")',
    ask: 'input("who? ")',
    asked: 'print(asked)',
  };
  beforeAll(async () => {
    const folder = path.join(data, 'kernels', 'by-message');
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'kernel.py'), KERNEL);
    const python = path.join(process.env.LECTERN_VENV ?? path.join(ROOT, '.venv'), 'bin/python');
    const argv = [python, path.join(folder, 'kernel.py'), '-f', '{connection_file}'];
    fs.writeFileSync(path.join(folder, 'kernel.json'), JSON.stringify({ argv, display_name: 'By message', language: 'python', interrupt_mode: 'message' }));
    host = await Host.start({ env: { JUPYTER_PATH: data } });
    editor = await Client.join(host, await host.open(host.notebook('i.ipynb', Object.entries(sources).map(([id, source]) => ({ id, source })))));
    expect(await editor.command('start_kernel', { runtime: 'jupyter/by-message' })).toMatchObject({ ok: true, runtime: 'jupyter/by-message' });
  });
  afterAll(async () => {
    await editor.close();
    await host.stop();
    fs.rmSync(data, { recursive: true, force: true });
  });

  it('is asked on its control channel, ends its run and goes on', async () => {
    for (let round = 1; round <= 2; ++round) {
      const from = editor.frames.length;
      expect((await editor.command('execute', { cell_ids: ['slow', 'after'] })).ok).toBe(true);
      await editor.event('cell-op', (data) => data.cell_id === 'slow' && JSON.stringify(data.outputs).includes('in\\n'), from, 60_000);
      expect((await editor.command('interrupt')).ok).toBe(true);
      await editor.event('cell-op', (data) => data.cell_id === 'slow' && data.status === 'error', from, 30_000);
      await editor.event('cell-op', (data) => data.cell_id === 'after' && data.status === 'cancelled', from);
      expect(editor.outputs('slow').at(-1)).toMatchObject({ output_type: 'error', ename: 'KeyboardInterrupt' });
      await editor.execute(['asked']);
      expect(editor.text('asked')).toBe(`[${Array(round).fill("'interrupt_request'").join(', ')}]\n`);
    }
  });

  it('is asked too while it waits for a line', async () => {
    const from = editor.frames.length;
    await editor.command('execute', { cell_ids: ['ask'] });
    await editor.event('input-request', undefined, from, 30_000);
    expect((await editor.command('interrupt')).ok).toBe(true);
    await editor.event('cell-op', (data) => data.cell_id === 'ask' && data.status === 'error', from, 30_000);
    await editor.event('input-done', undefined, from);
    await editor.execute(['asked']);
    expect(editor.text('asked')).toBe(`[${Array(3).fill("'interrupt_request'").join(', ')}]\n`);
  });
});
