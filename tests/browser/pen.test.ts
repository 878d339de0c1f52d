// Asking for the pen where the policy asks, a policy that changes, and the words of other languages.
import path from 'node:path';
import type { Browser, BrowserContext } from 'playwright-core';
import { beforeEach, describe, expect, it } from 'vitest';
import { Host, LECTERN, PATIENT, until } from '../support/host';
import { Tab, withHost, withContext } from './support';

const ASKING = path.resolve(path.dirname(LECTERN), '../plugins-asking');

describe('the pen', () => {
  let host: Host;
  let browser: Browser;
  let context: BrowserContext;
  let count = 0;
  withHost((...made) => ([host, browser] = made), { args: [...PATIENT, '--plugin-path', ASKING] });
  withContext(() => browser, (made) => (context = made));
  beforeEach(() => void (count += 1));

  const notebook = () => host.notebook(`asked-${count}.ipynb`, [{ id: 'a', source: 'x' }]);
  const setPolicy = async (name: string, policy: string, config: object = {}) => {
    const { session_id } = await host.open(name);
    const answer = await host.put(`/api/v1/sessions/${session_id}/policy`, { policy, config });
    expect(answer.status).toBe(200);
  };
  const announced = (tab: Tab, words: RegExp) => until(`it is announced: ${words}`, async () => words.test((await tab.page.getByTestId('announcement').textContent()) ?? ''));

  it('is asked for, kept, asked for again and handed over by one key, while the editor types', async () => {
    const name = notebook();
    await setPolicy(name, 'asking', { ask_ms: 60_000 });
    const [one, two] = [await Tab.open(context, host, name), await Tab.open(context, host, name)];
    await two.page.getByTestId('takeover-button').click();
    await two.page.getByTestId('asking').waitFor();
    expect(await two.page.getByTestId('asking').innerText()).toMatch(/left to answer/);
    await one.page.bringToFront();
    await one.page.getByTestId('takeover-ask').waitFor();
    await announced(one, /asks for the pen/);
    await one.page.getByTestId('ask-deny').click();
    await one.page.getByTestId('takeover-ask').waitFor({ state: 'detached' });
    await until('the answer is shown', async () => /kept the pen/.test(await two.banner.innerText()));
    // Now that the policy has asked once, the button says so and takes a word along.
    await two.page.bringToFront();
    expect(await two.page.getByTestId('takeover-button').innerText()).toMatch(/Ask/);
    await two.page.getByTestId('takeover-reason').fill('one line only');
    await two.page.getByTestId('takeover-button').click();
    await one.page.bringToFront();
    await one.page.getByTestId('takeover-ask').getByText('one line only').waitFor();
    await one.page.keyboard.press('Alt+y');
    await two.becomesEditor();
    await one.becomesReader();
    await announced(one, /is editing now|reader now/);
    await two.type('a', '1');
    await one.shows('a', 'x1');
    one.expectNoProblems();
    two.expectNoProblems();
  });

  it('is asked for from the start where the policy shows that it asks', async () => {
    for (const policy of ['ask-first', 'idle-handoff']) {
      count += 1;
      const name = notebook();
      await setPolicy(name, policy);
      const [one, two] = [await Tab.open(context, host, name), await Tab.open(context, host, name)];
      expect(await two.page.getByTestId('takeover-button').innerText(), policy).toMatch(/Ask/);
      await two.page.getByTestId('takeover-reason').fill('for a moment');
      await two.page.getByTestId('takeover-button').click();
      await one.page.bringToFront();
      await one.page.getByTestId('takeover-ask').getByText('for a moment').waitFor();
    }
  });

  it('says when nobody answered in time, and withdraws', async () => {
    const name = notebook();
    await setPolicy(name, 'asking', { ask_ms: 60_000 });
    const [one, two] = [await Tab.open(context, host, name), await Tab.open(context, host, name)];
    await two.page.getByTestId('takeover-button').click();
    await one.page.getByTestId('takeover-ask').waitFor();
    await two.page.getByTestId('asking').getByRole('button').click();
    await one.page.getByTestId('takeover-ask').waitFor({ state: 'detached' });
    await setPolicy(name, 'asking', { ask_ms: 2000 });
    await two.page.getByTestId('takeover-button').click();
    await until('silence is an answer', async () => /did not answer in time|kept the pen/.test(await two.banner.innerText()));
    expect(await two.banner.innerText()).toMatch(/did not answer in time/);
    await one.page.getByTestId('takeover-ask').waitFor({ state: 'detached' });
  });

  it('goes by other rules when the policy changes, and says so', async () => {
    const name = notebook();
    const [one, two] = [await Tab.open(context, host, name), await Tab.open(context, host, name)];
    expect(await two.isReader()).toBe(true);
    await setPolicy(name, 'collaborative');
    await two.becomesEditor();
    await announced(two, /collaborative|editing now/);
    await two.page.getByText('Everybody here may edit at the same time.').waitFor();
    await two.type('a', '1');
    await one.shows('a', 'x1');
    expect(await one.isReader()).toBe(false);
  });

  it('shows since when, and no banner while presenting', async () => {
    const name = notebook();
    await Tab.open(context, host, name);
    const two = await Tab.open(context, host, name);
    expect(await two.banner.innerText()).toMatch(/is editing, since \d/);
    const three = await Tab.open(context, host, name, { view: 'present' });
    expect(await three.isReader()).toBe(false);
    const four = await Tab.open(context, host, name, { view: 'slides' });
    expect(await four.isReader()).toBe(false);
  });

  it('speaks the language of the browser, and the one that is chosen after a reload', async () => {
    const name = notebook();
    await Tab.open(context, host, name);
    const japanese = await browser.newContext({ locale: 'ja-JP' });
    const two = await Tab.open(japanese, host, name);
    expect(await two.page.getByTestId('takeover-button').innerText()).toBe('引き継ぐ');
    expect(await two.page.evaluate(() => document.documentElement.lang)).toBe('ja');
    await two.page.goto(`${host.url}/`);
    await two.page.getByTestId('language').selectOption('zh-hant');
    await two.page.getByTestId('new-notebook').getByText('新增筆記本').waitFor();
    await two.page.reload();
    await two.page.getByTestId('new-notebook').getByText('新增筆記本').waitFor();
    two.expectNoProblems();
    await japanese.close();
  });
});
