// Working in a notebook: files, keys, many cells, small screens.
import fs from 'node:fs';
import path from 'node:path';
import type { Browser, BrowserContext } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { Host, until } from '../support/host';
import { Tab, withHost, withContext } from './support';

describe('the notebook page', () => {
  let host: Host;
  let browser: Browser;
  let context: BrowserContext;
  withHost((...made) => ([host, browser] = made));
  withContext(() => browser, (made) => (context = made));

  const saved = (name: string) => JSON.parse(host.file(name)) as { cells: { id: string; cell_type: string; source: string[] | string }[] };
  const text = (source: string[] | string) => (typeof source === 'string' ? source : source.join(''));

  it('lists the folder, opens a notebook from it and comes back', async () => {
    host.notebook('listed.ipynb', [{ id: 'a', source: 'x' }]);
    fs.mkdirSync(path.join(host.root, 'deeper'), { recursive: true });
    host.notebook('deeper/inner.ipynb', [{ id: 'a', source: 'inner' }]);
    const tab = await Tab.blank(context);
    await tab.page.goto(`${host.url}/?token=${host.token}`);
    await tab.page.getByRole('link', { name: 'listed.ipynb' }).click();
    await tab.ready();
    expect(new URL(tab.page.url()).searchParams.get('path')).toBe('listed.ipynb');
    await tab.page.goBack();
    await tab.page.getByTestId('search').fill('LIST');
    await tab.page.getByRole('link', { name: 'deeper' }).waitFor({ state: 'detached' });
    expect(await tab.page.getByTestId('files').getByRole('link', { name: 'listed.ipynb' }).count()).toBe(1);
    await tab.page.getByTestId('search').fill('');
    await tab.page.getByRole('link', { name: 'deeper' }).click();
    await tab.page.getByRole('link', { name: 'inner.ipynb' }).click();
    await tab.ready();
    await tab.shows('a', 'inner');
    tab.expectNoProblems();
  });

  it('creates a notebook, which is then there, runs, and is ended', async () => {
    const tab = await Tab.blank(context);
    await tab.page.goto(`${host.url}/?token=${host.token}`);
    await tab.page.getByTestId('new-notebook').click();
    await tab.page.getByTestId('new-name').fill('made here');
    await tab.page.getByTestId('create').click();
    await tab.ready();
    expect(await tab.order()).toHaveLength(1);
    const [id] = await tab.order();
    await tab.type(id!, 'print("made")');
    await tab.page.keyboard.press('Control+Enter');
    await tab.showsOutput(id!, 'made');
    await tab.page.keyboard.press('Control+s');
    await until('the file', () => fs.existsSync(path.join(host.root, 'made here.ipynb')) && host.file('made here.ipynb').includes('made'));
    // It is among the running sessions, with what its kernel uses, until somebody ends it.
    await tab.page.goto(host.url);
    const row = tab.page.getByTestId('running-sessions').getByRole('listitem').filter({ hasText: 'made here' });
    await until('its memory', async () => /\d MB/.test(await row.getByTestId('session-memory').innerText({ timeout: 1000 }).catch(() => '')), 20_000);
    await row.getByTestId('end-session').click();
    await row.getByTestId('end-session-sure').click();
    await row.waitFor({ state: 'detached' });
  });

  it('says where a broken file is broken, in place of the notebook', async () => {
    fs.writeFileSync(path.join(host.root, 'broken.ipynb'), '{\n "cells": [,]\n}');
    const tab = await Tab.blank(context);
    await tab.page.goto(`${host.url}/?token=${host.token}&path=broken.ipynb`);
    await tab.page.getByRole('alert').waitFor();
    expect(await tab.page.getByRole('alert').innerText()).toMatch(/broken\.ipynb|line 2/);
    await tab.page.goto(`${host.url}/?path=../outside.ipynb`);
    await tab.page.getByRole('alert').waitFor();
    expect(await tab.page.getByRole('alert').innerText()).toMatch(/outside/);
  });

  it('obeys the keys of Jupyter', async () => {
    const name = host.notebook('keys.ipynb', [{ id: 'a', source: '1' }, { id: 'b', source: '2' }, { id: 'c', source: '3' }]);
    const tab = await Tab.open(context, host, name);
    const keys = tab.page.keyboard;
    const active = () => tab.page.locator('.cell-active').getAttribute('data-cell-id');
    await tab.select('a');
    await keys.press('j');
    expect(await active()).toBe('b');
    await keys.press('ArrowDown');
    expect(await active()).toBe('c');
    await keys.press('k');
    expect(await active()).toBe('b');
    await keys.press('a');
    await keys.press('Enter');
    await keys.type('above b');
    await keys.press('Escape');
    await keys.press('j');
    await keys.press('b');
    await keys.press('Enter');
    await keys.type('below b');
    await keys.press('Escape');
    const order = await tab.order();
    expect(order).toHaveLength(5);
    expect(order[0]).toBe('a');
    expect(order[2]).toBe('b');
    expect(order[4]).toBe('c');
    expect(await tab.source(order[1]!)).toBe('above b');
    expect(await tab.source(order[3]!)).toBe('below b');
    await keys.press('d');
    await keys.press('d');
    expect(await tab.order()).toHaveLength(4);
    await keys.press('z');
    expect(await tab.order()).toHaveLength(5);
    expect(await tab.source((await active())!)).toBe('below b');
    await keys.press('m');
    await until('markdown', async () => (await tab.page.locator('.cell-active').getAttribute('class'))!.includes('cell-markdown'));
    await keys.press('Shift+Enter');
    await tab.page.getByTestId('rendered-markdown').filter({ hasText: 'below b' }).waitFor();
    expect(await active()).toBe('c');
    await keys.press('Control+s');
    const wanted = [['code', '1'], ['code', 'above b'], ['code', '2'], ['markdown', 'below b'], ['code', '3']];
    const inFile = () => JSON.stringify(saved(name).cells.map((cell) => [cell.cell_type, text(cell.source)]));
    await until('all five cells are saved', () => inFile() === JSON.stringify(wanted)); // autosaves came before
    tab.expectNoProblems();
  });

  it('adds a cell between two also for who has no mouse: the buttons have names, show themselves when they are reached, and keys do the same', async () => {
    const name = host.notebook('between.ipynb', [{ id: 'a', source: '1' }, { id: 'b', source: '2' }]);
    const tab = await Tab.open(context, host, name);
    const button = tab.page.getByRole('button', { name: 'Add a cell here: Markdown' }).first();
    expect(await tab.page.getByRole('button', { name: 'Add a cell here: Code' }).first().getAttribute('aria-keyshortcuts')).toBe('b');
    // As a screen reader goes there.
    await button.evaluate((one: HTMLElement) => one.focus());
    await until('it is seen', () => button.evaluate((one) => getComputedStyle(one.parentElement!).opacity === '1'));
    await tab.page.keyboard.press('Enter');
    await until('there is another cell', async () => (await tab.order()).length === 3);
    const [first, , last] = await tab.order();
    expect([first, last]).toEqual(['a', 'b']);
    tab.expectNoProblems();
  });

  it('keeps what is typed for an editor on its way, and does it in order when it is there', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    await context.route('**/assets/CodeEditor-*.js', async (route) => {
      await held;
      await route.continue();
    });
    host.notebook('soon.ipynb', [{ id: 'a', source: 'x' }, { id: 'b', source: 'y' }]);
    const tab = await Tab.open(context, host, 'soon.ipynb');
    await tab.page.getByTestId('grip').first().waitFor({ state: 'attached' });
    await tab.cell('a').locator('.plain-source').click();
    await tab.page.keyboard.type(' = ddb(1)');
    await tab.page.keyboard.press('Backspace');
    await tab.page.keyboard.type(',\n2');
    const method = await context.newCDPSession(tab.page);
    const compose = (text: string) => method.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length });
    await compose('に');
    await compose('にほん');
    await method.send('Input.insertText', { text: '日本' });
    // Out of the cell, on to the next one and into that.
    for (const key of ['Escape', 'j', 'Enter', 'End', '+']) await tab.page.keyboard.press(key);
    expect([await tab.order(), await tab.source('a')]).toEqual([['a', 'b'], 'x']);
    release();
    await tab.cell('b').locator('.cm-focused').waitFor();
    await tab.page.keyboard.type('z');
    await tab.shows('b', 'y+z');
    // Where it was clicked, with what the editor does by itself: it closes brackets and indents.
    await tab.shows('a', 'x = ddb(1,\n        2日本');
    expect(await tab.order()).toEqual(['a', 'b']);
    tab.expectNoProblems();
  });

  it('runs and advances, adding a cell at the end', async () => {
    const name = host.notebook('run.ipynb', [{ id: 'a', source: 'x = 5' }, { id: 'b', source: 'x + 1' }]);
    const tab = await Tab.open(context, host, name);
    await tab.enter('a');
    await tab.page.keyboard.press('Shift+Enter');
    expect(await tab.page.locator('.cell-active').getAttribute('data-cell-id')).toBe('b');
    await tab.page.keyboard.press('Shift+Enter');
    await tab.showsOutput('b', '6');
    await until('a new cell', async () => (await tab.order()).length === 3);
  });

  it('moves a cell and changes its type by the buttons', async () => {
    const name = host.notebook('buttons.ipynb', [{ id: 'a', source: '# a' }, { id: 'b', source: '# b' }]);
    const tab = await Tab.open(context, host, name);
    await tab.select('b');
    await tab.page.getByTestId('cell-up').click();
    expect(await tab.order()).toEqual(['b', 'a']);
    await tab.page.getByTestId('cell-type').selectOption('markdown');
    await tab.page.keyboard.press('Escape');
    await tab.page.getByTestId('add-markdown').click();
    expect(await tab.order()).toHaveLength(3);
    await tab.select('a');
    await tab.page.getByTestId('cell-delete').click();
    expect(await tab.order()).toHaveLength(2);
  });

  it('carries 500 cells: few editors, quick keys, the last cell as live as the first', async () => {
    const name = host.notebook('many.ipynb', Array.from({ length: 500 }, (_, at) => ({ id: `c${at}`, source: `def f${at}(a, b):\n    return a * ${at} + b\n\nf${at}(1, 2)` })));
    const tab = await Tab.open(context, host, name);
    expect(await tab.order()).toHaveLength(500);
    expect(await tab.page.locator('.cm-editor').count()).toBeLessThan(60);
    await tab.page.evaluate(() => window.scrollTo(0, document.body.scrollHeight));
    await tab.type('c499', ' # last');
    await tab.allSent();
    expect(await tab.page.locator('.cm-editor').count()).toBeLessThan(60);
    const other = await Tab.open(context, host, name);
    await other.page.evaluate(() => window.scrollTo(0, document.body.scrollHeight));
    await other.shows('c499', 'def f499(a, b):\n    return a * 499 + b\n\nf499(1, 2) # last');
    await tab.page.keyboard.press('Shift+Enter');
    await other.showsOutput('c499', '501');
    tab.expectNoProblems();
  });

  it('keeps undo and the cursor of a cell that scrolled away', async () => {
    const name = host.notebook('away.ipynb', Array.from({ length: 200 }, (_, at) => ({ id: `c${at}`, source: `line_${at}\n\n\n` })));
    const tab = await Tab.open(context, host, name);
    await tab.type('c0', 'typed');
    await tab.page.keyboard.press('Escape');
    // The cell that takes the focus comes into view.
    await until('the cell has the focus', () => tab.page.evaluate(() => document.activeElement?.getAttribute('data-cell-id') === 'c0'));
    await tab.page.evaluate(() => window.scrollTo(0, document.body.scrollHeight));
    await until('the first editor is gone', async () => (await tab.cell('c0').locator('.cm-editor').count()) === 0);
    await tab.page.evaluate(() => window.scrollTo(0, 0));
    await tab.cell('c0').locator('.cm-content').click();
    await until('it is taken back', async () => {
      await tab.page.keyboard.press('Control+z'); // what is typed within half a second is one
      return (await tab.source('c0')) === 'line_0\n\n\n';
    });
  });

  it('fits a phone: nothing wider than the screen, the pen within reach', async () => {
    const phone = await browser.newContext({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    const name = host.notebook('phone.ipynb', [
      { id: 'm', cell_type: 'markdown', source: '# A heading that is a little longer\n\nand text' },
      { id: 'a', source: 'a_rather_long_name_for_a_function(with_an_argument, and_another_argument)', outputs: [{ output_type: 'stream', name: 'stdout', text: 'word '.repeat(200) }] },
    ]);
    await Tab.open(context, host, name);
    const tab = await Tab.open(phone, host, name);
    await tab.banner.waitFor();
    expect(await tab.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
    const button = (await tab.page.getByTestId('takeover-button').boundingBox())!;
    expect(button.height).toBeGreaterThanOrEqual(40);
    expect(button.x + button.width).toBeLessThanOrEqual(360);
    await tab.takeOver();
    await phone.close();
  });

  it('names every control', async () => {
    const name = host.notebook('names.ipynb', [{ id: 'a', source: 'x' }]);
    const tab = await Tab.open(context, host, name);
    await tab.select('a');
    const nameless = await tab.page.evaluate(() =>
      [...document.querySelectorAll('button, a, input, select, [role=textbox], iframe')]
        .filter((element) => {
          const labelled = element.getAttribute('aria-label') || element.getAttribute('title') || element.textContent?.trim();
          return !labelled && !(element as HTMLInputElement).labels?.length;
        })
        .map((element) => element.outerHTML.slice(0, 120)),
    );
    expect(nameless).toEqual([]);
  });
});
