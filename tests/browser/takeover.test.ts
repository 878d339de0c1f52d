// The pen between tabs, as people see it.
import type { Browser, BrowserContext } from 'playwright-core';
import { beforeEach, describe, expect, it } from 'vitest';
import { Host, until } from '../support/host';
import { Tab, withHost, withContext } from './support';

describe('passing the pen', () => {
  let host: Host;
  let browser: Browser;
  let context: BrowserContext;
  let count = 0;
  withHost((...made) => ([host, browser] = made));
  withContext(() => browser, (made) => (context = made));
  beforeEach(() => void (count += 1));

  const notebook = (...sources: string[]) => host.notebook(`pen-${count}.ipynb`, sources.map((source, at) => ({ id: 'abc'[at]!, source })));
  const tabs = async (name: string, number: number) => {
    const made: Tab[] = [];
    for (let at = 0; at < number; at += 1) made.push(await Tab.open(context, host, name));
    return made as [Tab, Tab, Tab];
  };

  it('goes there and back ten times, without a reload, and a third tab stays undisturbed', async () => {
    const [one, two, three] = await tabs(notebook('start'), 3);
    expect([await one.isReader(), await two.isReader(), await three.isReader()]).toEqual([false, true, true]);
    await Promise.all([one, two, three].map((tab) => tab.page.evaluate(() => ((window as any).loadedOnce = true))));
    let text = 'start';
    for (let round = 0; round < 10; round += 1) {
      const [from, to] = round % 2 === 0 ? [one, two] : [two, one];
      await to.takeOver();
      await from.becomesReader();
      await to.type('a', `${round}`);
      text += `${round}`;
      await from.shows('a', text);
      await three.shows('a', text);
      expect(await three.isReader()).toBe(true);
    }
    for (const tab of [one, two, three]) {
      expect(await tab.page.evaluate(() => (window as any).loadedOnce)).toBe(true);
      tab.expectNoProblems();
    }
  });

  it('tells readers who edits, announces the change, and shows who is here', async () => {
    const [one, two] = await tabs(notebook('x'), 2);
    await until('both are here', async () => (await one.page.getByTestId('members').getAttribute('data-count')) === '2');
    expect(await two.banner.innerText()).toMatch(/is editing/);
    await two.takeOver();
    await one.becomesReader();
    await until('the announcement', async () => /is editing now|reader now/.test((await one.page.getByTestId('announcement').textContent()) ?? ''));
    expect(await one.page.getByTestId('announcement').getAttribute('aria-live')).toBe('polite');
  });

  it('moves while a cell is running: the run goes on and both see its end', async () => {
    const [one, two] = await tabs(notebook('import time\nfor i in range(6):\n    print("step", i, flush=True)\n    time.sleep(0.3)\nprint("over")'), 2);
    await one.select('a');
    await one.page.keyboard.press('Control+Enter');
    await two.showsOutput('a', 'step 0');
    await two.takeOver();
    await one.becomesReader();
    await one.showsOutput('a', 'over');
    await two.showsOutput('a', 'over');
    await two.kernel('idle');
    one.expectNoProblems();
  });

  it('merges what the demoted tab had typed a moment ago', async () => {
    const [one, two] = await tabs(notebook(''), 2);
    await one.enter('a');
    // Typing goes on while the other tab presses the button.
    const typing = one.page.keyboard.type('typed until the very last moment ', { delay: 4 });
    await two.page.getByTestId('takeover-button').click();
    await typing;
    await one.becomesReader();
    await two.becomesEditor();
    await until('both read the same', async () => (await one.source('a')) === (await two.source('a')));
    const kept = await one.source('a');
    expect('typed until the very last moment '.startsWith(kept)).toBe(true);
    await two.type('a', '!');
    await one.shows('a', `${kept}!`);
  });

  it('keeps the pen over a reload', async () => {
    const [one, two] = await tabs(notebook('x'), 2);
    await one.page.reload();
    await one.ready();
    expect(await one.isReader()).toBe(false);
    expect(await two.isReader()).toBe(true);
    await one.type('a', ' = 1');
    await two.shows('a', 'x = 1');
  });

  it('shows no banner and never gets the pen with ?kiosk', async () => {
    const name = notebook('x');
    const kiosk = await Tab.open(context, host, name, { kiosk: '' });
    expect(await kiosk.page.getByTestId('takeover-button').count()).toBe(0);
    expect(await kiosk.isReader()).toBe(false);
    const [one] = await tabs(name, 1);
    expect(await one.isReader()).toBe(false);
    await one.type('a', ' seen');
    await kiosk.shows('a', 'x seen');
    expect(await kiosk.cell('a').locator('.cm-content').getAttribute('contenteditable')).toBe('false');
  });

  it('gives a duplicated tab a client of its own', async () => {
    const [one] = await tabs(notebook('x'), 1);
    // What the browser copies when a tab is duplicated: the address and the session storage.
    const stored = await one.page.evaluate(() => JSON.stringify({ ...sessionStorage }));
    const copy = await Tab.blank(context);
    await copy.page.addInitScript((entries) => {
      for (const [key, value] of Object.entries(JSON.parse(entries) as Record<string, string>)) sessionStorage.setItem(key, value);
    }, stored);
    await copy.page.goto(one.page.url());
    await copy.ready();
    expect(await copy.isReader()).toBe(true);
    expect(await one.isReader()).toBe(false);
    await one.type('a', '1');
    await copy.shows('a', 'x1');
  });

  it('a reader cannot change anything, by keys or by hand', async () => {
    const [one, two] = await tabs(notebook('x', 'y'), 2);
    await two.cell('a').locator('.gutter').click();
    for (const key of ['a', 'b', 'd', 'd', 'm', 'Shift+Enter', '0', '0']) await two.page.keyboard.press(key);
    await two.cell('a').locator('.cm-content').click({ force: true });
    await two.page.keyboard.type('nothing');
    await one.type('b', '2');
    await two.shows('b', 'y2');
    expect(await two.order()).toEqual(['a', 'b']);
    expect(await two.source('a')).toBe('x');
    expect(await two.page.getByTestId('run-cell').count()).toBe(0);
  });
});
