// Everybody edits: two tabs in one cell at once.
import type { Browser } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, until } from '../support/host';
import { Line, Tab, withHost } from './support';

describe('two tabs typing in one cell', () => {
  let host: Host;
  let browser: Browser;
  withHost((...made) => ([host, browser] = made), { args: ['--policy', 'collaborative'] });

  const converged = async (one: Tab, two: Tab, holds: (text: string) => boolean) => {
    await one.allSent();
    await two.allSent();
    await until('both read the same', async () => {
      const [a, b] = [await one.source('a'), await two.source('a')];
      return a === b && holds(a);
    });
  };

  it('at the same time converge, and nobody is a reader', async () => {
    const context = await browser.newContext();
    const name = host.notebook('both.ipynb', [{ id: 'a', source: '' }]);
    const [one, two] = [await Tab.open(context, host, name), await Tab.open(context, host, name)];
    expect([await one.isReader(), await two.isReader()]).toEqual([false, false]);
    await one.enter('a');
    await two.enter('a');
    await Promise.all([one.page.keyboard.type('abcdefghij'.repeat(3), { delay: 3 }), two.page.keyboard.type('0123456789'.repeat(3), { delay: 3 })]);
    await converged(one, two, (text) => text.length === 60);
    const text = await one.source('a');
    expect(text.replace(/\d/g, '')).toBe('abcdefghij'.repeat(3));
    expect(text.replace(/[a-z]/g, '')).toBe('0123456789'.repeat(3));
    one.expectNoProblems();
    two.expectNoProblems();
    await context.close();
  });

  it('while cut off from each other converge when the line is back', async () => {
    const line = await Line.create();
    const far = await browser.newContext({ proxy: line.proxy });
    const near = await browser.newContext();
    const name = host.notebook('apart.ipynb', [{ id: 'a', source: 'start' }, { id: 'b', source: 'other' }]);
    const [one, two] = [await Tab.open(far, host, name), await Tab.open(near, host, name)];
    await one.type('a', '.');
    await two.shows('a', 'start.');
    line.cut();
    await one.page.getByTestId('offline').waitFor();
    await one.type('b', ' unseen');
    await one.type('a', ' far');
    await two.type('a', ' near');
    // A cell that is deleted and put back is another one: what was typed into the old one went with it, and is kept here.
    const program = await Client.join(host, await host.open(name));
    await program.command('transaction', { changes: [{ type: 'delete_cell', cell_id: 'b' }] });
    await program.command('transaction', { changes: [{ type: 'create_cell', cell_id: 'b', cell_type: 'code', source: 'other', after: 'a' }] });
    await two.shows('b', 'other');
    expect(await one.source('a')).toBe('start. far');
    expect(await two.source('a')).toBe('start. near');
    line.mend();
    await converged(one, two, (text) => text.includes(' far') && text.includes(' near'));
    expect(await one.source('a')).toMatch(/^start\.( far near| near far)$/);
    expect(await one.cell('a').getByTestId('draft').count()).toBe(0);
    expect(await one.cell('b').getByTestId('draft').innerText()).toContain('other unseen');
    await one.shows('b', 'other');
    await one.page.getByTestId('draft-apply').click();
    await two.shows('b', 'other unseen');
    expect(await one.page.getByTestId('draft').count()).toBe(0);
    await program.close();
    await far.close();
    await near.close();
    line.close();
  });

  it('keeps each cursor where its person is', async () => {
    const context = await browser.newContext();
    const name = host.notebook('cursor.ipynb', [{ id: 'a', source: 'end' }]);
    const [one, two] = [await Tab.open(context, host, name), await Tab.open(context, host, name)];
    await two.enter('a');
    await one.enter('a');
    await one.page.keyboard.press('Control+Home');
    await one.page.keyboard.type('first ');
    await two.shows('a', 'first end');
    await two.page.keyboard.type('!');
    await one.page.keyboard.type('second ');
    await converged(one, two, (text) => text === 'first second end!');
    // Undo takes back one's own typing only.
    await until('only the typing of the other is left', async () => {
      await one.page.keyboard.press('Control+z'); // what is typed within half a second is one
      return (await two.source('a')) === 'end!';
    });
    await context.close();
  });
});
