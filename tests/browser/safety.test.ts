// What holds on every screen: WCAG by axe, everything by keyboard, a strict policy, nothing from anybody else, no motion where none is wanted.
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { Host, until } from '../support/host';
import { violationsInBoth } from './accessibility';
import { Tab, withHost, withContext } from './support';

const RICH = [
  { id: 'm', cell_type: 'markdown' as const, source: '# Heading\n\nText, `code`, $x^2$ and a [link](https://example.org).\n\n```mermaid\nflowchart LR\n  A --> B\n```\n\n![far](https://example.org/x.png)' },
  { id: 'a', source: 'def f(x):  # comment\n    return "text" + str(x * 2)' },
  { id: 'o', source: 'df', outputs: [{ output_type: 'display_data', metadata: {}, data: { 'text/html': '<p>html <img src="https://example.org/pixel.png"></p><script>fetch("https://example.org/").catch(() => 0)</script>' } }, { output_type: 'stream', name: 'stderr', text: '\u001b[31mred\u001b[0m words' }] },
  { id: 'e', source: 'x', outputs: [{ output_type: 'error', ename: 'E', evalue: 'v', traceback: ['\u001b[0;31mE\u001b[0m: v'] }] },
];

describe('every screen', () => {
  let host: Host;
  let browser: Browser;
  let context: BrowserContext;
  withHost((...made) => ([host, browser] = made));
  beforeAll(() => {
    host.notebook('rich.ipynb', RICH);
  });
  withContext(() => browser, (made) => (context = made));

  it('passes WCAG 2.2 AA, light and dark', async () => {
    const look = await browser.newContext({ colorScheme: 'light', reducedMotion: 'reduce' });
    const name = host.notebook('rich-screens.ipynb', RICH);
    const one = await Tab.open(look, host, name);
    await one.cell('m').locator('.math-done').waitFor();
    await one.cell('m').locator('.diagram').waitFor();
    await one.select('a');
    expect(await violationsInBoth(one.page), 'editor').toEqual([]);
    for (const panel of ['outline', 'people', 'sessions']) await one.page.getByTestId(`panel-${panel}`).click();
    await one.page.getByTestId('open-find').click();
    await one.page.getByTestId('find-query').fill('x');
    await one.page.getByTestId('view-menu').click();
    expect(await violationsInBoth(one.page), 'with panel, search and menu').toEqual([]);
    const two = await Tab.open(look, host, name);
    await two.banner.waitFor();
    await two.page.getByTestId('panel-people').click();
    expect(await violationsInBoth(two.page), 'reader').toEqual([]);
    for (const view of ['read', 'slides', 'present']) {
      await two.goto(host, name, { view });
      await until('it is laid out', async () => (await two.page.locator('.cm-editor, .rendered').count()) > 0);
      // Cells that wait for their turn are dimmed while presenting; the one that is talked about is not.
      expect((await violationsInBoth(two.page)).filter((one_) => view !== 'present' || !one_.startsWith('color-contrast')), view).toEqual([]);
    }
    await two.page.goto(`${host.url}/`);
    await two.page.getByTestId('files').waitFor();
    await two.page.getByTestId('new-notebook').click();
    await two.page.getByTestId('runtime').waitFor();
    expect(await violationsInBoth(two.page), 'files').toEqual([]);
    await look.close();
  });

  it('asks nobody else for anything, and runs under a policy without inline scripts and eval', async () => {
    const asked: string[] = [];
    await context.route('**/*', (route) => {
      asked.push(route.request().url());
      return route.continue();
    });
    const tab = await Tab.blank(context);
    const refused: string[] = [];
    tab.page.on('console', (message) => /Content Security Policy/.test(message.text()) && refused.push(`${message.location().url} ${message.text()}`));
    const answers = new Map<string, string>();
    tab.page.on('response', (response) => answers.set(new URL(response.url()).pathname, response.headers()['content-security-policy'] ?? ''));
    await tab.goto(host, 'rich.ipynb');
    await tab.cell('m').locator('.diagram').waitFor();
    await until('the frame has its output', async () => (await (await tab.outputFrame('o')).locator('p').count()) === 1);
    await tab.enter('a');
    await tab.page.getByTestId('panel-sessions').click();
    const foreign = asked.filter((url) => !url.startsWith(host.url) && !url.startsWith('data:') && !url.startsWith('blob:'));
    expect(foreign).toEqual([]);
    const policy = answers.get('/')!;
    const scripts = /script-src ([^;]*)/.exec(policy)![1]!;
    expect(scripts).not.toMatch(/unsafe-inline|'unsafe-eval'|https?:|\*/);
    expect(policy).toMatch(/default-src 'self'/);
    expect(policy).not.toMatch(/https?:/);
    // What the policy refused was the output's own doing, inside its frame; the page itself never ran into it.
    expect(refused.filter((line) => !line.includes('output-frame.html') && !line.includes('example.org'))).toEqual([]);
    expect(await tab.page.evaluate(() => [...document.querySelectorAll('iframe')].map((frame) => frame.getAttribute('sandbox')))).toEqual(['allow-scripts']);
  });

  it('is worked by keyboard alone: menus, panels, search, the pen', async () => {
    const one = await Tab.open(context, host, 'rich.ipynb');
    const two = await Tab.open(context, host, 'rich.ipynb');
    await two.page.bringToFront();
    const focusTo = async (testId: string) => {
      for (let presses = 0; presses < 60; presses += 1) {
        if (await two.page.evaluate((id) => document.activeElement?.getAttribute('data-testid') === id, testId)) return;
        await two.page.keyboard.press('Tab');
      }
      throw new Error(`Tab never reaches ${testId}`);
    };
    await focusTo('view-menu');
    await two.page.keyboard.press('Enter');
    await two.page.getByTestId('view-read').waitFor();
    await two.page.keyboard.press('ArrowDown');
    await two.page.keyboard.press('Enter');
    expect(new URL(two.page.url()).searchParams.get('view')).toBe('read');
    await focusTo('panel-people');
    await two.page.keyboard.press('Space');
    await two.page.getByTestId('people').waitFor();
    await focusTo('takeover-button');
    await two.page.keyboard.press('Enter');
    await two.becomesEditor();
    await one.becomesReader();
  });

  it('holds still for who wants no motion, and runs right to left without falling off', async () => {
    const calm = await browser.newContext({ reducedMotion: 'reduce', viewport: { width: 360, height: 740 } });
    const tab = await Tab.open(calm, host, 'rich.ipynb');
    const reader = await Tab.open(calm, host, 'rich.ipynb');
    await reader.banner.waitFor();
    expect(await reader.page.evaluate(() => document.getAnimations().length)).toBe(0);
    for (const page of [tab.page, reader.page]) {
      await page.evaluate(() => (document.documentElement.dir = 'rtl'));
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
      await page.evaluate(() => (document.documentElement.dir = 'ltr'));
    }
    await calm.close();
  });
});
