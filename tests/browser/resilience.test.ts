// What goes wrong around the page, and what it says and does then.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { Host, until } from '../support/host';
import { Tab, withHost } from './support';

describe('the page in trouble', () => {
  let host: Host;
  let browser: Browser;
  withHost((...made) => ([host, browser] = made));

  it('finds its session again when the host was killed and started anew, with every acknowledged edit', async () => {
    const first = await Host.start({ args: ['--token', 'the-same-token-for-both-starts-of-it'] });
    const name = first.notebook('again.ipynb', [{ id: 'a', source: 'x' }]);
    const context = await browser.newContext();
    const tab = await Tab.open(context, first, name);
    await tab.type('a', ' = 1');
    await tab.allSent();
    await first.kill('SIGKILL');
    await tab.page.getByTestId('offline').waitFor();
    await tab.type('a', '23');
    const second = await Host.start({ root: first.root, home: first.home, port: first.port, args: ['--token', 'the-same-token-for-both-starts-of-it'] });
    await tab.page.getByTestId('offline').waitFor({ state: 'detached', timeout: 30_000 });
    await tab.allSent();
    await tab.shows('a', 'x = 123');
    expect(await tab.isReader()).toBe(false);
    const other = await Tab.open(await browser.newContext(), second, name);
    await other.shows('a', 'x = 123');
    await context.close();
    await second.stop();
    first.forget();
  });

  it('goes on where its file is when the host died while it renamed the folder', async () => {
    const args = ['--token', 'the-same-token-for-both-starts-of-it'];
    const first = await Host.start({ args });
    const { root, home, port } = first;
    const name = first.notebook('old/crash.ipynb', [{ id: 'a', source: 'x = ' }]);
    const context = await browser.newContext();
    const tab = await Tab.open(context, first, name);
    await tab.type('a', '1');
    await tab.allSent();
    await first.kill('SIGKILL');
    await tab.page.getByTestId('offline').waitFor();
    await tab.type('a', '2');
    // As it is between the rename and the first that is told of it.
    const renames = path.join(home, 'state/lectern/renames');
    fs.mkdirSync(renames, { recursive: true });
    fs.writeFileSync(path.join(renames, '1.json'), JSON.stringify({ from: path.join(root, 'old'), to: path.join(root, 'new'), inode: fs.statSync(path.join(root, 'old')).ino }));
    fs.renameSync(path.join(root, 'old'), path.join(root, 'new'));
    const second = await Host.start({ root, home, port, args });
    await tab.page.getByTestId('offline').waitFor({ state: 'detached', timeout: 30_000 });
    await tab.allSent();
    await tab.shows('a', 'x = 12');
    await until('the address follows', () => new URL(tab.page.url()).searchParams.get('path') === 'new/crash.ipynb');
    expect([await tab.page.getByTestId('draft').count(), fs.readdirSync(root)]).toEqual([0, ['new']]);
    await context.close();
    await second.stop();
    first.forget();
  });

  it('shows a kernel that died and starts another, on the same line', async () => {
    const name = host.notebook('dies.ipynb', [{ id: 'a', source: 'import os\nprint("pid", os.getpid())' }]);
    const context = await browser.newContext();
    const tab = await Tab.open(context, host, name);
    await tab.select('a');
    await tab.page.keyboard.press('Control+Enter');
    await tab.showsOutput('a', /pid \d+/);
    const pid = /pid (\d+)/.exec(await tab.output('a'))![1]!;
    await tab.kernel('idle');
    execFileSync('kill', ['-9', pid]);
    await tab.kernel('dead');
    await tab.page.getByRole('button', { name: 'Restart the kernel' }).last().click();
    await tab.kernel('idle');
    await tab.select('a');
    await tab.page.keyboard.press('Control+Enter');
    await until('another kernel', async () => /pid \d+/.test(await tab.output('a')) && !(await tab.output('a')).includes(pid));
    tab.expectNoProblems();
    await context.close();
  });

  it('says that a session was ended, and opens it again', async () => {
    const name = host.notebook('ended.ipynb', [{ id: 'a', source: 'x' }]);
    const context = await browser.newContext();
    const tab = await Tab.open(context, host, name);
    const sessions = await host.get('/api/v1/sessions');
    const list = (sessions.body.sessions ?? sessions.body) as { session_id: string; path: string }[];
    const { session_id } = list.find((row) => row.path.endsWith(name))!;
    expect((await host.request('DELETE', `/api/v1/sessions/${session_id}`)).status).toBe(204);
    await tab.page.getByTestId('ended').waitFor();
    expect(await tab.page.getByTestId('ended').innerText()).toMatch(/ended/);
    await tab.page.getByRole('button', { name: 'Open again' }).click();
    await tab.ready();
    await tab.type('a', '1');
    await tab.shows('a', 'x1');
    await tab.allSent();
    await context.close();
  });

  it('lets one of two who press Take over at once win, and tells the other', async () => {
    const name = host.notebook('race.ipynb', [{ id: 'a', source: 'x' }]);
    const context = await browser.newContext();
    const one = await Tab.open(context, host, name);
    const racers = [await Tab.open(context, host, name), await Tab.open(context, host, name)] as const;
    const press = (tab: Tab) => tab.page.evaluate(() => document.querySelector<HTMLButtonElement>('[data-testid=takeover-button]')!.click());
    await Promise.all(racers.map(press));
    await one.becomesReader();
    await until('one of them edits', async () => (await racers[0].isReader()) !== (await racers[1].isReader()));
    await context.close();
  });

  it('completes from the kernel with Tab', async () => {
    const name = host.notebook('complete.ipynb', [{ id: 'a', source: 'import os' }, { id: 'b', source: 'os.getp' }]);
    const context = await browser.newContext();
    const tab = await Tab.open(context, host, name);
    await tab.select('a');
    await tab.page.keyboard.press('Control+Enter');
    await until('it ran', async () => /\d/.test(await tab.cell('a').getByTestId('count').innerText()));
    await tab.enter('b');
    await tab.page.keyboard.press('Tab');
    await tab.page.locator('.cm-tooltip-autocomplete li', { hasText: 'getpid' }).first().waitFor();
    await tab.page.keyboard.type('id');
    await tab.page.keyboard.press('Enter');
    await tab.shows('b', 'os.getpid');
    await context.close();
  });

  it('completes after a dot by itself, for who edits and while the kernel is idle, and takes no key from typing', async () => {
    const name = host.notebook('members.ipynb', [{ id: 'a', source: 'import os' }, { id: 'b', source: '' }]);
    const context = await browser.newContext();
    const asked: string[] = [];
    const listening = async () => {
      const tab = await Tab.blank(context);
      tab.page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => typeof payload === 'string' && payload.includes('"command":"complete"') && asked.push(payload)));
      await tab.goto(host, name);
      return tab;
    };
    const tab = await listening();
    const reader = await listening();
    const list = tab.page.locator('.cm-tooltip-autocomplete li');
    await tab.type('b', 'os.');
    await tab.select('a');
    expect([asked, await tab.page.getByTestId('kernel-state').getAttribute('data-state')]).toEqual([[], 'none']);
    await tab.page.keyboard.press('Control+Enter');
    await until('it ran', async () => /\d/.test(await tab.cell('a').getByTestId('count').innerText()));
    await tab.kernel('idle');
    await reader.kernel('idle');
    await tab.type('b', 'getp');
    await list.filter({ hasText: 'getpid' }).first().waitFor();
    expect(asked.length).toBeGreaterThan(0);
    // Nobody has chosen from it: Enter is a new line. Where Tab or an arrow has, it is not.
    await tab.page.keyboard.press('Enter');
    await tab.shows('b', 'os.getp\n');
    await tab.page.keyboard.type('os.getpi');
    await list.filter({ hasText: 'getpid' }).first().waitFor();
    await tab.page.keyboard.press('Tab');
    await tab.shows('b', 'os.getp\nos.getpid');
    await tab.page.keyboard.press('Control+Space');
    await list.first().waitFor();
    await tab.page.keyboard.press('Escape');
    await list.first().waitFor({ state: 'detached' });
    const before = asked.length;
    await tab.page.keyboard.type('  # os.');
    await reader.page.bringToFront();
    await reader.cell('b').locator('.cm-content').click();
    await reader.page.keyboard.press('Control+Space');
    await tab.type('b', '\nos.');
    await list.first().waitFor();
    expect(asked.length).toBe(before + 1);
    tab.expectNoProblems();
    await context.close();
  });

  it('completes by itself only where that is wanted: the choice is of the browser, and Tab still asks', async () => {
    const name = host.notebook('unasked.ipynb', [{ id: 'a', source: 'import os' }, { id: 'b', source: '' }]);
    const context = await browser.newContext();
    const asked: string[] = [];
    const tab = await Tab.blank(context);
    tab.page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => typeof payload === 'string' && payload.includes('"command":"complete"') && asked.push(payload)));
    await tab.goto(host, name);
    await tab.select('a');
    await tab.page.keyboard.press('Control+Enter');
    await until('it ran', async () => /\d/.test(await tab.cell('a').getByTestId('count').innerText()));
    await tab.kernel('idle');
    const choice = tab.page.getByTestId('complete-unasked');
    const chosen = async () => {
      await tab.page.getByTestId('view-menu').click();
      return choice.getAttribute('aria-checked');
    };
    expect(await chosen()).toBe('true');
    await choice.click();
    expect(await chosen()).toBe('false');
    await tab.page.keyboard.press('Escape');
    const list = tab.page.locator('.cm-tooltip-autocomplete li');
    await tab.type('b', 'os.getp');
    await tab.page.keyboard.press('Tab');
    await list.filter({ hasText: 'getpid' }).first().waitFor();
    expect(asked).toHaveLength(1);
    await tab.page.keyboard.press('Escape');
    await tab.allSent();
    // Kept over a reload, and taken back at once.
    await tab.page.reload();
    await tab.ready();
    await tab.kernel('idle');
    expect(await chosen()).toBe('false');
    await choice.click();
    await tab.type('b', '\nos.');
    await list.first().waitFor();
    expect(asked).toHaveLength(2);
    tab.expectNoProblems();
    await context.close();
  });

  // The last: it changes the policy of the host.
  it('turns everybody into editors when the policy is swapped, without a reload', async () => {
    const name = host.notebook('swap.ipynb', [{ id: 'a', source: 'x' }]);
    const context = await browser.newContext();
    const [one, two] = [await Tab.open(context, host, name), await Tab.open(context, host, name)];
    expect(await two.isReader()).toBe(true);
    expect((await host.put('/api/v1/policy', { policy: 'collaborative' })).status).toBe(200);
    await two.becomesEditor();
    await two.type('a', '2');
    await one.shows('a', 'x2');
    await one.type('a', '1');
    await two.shows('a', 'x21');
    await context.close();
  });
});
