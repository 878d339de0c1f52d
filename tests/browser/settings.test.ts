// Plugins and policy: what the host has loaded, and other rules while people work.
import type { Browser, Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { Host, until } from '../support/host';
import { violations } from './accessibility';
import { Tab, withHost } from './support';

describe('plugins and policy', () => {
  let host: Host;
  let browser: Browser;
  withHost((...made) => ([host, browser] = made));

  const state = (page: Page, plugin: string) => page.locator(`[data-plugin="${plugin}"]`).getAttribute('data-state');

  async function openFromNotebook(tab: Tab): Promise<void> {
    await tab.page.bringToFront();
    await tab.page.getByTestId('view-menu').click();
    await tab.page.getByTestId('open-settings').click();
    await tab.page.getByTestId('plugins').waitFor();
  }

  it('swaps to collaborative while a second tab reads: it may edit, on the same connection', async () => {
    const context = await browser.newContext({ reducedMotion: 'reduce' });
    const name = host.notebook('swap.ipynb', [{ id: 'a', source: 'x' }]);
    const one = await Tab.open(context, host, name);
    const two = await Tab.blank(context);
    let sockets = 0;
    two.page.on('websocket', () => (sockets += 1));
    await two.goto(host, name);
    await two.becomesReader();

    await openFromNotebook(one);
    const page = one.page;
    expect(await page.getByTestId('policy-now').textContent()).toContain('local-takeover');
    expect(await state(page, 'local-takeover')).toBe('active');
    expect(await state(page, 'collaborative')).toBe('available');
    await page.getByTestId('policy-choice').selectOption('collaborative');
    await page.getByTestId('policy-try').click();
    const differences = page.getByTestId('differences');
    await differences.waitFor();
    expect(await differences.textContent()).toMatch(/At once.*on Linux may edit/);
    expect(await two.isReader(), 'trying changes nothing').toBe(true);
    expect(await violations(page)).toEqual([]);

    await page.getByTestId('policy-apply').click();
    await until('it is said', async () => (await page.getByTestId('policy-applied').textContent())?.includes('collaborative'));
    await two.becomesEditor();
    expect(sockets, 'one connection all along').toBe(1);
    await until('the list says so by itself', async () => (await state(page, 'collaborative')) === 'active');
    const figures = await page.locator('[data-plugin="collaborative"]').getByTestId('figures').first().textContent();
    for (const name of ['Generation', 'Loaded in', 'Calls', 'p99', 'Failures']) expect(figures).toContain(name);
    await page.keyboard.press('Escape');
    await two.type('a', '2');
    await one.shows('a', 'x2');
    one.expectNoProblems();
    two.expectNoProblems();
    await context.close();
  });

  it('makes fields of a schema, marks the one that is refused, and reloads what runs', async () => {
    const context = await browser.newContext({ reducedMotion: 'reduce', colorScheme: 'dark', viewport: { width: 360, height: 740 } });
    const tab = await Tab.open(context, host, host.notebook('fields.ipynb', [{ id: 'a', source: 'x' }]));
    const page = tab.page;
    await openFromNotebook(tab);
    await page.getByTestId('policy-choice').selectOption('queue');
    await page.getByTestId('setting-turn_s').fill('-5');
    await page.getByTestId('policy-apply').click();
    await until('the field is marked', async () => (await page.getByTestId('setting-turn_s').getAttribute('aria-invalid')) === 'true');
    expect(await violations(page)).toEqual([]);
    await page.getByTestId('setting-turn_s').fill('60');
    await page.getByTestId('setting-secondary').selectOption('viewer');
    await page.getByTestId('policy-apply').click();
    await until('it is in use', async () => (await page.getByTestId('policy-now').textContent())?.includes('{"turn_s":60,"secondary":"viewer"}'));
    await until('the list has it', async () => (await state(page, 'queue')) === 'active');
    // Settings with lists in them have no fields: they are JSON.
    await page.getByTestId('policy-choice').selectOption('classroom');
    await page.getByTestId('policy-json').fill('{"teachers":');
    await page.getByTestId('policy-apply').click();
    await page.locator('.policy-form [role=alert]').waitFor();
    const row = page.locator('[data-plugin="queue"]');
    await row.getByTestId('reload').click();
    await until('it is done', () => row.getByTestId('reload').isEnabled());
    expect(await row.locator('[role=alert]').count()).toBe(0);
    expect(await page.locator('[data-plugin="transport-sse"]').getByTestId('reload').count(), 'serves till the end').toBe(0);
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth && document.querySelector('dialog[open]')!.scrollWidth <= document.querySelector('dialog[open]')!.clientWidth)).toBe(true);
    await context.close();
  });

  it('is on the files page for a token of the host, to look at without admin scope, and not for one of a session', async () => {
    const { session_id } = await host.open(host.notebook('shared.ipynb', [{ id: 'a', source: 'x' }]));
    const link = async (body: object) => (await host.post<{ token: string }>('/api/v1/tokens', body)).body.token;
    const viewer = await browser.newContext();
    const look = await viewer.newPage();
    await look.goto(`${host.url}/?token=${await link({ scope: 'view' })}`);
    await look.getByTestId('open-settings').click();
    await look.getByTestId('plugins').waitFor();
    expect(await look.getByTestId('policy-now').textContent()).toContain('local-takeover');
    expect(await look.getByTestId('policy-apply').count()).toBe(0);
    expect(await look.getByTestId('reload').count()).toBe(0);
    await viewer.close();

    const guest = await browser.newContext();
    const tab = await Tab.blank(guest);
    const asked = tab.page.waitForResponse((response) => response.url().endsWith('/api/v1/info'));
    await tab.page.goto(`${host.url}/?token=${await link({ scope: 'view', session_id })}&path=shared.ipynb`);
    await tab.ready();
    await (await asked).finished();
    await tab.page.getByTestId('view-menu').click();
    await tab.page.getByTestId('view-slides').waitFor();
    expect(await tab.page.getByTestId('open-settings').count()).toBe(0);
    await guest.close();
  });
});
