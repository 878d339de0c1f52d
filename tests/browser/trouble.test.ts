// What each trouble says is safe, and what it offers: files changed elsewhere, disks that are full, tabs that die.
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { Browser, BrowserContext } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Disk } from '../support/disk';
import { Host, until } from '../support/host';
import { violationsInBoth } from './accessibility';
import { Line, Tab, withHost, withContext } from './support';

describe('trouble', () => {
  let host: Host;
  let browser: Browser;
  let context: BrowserContext;
  // Nothing is saved by itself: what was typed and what another program wrote meet in these tests.
  withHost((...made) => ([host, browser] = made), { args: ['--autosave-at-most-ms', '0'] });
  withContext(() => browser, (made) => (context = made));

  const cellsOf = (name: string) => (JSON.parse(host.file(name)) as { cells: { source: string | string[] }[] }).cells.map(({ source }) => (typeof source === 'string' ? source : source.join('')));

  /** A tab whose save finds that somebody else wrote the file. */
  async function conflicting(name: string) {
    host.notebook(name, [{ id: 'a', source: 'ours' }]);
    const tab = await Tab.open(context, host, name);
    await tab.type('a', ' and more');
    await tab.page.keyboard.press('Control+s');
    await until('saved', () => cellsOf(name)[0] === 'ours and more');
    await tab.type('a', '!');
    await tab.allSent();
    fs.writeFileSync(path.join(host.root, name), host.file(name).replace('ours and more', 'theirs, from another editor'));
    await tab.page.getByTestId('conflict').waitFor();
    expect(await tab.page.getByTestId('conflict').innerText()).toMatch(/changed on both sides/);
    expect(cellsOf(name)).toEqual(['theirs, from another editor']);
    return tab;
  }

  it('a file changed elsewhere is overwritten only when the editor says so', async () => {
    const tab = await conflicting('over.ipynb');
    const reader = await Tab.open(context, host, 'over.ipynb');
    await reader.page.getByTestId('conflict').waitFor();
    expect(await reader.page.getByTestId('conflict-overwrite').count()).toBe(0);
    await tab.page.bringToFront();
    await tab.page.getByTestId('conflict-overwrite').click();
    await tab.page.getByTestId('conflict').waitFor({ state: 'detached' });
    await reader.page.getByTestId('conflict').waitFor({ state: 'detached' });
    expect(cellsOf('over.ipynb')).toEqual(['ours and more!']);
    tab.expectNoProblems();
  });

  it('what the host says of a file is there to be read, and goes when it was', async () => {
    const cell = { cell_type: 'code', collapsed: false, input: 'x = 1', language: 'python', metadata: {}, outputs: [] };
    const old = { metadata: { name: '' }, nbformat: 3, nbformat_minor: 0, worksheets: [{ cells: [cell], metadata: {} }] };
    fs.writeFileSync(path.join(host.root, 'old.ipynb'), JSON.stringify(old));
    const tab = await Tab.open(context, host, 'old.ipynb');
    const notices = tab.page.getByTestId('file-notices');
    await notices.waitFor();
    expect(await notices.innerText()).toMatch(/format 3/);
    await tab.page.getByTestId('file-notices-read').click();
    await notices.waitFor({ state: 'detached' });
    tab.expectNoProblems();
  });

  it('or this notebook goes into another file, and both stay', async () => {
    const tab = await conflicting('beside.ipynb');
    await tab.page.getByTestId('save-as').click();
    expect(await tab.page.getByTestId('save-as-name').inputValue()).toBe('beside-copy.ipynb');
    await tab.page.getByTestId('save-as-go').click();
    await until('the copy', () => fs.existsSync(path.join(host.root, 'beside-copy.ipynb')));
    expect(cellsOf('beside-copy.ipynb')).toEqual(['ours and more!']);
    expect(cellsOf('beside.ipynb')).toEqual(['theirs, from another editor']);
  });

  it('or somebody chooses cell by cell, with both sides on the screen', async () => {
    const tab = await conflicting('choose.ipynb');
    const sides = await tab.page.getByTestId('conflict-a').innerText();
    expect(sides).toContain('ours and more!');
    expect(sides).toContain('theirs, from another editor');
    await tab.page.getByTestId('choose-both').click();
    await tab.page.getByTestId('conflict').waitFor({ state: 'detached' });
    await tab.page.keyboard.press('Control+s');
    await until('both are saved', () => JSON.stringify(cellsOf('choose.ipynb')) === JSON.stringify(['ours and more!', 'theirs, from another editor']));
    fs.rmSync(path.join(host.root, 'choose.ipynb'));
    await tab.page.getByTestId('save-trouble').waitFor();
    expect(await tab.page.getByTestId('save-trouble').innerText()).toMatch(/Nothing is lost/);
    tab.expectNoProblems();
  });

  it('typing that was on its way when the tab was killed is a draft in the next one', async () => {
    const line = await Line.create();
    const far = await browser.newContext({ proxy: line.proxy });
    host.notebook('killed.ipynb', [{ id: 'a', source: 'base' }]);
    const tab = await Tab.open(far, host, 'killed.ipynb');
    await tab.type('a', ' sent');
    await tab.allSent();
    line.cut();
    await tab.page.getByTestId('offline').waitFor();
    expect(await tab.page.getByTestId('offline').innerText()).toMatch(/Nothing is lost/);
    await tab.type('a', ' unsent');
    await until('it says what is safe', async () => /kept here/.test(await tab.page.getByTestId('offline').innerText()));
    // A renderer that crashes runs no handlers: only what was written before counts.
    await until('the browser has a copy', () => tab.page.evaluate(() => Object.values({ ...localStorage }).some((value) => String(value).includes('base sent unsent'))));
    const devtools = await far.newCDPSession(tab.page);
    const crashed = tab.page.waitForEvent('crash');
    void devtools.send('Page.crash').catch(() => undefined);
    await crashed;
    line.mend();
    const next = await Tab.open(far, host, 'killed.ipynb');
    await next.page.getByTestId('draft').waitFor();
    expect(await next.page.getByTestId('draft').innerText()).toContain('base sent unsent');
    // Discarded, it is gone for good.
    await next.page.getByTestId('draft-discard').click();
    expect(await next.page.getByTestId('draft').count()).toBe(0);
    await next.page.reload();
    await next.ready();
    expect(await next.page.getByTestId('draft').count()).toBe(0);
    await far.close();
    line.close();
  });

  it('a disk that is full takes nothing back that is typed: it waits here, says so calmly, and arrives when there is space', async () => {
    const disk = new Disk();
    disk.is('well');
    const full = await disk.start({ args: ['--autosave-after-ms', '300'] });
    const own = await browser.newContext();
    try {
      const name = full.notebook('full.ipynb', [{ id: 'a', source: 'x = 1' }, { id: 'b', source: '2' }]);
      const tab = await Tab.open(own, full, name);
      await tab.type('a', '0');
      await tab.allSent();
      disk.is('ENOSPC');
      await tab.type('a', ' + 1');
      const trouble = tab.page.getByTestId('save-trouble');
      await trouble.getByText(/cannot record edits/).waitFor();
      await tab.type('a', ' + 2');
      await tab.shows('a', 'x = 10 + 1 + 2');
      expect(await trouble.innerText()).toMatch(/what you type is kept here/);
      expect([await tab.page.getByRole('alert').count(), await tab.page.getByTestId('draft').count()]).toEqual([0, 0]);
      // Running it would run something else than what is on the screen.
      await tab.page.keyboard.press('Control+Enter');
      await tab.cell('a').getByText(/cannot record edits/).waitFor();
      expect(await violationsInBoth(tab.page)).toEqual([]);
      disk.is('well');
      await trouble.waitFor({ state: 'detached', timeout: 30_000 });
      await tab.allSent();
      await tab.shows('a', 'x = 10 + 1 + 2');
      await until('it is saved', () => full.file(name).includes('x = 10 + 1 + 2'), 30_000);
      expect(await tab.page.getByTestId('draft').count()).toBe(0);
      tab.expectNoProblems();
    } finally {
      await own.close();
      await full.stop();
      disk.forget();
    }
  });

  it('leaves no copy behind of what arrived', async () => {
    host.notebook('arrived.ipynb', [{ id: 'a', source: '' }]);
    const tab = await Tab.open(context, host, 'arrived.ipynb');
    await tab.type('a', 'typed slowly enough to be copied');
    await tab.allSent();
    await tab.page.reload();
    await tab.ready();
    expect(await tab.page.getByTestId('draft').count()).toBe(0);
    expect(await tab.page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('lectern.unsent')))).toEqual([]);
  });
});

