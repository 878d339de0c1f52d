// Widgets that live: ipywidgets, anywidget and some that nobody here wrote, in their frames, in several tabs at once.
import fs from 'node:fs';
import path from 'node:path';
import type { Browser, BrowserContext, Frame, Locator } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { Host, until } from '../support/host';
import { Line, Tab, withHost } from './support';

const CORE = `import ipywidgets as w
from IPython.display import display
slider = w.IntSlider(value=7, description='s')
twin = w.IntSlider(description='twin')
text = w.Text(value='hello', description='t')
menu = w.Dropdown(options=['one', 'two', 'three'], description='d')
play = w.Play(min=0, max=12, interval=10)
count = w.IntText(description='count')
upload = w.FileUpload(description='up')
out = w.Output()
w.jslink((slider, 'value'), (twin, 'value'))
w.jsdlink((play, 'value'), (count, 'value'))
button = w.Button(description='go', icon='check')
clicks = []
def pressed(_):
    clicks.append(1)
    with out:
        print('pressed', len(clicks))
button.on_click(pressed)
print('before')
display(w.VBox([slider, twin, text, menu, play, count, upload, button, out]))
with out:
    print('captured')
    display(w.HTMLMath('$x^2$'))`;

const STATE = `files = [f.name + ':' + f.content.tobytes().decode() for f in upload.value]
print('state', [slider.value, twin.value, text.value, menu.value, play.value, count.value, len(clicks), files, [o['output_type'] for o in out.outputs]])`;

const COUNTER = `import anywidget, traitlets
class Counter(anywidget.AnyWidget):
    _esm = """
    export default () => { let inits = 0; return {
      initialize({ model }) { inits += 1; model.set('inits', model.get('inits') + 1); model.save_changes(); return () => { globalThis.ended = (globalThis.ended ?? 0) + 1; }; },
      render({ model, el }) {
        const button = document.createElement('button');
        const show = () => { button.textContent = 'old ' + model.get('count'); };
        button.addEventListener('click', () => { model.set('count', model.get('count') + 1); model.save_changes(); });
        model.on('change:count', show);
        show();
        el.append(button);
        return async () => { await new Promise((done) => setTimeout(done, 50)); globalThis.cleaned = (globalThis.cleaned ?? 0) + 1; };
      } }; };
    """
    _css = "button { outline: 3px solid rgb(1, 2, 3); }"
    count = traitlets.Int(40).tag(sync=True)
    inits = traitlets.Int(0).tag(sync=True)
    raw = traitlets.Any(b'').tag(sync=True)
counter = Counter()
display(counter)
display(counter)`;

const RELOAD = `counter._esm = """
export default { initialize() { globalThis.begun = (globalThis.begun ?? 0) + 1; }, render({ model, el }) {
  el.textContent = 'new ' + model.get('count') + ' ';
  model.set('raw', new DataView(new Uint8Array([0, 255, 7]).buffer));
  model.save_changes();
} };
"""`;

// As anywidget's authors work: the code in a file, which the kernel watches.
const OF_A_FILE = `import os, pathlib
os.environ['ANYWIDGET_HMR'] = '1'
import anywidget, traitlets
file = pathlib.Path('live.js')
file.write_text("export default { render({ model, el }) { el.textContent = 'first ' + model.get('count'); } };")
class Live(anywidget.AnyWidget):
    _esm = file
    count = traitlets.Int(7).tag(sync=True)
live = Live()
live`;

const OTHERS = `import pandas as pd
from IPython.display import display
import bqplot.pyplot as plt
from ipycanvas import Canvas
from ipytree import Tree, Node
from itables.widget import ITable
figure = plt.figure(title='squares', animation_duration=0)
plt.plot([0, 1, 2, 3], [0, 1, 4, 9])
tree = Tree()
root = Node('trunk')
tree.add_node(root)
root.add_node(Node('leaf'))
table = ITable(pd.DataFrame({'city': ['Uppsala', 'Kyoto'], 'people': [1, 2]}))
canvas = Canvas(width=60, height=40)
def pressed(x, y):
    canvas.fill_style = '#0a141e'
    canvas.fill_rect(0, 0, 60, 40)
    root.name = 'stem'
    figure.title = 'cubes'
    table.df = pd.DataFrame({'city': ['Lima'], 'people': [3]})
canvas.on_mouse_down(pressed)
display(canvas)
display(tree)
display(table)
display(figure)`;

