// Nothing that was typed is lost: flushes, drafts, cut lines, reloads.
import type { Browser } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { Host, until } from '../support/host';
import { Line, Tab, withHost } from './support';

describe('typing that could not be sent', () => {
  let host: Host;
  let browser: Browser;
  withHost((...made) => ([host, browser] = made));

  /** A tab whose line is cut while it holds the pen, types on, and loses the pen meanwhile. */
  async function demotedWhileCut(name: string) {
    const line = await Line.create();
    const far = await browser.newContext({ proxy: line.proxy });
    const near = await browser.newContext();
    host.notebook(name, [{ id: 'a', source: 'base' }, { id: 'b', source: 'other' }]);
    const one = await Tab.open(far, host, name);
    const two = await Tab.open(near, host, name);
    await one.type('a', ' sent');
    await one.allSent();
    await two.shows('a', 'base sent');
    line.cut();
    await one.page.getByTestId('offline').waitFor();
    await one.type('a', ' unsent');
    await two.takeOver();
    line.mend();
    await one.becomesReader();
    await one.page.getByTestId('draft').waitFor();
    return { one, two, line, done: async () => (await far.close(), await near.close(), line.close()) };
  }

  it('is kept as a draft beside the host\'s text, also over a reload, and applied when the pen is back', async () => {
    const { one, two, done } = await demotedWhileCut('apply.ipynb');
    await one.shows('a', 'base sent');
    expect(await two.source('a')).toBe('base sent');
    expect(await one.cell('a').getByTestId('draft').innerText()).toContain('base sent unsent');
    expect(await one.page.getByTestId('draft-apply').isDisabled()).toBe(true);
    await one.page.reload();
    await one.ready();
    await one.shows('a', 'base sent');
    expect(await one.cell('a').getByTestId('draft').innerText()).toContain('base sent unsent');
    await two.enter('a');
    await two.page.keyboard.press('Control+Home');
    await two.page.keyboard.type('# two\n');
    await one.shows('a', '# two\nbase sent');
    await one.takeOver();
    await one.page.getByTestId('draft-apply').click();
    await one.shows('a', '# two\nbase sent unsent');
    await two.shows('a', '# two\nbase sent unsent');
    expect(await one.page.getByTestId('draft').count()).toBe(0);
    await done();
  });

  // notebook#4508: autosave was refused for days after the token had ended, and nobody was told.
  it('outlives a token that ends: the page says so, and the next token finds it as a draft', async () => {
    const minted = (await host.post<{ id: string; token: string }>('/api/v1/tokens', { scope: 'edit' })).body;
    host.notebook('token.ipynb', [{ id: 'a', source: 'base' }]);
    const context = await browser.newContext();
    const tab = await Tab.open(context, host, 'token.ipynb', { token: minted.token });
    await tab.type('a', ' sent');
    await tab.allSent();
    expect((await host.request('DELETE', `/api/v1/tokens/${minted.id}`)).status).toBe(204);
    await tab.page.getByTestId('ended').waitFor();
    expect(await tab.page.getByTestId('ended').innerText()).toContain('kept in this browser');
    await tab.type('a', ' unsent');
    await tab.shows('a', 'base sent unsent');
    await tab.goto(host, 'token.ipynb');
    await tab.page.getByTestId('draft').waitFor();
    await tab.shows('a', 'base sent');
    await tab.page.getByTestId('draft-apply').click();
    await tab.shows('a', 'base sent unsent');
    await tab.allSent();
    const look = await Tab.open(await browser.newContext(), host, 'token.ipynb');
    await look.shows('a', 'base sent unsent');
    await look.page.context().close();
    await context.close();
  });

  it('is sent by itself when the line is back and the pen is still here', async () => {
    const line = await Line.create();
    const far = await browser.newContext({ proxy: line.proxy });
    const near = await browser.newContext();
    host.notebook('line.ipynb', [{ id: 'a', source: 'x' }]);
    const one = await Tab.open(far, host, 'line.ipynb');
    const two = await Tab.open(near, host, 'line.ipynb');
    await one.type('a', '1');
    await two.shows('a', 'x1');
    line.cut();
    await one.page.getByTestId('offline').waitFor();
    await one.type('a', '23');
    expect(await two.source('a')).toBe('x1');
    line.mend();
    await two.shows('a', 'x123');
    expect(await one.page.getByTestId('draft').count()).toBe(0);
    expect(await one.isReader()).toBe(false);
    await far.close();
    await near.close();
    line.close();
  });

  it('is kept when it was typed before the document engine had loaded', async () => {
    const context = await browser.newContext();
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    await context.route('**/*.wasm', async (route) => {
      await held;
      await route.continue();
    });
    host.notebook('early.ipynb', [{ id: 'a', source: 'x' }]);
    const one = await Tab.open(context, host, 'early.ipynb');
    const two = await Tab.open(await browser.newContext(), host, 'early.ipynb');
    await one.type('a', ' = 42');
    expect(await one.source('a')).toBe('x = 42');
    expect(await two.source('a')).toBe('x');
    release();
    await two.shows('a', 'x = 42');
    await until('it is sent', async () => (await one.page.getByTestId('save-state').getAttribute('data-unsent')) === 'false');
    await context.close();
  });
});