describe('a line that is too slow', () => {
  let host: Host;
  let browser: Browser;
  withHost((...made) => ([host, browser] = made), { args: ['--policy', 'collaborative'] });

  const closedAsTooSlow = async () => Number(/^lectern_consumers_closed_too_slow_total (\d+)/m.exec((await host.get('/metrics')).text)![1]);

  /** Changes a notebook until more waits for somebody than the host keeps for one. */
  async function overflow(writer: Client) {
    for (let most = 0, large = ''; ; ) {
      // Nothing that could be compressed.
      large = randomBytes(600_000).toString('base64');
      expect((await writer.command('transaction', { changes: [{ type: 'set_metadata', cell_id: 'b', path: ['large'], value: large }] })).ok).toBe(true);
      const waiting = (await host.get(`/api/v1/sessions/${writer.session}`)).body.longest_queue_bytes;
      if (most > 2 * large.length && waiting < most / 2) return;
      most = Math.max(most, waiting);
    }
  }

  it('says so, loses nothing that is typed, and is well again by itself', async () => {
    const line = await Line.create();
    const far = await browser.newContext({ proxy: line.proxy });
    const name = host.notebook('slow.ipynb', [{ id: 'a', source: 'x' }, { id: 'b', source: '' }]);
    const tab = await Tab.open(far, host, name);
    // The document itself has come: this is about what is sent.
    await tab.type('a', ' is');
    await tab.allSent();
    const writer = await Client.join(host, await host.open(name));
    line.hold();
    await tab.type('a', ' held');
    const slow = tab.page.getByTestId('slow-line');
    await slow.getByText(/has not confirmed what you typed/).waitFor();
    expect(await violationsInBoth(tab.page)).toEqual([]);
    await overflow(writer);
    await tab.type('a', ' on');
    await until('the host gives it up', async () => (await closedAsTooSlow()) === 1, 30_000);
    line.shut();
    line.flow();
    await slow.getByText(/slower than what happens/).waitFor({ timeout: 30_000 });
    expect(await slow.innerText()).toMatch(/What you typed is kept here/);
    expect(await tab.page.getByTestId('offline').count()).toBe(0);
    expect(await violationsInBoth(tab.page)).toEqual([]);
    await tab.type('a', ' and on');
    line.mend();
    await slow.waitFor({ state: 'detached', timeout: 30_000 });
    await tab.allSent();
    await tab.shows('a', 'x is held on and on');
    await writer.until('the others have it', () => writer.frames.some((frame) => JSON.stringify(frame.data).includes(' and on')));
    expect(await tab.page.getByTestId('draft').count()).toBe(0);
    await writer.close();
    await far.close();
    line.close();
  });

  it('says so as well when what was typed waits for the document, and takes up what the line had broken off', async () => {
    const line = await Line.create();
    const far = await browser.newContext({ proxy: line.proxy });
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    await far.route('**/*.wasm', async (route) => {
      await held;
      await route.abort();
    });
    const name = host.notebook('early.ipynb', [{ id: 'a', source: 'x' }]);
    const tab = await Tab.open(far, host, name);
    await tab.type('a', ' typed early');
    const slow = tab.page.getByTestId('slow-line');
    await slow.getByText(/has not confirmed what you typed/).waitFor();
    release();
    const engine = tab.page.getByText(/document engine could not be loaded/);
    await engine.waitFor();
    await slow.waitFor({ state: 'detached' });
    await far.unroute('**/*.wasm');
    line.cut();
    line.mend();
    await engine.waitFor({ state: 'detached' });
    await tab.allSent();
    await tab.shows('a', 'x typed early');
    expect(await tab.page.getByTestId('draft').count()).toBe(0);
    await far.close();
    line.close();
  });

  it('is dialled anew when somebody says so', async () => {
    const line = await Line.create();
    const far = await browser.newContext({ proxy: line.proxy });
    const name = host.notebook('stuck.ipynb', [{ id: 'a', source: 'x' }]);
    const tab = await Tab.open(far, host, name);
    line.hold();
    await tab.type('a', ' = 1');
    const slow = tab.page.getByTestId('slow-line');
    await slow.getByRole('button', { name: 'Try now' }).click();
    await slow.waitFor({ state: 'detached' });
    await tab.allSent();
    await tab.shows('a', 'x = 1');
    expect([await tab.page.getByTestId('draft').count(), await tab.isReader()]).toEqual([0, false]);
    tab.expectNoProblems();
    await far.close();
    line.close();
  });
});

