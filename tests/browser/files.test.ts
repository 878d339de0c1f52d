// The list of files: folders made, names changed, things deleted, by mouse and by keyboard.
import fs from 'node:fs';
import path from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { Host, until } from '../support/host';
import { violations, violationsInBoth } from './accessibility';
import { Tab, withHost, withContext } from './support';

describe('files', () => {
  let host: Host;
  let browser: Browser;
  let context: BrowserContext;
  withHost((...made) => ([host, browser] = made));
  withContext(() => browser, (made) => (context = made), { reducedMotion: 'reduce' });

  const open = async (dir: string): Promise<Tab> => {
    fs.mkdirSync(path.join(host.root, dir), { recursive: true });
    const tab = await Tab.blank(context);
    await tab.page.goto(`${host.url}/?token=${host.token}&dir=${dir}`);
    await tab.page.getByTestId('new-folder').waitFor();
    return tab;
  };
  const has = (name: string) => fs.existsSync(path.join(host.root, name));
  const row = (page: Page, name: string) => page.getByTestId('file-entry').filter({ has: page.getByText(name, { exact: true }) });
  const said = (page: Page, words: RegExp) => until(`it says ${words}`, async () => words.test(await page.getByTestId('files-said').innerText()));
  const focused = (page: Page) => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? '');
  /** The browser itself writes refused requests into its console. */
  /** Where it says `x = 1`: it is typed in, and is there after a reload. */
  const goesOn = async (work: Tab) => {
    await work.type('a', '0');
    await work.shows('a', 'x = 10');
    await work.allSent();
    await work.page.reload();
    await work.ready();
    await work.shows('a', 'x = 10');
  };
  const problems = (tab: Tab) => tab.problems.filter((problem) => !/status of 4\d\d/.test(problem));

  it('are renamed and deleted, and folders made, with the keyboard alone', async () => {
    const tab = await open('keys');
    const { page } = tab;
    await page.getByTestId('new-folder').focus();
    await page.keyboard.press('Enter');
    await page.keyboard.type('data');
    await page.keyboard.press('Enter');
    await said(page, /data was made/);
    await until('the new folder has the keyboard', async () => (await focused(page)) === 'More for data');
    expect(has('keys/data')).toBe(true);

    await page.keyboard.press('Enter');
    await until('the menu has it', async () => (await page.evaluate(() => document.activeElement?.textContent)) === 'Rename');
    expect(await violationsInBoth(page)).toEqual([]);
    await page.keyboard.press('Enter');
    await page.getByTestId('rename-name').waitFor();
    expect(await violations(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await until('it is back', async () => (await focused(page)) === 'More for data');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Enter');
    await page.keyboard.type('numbers'); // in the place of what is selected
    await page.keyboard.press('Enter');
    await said(page, /numbers/);
    await until('the renamed one has it', async () => (await focused(page)) === 'More for numbers');
    expect([has('keys/data'), has('keys/numbers')]).toEqual([false, true]);

    // Enter after Delete cancels; the way to the other button is a step of its own.
    await page.keyboard.press('Enter');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.getByTestId('delete-keep').waitFor();
    expect(await violationsInBoth(page)).toEqual([]);
    await page.keyboard.press('Enter');
    await until('it is back', async () => (await focused(page)) === 'More for numbers');
    expect(has('keys/numbers')).toBe(true);
    await page.keyboard.press('Enter');
    await page.keyboard.press('End');
    await page.keyboard.press('Enter');
    await page.getByTestId('delete-keep').waitFor();
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Enter');
    await said(page, /numbers was deleted/);
    expect(has('keys/numbers')).toBe(false);
    await until('the list has it', async () => (await focused(page)) === 'Files');
    expect(problems(tab)).toEqual([]);
  });

  it('keep their end when the name is typed, replace nothing, and a full folder is asked about twice', async () => {
    for (const name of ['one.csv', 'two.csv', 'full/a.txt', 'full/b/c.txt']) {
      fs.mkdirSync(path.join(host.root, 'mouse', path.dirname(name)), { recursive: true });
      fs.writeFileSync(path.join(host.root, 'mouse', name), name);
    }
    const tab = await open('mouse');
    const { page } = tab;
    await row(page, 'one.csv').getByTestId('file-actions').click();
    await page.getByTestId('rename').click();
    await page.keyboard.type('two');
    expect(await page.getByTestId('rename-name').inputValue()).toBe('two.csv');
    await page.getByTestId('rename-do').click();
    await page.getByRole('alert').waitFor();
    expect([host.file('mouse/one.csv'), host.file('mouse/two.csv')]).toEqual(['one.csv', 'two.csv']);
    await page.getByTestId('rename-name').fill('three.csv');
    await page.getByTestId('rename-do').click();
    await row(page, 'three.csv').waitFor();
    expect(host.file('mouse/three.csv')).toBe('one.csv');
    await row(page, 'full').getByTestId('file-actions').click();
    await page.getByTestId('delete').click();
    await page.getByTestId('delete-sure').click();
    await page.getByText('is not empty').first().waitFor();
    expect(has('mouse/full/b/c.txt')).toBe(true);
    expect(await violations(page)).toEqual([]);
    await page.getByTestId('delete-sure').click();
    await row(page, 'full').waitFor({ state: 'detached' });
    expect(has('mouse/full')).toBe(false);
    expect(problems(tab)).toEqual([]);
  });

  it('of an open notebook change under its people: address and title follow, what is typed goes on; it is not deleted', async () => {
    const name = host.notebook('live/before.ipynb', [{ id: 'a', source: 'x' }]);
    const work = await Tab.open(context, host, name);
    await work.type('a', ' = 1');
    const tab = await open('live');
    const { page } = tab;
    await row(page, 'before.ipynb').getByTestId('file-actions').click();
    await page.getByTestId('delete').click();
    await page.getByTestId('delete-sure').click();
    await page.getByRole('alert').getByText('open here as a live notebook').waitFor();
    expect(has(name)).toBe(true);
    await page.getByTestId('delete-keep').click();
    await row(page, 'before.ipynb').getByTestId('file-actions').click();
    await page.getByTestId('rename').click();
    await page.keyboard.type('after');
    await page.keyboard.press('Enter');
    await row(page, 'after.ipynb').waitFor();
    await work.page.bringToFront();
    await until('the address follows', () => new URL(work.page.url()).searchParams.get('path') === 'live/after.ipynb');
    await until('the title follows', async () => (await work.page.title()).startsWith('after.ipynb'));
    await goesOn(work);
    expect(has(name)).toBe(false);
    expect([...work.problems, ...problems(tab)]).toEqual([]);
  });

  it('of a folder change under the people in it: the pages of all its notebooks go on and show where they are', async () => {
    const names = ['one.ipynb', 'deep/two.ipynb'];
    const tabs = [];
    for (const name of names) {
      const work = await Tab.open(context, host, host.notebook(`project/${name}`, [{ id: 'a', source: 'x' }]));
      await work.type('a', ' = 1');
      tabs.push(work);
    }
    const tab = await open('');
    const { page } = tab;
    await row(page, 'project').getByTestId('file-actions').click();
    await page.getByTestId('rename').click();
    await page.keyboard.type('renamed');
    await page.keyboard.press('Enter');
    await row(page, 'renamed').waitFor();
    for (const [at, work] of tabs.entries()) {
      await work.page.bringToFront();
      await until('the address follows', () => new URL(work.page.url()).searchParams.get('path') === `renamed/${names[at]}`);
      await goesOn(work);
      expect(work.problems).toEqual([]);
    }
    expect(has('project')).toBe(false);
    expect(problems(tab)).toEqual([]);
  });

  it('fit a phone: menus and questions stay in the window', async () => {
    fs.mkdirSync(path.join(host.root, 'phone'), { recursive: true });
    for (let at = 0; at < 30; at += 1) fs.writeFileSync(path.join(host.root, `phone/a rather long name of a file, number ${at}.txt`), '');
    const tab = await open('phone');
    const { page } = tab;
    await page.setViewportSize({ width: 360, height: 640 });
    const inside = () => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
    expect(await inside()).toBe(true);
    const last = page.getByTestId('file-actions').last();
    await last.scrollIntoViewIfNeeded();
    await last.click();
    const box = (await page.getByRole('menu').boundingBox())!;
    expect([box.x >= 0, box.y >= 0, box.x + box.width <= 360, box.y + box.height <= 640]).toEqual([true, true, true, true]);
    await page.getByTestId('rename').click();
    await page.getByTestId('rename-name').waitFor();
    expect(await inside()).toBe(true);
    await page.keyboard.press('Escape');
    await last.click();
    await page.getByTestId('delete').click();
    await page.getByTestId('delete-keep').waitFor();
    expect([await inside(), await violations(page)]).toEqual([true, []]);
    expect(problems(tab)).toEqual([]);
  });
});
