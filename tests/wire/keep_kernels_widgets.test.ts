// serve --keep-kernels and the widgets of a kernel that goes on: the next host shows them as they are, and they work.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, LECTERN, until, type ClientKey } from '../support/host';

const CELLS: Record<string, string> = {
  label: 'import ipywidgets, os, threading, time\nlabel = ipywidgets.Label("nothing yet")\nimage = ipywidgets.Image(value=bytes(range(256)))\nprint(os.getpid())',
  slider:
    'slider = ipywidgets.IntSlider(value=3)\nslider.observe(lambda change: setattr(label, "value", f"it is {change.new}"), "value")\n' +
    'slider.observe(lambda change: print("turned to", change.new), "value")\nslider',
  box: 'inner = ipywidgets.Text("inside")\nspare = ipywidgets.Button()\nipywidgets.HBox([ipywidgets.VBox([inner, spare])])',
  dial:
    'import anywidget, traitlets\nclass Dial(anywidget.AnyWidget):\n    _esm = "export default { render() {} }"\n' +
    '    raw = traitlets.Bytes().tag(sync=True)\n    n = traitlets.Int(1).tag(sync=True)\n' +
    'dial = Dial(raw=bytes([250, 0, 10]))\ndial.observe(lambda change: setattr(dial, "raw", bytes([change.new])), "n")\ndial',
  // Turns it while no host is there: it waits for the host's own end.
  turns: 'def turn():\n    while not os.path.exists("go"): time.sleep(0.01)\n    slider.value = 5\n    open("turned", "w").close()\nthreading.Thread(target=turn).start()',
  alive: 'slider.value',
  // Runs over the end of its host, and over the beginning of the next.
  away:
    'def wait(name):\n    while not os.path.exists(name): time.sleep(0.01)\nwait("go away")\nslider.value = 21\nimage.value = b"\\x09\\x08"\n' +
    'dial.raw = bytes([7, 7])\nspare.close()\nlate = ipywidgets.Checkbox(True)\nlate.observe(lambda change: print("late is", change.new), "value")\n' +
    'open("went", "w").close()\nwait("come back")\nlate',
  computes: 'wait("go again")\nunseen = ipywidgets.Valid()\nopen("went again", "w").close()\nwait("show it")\ndisplay(unseen)\nprint("shown")\nwait("enough")',
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
  const bytes = (data: any, key: string) => {
    const at = data.message.buffer_paths.findIndex((place: string[]) => place[0] === key);
    return [...Buffer.from(data.buffers[at], 'base64')];
  };
  /** Of the models that are written down. */
  const ids = (from: string) => new Set(fs.readFileSync(from, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line).model_id));
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
    await host.kill('SIGTERM');
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
    fs.writeFileSync(path.join(root, 'go'), '');
    await until('it is turned', () => fs.existsSync(path.join(root, 'turned')));
    await again();
    await a.until('what was set meanwhile', () => value(slider) === 5 && value(named('LabelModel').model_id) === 'it is 5');
    expect(opens().map((data) => [data.model_id, data.cell_id, data.message.target])).toEqual(order);
    expect(named('IntSliderModel').cell_id).toBe('slider');
    expect(named('IntSliderModel').revision).toBeGreaterThan(1);
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

  it('what their callbacks print is in the cell that made them, not in the one that ran last', async () => {
    const printed = await a.until('it is printed', () => /turned to 9\n$/.test(a.text('slider')));
    expect(printed).toBe(true);
    expect(a.text('alive')).toBe('9');
    const words = a.events('cell-op').find((frame) => frame.data.cell_id === 'slider' && JSON.stringify(frame.data.outputs).includes('turned to 9'));
    expect(words!.data.execution_id).toBeUndefined();
  });

  it('are there after a host that was killed, before any output that names them, with what was set meanwhile', async () => {
    await a.execute(['box', 'dial']);
    const slider = named('IntSliderModel').model_id;
    expect((await write(slider, 12)).ok).toBe(true);
    await a.until('its callback runs', () => value(named('LabelModel').model_id) === 'it is 12');
    const order = opens().map((data) => [data.model_id, data.cell_id, data.message.target]);
    expect((await a.command('execute', { cell_ids: ['away'] })).ok).toBe(true);
    expect((await a.command('save')).ok).toBe(true);
    await until('the newest models are written down', () => ids(file).has(named('AnyModel').model_id));
    await host.kill('SIGKILL');
    fs.writeFileSync(path.join(root, 'go away'), '');
    await until('all is set', () => fs.existsSync(path.join(root, 'went')));

    await start();
    await until('the session is there again', async () => (await host.get('/api/v1/sessions')).body.sessions[0]?.session_id === session);
    a = await Client.join(host, session, { key });
    // The kernel computes and answers nothing yet: these are the ones that were written down.
    expect(opens().map((data) => [data.model_id, data.cell_id, data.message.target])).toEqual(order);
    const shown = a.frames.findIndex((frame) => frame.op === 'cell-op' && JSON.stringify(frame.data).includes(slider));
    expect(shown, 'the saved output that names it').toBeGreaterThan(0);
    expect(a.frames.findIndex((frame) => frame.op === 'model-lifecycle' && frame.data.model_id === slider)).toBeLessThan(shown);
    expect(bytes(named('AnyModel'), 'raw')).toEqual([250, 0, 10]);

    await until('what it says is heard', async () => (await host.get('/api/v1/sessions')).body.sessions[0]?.kernel_state === 'busy');
    const from = a.frames.length;
    fs.writeFileSync(path.join(root, 'come back'), '');
    await a.event('cell-op', (data) => data.cell_id === 'away' && ['idle', 'error'].includes(data.status), from);
    await a.until('what was set meanwhile', () => value(slider) === 21 && value(named('LabelModel').model_id) === 'it is 21');
    const late = await a.event('model-lifecycle', (data) => data.message.state?._model_name === 'CheckboxModel');
    expect(late.data).toMatchObject({ cell_id: 'away', message: { method: 'open', state: { value: true } } });
    const naming = a.frames.findIndex((frame) => frame.op === 'cell-op' && JSON.stringify(frame.data).includes(late.data.model_id));
    expect(naming, 'the output that names it').toBeGreaterThan(a.frames.indexOf(late));
    const spare = named('ButtonModel').model_id;
    await a.event('model-lifecycle', (data) => data.model_id === spare && data.message.method === 'close');

    const other = await Client.join(host, session);
    const all = other.events('model-lifecycle').map((frame) => frame.data);
    const there = (name: string) => all.filter((data) => data.message.state?._model_name === name);
    expect(all.every((data) => data.message.method === 'open')).toBe(true);
    expect(new Set(all.map((data) => data.model_id)).size).toBe(all.length);
    expect(there('ButtonModel')).toEqual([]);
    const kept = order.filter(([id]) => id !== spare).map(([id]) => id);
    expect(all.map((data) => data.model_id).slice(0, kept.length)).toEqual(kept);
    expect(there('IntSliderModel')[0]!.message.state.value).toBe(21);
    expect(bytes(there('ImageModel')[0], 'value')).toEqual([9, 8]);
    expect(bytes(there('AnyModel')[0], 'raw')).toEqual([7, 7]);
    expect(there('HBoxModel')[0]!.message.state.children).toEqual([`IPY_MODEL_${there('VBoxModel')[0]!.model_id}`]);
    expect(there('VBoxModel')[0]!.message.state.children[0]).toBe(`IPY_MODEL_${there('TextModel')[0]!.model_id}`);
    await other.close();
  });

  it('work after that too, both ways, and their callbacks print in their own cells', async () => {
    const from = a.frames.length;
    await a.execute(['alive']);
    expect(a.text('alive')).toBe('21');
    expect((await write(named('IntSliderModel').model_id, 33)).ok).toBe(true);
    const label = named('LabelModel').model_id;
    await a.event('model-lifecycle', (data) => data.model_id === label && data.message.state?.value === 'it is 33', from);
    await a.until('it is printed', () => /turned to 33\n$/.test(a.text('slider')));
    const dial = named('AnyModel').model_id;
    expect((await a.command('model', { model_id: dial, message: { method: 'update', state: { n: 5 }, buffer_paths: [] } })).ok).toBe(true);
    const answer = await a.event('model-lifecycle', (data) => data.model_id === dial && data.message.buffer_paths?.[0]?.[0] === 'raw', from);
    expect(bytes(answer.data, 'raw')).toEqual([5]);
    expect((await a.command('model', { model_id: named('CheckboxModel').model_id, message: { method: 'update', state: { value: false }, buffer_paths: [] } })).ok).toBe(true);
    await a.until('the one that was made meanwhile', () => /late is False\n$/.test(a.text('away')));
    expect(a.text('alive')).toBe('21');
    await a.execute(['alive']);
    expect(a.text('alive')).toBe('33');
  });

  it('what a kernel shows that goes on computing is not kept back for its answer', async () => {
    expect((await a.command('execute', { cell_ids: ['computes'] })).ok).toBe(true);
    await a.event('cell-op', (data) => data.cell_id === 'computes' && data.status === 'running' && data.execution_count);
    await host.kill('SIGKILL');
    fs.writeFileSync(path.join(root, 'go again'), '');
    await until('it is made', () => fs.existsSync(path.join(root, 'went again')));
    await start();
    await until('what it says is heard', async () => (await host.get('/api/v1/sessions')).body.sessions[0]?.kernel_state === 'busy');
    a = await Client.join(host, session, { key });
    fs.writeFileSync(path.join(root, 'show it'), '');
    await a.until('it is shown', () => /shown\n$/.test(a.text('computes')));
    const from = a.frames.length;
    fs.writeFileSync(path.join(root, 'enough'), '');
    const made = await a.event('model-lifecycle', (data) => data.message.state?._model_name === 'ValidModel', from);
    expect(made.data).toMatchObject({ cell_id: 'computes', message: { method: 'open' } });
    expect(JSON.stringify(a.outputs('computes'))).toContain(made.data.model_id);
  });
});