describe('a line that stands still under who only reads', () => {
  let host: Host;
  let browser: Browser;
  withHost((...made) => ([host, browser] = made));

  it('is noticed without a word from the host, told calmly, and well again by itself or by a click', async () => {
    const line = await Line.create();
    const far = await browser.newContext({ proxy: line.proxy });
    const name = host.notebook('still.ipynb', [{ id: 'a', source: 'x' }]);
    const writer = await Client.join(host, await host.open(name));
    const tab = await Tab.blank(far);
    const asked: string[] = [];
    const came: string[] = [];
    tab.page.on('websocket', (socket) => {
      socket.on('framesent', ({ payload }) => typeof payload === 'string' && payload.includes('"command":"ping"') && asked.push(payload));
      socket.on('framereceived', ({ payload }) => typeof payload === 'string' && payload.includes('"op":"reply"') && came.push(payload));
    });
    await tab.page.clock.install();
    await tab.goto(host, name);
    await tab.becomesReader();
    const slow = tab.page.getByTestId('slow-line');
    // Nothing happens and the line carries: one question, whose answer says enough.
    await tab.page.clock.fastForward(26_000);
    await until('the host was asked', () => asked.length === 1);
    const question = JSON.parse(asked[0]!).id;
    await until('the answer is there', () => came.some((payload) => JSON.parse(payload).data.id === question));
    await tab.page.clock.fastForward(2_000);
    await tab.page.clock.fastForward(8_000);
    expect([asked.length, await slow.count()]).toEqual([1, 0]);
    const standsStill = async () => {
      const before = asked.length;
      line.hold();
      await tab.page.clock.fastForward(26_000);
      await until('the host was asked', () => asked.length === before + 1);
      expect(await slow.count()).toBe(0);
      await tab.page.clock.fastForward(5_000);
      await tab.page.clock.fastForward(1_000);
      await slow.getByText(/nothing has come from it for a while/).waitFor();
    };
    await standsStill();
    expect(await violationsInBoth(tab.page)).toEqual([]);
    expect((await writer.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'meanwhile' }] })).ok).toBe(true);
    line.flow();
    await slow.waitFor({ state: 'detached' });
    await tab.shows('a', 'meanwhile');
    await standsStill();
    expect((await writer.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: 'by another line' }] })).ok).toBe(true);
    await slow.getByRole('button', { name: 'Try now' }).click();
    await slow.waitFor({ state: 'detached' });
    await tab.shows('a', 'by another line');
    expect(await tab.isReader()).toBe(true);
    tab.expectNoProblems();
    await writer.close();
    await far.close();
    line.close();
  });
});