/** Saved widgets: a text that a link gives to a field, and to what would be the code of a widget that was saved without any. */
const CORE_MODEL = { model_module: '@jupyter-widgets/controls', model_module_version: '2.0.0' };
const ANY_MODEL = { model_module: 'anywidget', model_module_version: '~0.11.0' };
const STOLEN = 'globalThis.stolen = true; export default {}';
const link = (target: [string, string]) => ({ model_name: 'DirectionalLinkModel', ...CORE_MODEL, state: { source: ['IPY_MODEL_text', 'value'], target: [`IPY_MODEL_${target[0]}`, target[1]] } });
const LINKED = {
  text: { model_name: 'TextModel', ...CORE_MODEL, state: { _view_name: 'TextView', _view_module: CORE_MODEL.model_module, _view_module_version: '2.0.0', value: STOLEN } },
  other: { model_name: 'TextModel', ...CORE_MODEL, state: { _view_name: 'TextView', _view_module: CORE_MODEL.model_module, _view_module_version: '2.0.0', value: '' } },
  any: { model_name: 'AnyModel', ...ANY_MODEL, state: { _view_name: 'AnyView', _view_module: 'anywidget', _view_module_version: '~0.11.0' } },
  steals: link(['any', '_esm']),
  paints: link(['any', '_css']),
  tells: link(['other', 'value']),
};

