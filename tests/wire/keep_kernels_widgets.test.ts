// serve --keep-kernels and the widgets of a kernel that goes on: the next host shows them as they are, and they work.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, LECTERN, until, type ClientKey } from '../support/host';

const CELLS: Record<string, string> = {
  label: 'import ipywidgets, os, threading, time\nlabel = ipywidgets.Label("nothing yet")\nimage = ipywidgets.Image(value=bytes(range(256)))\nprint(os.getpid())',
  slider: 'slider = ipywidgets.IntSlider(value=3)\nslider.observe(lambda change: setattr(label, "value", f"it is {change.new}"), "value")\nslider',
  // Turns it while no host is there: it waits for the host's own end.
  turns: 'def turn():\n    while not os.path.exists("go"): time.sleep(0.01)\n    slider.value = 5\n    open("turned", "w").close()\nthreading.Thread(target=turn).start()',
  alive: 'slider.value',
};
const PYTHON = { kernelspec: { name: 'python3', display_name: 'Python 3', language: 'python' }, language_info: { name: 'python' } };

describe('widgets of kernels that are kept', () => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-root-'));
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-home-'));
  let host: Host;
  let a: Client;
  let session: string;
  let key: ClientKey; // told once
  let file: string;

  const start = async () => (host = await Host.start({ root, home, args: ['--keep-kernels'] }));
  const again = async () => {
    await start();
    await until('the session is there again', async () => (await host.get('/api/v1/sessions')).body.sessions[0]?.session_id === session);
    a = await Client.join(host, session, { key });
    await until('the kernel is heard', async () => (await host.get('/api/v1/sessions')).body.sessions[0]?.kernel_state === 'idle');
  };
  const lifecycle = () => a.events('model-lifecycle').map((frame) => frame.data);
  const opens = () => lifecycle().filter((data) => data.message.method === 'open');
  const named = (name: string) => opens().find((data) => data.message.state._model_name === name)!;
  /** As whoever has seen all events has it. */
  const value = (id: string) => lifecycle().filter((data) => data.model_id === id && data.message.state && 'value' in data.message.state).at(-1)?.message.state.value;
  const write = (id: string, to: number) => a.command('model', { model_id: id, message: { method: 'update', state: { value: to }, buffer_paths: [] } });

  beforeAll(async () => {
    await start();
    const info = await host.open(host.notebook('w.ipynb', Object.entries(CELLS).map(([id, source]) => ({ id, source })), PYTHON));
    session = info.session_id;
    file = path.join(home, 'state/lectern/kernels', session, 'models.jsonl');
    a = await Client.join(host, info);
    key = a.key;
    await a.execute(['label', 'slider', 'turns']);
  });
  afterAll(async () => {
    await host?.stop();
    spawnSync(LECTERN, ['kernels', '--end'], { env: { ...process.env, XDG_STATE_HOME: path.join(home, 'state'), XDG_CONFIG_HOME: path.join(home, 'config') } });
    for (const made of [root, home]) fs.rmSync(made, { recursive: true, force: true });
  });

  it('are there after an orderly end: their order, cells, buffers and values, those set meanwhile too', async () => {
    const order = opens().map((data) => [data.model_id, data.cell_id, data.message.target]);
    const slider = named('IntSliderModel').model_id;
    expect((await write(slider, 4)).ok).toBe(true);
    await a.until('its callback runs', () => value(named('LabelModel').model_id) === 'it is 4');
    expect(fs.existsSync(file)).toBe(false);
    await host.kill('SIGTERM');
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
    fs.writeFileSync(path.join(root, 'go'), '');
    await until('it is turned', () => fs.existsSync(path.join(root, 'turned')));
    await again();
    await a.until('what was set meanwhile', () => value(slider) === 5 && value(named('LabelModel').model_id) === 'it is 5');
    expect(opens().map((data) => [data.model_id, data.cell_id, data.message.target])).toEqual(order);
    expect(named('IntSliderModel').cell_id).toBe('slider');
    expect(named('IntSliderModel').revision).toBeGreaterThan(1);
    expect(fs.existsSync(file), 'what is written down is of no use any more').toBe(false);
    const late = await Client.join(host, session);
    const image = late.events('model-lifecycle').find((frame) => frame.data.message.state?._model_name === 'ImageModel')!;
    expect(image.data.message.buffer_paths).toEqual([['value']]);
    expect(Buffer.from(image.data.buffers[0], 'base64')).toEqual(Buffer.from(Array.from({ length: 256 }, (_, i) => i)));
    expect(late.events('model-lifecycle').find((frame) => frame.data.model_id === slider)!.data.message.state.value).toBe(5);
    await late.close();
  });

  it('work: what a client writes reaches the kernel, and its callback runs', async () => {
    const from = a.frames.length;
    const written = await write(named('IntSliderModel').model_id, 9);
    expect(written.ok, JSON.stringify(written)).toBe(true);
    const label = named('LabelModel').model_id;
    const answer = await a.event('model-lifecycle', (data) => data.model_id === label && data.message.state?.value === 'it is 9', from);
    expect(answer.data.cell_id).toBe('label');
    await a.execute(['alive']);
    expect(a.text('alive')).toBe('9');
  });

  it('after a host that was killed there are none until their cells run again', async () => {
    await host.kill('SIGKILL');
    await again();
    await a.execute(['alive']);
    expect(a.text('alive')).toBe('9');
    expect(opens()).toEqual([]);
    await a.execute(['slider']);
    expect(opens().length).toBeGreaterThan(0);
  });
});
