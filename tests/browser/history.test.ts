// The history panel: what was done, what differs, and the way back, in a real browser.
import fs from 'node:fs';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, until } from '../support/host';
import { violations } from './accessibility';
import { Tab, withHost } from './support';

/** Where to put pictures for people; none are taken without. */
const PICTURES = process.env.LECTERN_HISTORY_PICTURES;

describe('the history panel', () => {
  let host: Host;
  let browser: Browser;
  withHost((...made) => ([host, browser] = made));

  const set = (client: Client, cell_id: string, source: string) => client.command('transaction', { changes: [{ type: 'set_source', cell_id, source }] });

  async function look(tab: Tab): Promise<void> {
    await tab.page.getByTestId('view-menu').click();
    await tab.page.getByTestId('open-history').click();
    await tab.page.getByTestId('version').first().waitFor();
  }

  /** A notebook that Ann works on. */
  async function worked(name: string): Promise<{ path: string; reader: Client }> {
    const notebook = host.notebook(name, [
      { id: 'm', cell_type: 'markdown', source: '# Orders' },
      { id: 'a', source: 'orders = load("orders.csv")\ntotal = sum(orders)\nprint(total)' },
      { id: 'b', source: 'plot(orders)' },
    ]);
    const info = await host.open(notebook);
    const ann = await Client.join(host, info, { query: { label: 'Ann' } });
    await set(ann, 'a', 'orders = load("orders.csv")\ntotal = sum(orders.values())\nprint(f"{total:,}")');
    await ann.command('transaction', { changes: [{ type: 'delete_cell', cell_id: 'b' }, { type: 'create_cell', cell_id: 'c', cell_type: 'code', source: 'plot(orders, kind="bar")', after: 'a' }] });
    return { path: notebook, reader: ann };
  }

  it('lists who did what, shows what differs, and brings a version back for who has the pen', async () => {
    const context = await browser.newContext({ reducedMotion: 'reduce' });
    const { path: notebook, reader } = await worked('panel.ipynb');
    const tab = await Tab.open(context, host, notebook);
    const page = tab.page;
    await tab.becomesReader();
    await look(tab);
    const rows = page.getByTestId('version');
    expect(await rows.count()).toBe(2);
    expect(await rows.first().textContent()).toMatch(/Ann.*3 cells/);
    await page.getByTestId('difference').nth(2).waitFor();
    expect(await page.getByTestId('difference').count()).toBe(3);
    const text = await page.getByTestId('history-detail').textContent();
    expect(text).toContain('− total = sum(orders)');
    expect(text).toContain('+ total = sum(orders.values())');
    expect(await page.getByTestId('restore').isDisabled(), 'a reader cannot restore').toBe(true);
    expect(await page.getByTestId('restore-reason').textContent()).toContain('needs the pen');
    expect(await violations(page)).toEqual([]);

    // By keyboard: to the first version, and out.
    await rows.nth(1).focus();
    await page.keyboard.press('Enter');
    await until('the first version', async () => (await rows.nth(1).getAttribute('aria-current')) === 'true');
    await page.keyboard.press('Escape');
    await until('closed', async () => (await page.getByTestId('history').count()) === 0);

    await tab.takeOver();
    await look(tab);
    await rows.nth(1).click();
    await page.getByTestId('against').selectOption('now');
    await until('the comparison', async () => (await page.getByTestId('difference').count()) === 3);
    await page.getByTestId('restore').click();
    await until('it is in the list', async () => (await rows.count()) === 3);
    expect(await rows.first().textContent()).toContain('Restored version 1');
    await page.getByTestId('no-differences').waitFor();
    await page.keyboard.press('Escape');
    await tab.shows('b', 'plot(orders)');
    expect(await tab.order()).toEqual(['m', 'a', 'b']);
    await reader.event('notebook-document-transaction', (data) => JSON.stringify(data).includes('plot(orders)'));
    tab.expectNoProblems();
    await reader.close();
    await context.close();
  });

  it('restores one cell, and compares with the file', async () => {
    const context = await browser.newContext({ reducedMotion: 'reduce', colorScheme: 'dark', viewport: { width: 360, height: 740 }, locale: 'ja' });
    const notebook = host.notebook('one.ipynb', [{ id: 'a', source: 'one' }, { id: 'b', source: 'two' }]);
    const tab = await Tab.open(context, host, notebook);
    const page = tab.page;
    await tab.type('a', '!');
    await tab.type('b', '?');
    await tab.allSent();
    await look(tab);
    expect(await page.getByTestId('history').getAttribute('aria-label')).toBe('履歴');
    expect(await violations(page)).toEqual([]);
    await page.getByTestId('version').last().click();
    await page.getByTestId('against').selectOption('now');
    await until('both cells', async () => (await page.getByTestId('restore-cell').count()) === 2);
    await page.getByTestId('restore-cell').first().click();
    await until('one is left', async () => (await page.getByTestId('restore-cell').count()) === 1);
    await page.getByTestId('version-file').click();
    await page.getByTestId('history-detail').waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), 'nothing sticks out').toBe(true);
    await page.keyboard.press('Escape');
    await tab.shows('a', 'one');
    await tab.shows('b', 'two?');
    tab.expectNoProblems();
    await context.close();
  });

  it('after a crash it says what was recovered, and compares', async () => {
    const own = await Host.start({ args: ['--autosave-at-most-ms', '0'] });
    const name = own.notebook('crash.ipynb', [{ id: 'a', source: 'saved' }, { id: 'told', source: 'print("told, " * 2)' }]);
    const ann = await Client.join(own, await own.open(name));
    await ann.command('save');
    await set(ann, 'a', 'not saved');
    await ann.execute(['told']);
    const logs = () => (fs.readdirSync(path.join(own.home, 'state/lectern/notebooks'), { recursive: true }) as string[]).filter((found) => found.endsWith('outputs.lj'));
    await until('what it showed is logged', () => logs().some((log) => fs.readFileSync(path.join(own.home, 'state/lectern/notebooks', log)).includes('told, told')));
    await own.kill('SIGKILL');
    const again = await Host.start({ root: own.root, home: own.home });
    const context = await browser.newContext({ reducedMotion: 'reduce' });
    const tab = await Tab.open(context, again, name);
    await tab.page.getByTestId('recovered').waitFor();
    expect(await tab.page.getByTestId('recovered').textContent()).toContain('1 edit was recovered');
    expect(await tab.page.getByTestId('recovered').textContent()).toContain('What 1 cell showed was brought back');
    await tab.page.getByText('told, told').waitFor();
    await tab.page.getByTestId('compare').click();
    await tab.page.getByTestId('difference').waitFor();
    const told = await tab.page.getByTestId('history-detail').textContent();
    expect(told).toContain('− saved');
    expect(told).toContain('+ not saved');
    expect(await violations(tab.page)).toEqual([]);
    await tab.page.keyboard.press('Escape');
    await tab.page.getByTestId('recovered-seen').click();
    await tab.page.getByTestId('recovered').waitFor({ state: 'detached' });
    tab.expectNoProblems();
    await context.close();
    await again.stop();
    own.forget();
  });

  it.runIf(PICTURES)('pictures', async () => {
    const { path: notebook, reader } = await worked('pictures.ipynb');
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const width of [360, 768, 1440]) {
        const context = await browser.newContext({ reducedMotion: 'reduce', colorScheme, viewport: { width, height: width === 360 ? 740 : 900 } });
        const tab = await Tab.open(context, host, notebook);
        if (colorScheme === 'dark') await tab.takeOver();
        await look(tab);
        await tab.page.getByTestId('difference').first().waitFor();
        await tab.page.screenshot({ path: path.join(PICTURES!, `history-${width}-${colorScheme}.png`) });
        await context.close();
      }
    }
    await reader.close();
  });
});