describe('widgets', () => {
  let host: Host;
  let browser: Browser;
  let context: BrowserContext;
  withHost((...made) => ([host, browser] = made));
  beforeAll(async () => {
    context = await browser.newContext();
  });

  /** The frame of a cell's widgets, once it is there. */
  const widgets = async (tab: Tab, id: string): Promise<Frame> => {
    const frame = tab.cell(id).getByTestId('widget-frame');
    await frame.waitFor({ timeout: 30_000 });
    return (await (await frame.elementHandle())!.contentFrame())!;
  };
  const run = async (tab: Tab, id: string) => {
    await tab.select(id);
    await tab.page.keyboard.press('Control+Enter');
  };
  const reads = async (what: string, locator: Locator, text: string | RegExp) => {
    const now = () => locator.innerText({ timeout: 1000 }).catch(() => '');
    await until(what, async () => (typeof text === 'string' ? (await now()) === text : text.test(await now())), 15_000).catch(async (error: Error) => {
      throw new Error(`${error.message}; it reads ${JSON.stringify(await now())}`);
    });
  };
  const readout = (frame: Frame, nth = 0) => frame.locator('.widget-readout').nth(nth);
  const handle = (frame: Frame, nth = 0) => frame.locator('.noUi-handle').nth(nth);

  it('of ipywidgets are in step in two tabs and in the kernel, and captured output is the widget\'s', async () => {
    const name = host.notebook('core.ipynb', [
      { id: 'make', source: CORE },
      { id: 'state', source: STATE },
    ]);
    const first = await Tab.open(context, host, name);
    await run(first, 'make');
    const a = await widgets(first, 'make');
    await reads('the slider', readout(a), '7');
    const second = await Tab.open(context, host, name);
    expect(await second.isReader()).toBe(true);
    const b = await widgets(second, 'make');
    await reads('the slider in the second tab', readout(b), '7');
    for (const frame of [a, b]) {
      await reads('what was captured', frame.locator('.widget-output'), /captured/);
      await frame.locator('.widget-output math').waitFor();
    }
    expect(await first.output('make')).toBe('before\n');
    // A reader may interact.
    await handle(b).press('ArrowRight');
    for (const frame of [a, b]) {
      await reads('the moved slider', readout(frame), '8');
      await reads('its twin', readout(frame, 1), '8');
    }
    await first.page.bringToFront();
    await a.locator('.widget-text input[type=text]').first().fill('written');
    await a.locator('.widget-dropdown select').selectOption('three');
    const chooser = first.page.waitForEvent('filechooser');
    await a.locator('.jupyter-button', { hasText: 'up' }).click();
    await (await chooser).setFiles({ name: 'f.txt', mimeType: 'text/plain', buffer: Buffer.from('file') });
    await until('the text in the other tab', async () => (await b.locator('.widget-text input[type=text]').first().inputValue()) === 'written');
    await until('the choice in the other tab', async () => (await b.locator('.widget-dropdown select').inputValue()) === 'three');
    await a.getByRole('button', { name: 'go' }).click();
    for (const frame of [a, b]) await reads('what the callback printed', frame.locator('.widget-output'), /pressed 1/);
    await a.locator('.widget-play button').first().click();
    for (const frame of [a, b]) await until('the end of the play', async () => (await frame.locator('input[type=number]').inputValue()) === '12');
    // Each tab has the link and writes what it gives: what the slower one wrote on the way is followed by its last.
    const whole = "state [8, 8, 'written', 'three', 12, 12, 1, ['f.txt:file'], ['stream', 'display_data', 'stream']]";
    await until('the kernel to have it all', async () => {
      await run(first, 'state');
      await until('the answer', async () => (await first.output('state')).includes('state ['));
      await first.kernel('idle');
      return (await first.output('state')).includes(whole);
    }).catch(async (error: Error) => {
      throw new Error(`${error.message}; it has ${await first.output('state')}`);
    });
    first.expectNoProblems();
    second.expectNoProblems();
    await second.page.close();
    await first.page.close();
  });

  it('keep their place under a hand: takeover while dragging, two people at one slider over a slow line, viewers', async () => {
    const name = host.notebook('hands.ipynb', [{ id: 'make', source: 'import ipywidgets as w\nfrom IPython.display import display\nslider = w.IntSlider(value=200, max=400)\ndisplay(slider)' }, { id: 'state', source: 'print("kernel", slider.value)' }]);
    const lines = [await Line.create(200), await Line.create(200)];
    const contexts = await Promise.all(lines.map((line) => browser.newContext({ proxy: line.proxy })));
    const first = await Tab.open(contexts[0]!, host, name);
    await run(first, 'make');
    const a = await widgets(first, 'make');
    await reads('the slider', readout(a), '200');
    const second = await Tab.open(contexts[1]!, host, name);
    const b = await widgets(second, 'make');
    await reads('the slider in the second tab', readout(b), '200');

    // The pen goes from the first tab to the second in the middle of a drag.
    const grip = (await handle(a).boundingBox())!;
    await first.page.bringToFront();
    await first.page.mouse.move(grip.x + grip.width / 2, grip.y + grip.height / 2);
    await first.page.mouse.down();
    await first.page.mouse.move(grip.x + 40, grip.y + 5, { steps: 4 });
    await second.page.getByTestId('takeover-button').evaluate((button: HTMLElement) => button.click());
    await first.becomesReader();
    await first.page.mouse.move(grip.x + 80, grip.y + 5, { steps: 4 });
    const held = await readout(a).innerText();
    expect(Number(held)).toBeGreaterThan(200);
    await first.page.mouse.up();
    await reads('the other tab after the drag', readout(b), held);
    expect(await readout(a).innerText()).toBe(held);

    // Two hands, 200 ms from the host each: neither sees the value jump away, and in the end both have the same.
    const watch = (frame: Frame) =>
      frame.evaluate(() => {
        const seen: number[] = [];
        const read = document.querySelector('.widget-readout')!;
        new MutationObserver(() => seen.push(Number(read.textContent))).observe(read, { childList: true, characterData: true, subtree: true });
        (globalThis as any).seen = seen;
      });
    const drag = (frame: Frame, by: number) =>
      frame.evaluate(async (step) => {
        const target = document.querySelector('.noUi-handle')!;
        let gap = 0;
        let last = performance.now();
        for (let at = 0; at < 30; at += 1) {
          target.dispatchEvent(new KeyboardEvent('keydown', { key: step > 0 ? 'ArrowRight' : 'ArrowLeft', bubbles: true }));
          await new Promise((done) => setTimeout(done, 20));
          gap = Math.max(gap, performance.now() - last);
          last = performance.now();
        }
        return { seen: [...(globalThis as any).seen] as number[], gap };
      }, by);
    const both = async () => Promise.all([readout(a).innerText(), readout(b).innerText()]);
    const settled = async () => {
      const before = await both();
      await new Promise((done) => setTimeout(done, 700)); // longer than a way there and back
      const after = await both();
      return before.join() === after.join() && after[0] === after[1] ? after[0]! : null;
    };
    const rest = () => until('both to have the same value, and to rest', settled, 15_000);
    const together = async () => {
      await Promise.all([watch(a), watch(b)]);
      return Promise.all([drag(a, 1), drag(b, -1)]);
    };
    let hands = await together();
    // A hand that pauses, on a busy machine, sees what the other did meanwhile, and should: only one that moves on says something.
    for (let again = 0; again < 2 && hands.some(({ gap }) => gap > 300); again += 1) {
      await rest();
      hands = await together();
    }
    const [up, down] = hands.map(({ seen }) => seen);
    const steady = (values: number[], sign: number) => values.every((value, at) => at === 0 || Math.sign(value - values[at - 1]!) === sign);
    expect(up!.length).toBeGreaterThan(10);
    expect([up, steady(up!, 1)]).toEqual([up, true]);
    expect([down, steady(down!, -1)]).toEqual([down, true]);
    const last = await rest();
    await run(second, 'state');
    await second.showsOutput('state', `kernel ${last}`);

    // Who may only watch sees every move and makes none.
    const link = await host.post('/api/v1/tokens', { scope: 'view', session_id: (await host.get('/api/v1/sessions')).body.sessions.find((row: any) => row.path.endsWith('hands.ipynb')).session_id });
    const guests = await browser.newContext();
    const guest = await Tab.blank(guests);
    await guest.page.goto(`${host.url}/?${new URLSearchParams({ token: link.body.token, path: name })}`);
    await guest.ready();
    const c = await widgets(guest, 'make');
    await reads('the slider of a viewer', readout(c), last);
    expect(await c.locator('#output').evaluate((output: HTMLElement) => output.inert)).toBe(true);
    await handle(b).press(Number(last) > 200 ? 'ArrowLeft' : 'ArrowRight');
    const moved = await readout(b).innerText();
    expect(moved).not.toBe(last);
    for (const frame of [a, c]) await reads('the move', readout(frame), moved);
    for (const one of [...contexts, guests]) await one.close();
    for (const line of lines) line.close();
  });

  it('of anywidget: once per model and code, once per view, cleaned up, reloaded in place; kept and shown without a kernel', async () => {
    const name = host.notebook('any.ipynb', [
      { id: 'make', source: COUNTER },
      { id: 'reload', source: RELOAD },
      { id: 'state', source: 'print("state", counter.count, counter.inits, bytes(counter.raw))' },
      { id: 'die', source: 'import os\nos.kill(os.getpid(), 9)' },
    ]);
    const first = await Tab.open(context, host, name);
    await run(first, 'make');
    const a = await widgets(first, 'make');
    const button = a.locator('button');
    await reads('the counter', button.first(), 'old 40');
    expect(await button.count()).toBe(2);
    expect(await button.first().evaluate((one) => getComputedStyle(one).outlineColor)).toBe('rgb(1, 2, 3)');
    // The same models as a document, in another tab.
    const second = await Tab.open(context, host, name, { models: 'document' });
    const b = await widgets(second, 'make');
    await reads('the counter from the document', b.locator('button').first(), /old 4/);
    await button.first().click();
    for (const view of [button.nth(1), b.locator('button').first()]) await reads('the count', view, 'old 41');
    await b.locator('button').last().press('Enter');
    await reads('the count', button.first(), 'old 42');
    await run(first, 'state');
    await first.showsOutput('state', "state 42 2 b''"); // once in each tab
    await run(first, 'reload');
    await reads('the new code', a.locator('#output'), /new 42[\s\S]*new 42/);
    await reads('the new code in the other tab', b.locator('#output'), /new 42[\s\S]*new 42/);
    expect(await a.evaluate(() => [(globalThis as any).ended, (globalThis as any).cleaned, (globalThis as any).begun])).toEqual([1, 2, 1]);
    await run(first, 'state');
    await first.showsOutput('state', String.raw`state 42 2 b'\x00\xff\x07'`);

    await first.page.getByTestId('run-menu').click();
    await first.page.getByTestId('save-widgets').click();
    await until('the widgets to be in the file', () => host.file(name).includes('widget-state+json'), 15_000);
    await run(first, 'die');
    await first.kernel('dead');
    const approve = first.cell('make').getByTestId('widget-approve');
    await approve.waitFor();
    await approve.getByRole('button').click();
    await reads('the widget without a kernel', (await widgets(first, 'make')).locator('#output'), /new 42/);
    await first.type('state', ' # edited without a kernel');
    await first.allSent();
    await first.page.getByTestId('save').click();
    await until('the edit to be saved', () => host.file(name).includes('without a kernel'));
    expect(host.file(name)).toContain('widget-state+json');
    first.expectNoProblems();
    second.expectNoProblems();
    for (const tab of [first, second]) await tab.page.close();
  });

  it('of anywidget follow the file of their code: saved in an editor, it is new in every tab, and the state stays', async () => {
    const name = host.notebook('live.ipynb', [{ id: 'make', source: OF_A_FILE }, { id: 'up', source: 'live.count = 8' }]);
    const first = await Tab.open(context, host, name);
    await run(first, 'make');
    const a = await widgets(first, 'make');
    await reads('the code of the file', a.locator('#output'), 'first 7');
    const second = await Tab.open(context, host, name, { viewOnly: '1' });
    const b = await widgets(second, 'make');
    await reads('the same in the other tab', b.locator('#output'), 'first 7');
    await run(first, 'up');
    const next = "export default { render({ model, el }) { el.textContent = 'second ' + model.get('count'); } };";
    fs.writeFileSync(path.join(host.root, 'live.js'), next);
    for (const frame of [a, b]) await reads('the code that was saved', frame.locator('#output'), 'second 8');
    first.expectNoProblems();
    second.expectNoProblems();
    for (const tab of [first, second]) await tab.page.close();
  });

  it('that nobody here wrote: ipycanvas, ipytree, itables and bqplot, from the kernel\'s own environment, in step in two tabs', async () => {
    const name = host.notebook('others.ipynb', [{ id: 'make', source: OTHERS }]);
    const first = await Tab.open(context, host, name);
    const asked: string[] = [];
    first.page.on('request', (request) => asked.push(request.url()));
    await run(first, 'make');
    const a = await widgets(first, 'make');
    const begins = async (frame: Frame) => {
      await reads('the figure', frame.locator('.bqplot'), /squares/);
      await frame.locator('.bqplot path.line').first().waitFor({ state: 'attached' });
      await reads('the tree', frame.locator('.jstree'), /trunk/);
      await reads('the table', frame.locator('table').first(), /Uppsala[\s\S]*Kyoto/);
    };
    await begins(a);
    const second = await Tab.open(context, host, name);
    const b = await widgets(second, 'make');
    await begins(b);
    // What is done on the canvas of one is drawn, and answered by the others, in both.
    await b.locator('canvas').first().click();
    for (const frame of [a, b]) {
      await until('the canvas to be painted', () => frame.locator('canvas').first().evaluate((canvas: HTMLCanvasElement) => [...(canvas.getContext('2d')?.getImageData(10, 10, 1, 1).data ?? [])].join() === '10,20,30,255'), 15_000);
      await reads('the other title', frame.locator('.bqplot'), /cubes/);
      await reads('the other name', frame.locator('.jstree'), /stem/);
      await reads('the other rows', frame.locator('table').first(), /Lima/);
    }
    expect(asked.filter((url) => /^https?:/.test(url) && !url.startsWith(host.url))).toEqual([]);
    for (const tab of [first, second]) await tab.page.close();
  });

  it('that are saved give nobody\'s text to a widget as its code', async () => {
    const view = (id: string) => ({ output_type: 'display_data', metadata: {}, data: { 'application/vnd.jupyter.widget-view+json': { model_id: id, version_major: 2, version_minor: 0 } } });
    const state = { version_major: 2, version_minor: 0, state: LINKED };
    const outputs = ['any', 'text', 'other', 'steals', 'paints', 'tells'].map(view);
    const name = host.notebook('linked.ipynb', [{ id: 'a', source: '1', outputs }], { widgets: { 'application/vnd.jupyter.widget-state+json': state } });
    const tab = await Tab.open(context, host, name);
    const frame = await widgets(tab, 'a');
    // The links are at work, and the code that one of them would have made has had its time.
    await until('the linked text', async () => (await frame.locator('input[type=text]').nth(1).inputValue()) === STOLEN, 15_000);
    await frame.evaluate("import(URL.createObjectURL(new Blob(['export default 1'], { type: 'text/javascript' }))).then(() => true)");
    expect(await frame.evaluate(() => [(globalThis as any).stolen, [...document.querySelectorAll('style')].some((style) => style.textContent!.includes('stolen'))])).toEqual([undefined, false]);
    await tab.page.close();
  });
});