describe('a session that is full', () => {
  let host: Host;
  let browser: Browser;
  withHost((...made) => ([host, browser] = made), { args: ['--max-members', '1', '--reservation-closed-ms', '0', '--reservation-lost-ms', '0'] });

  it('says so, whoever comes first or comes back, and is tried again by itself', async () => {
    const name = host.notebook('full.ipynb', [{ id: 'a', source: 'x' }]);
    const writer = await Client.join(host, await host.open(name));
    const context = await browser.newContext();
    const tab = await Tab.blank(context);
    const full = tab.page.getByTestId('session-full');
    await tab.page.goto(`${host.url}/?${new URLSearchParams({ ...(host.token ? { token: host.token } : {}), path: name })}`);
    await full.getByText(/full/).waitFor();
    await full.getByRole('button', { name: 'Try now' }).waitFor();
    expect([await tab.page.getByTestId('slow-line').count(), await tab.page.getByTestId('offline').count()]).toEqual([0, 0]);
    expect(await violationsInBoth(tab.page)).toEqual([]);
    await writer.close();
    await full.waitFor({ state: 'detached', timeout: 30_000 });
    await tab.ready();
    await tab.shows('a', 'x');
    tab.expectNoProblems();
    await context.close();
  });
});

describe('who is let in', () => {
  let host: Host;
  let browser: Browser;
  withHost((...made) => ([host, browser] = made));

  it('packages nobody approved are named, and the editor approves them', async () => {
    const name = host.notebook('wants.ipynb', [{ id: 'a', source: '1' }], { uv: { dependencies: ['some-package'] } });
    const context = await browser.newContext();
    const one = await Tab.open(context, host, name);
    const two = await Tab.open(context, host, name);
    await two.page.getByTestId('trust').getByText('some-package').waitFor();
    expect(await two.page.getByTestId('trust-button').count()).toBe(0);
    await one.page.bringToFront();
    await one.page.getByTestId('trust-button').click();
    await one.page.getByTestId('trust').waitFor({ state: 'detached' });
    await two.page.getByTestId('trust').waitFor({ state: 'detached' });
    await context.close();
  });

  it('a shared link lets somebody watch and no more', async () => {
    const name = host.notebook('shared.ipynb', [{ id: 'a', source: 'seen' }]);
    const mine = await browser.newContext();
    const one = await Tab.open(mine, host, name);
    await one.page.getByTestId('open-share').click();
    await one.page.getByTestId('share-make').click();
    await one.page.getByTestId('qr').waitFor();
    const link = await one.page.getByTestId('share-link').inputValue();
    expect(link).not.toContain(host.token);
    const theirs = await browser.newContext();
    const two = await Tab.blank(theirs);
    await two.page.goto(link);
    await two.ready();
    await two.shows('a', 'seen');
    expect(two.page.url()).not.toContain('lt_');
    await two.page.getByTestId('takeover-button').click();
    await until('it says why not', async () => (await two.banner.getByRole('alert').count()) === 1);
    expect(await one.isReader()).toBe(false);
    await mine.close();
    await theirs.close();
  });
});
