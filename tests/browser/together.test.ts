// People inside cells, calls to come somewhere, files in and out, variables, the grid.
import fs from 'node:fs';
import path from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { Host, until } from '../support/host';
import { violations } from './accessibility';
import { Tab, withHost, withContext } from './support';

describe('together', () => {
  let host: Host;
  let browser: Browser;
  let context: BrowserContext;
  withHost((...made) => ([host, browser] = made));
  withContext(() => browser, (made) => (context = made), { acceptDownloads: true });

  /** What stands before the caret of somebody else in a cell, and what they have selected. */
  const caret = (tab: Tab, id: string) =>
    tab.cell(id).evaluate((cell) => {
      const mark = cell.querySelector('.remote-caret');
      if (!mark) return null;
      const range = document.createRange();
      range.setStart(mark.closest('.cm-line')!, 0);
      range.setEndBefore(mark);
      return { before: range.toString(), selected: [...cell.querySelectorAll('.remote-selection')].map((one) => one.textContent).join('') };
    });

  it('a cursor and a selection are seen by others, stay right while others type, and go with their owner', async () => {
    const name = host.notebook('cursors.ipynb', [{ id: 'a', source: 'alpha beta' }, { id: 'b', source: 'other' }]);
    const { session_id } = await host.open(name);
    expect((await host.put(`/api/v1/sessions/${session_id}/policy`, { policy: 'collaborative' })).status).toBe(200);
    const [one, two] = [await Tab.open(context, host, name), await Tab.open(context, host, name)];
    await one.becomesEditor();
    await one.type('a', '');
    await two.page.bringToFront();
    await until('the caret is at the end', async () => (await caret(two, 'a'))?.before === 'alpha beta');
    await one.page.bringToFront();
    for (let at = 0; at < 4; at += 1) await one.page.keyboard.press('Shift+ArrowLeft');
    await until('the selection is shown', async () => (await caret(two, 'a'))?.selected === 'beta');
    await two.becomesEditor();
    await two.page.bringToFront();
    await two.cell('a').locator('.cm-content').click();
    await two.page.keyboard.press('Control+Home');
    await two.page.keyboard.type('>> ');
    await until('it moved along', async () => JSON.stringify(await caret(two, 'a')) === JSON.stringify({ before: '>> alpha ', selected: 'beta' }));
    await until('and the other way round', async () => (await caret(one, 'a'))?.before === '>> ');
    expect(await two.cell('a').getByTestId('remote-caret').getAttribute('data-name')).toBeTruthy();
    // What others show is no text of the cell.
    await two.shows('a', '>> alpha beta');
    await one.page.close();
    await until('it is gone', async () => (await caret(two, 'a')) === null);
    two.expectNoProblems();
  });

  it('a reader points, and whoever edits calls everybody: followers come, others are asked', async () => {
    const name = host.notebook('gather.ipynb', Array.from({ length: 30 }, (_, at) => ({ id: `c${at}`, source: `line ${at}\n`.repeat(6) })));
    const [one, two, three] = [await Tab.open(context, host, name), await Tab.open(context, host, name), await Tab.open(context, host, name)];
    await three.page.bringToFront();
    await three.page.getByTestId('panel-people').click();
    await three.page.getByTestId('person').filter({ hasText: 'editing' }).getByTestId('follow').click();
    await two.page.bringToFront();
    await two.page.getByTestId('panel-people').click();
    await two.page.getByTestId('point').click();
    const box = (await two.cell('c0').boundingBox())!;
    let moves = 0;
    await until('the pointer is seen', async () => {
      moves += 1;
      await two.page.mouse.move(box.x + box.width / 2 + (moves % 5), box.y + box.height / 2);
      return (await one.cell('c0').locator('.pointer-dot').count()) > 0;
    });
    await one.page.bringToFront();
    await one.select('c0');
    await one.page.keyboard.press('End');
    await one.page.getByTestId('panel-people').click();
    // Whoever says a name is called by it from then on, keeps the pen, and is followed as before.
    await one.page.getByTestId('my-name').fill('Ada Lovelace');
    await one.page.getByTestId('my-name-set').click();
    await until('the new name is on the banner', async () => /Ada Lovelace/.test(await two.banner.innerText()));
    await one.becomesEditor();
    await one.page.getByTestId('gather').click();
    const inView = (tab: Tab) => tab.cell('c29').evaluate((cell) => cell.getBoundingClientRect().top < window.innerHeight && cell.getBoundingClientRect().bottom > 0);
    await three.page.bringToFront();
    await until('the follower is there', () => inView(three));
    expect(await three.page.getByTestId('gather-offer').count()).toBe(0);
    await two.page.bringToFront();
    await two.page.getByTestId('gather-offer').getByText('cell 30').waitFor();
    expect(await inView(two)).toBe(false);
    expect(await violations(two.page)).toEqual([]);
    await two.page.getByTestId('gather-go').click();
    await until('the other has come', () => inView(two));
    expect(await two.page.getByTestId('gather-offer').count()).toBe(0);
    await until('the pointer has faded', async () => (await one.page.getByTestId('pointer').count()) === 0);
    for (const tab of [one, two, three]) tab.expectNoProblems();
  });

  const drop = (page: Page, name: string, content: string) =>
    page.evaluate(
      ([file, text]) => {
        const carried = new DataTransfer();
        carried.items.add(new File([text!], file!));
        const place = document.querySelector('[data-testid=files-drop]')!;
        for (const type of ['dragover', 'drop']) place.dispatchEvent(new DragEvent(type, { dataTransfer: carried, bubbles: true, cancelable: true }));
      },
      [name, content],
    );

  it('files are uploaded by button and by dropping, never over another unasked, and downloaded as they are now', async () => {
    fs.mkdirSync(path.join(host.root, 'in'));
    const tab = await Tab.blank(context);
    const { page } = tab;
    await page.goto(`${host.url}/?token=${host.token}&dir=in`);
    const named = (name: string) => page.getByTestId('files').getByText(name, { exact: true });
    await page.getByTestId('upload-input').setInputFiles([
      { name: 'one.csv', mimeType: 'text/csv', buffer: Buffer.from('a,b\n') },
      { name: 'two.py', mimeType: 'text/x-python', buffer: Buffer.from('# %%\n1 + 1\n') },
    ]);
    await named('two.py').waitFor();
    expect(host.file('in/one.csv')).toBe('a,b\n');
    await drop(page, 'one.csv', 'other');
    await page.getByTestId('upload-both').waitFor();
    expect(host.file('in/one.csv')).toBe('a,b\n');
    expect(await violations(page)).toEqual([]);
    await page.getByTestId('upload-both').click();
    await named('one (2).csv').waitFor();
    await drop(page, 'one.csv', 'third');
    await page.getByTestId('upload-replace').click();
    await until('it was replaced', () => host.file('in/one.csv') === 'third');
    await page.getByTestId('uploads').waitFor({ state: 'detached' });
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download one (2).csv' }).click()]);
    expect([download.suggestedFilename(), fs.readFileSync(await download.path(), 'utf8')]).toEqual(['one (2).csv', 'other']);
    const name = host.notebook('in/now.ipynb', [{ id: 'a', source: 'x' }]);
    await tab.goto(host, name);
    await tab.type('a', ' = 1');
    await page.getByTestId('view-menu').click();
    const [notebook] = await Promise.all([page.waitForEvent('download'), page.getByTestId('download-notebook').click()]);
    expect(notebook.suggestedFilename()).toBe('now.ipynb');
    expect(JSON.parse(fs.readFileSync(await notebook.path(), 'utf8')).cells[0].source.join('')).toBe('x = 1');
    // The browser itself writes refused requests into its console.
    expect(tab.problems.filter((problem) => !problem.includes('409 (Conflict)'))).toEqual([]);
  });

  it('variables are listed when the kernel rests, and its formatter formats; the grid keeps its layout in the notebook and shows no banner', async () => {
    const name = host.notebook('grid.ipynb', [
      { id: 'm', cell_type: 'markdown', source: '# Title' },
      { id: 'a', source: 'answer = [4,2]\nprint( "hello" )' },
    ]);
    const one = await Tab.open(context, host, name);
    await one.page.getByTestId('panel-variables').click();
    await one.select('a');
    await one.page.keyboard.press('Control+Enter');
    const row = one.page.getByTestId('variable').filter({ hasText: 'answer' });
    await row.waitFor({ timeout: 30_000 });
    expect(await row.innerText()).toMatch(/list · 2[\s\S]*\[4, 2\]/);
    await one.page.keyboard.press('Shift+F');
    await one.shows('a', 'answer = [4, 2]\nprint("hello")');
    // What cannot be read is not called formatted.
    await one.type('a', '\nx = = 1');
    await one.page.keyboard.press('Escape');
    await one.page.keyboard.press('Shift+F');
    await one.cell('a').getByText(/Not formatted.*black: cannot parse/i).waitFor();
    await one.enter('a');
    for (let at = 0; at < 8; at += 1) await one.page.keyboard.press('Backspace');
    await one.page.keyboard.press('Escape');
    await one.page.getByTestId('panel-variables').click();
    const two = await Tab.open(context, host, name, { view: 'grid' });
    await two.page.bringToFront();
    await two.page.getByTestId('tile').getByTestId('outputs').getByText('hello').waitFor();
    expect(await two.banner.count()).toBe(0);
    expect(await two.page.getByTestId('tile-move').count()).toBe(0);
    await one.page.bringToFront();
    await one.page.getByTestId('view-menu').click();
    await one.page.getByTestId('view-grid').click();
    const tile = one.page.getByTestId('tile').nth(1);
    expect(await tile.getByTestId('source').isVisible()).toBe(false);
    await tile.getByTestId('tile-size').focus();
    for (let at = 0; at < 6; at += 1) await one.page.keyboard.press('ArrowLeft');
    await tile.getByTestId('tile-move').focus();
    for (let at = 0; at < 3; at += 1) await one.page.keyboard.press('ArrowRight');
    const columns = (tab: Tab) => tab.page.getByTestId('tile').nth(1).evaluate((node) => (node as HTMLElement).style.gridColumn);
    await until('the other sees it', async () => (await columns(two)) === '4 / span 6');
    await one.page.getByTestId('tile').first().getByTestId('tile-hide').click();
    await until('hidden for readers', async () => (await two.page.getByTestId('tile').count()) === 1);
    expect(await violations(one.page)).toEqual([]);
    await one.allSent();
    await one.page.keyboard.press('Control+s');
    await until('it is in the file', () => JSON.parse(host.file(name)).cells[1].metadata.extensions?.jupyter_dashboards.views.grid_default.width === 6);
    for (const tab of [one, two]) tab.expectNoProblems();
  });
});