describe('what is written down of the widgets of a kernel that is kept', () => {
  const cells = {
    old: 'import ipywidgets, os, time\nraws = []\nold = ipywidgets.IntSlider(value=3)\nold.observe(lambda change: print("turned to", change.new), "value")\nold',
    big: 'raws = [ipywidgets.Image(value=bytes(7 << 20)) for _ in range(8)]',
    runs: 'new = ipywidgets.Checkbox(True)\nopen("runs", "w").close()\nwhile not os.path.exists("end"): time.sleep(0.01)\nfor raw in raws: raw.value = b""\nnew',
    after: 'late = ipywidgets.Valid()\nlate',
    catches:
      'out = ipywidgets.Output()\nfrom IPython.display import display\ndisplay(out)\nwith out:\n    print("before")\n    while not os.path.exists("end"): time.sleep(0.01)\n' +
      '    print("after")\nprint("outside")',
    // Its buffer has no place in the list: the host refuses it, and the kernel has it.
    refused:
      'import comm\nbad = comm.create_comm(target_name="jupyter.widget", data={"state": {"a": [1]}, "buffer_paths": [["a", 9]]}, buffers=[b"x"])\n' +
      'bad.on_msg(lambda message: print("asked"))\nprint(bad.comm_id)',
    says: 'print(repr("".join(one["text"] for one in out.outputs)))',
  };
  const roots: string[] = [];
  let host: Host | undefined;
  let home: string;
  let root: string;
  let session: string;
  let folder: string;
  let a: Client;

  const start = async () => (host = await Host.start({ root, home, args: ['--keep-kernels'] }));
  const begin = async (run: string[]) => {
    root = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-root-'));
    home = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-home-'));
    roots.push(root, home);
    await start();
    const info = await host!.open(host!.notebook('w.ipynb', Object.entries(cells).map(([id, source]) => ({ id, source })), PYTHON));
    session = info.session_id;
    folder = path.join(home, 'state/lectern/kernels', session);
    a = await Client.join(host!, info);
    await a.execute(run);
  };
  const lines = () => fs.readFileSync(path.join(folder, 'models.jsonl'), 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line));
  const again = async (state: string) => {
    await start();
    await until('the session is there again', async () => (await host!.get('/api/v1/sessions')).body.sessions[0]?.session_id === session);
    a = await Client.join(host!, session);
    await until('the kernel is heard', async () => (await host!.get('/api/v1/sessions')).body.sessions[0]?.kernel_state === state);
  };
  const opens = () => a.events('model-lifecycle').map((frame) => frame.data).filter((data) => data.message.method === 'open');
  const made = (name: string) => opens().find((data) => data.message.state._model_name === name);
  const running = async () => {
    expect((await a.command('execute', { cell_ids: ['runs'] })).ok).toBe(true);
    await until('it runs', () => fs.existsSync(path.join(root, 'runs')));
  };

  afterEach(async () => {
    await host?.stop();
    host = undefined;
    spawnSync(LECTERN, ['kernels', '--end'], { env: { ...process.env, XDG_STATE_HOME: path.join(home, 'state'), XDG_CONFIG_HOME: path.join(home, 'config') } });
    for (const made of roots.splice(0)) fs.rmSync(made, { recursive: true, force: true });
  });

  it('is damaged: no widget counts as made by what runs, now or for a host after this one', async () => {
    await begin(['old']);
    await running();
    await until('all is noted', () => JSON.parse(fs.readFileSync(path.join(folder, 'run.json'), 'utf8')).models_noted);
    await host!.kill('SIGKILL');
    for (const damage of [true, false]) {
      if (damage) fs.appendFileSync(path.join(folder, 'models.jsonl'), '{}\n{"model_id":"x"}\n');
      await again('busy');
      expect(opens(), 'until the kernel can say').toEqual([]);
      if (damage) {
        expect(host!.stderr).toMatch(/models\.jsonl is damaged/);
        await until('what this host knows is written down', () => lines().length === 0);
        await host!.kill('SIGKILL');
      }
    }
    fs.writeFileSync(path.join(root, 'end'), '');
    await a.until('all are found', () => made('IntSliderModel') && made('CheckboxModel'));
    expect(made('IntSliderModel')!.cell_id).toBeUndefined();
    expect((await a.command('model', { model_id: made('IntSliderModel')!.model_id, message: { method: 'update', state: { value: 8 }, buffer_paths: [] } })).ok).toBe(true);
    await a.execute(['after']);
    expect(made('ValidModel')!.cell_id).toBe('after');
  });

  it('is more than a host writes: which cell made which stays known', async () => {
    await begin(['old']);
    expect((await a.command('execute', { cell_ids: ['big', 'runs'] })).ok).toBe(true);
    await a.close(); // so much at once a viewer may be too slow for
    await until('it is too much', () => /widgets past 64 MiB/.test(host!.stderr), 45_000);
    await until('the makers are written down', () => lines().length >= 3);
    expect(lines().every((line) => line.bare)).toBe(true);
    await until('it runs', () => fs.existsSync(path.join(root, 'runs')));
    await until('the newest, too', () => JSON.parse(fs.readFileSync(path.join(folder, 'run.json'), 'utf8')).models_noted);
    await host!.kill('SIGKILL');
    await again('busy'); // it computes: nothing is known yet, and this host is killed, too
    expect(opens()).toEqual([]);
    await until('the makers are written down again', () => lines().length >= 3 && lines().every((line) => line.bare));
    await host!.kill('SIGKILL');
    await again('busy');
    fs.writeFileSync(path.join(root, 'end'), '');
    await a.until('all are found', () => made('IntSliderModel') && made('CheckboxModel') && opens().filter((data) => data.message.state._model_name === 'ImageModel').length === 8);
    expect(made('IntSliderModel')!.cell_id).toBe('old');
    expect(made('ImageModel')!.cell_id).toBe('big');
    expect(made('CheckboxModel')!.cell_id).toBe('runs');
    expect((await a.command('model', { model_id: made('IntSliderModel')!.model_id, message: { method: 'update', state: { value: 8 }, buffer_paths: [] } })).ok).toBe(true);
    await a.until('its callback prints in its cell', () => /turned to 8\n$/.test(a.text('old')));
  });

  it('has one that the host refused: it does not count as made by what runs when the host is killed', async () => {
    await begin(['old', 'refused']);
    const bad = a.text('refused').trim();
    expect(host!.stderr).toMatch(/a model message of the kernel was dropped/);
    await until('its maker is written down', () => lines().some((line) => line.model_id === bad && line.bare && line.cell_id === 'refused'));
    await running();
    await until('all is noted', () => JSON.parse(fs.readFileSync(path.join(folder, 'run.json'), 'utf8')).models_noted);
    await host!.kill('SIGKILL');
    await again('busy');
    fs.writeFileSync(path.join(root, 'end'), '');
    await a.until('the kernel is asked for it, and its callback prints', () => /asked\n/.test(a.text('refused') + a.text('runs')));
    expect(a.text('refused')).toMatch(/asked\n$/);
    expect(a.text('runs')).not.toMatch(/asked/);
  });

  it('has what an Output widget caught, which goes on catching for both tabs, and its kernel knows in the end', async () => {
    await begin(['old']);
    const key = a.key;
    expect((await a.command('execute', { cell_ids: ['catches'] })).ok).toBe(true);
    const caught = (tab: Client) => {
      const id = made('OutputModel')?.model_id;
      const told = tab.events('model-lifecycle').map((frame) => frame.data).filter((data) => data.model_id === id && data.message.state?.outputs);
      return ((told.at(-1)?.message.state.outputs ?? []) as any[]).map((one) => one.text).join('');
    };
    await a.until('it is caught', () => caught(a) === 'before\n');
    const id = made('OutputModel')!.model_id;
    await until('that is written down', () => JSON.stringify(lines().filter((line) => line.model_id === id).at(-1)?.message.state.outputs ?? '').includes('before'));
    await host!.kill('SIGKILL');
    await again('busy');
    const b = await Client.join(host!, session, { key });
    for (const tab of [a, b]) expect(caught(tab), 'before the kernel says anything').toBe('before\n');
    fs.writeFileSync(path.join(root, 'end'), '');
    for (const tab of [a, b]) await tab.until('the rest is caught', () => caught(tab) === 'before\nafter\n');
    await a.until('it is over', () => /outside\n$/.test(a.text('catches')));
    expect(a.text('catches')).not.toMatch(/before|after/);
    await a.execute(['says']);
    expect(a.text('says').trim()).toBe("'before\\nafter\\n'");
    // Both write at once: both see the same in the end, the kernel's own, and its callback prints in its cell.
    const slider = made('IntSliderModel')!.model_id;
    const value = (tab: Client) => tab.events('model-lifecycle').map((frame) => frame.data).filter((data) => data.model_id === slider && data.message.state && 'value' in data.message.state);
    const wrote = await Promise.all([a, b].map((tab, i) => tab.command('model', { model_id: slider, message: { method: 'update', state: { value: 20 + i }, buffer_paths: [] } })));
    expect(wrote.map((one) => one.ok)).toEqual([true, true]);
    const last = wrote[0].revision > wrote[1].revision ? 20 : 21;
    await a.until('its callback printed', () => a.text('old').endsWith(`turned to ${last}\n`));
    const joins = await Client.join(host!, session);
    expect(value(joins).at(-1)!.message.state.value).toBe(last);
    await joins.close();
    await b.close();
  });

  it('cannot be written for a while: it is tried again without a change, and told once', async () => {
    await begin(['old']);
    const file = path.join(folder, 'models.jsonl');
    await until('it is written down', () => lines().length >= 3);
    const stuck = file + '.new'; // and nothing can take the place of what there is
    fs.rmSync(file);
    fs.mkdirSync(file);
    fs.mkdirSync(stuck);
    await a.execute(['after']);
    await until('it is told', () => /cannot write .*models\.jsonl/.test(host!.stderr));
    fs.rmdirSync(file);
    fs.rmdirSync(stuck);
    const id = made('ValidModel')!.model_id;
    await until('it is written after all', () => fs.existsSync(file) && lines().some((line) => line.model_id === id));
    await until('that is told', () => /models\.jsonl can be written again/.test(host!.stderr));
    expect(host!.stderr.match(/cannot write .*models\.jsonl/g)).toHaveLength(1);
  });
});
