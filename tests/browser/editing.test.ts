// Cells as things: many at once, from notebook to notebook, dragged, folded, found; and the same notebook in other views.
import type { Browser, BrowserContext } from 'playwright-core';
import { beforeEach, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, until } from '../support/host';
import { Tab, withHost, withContext } from './support';

describe('cells', () => {
  let host: Host;
  let browser: Browser;
  let context: BrowserContext;
  let count = 0;
  withHost((...made) => ([host, browser] = made));
  withContext(() => browser, (made) => (context = made));
  beforeEach(() => void (count += 1));

  const notebook = (...sources: string[]) => host.notebook(`cells-${count}.ipynb`, sources.map((source, at) => ({ id: 'abcdef'[at]!, source })));
  const sources = async (tab: Tab) => Promise.all((await tab.order()).map((id) => tab.source(id)));
  const active = (tab: Tab) => tab.page.locator('.cell-active').getAttribute('data-cell-id');

  it('are selected together, moved, cut, pasted into another notebook, deleted and brought back', async () => {
    const tab = await Tab.open(context, host, notebook('1', '2', '3', '4'));
    await tab.select('b');
    await tab.page.keyboard.press('Shift+J');
    expect(await tab.page.locator('.cell-chosen').count()).toBe(2);
    await tab.page.keyboard.press('Alt+ArrowUp');
    expect(await tab.order()).toEqual(['b', 'c', 'a', 'd']);
    // Back and forth, also where somebody else has edited since.
    const reader = await Tab.open(context, host, `cells-${count}.ipynb`);
    const program = await Client.join(host, await host.open(`cells-${count}.ipynb`));
    expect((await program.command('takeover', {})).ok).toBe(true);
    await program.command('transaction', { changes: [{ type: 'set_source', cell_id: 'd', source: '4 of another' }] });
    await reader.shows('d', '4 of another');
    await tab.takeOver();
    await tab.select('b');
    await tab.page.keyboard.press('Shift+J');
    await tab.page.keyboard.press('Control+z');
    const moved = (order: string) => until(`the order is ${order}`, async () => (await reader.order()).join() === order);
    await moved('a,b,c,d');
    await tab.page.keyboard.press('Control+Shift+z');
    await moved('b,c,a,d');
    await tab.page.keyboard.press('Control+z');
    await moved('a,b,c,d');
    // The first two downwards: both go back over the same cell.
    await tab.select('a');
    await tab.page.keyboard.press('Shift+J');
    await tab.page.keyboard.press('Alt+ArrowDown');
    await moved('c,a,b,d');
    await tab.page.keyboard.press('Control+z');
    await moved('a,b,c,d');
    await tab.page.keyboard.press('Control+Shift+z');
    await moved('c,a,b,d');
    await tab.page.keyboard.press('Control+z');
    await moved('a,b,c,d');
    await tab.select('b');
    await tab.page.keyboard.press('Alt+ArrowUp');
    await tab.page.keyboard.press('Control+z');
    await tab.page.keyboard.press('Control+Shift+z');
    await until('it is put back', async () => (await reader.order()).join() === 'b,a,c,d');
    await tab.page.keyboard.press('Control+Shift+z');
    await tab.page.getByText('There is no edit of yours that could be put back.').waitFor();
    await reader.shows('d', '4 of another');
    await program.close();
    await reader.page.close();
    await tab.select('c');
    await tab.page.keyboard.press('Alt+ArrowUp');
    await tab.select('b');
    await tab.page.keyboard.press('Shift+J');
    expect(await tab.order()).toEqual(['b', 'c', 'a', 'd']);
    await tab.page.keyboard.press('c');
    host.notebook('other.ipynb', [{ id: 'z', source: 'there' }]);
    const other = await Tab.open(context, host, 'other.ipynb');
    await other.select('z');
    await other.page.keyboard.press('v');
    expect(await sources(other)).toEqual(['there', '2', '3']);
    expect(await other.page.locator('.cell-chosen').count()).toBe(2);
    await tab.page.bringToFront();
    await tab.page.keyboard.press('x');
    expect(await tab.order()).toEqual(['a', 'd']);
    await tab.page.keyboard.press('z');
    expect(await sources(tab)).toEqual(['2', '3', '1', '4 of another']);
    tab.expectNoProblems();
    other.expectNoProblems();
  });

  it('are dragged by their grip, with a line where they will be', async () => {
    const tab = await Tab.open(context, host, notebook('1', '2', '3'));
    await tab.cell('a').hover();
    const grip = (await tab.cell('a').getByTestId('grip').boundingBox())!;
    const target = (await tab.cell('c').boundingBox())!;
    await tab.page.mouse.move(grip.x + grip.width / 2, grip.y + grip.height / 2);
    await tab.page.mouse.down();
    await tab.page.mouse.move(target.x + 40, target.y + 4, { steps: 4 });
    await tab.page.mouse.move(target.x + 40, target.y + target.height - 2, { steps: 4 });
    await tab.page.getByTestId('drop-line').waitFor();
    await tab.page.mouse.up();
    await until('it is at the end', async () => (await tab.order()).join() === 'b,c,a');
    expect(await tab.page.getByTestId('drop-line').count()).toBe(0);
  });

  it('fold away code and outputs for everybody, as Jupyter writes it', async () => {
    const name = notebook('print("shown")', 'x');
    const tab = await Tab.open(context, host, name);
    const reader = await Tab.open(context, host, name);
    await tab.select('a');
    await tab.page.keyboard.press('Control+Enter');
    await reader.showsOutput('a', 'shown');
    await tab.page.keyboard.press('o');
    await reader.cell('a').getByTestId('outputs-folded').waitFor();
    await tab.page.keyboard.press('Shift+O');
    await reader.cell('a').getByTestId('source-folded').waitFor();
    await tab.page.keyboard.press('Control+s');
    await until('the file says so', () => {
      const [cell] = (JSON.parse(host.file(name)) as { cells: { metadata: { jupyter?: object } }[] }).cells;
      return JSON.stringify(cell!.metadata.jupyter) === '{"outputs_hidden":true,"source_hidden":true}' || JSON.stringify(cell!.metadata.jupyter) === '{"source_hidden":true,"outputs_hidden":true}';
    });
    await tab.page.getByTestId('outputs-folded').click();
    await tab.showsOutput('a', 'shown');
  });

  it('are searched and replaced in, all of them', async () => {
    const tab = await Tab.open(context, host, notebook('total = 1', 'Total + total', 'other'));
    const two = await Tab.open(context, host, (await host.open(`cells-${count}.ipynb`)).path);
    await tab.select('a');
    await tab.page.keyboard.press('Control+f');
    await tab.page.getByTestId('find-query').fill('total');
    await until('three', async () => (await tab.page.getByTestId('find-count').innerText()) === '1 of 3');
    await tab.page.keyboard.press('Enter');
    await tab.page.keyboard.press('Enter');
    expect(await tab.page.getByTestId('find-count').innerText()).toBe('3 of 3');
    expect(await active(tab)).toBe('b');
    expect(await tab.cell('b').locator('.found').count()).toBe(2);
    await tab.page.getByTestId('find-replacement').fill('sum');
    await tab.page.getByTestId('replace-all').click();
    await two.shows('b', 'sum + sum');
    expect(await sources(tab)).toEqual(['sum = 1', 'sum + sum', 'other']);
    await tab.page.keyboard.press('Escape');
    expect(await tab.page.getByTestId('find').count()).toBe(0);
  });

  it('say where they stand in the queue and how long they took', async () => {
    const tab = await Tab.open(context, host, notebook('import time; time.sleep(2.2)', '1', '2'));
    await tab.select('b');
    await tab.page.getByTestId('run-menu').click();
    await tab.page.getByTestId('run-all').click();
    await until('the last is second in the queue', async () => /in the queue: 2/.test(await tab.cell('c').innerText()));
    await until('the first has a time', async () => /took \d+(\.\d+)?s/.test(await tab.cell('a').innerText()), 20_000);
    await tab.showsOutput('c', '2');
    expect(await tab.cell('c').getByTestId('timing').count()).toBeLessThanOrEqual(1);
    await tab.select('b');
    await tab.page.getByTestId('run-menu').click();
    await tab.page.getByTestId('run-below').click();
    await until('b and c ran again', async () => (await tab.cell('c').getByTestId('count').innerText()) === '[5]');
    expect(await tab.cell('a').getByTestId('count').innerText()).toBe('[1]');
  });

  it('tell what the kernel knows: on Shift+Tab, after an opening parenthesis and under the mouse', async () => {
    const tab = await Tab.open(context, host, notebook('def area(width, height=2):\n    """Width times height."""\n    return width * height', 'area'));
    await tab.enter('a');
    await tab.page.keyboard.press('Control+Enter');
    await tab.kernel('idle');
    await until('it ran', async () => (await tab.cell('a').getByTestId('count').innerText()) === '[1]');
    await tab.enter('b');
    await tab.page.keyboard.press('Shift+Tab');
    await tab.page.getByTestId('inspect').getByText('area(width, height=2)').waitFor();
    await tab.page.keyboard.press('Escape');
    await tab.page.getByTestId('inspect').waitFor({ state: 'detached' });
    await tab.page.keyboard.type('(');
    await tab.page.getByTestId('inspect').getByText('Width times height.').waitFor();
    await tab.page.keyboard.type('3)');
    await tab.page.getByTestId('inspect').waitFor({ state: 'detached' });
    const line = (await tab.cell('b').locator('.cm-line').boundingBox())!;
    for (const by of [18, 21]) await tab.page.mouse.move(line.x + by, line.y + line.height / 2);
    await tab.page.getByTestId('inspect').getByText('Width times height.').waitFor();
    tab.expectNoProblems();
  });

  it('keep place, drafts and what is in their outputs when the view changes', async () => {
    const many = [
      { id: 'h', cell_type: 'markdown' as const, source: '# One' },
      ...Array.from({ length: 30 }, (_, at) => ({ id: `c${at}`, source: `line_${at}\n\n\n`, ...(at === 20 ? { outputs: [{ output_type: 'display_data', metadata: {}, data: { 'text/html': '<p>here</p>' } }] } : {}) })),
      { id: 'h2', cell_type: 'markdown' as const, source: '## Two' },
      { id: 'z', source: 'end' },
    ];
    const name = host.notebook('views.ipynb', many);
    const { notebook_id } = await host.open(name);
    const tab = await Tab.blank(context);
    await tab.page.addInitScript(([key, draft]) => window.origin !== 'null' && localStorage.setItem(key!, draft!), [`lectern.drafts.${notebook_id}`, JSON.stringify([{ cell_id: 'c20', base: '', text: 'was typed', at: new Date().toISOString() }])]);
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await tab.goto(host, name);
    await tab.page.evaluate(() => ((window as any).loadedOnce = true));
    await tab.page.evaluate(() => document.querySelector('[data-cell-id=c20]')!.scrollIntoView({ block: 'start' }));
    const top = () => tab.page.evaluate(() => {
      const under = Math.max(0, document.querySelector('.sticky')!.getBoundingClientRect().bottom);
      return [...document.querySelectorAll<HTMLElement>('[data-cell-id]')].find((cell) => cell.getBoundingClientRect().height > 0 && cell.getBoundingClientRect().bottom > under + 4)!.dataset.cellId;
    });
    await tab.cell('c20').getByTestId('output-frame').waitFor();
    const frame = await tab.outputFrame('c20');
    await frame.locator('p').waitFor();
    await frame.evaluate(() => ((window as any).kept = true));
    await tab.page.getByTestId('draft-copy').click();
    expect(await tab.page.evaluate(() => navigator.clipboard.readText())).toBe('was typed');
    await tab.page.evaluate(() => document.querySelector('[data-cell-id=c20]')!.scrollIntoView({ block: 'start' }));
    let before: string | undefined;
    await until('it stands still', async () => {
      const was = before;
      before = await top();
      await tab.page.waitForTimeout(100);
      return was === before;
    });
    await tab.page.getByTestId('view-menu').click();
    await tab.page.getByTestId('view-read').click();
    expect(await tab.page.getByTestId('save').count()).toBe(0);
    await until('the same cell is on top', async () => (await top()) === before);
    expect(await frame.evaluate(() => (window as any).kept)).toBe(true);
    expect(await tab.cell('c20').getByTestId('draft').innerText()).toContain('was typed');
    await tab.page.getByTestId('view-menu').click();
    await tab.page.getByTestId('view-slides').click();
    await tab.page.getByTestId('presentation').waitFor();
    expect(await tab.page.getByTestId('step').innerText()).toBe('1 of 2');
    await tab.page.keyboard.press('ArrowRight');
    await until('the second slide', async () => (await tab.cell('z').isVisible()) && !(await tab.cell('h').isVisible()));
    await tab.page.keyboard.press('Escape');
    await tab.page.getByTestId('save').waitFor();
    expect(new URL(tab.page.url()).searchParams.get('view')).toBeNull();
    expect(await tab.page.evaluate(() => (window as any).loadedOnce)).toBe(true);
    expect(await frame.evaluate(() => (window as any).kept)).toBe(true);
    expect(await tab.page.getByTestId('draft').count()).toBe(1);
    await tab.page.goBack();
    await tab.page.getByTestId('presentation').waitFor();
    tab.expectNoProblems();
  });

  it('are followed: a reader is where the one they follow is', async () => {
    const name = host.notebook('followed.ipynb', Array.from({ length: 40 }, (_, at) => ({ id: `c${at}`, source: `line_${at}\n\n\n\n` })));
    const tab = await Tab.open(context, host, name);
    const reader = await Tab.open(context, host, name);
    await reader.page.getByTestId('panel-people').click();
    expect(await reader.page.getByTestId('person').count()).toBe(2);
    await reader.page.getByTestId('follow').click();
    await tab.page.bringToFront();
    await tab.select('c0');
    await tab.page.keyboard.press('End');
    await until('the reader is there', async () => (await reader.page.locator('.cell-active').getAttribute('data-cell-id')) === 'c39');
    const box = (await reader.page.getByTestId('side-panel').boundingBox())!;
    const banner = (await reader.banner.boundingBox())!;
    expect(banner.x).toBeGreaterThanOrEqual(box.x + box.width);
    // What is far from the window is printed all the same.
    await tab.page.evaluate(() => window.scrollTo(0, 0));
    await until('far cells are empty', async () => (await tab.page.locator('.cell-far').count()) > 0);
    await tab.page.evaluate(() => window.dispatchEvent(new Event('beforeprint')));
    expect(await tab.page.locator('.cell-far').count()).toBe(0);
    await tab.page.evaluate(() => window.dispatchEvent(new Event('afterprint')));
  });

  it('are two thousand, of which only those near the window are there', async () => {
    const name = host.notebook('thousands.ipynb', Array.from({ length: 2000 }, (_, at) => ({ id: `c${at}`, source: `def f${at}(a, b):\n    return a * ${at} + b\n` })));
    const tab = await Tab.open(context, host, name);
    expect(await tab.order()).toHaveLength(2000);
    expect(await tab.page.locator('.cell').count()).toBeLessThan(120);
    const most = await tab.page.evaluate(async () => {
      let cells = 0;
      for (let step = 0; step < 20; step += 1) {
        window.scrollBy(0, window.innerHeight * 4);
        await new Promise(requestAnimationFrame);
        await new Promise(requestAnimationFrame);
        cells = Math.max(cells, document.querySelectorAll('.cell').length);
      }
      return cells;
    });
    expect(most).toBeLessThan(150);
    await until('what is in the window is there', () => tab.page.evaluate(() => document.elementsFromPoint(400, innerHeight / 2).some((element) => element.closest('.cell') !== null)));
    await tab.page.evaluate(() => window.scrollTo(0, 0));
    await tab.select('c1');
    await tab.page.keyboard.press('End');
    await until('the last cell is there', async () => (await tab.cell('c1999').locator('.cm-content').count()) === 1);
    await tab.type('c1999', '# typed');
    await tab.allSent();
    expect(await tab.page.locator('.cell').count()).toBeLessThan(120);
    tab.expectNoProblems();
  });
});
