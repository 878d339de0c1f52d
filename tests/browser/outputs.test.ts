// What code leaves on the screen, and that none of it can reach the host.
import fs from 'node:fs';
import path from 'node:path';
import type { Browser, BrowserContext, Locator } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { Host, until } from '../support/host';
import { violationsInBoth } from './accessibility';
import { Tab, withHost, withContext } from './support';

const RED_DOT = 'iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg==';

describe('outputs', () => {
  let host: Host;
  let browser: Browser;
  let context: BrowserContext;
  withHost((...made) => ([host, browser] = made));
  withContext(() => browser, (made) => (context = made));

  let count = 0;
  const run = async (...sources: string[]) => {
    count += 1;
    const name = host.notebook(`run-${count}.ipynb`, sources.map((source, at) => ({ id: 'abcdef'[at]!, source })));
    const tab = await Tab.open(context, host, name);
    await tab.select('a');
    for (const _source of sources) await tab.page.keyboard.press('Shift+Enter');
    return tab;
  };

  it('of Markdown have code in the colours of the editor, as text whatever it says', async () => {
    const fence = (language: string, code: string) => `\`\`\`${language}\n${code}\n\`\`\``;
    const source = [fence('python', 'def f():  # why\n    return "x"'), fence('js', 'const x = 1'), fence('html', '<img src=x onerror="window.fenceRan = true" alt="a line that is longer than a phone is wide">'), fence('', 'def plain'), fence('cobol', 'def plain')].join('\n\n');
    const name = host.notebook('fences.ipynb', [{ id: 'm', cell_type: 'markdown', source }, { id: 'a', source: 'def g(): pass' }]);
    const tab = await Tab.open(context, host, name);
    const code = tab.cell('m').locator('.markdown pre code');
    await until('all are coloured', async () => (await code.nth(2).locator('span').count()) > 0 && (await code.nth(1).locator('span').count()) > 0);
    const colour = (word: Locator) => word.evaluate((one) => getComputedStyle(one).color);
    await tab.enter('a');
    const editor = tab.cell('a').locator('.cm-line span', { hasText: 'def' }).first();
    expect(await colour(code.nth(0).locator('span', { hasText: 'def' }))).toBe(await colour(editor));
    expect(await code.allInnerTexts()).toEqual(['def f():  # why\n    return "x"\n', 'const x = 1\n', '<img src=x onerror="window.fenceRan = true" alt="a line that is longer than a phone is wide">\n', 'def plain\n', 'def plain\n'].map((text) => expect.stringContaining(text.trimEnd())));
    for (const plain of [3, 4]) expect(await code.nth(plain).locator('span').count()).toBe(0);
    expect(await tab.page.evaluate(() => 'fenceRan' in window)).toBe(false);
    expect(await violationsInBoth(tab.page)).toEqual([]);
    // Long lines are scrolled in their block; the page stays in a phone's window.
    await tab.page.setViewportSize({ width: 360, height: 640 });
    expect(await code.nth(2).evaluate((one) => [document.documentElement.scrollWidth <= window.innerWidth, one.parentElement!.scrollWidth > one.parentElement!.clientWidth])).toEqual([true, true]);
    tab.expectNoProblems();
  });

  it('show streams with ANSI colours, results, and errors with a coloured traceback', async () => {
    const tab = await run('print("\\x1b[32mgreen\\x1b[0m plain")', '6 * 7', 'def f():\n    return 1 / 0\nf()', 'import sys\nprint("to stderr", file=sys.stderr)');
    await tab.showsOutput('a', 'green plain');
    expect(await tab.cell('a').locator('.ansi-2-fg').innerText()).toBe('green');
    await tab.showsOutput('b', '42');
    await tab.showsOutput('c', /ZeroDivisionError[\s\S]*division by zero/);
    expect(await tab.cell('c').locator('.output-error [class*=ansi-]').count()).toBeGreaterThan(1);
    expect(await tab.cell('c').evaluate((cell) => cell.textContent?.includes('\x1b'))).toBe(false);
    await tab.select('d');
    await tab.page.keyboard.press('Control+Enter');
    await tab.showsOutput('d', 'to stderr');
    await until('the counts', async () => /\[\d+\]/.test(await tab.cell('d').getByTestId('count').innerText()));
    expect(await tab.cell('d').locator('.output-stderr').count()).toBe(1);
    tab.expectNoProblems();
  });

  it('show images, HTML in a frame of its own height, markdown, JSON and SVG', async () => {
    const tab = await run(
      `from IPython.display import *\nimport base64\ndisplay(Image(base64.b64decode("${RED_DOT}")))`,
      'HTML("<table><tr><th>one</th><td>two</td></tr></table><div style=\\"height:300px\\">tall</div>")',
      'Markdown("**bold** <img src=x onerror=alert(1)>")',
      'display({"application/json": {"a": [1, 2]}, "text/plain": "no"}, raw=True)',
      'SVG("<svg xmlns=\'http://www.w3.org/2000/svg\' width=\'40\' height=\'30\'><rect width=\'40\' height=\'30\' fill=\'teal\'/></svg>")',
    );
    const image = tab.cell('a').locator('.output-image');
    await image.waitFor();
    await until('the image is painted', () => image.evaluate((element) => (element as HTMLImageElement).naturalWidth === 5));
    await tab.cell('b').getByTestId('output-frame').waitFor();
    const frame = await tab.outputFrame('b');
    await until('the table', async () => (await frame.locator('table').innerText().catch(() => '')).includes('two'));
    await until('the frame is as tall as its content', async () => ((await tab.cell('b').getByTestId('output-frame').boundingBox())?.height ?? 0) > 300);
    await tab.cell('c').locator('.outputs strong').waitFor();
    expect(await tab.cell('c').locator('.outputs img').count()).toBe(0);
    await tab.showsOutput('d', '"a"');
    await tab.cell('e').getByTestId('output-frame').waitFor();
    const svg = await tab.outputFrame('e');
    await svg.locator('svg rect').waitFor();
  });

  it('are downloaded as a whole where the cell shows only a part', async () => {
    const id = '0123456789abcdef0123456789abcdef';
    const folder = path.join(host.home, 'state/lectern/blobs/whole');
    fs.mkdirSync(folder, { recursive: true });
    const all = 'all of it\n'.repeat(100_000);
    fs.writeFileSync(path.join(folder, `${id}.txt`), all);
    const notice = { 'application/vnd.lectern.whole-output+json': { id }, 'text/plain': '[words for programs]' };
    const name = host.notebook('whole.ipynb', [{ id: 'a', source: 'x', outputs: [{ output_type: 'display_data', metadata: {}, data: notice }] }]);
    const tab = await Tab.open(context, host, name);
    await tab.showsOutput('a', 'Download the whole output');
    expect(await tab.cell('a').innerText()).not.toContain('words for programs');
    const [download] = await Promise.all([tab.page.waitForEvent('download'), tab.cell('a').getByTestId('whole-output').click()]);
    expect(download.suggestedFilename()).toBe('output-01234567.txt');
    expect(fs.readFileSync((await download.path())!, 'utf8')).toBe(all);
    tab.expectNoProblems();
  });

  it('sort and page the tables of data frames, and open images in full size', async () => {
    const rows = Array.from({ length: 60 }, (_, at) => `<tr><th>${at}</th><td>${(at * 37) % 61}</td><td>name ${at}</td></tr>`).join('');
    const table = `<table class="dataframe"><thead><tr><th></th><th>value</th><th>name</th></tr></thead><tbody>${rows}</tbody></table>`;
    const name = host.notebook('table.ipynb', [
      { id: 'a', source: 'df', outputs: [{ output_type: 'display_data', metadata: {}, data: { 'text/html': table } }] },
      { id: 'b', source: 'image', outputs: [{ output_type: 'display_data', metadata: {}, data: { 'image/png': RED_DOT } }] },
    ]);
    const tab = await Tab.open(context, host, name);
    await tab.cell('a').getByTestId('output-frame').waitFor();
    const frame = await tab.outputFrame('a');
    const column = () => frame.locator('tbody tr td:nth-child(2)').allInnerTexts();
    await until('the first page', async () => (await column()).length === 25);
    expect(await frame.locator('.pager').innerText()).toContain('1–25 of 60');
    await frame.locator('.pager button').last().click();
    expect(await frame.locator('.pager').innerText()).toContain('26–50 of 60');
    const values = Array.from({ length: 60 }, (_, at) => (at * 37) % 61).sort((a, b) => a - b);
    await frame.locator('thead th').nth(1).press('Enter');
    expect((await column()).map(Number)).toEqual(values.slice(0, 25));
    expect(await frame.locator('thead th').nth(1).getAttribute('aria-sort')).toBe('ascending');
    await frame.locator('thead th').nth(1).click();
    expect((await column()).map(Number)).toEqual(values.reverse().slice(0, 25));
    await tab.cell('b').getByTestId('zoom').press('Enter');
    await tab.cell('b').locator('dialog[open]').waitFor();
    await tab.page.keyboard.press('Escape');
    await tab.cell('b').locator('dialog[open]').waitFor({ state: 'detached' });
    tab.expectNoProblems();
  });

  it('come to a second tab and to one that is opened later', async () => {
    const tab = await run('print("said once")');
    await tab.showsOutput('a', 'said once');
    const later = await Tab.open(context, host, `run-${count}.ipynb`);
    await later.showsOutput('a', 'said once');
    expect(await later.cell('a').getByTestId('count').innerText()).toMatch(/\[\d+\]/);
  });

  it('are fetched from the host when they are large', async () => {
    const tab = await run('print("x" * 3_000_000 + "END")');
    await tab.showsOutput('a', 'END');
    tab.expectNoProblems();
  });

  it('ask for input and for passwords, and take the answer', async () => {
    const tab = await run('name = input("Your name: ")\nprint("Hello", name)');
    const prompt = tab.cell('a').getByTestId('input-prompt');
    await prompt.waitFor({ timeout: 30_000 });
    expect(await prompt.innerText()).toContain('Your name:');
    await prompt.locator('input').fill('Ada');
    await tab.page.keyboard.press('Enter');
    await tab.showsOutput('a', 'Hello Ada');
    expect(await prompt.count()).toBe(0);
    const secret = await run('import getpass\nprint(len(getpass.getpass("Secret: ")))');
    const field = secret.cell('a').getByTestId('input-prompt').locator('input');
    await field.waitFor({ timeout: 30_000 });
    expect(await field.getAttribute('type')).toBe('password');
    await field.fill('12345');
    await secret.page.keyboard.press('Enter');
    await secret.showsOutput('a', '5');
  });

  it('name the widget that is in no kernel and was not kept', async () => {
    const data = { 'application/vnd.jupyter.widget-view+json': { model_id: 'gone', version_major: 2, version_minor: 0 }, 'text/plain': 'IntSlider(value=7)' };
    const name = host.notebook('gone.ipynb', [{ id: 'a', source: '1', outputs: [{ output_type: 'display_data', metadata: {}, data }] }]);
    const tab = await Tab.open(context, host, name);
    await tab.cell('a').getByTestId('widget-fallback').waitFor({ timeout: 30_000 });
    expect(await tab.cell('a').getByTestId('widget-fallback').innerText()).toContain('IntSlider(value=7)');
    expect(await tab.cell('a').getByTestId('widget-frame').count()).toBe(0);
  });

  it('stop with the interrupt button, and a restarted kernel closes no line', async () => {
    const tab = await run('import time\nprint("in", flush=True)\ntime.sleep(60)');
    await tab.showsOutput('a', 'in');
    await tab.page.getByTestId('interrupt').click();
    await tab.showsOutput('a', 'KeyboardInterrupt');
    await tab.page.getByTestId('restart').click();
    await tab.page.getByTestId('restart-sure').click();
    await tab.kernel('idle');
    await tab.page.getByTestId('kernel-menu').click();
    await tab.page.getByTestId('kernel-shut-down').click();
    await tab.kernel('none');
    await tab.type('a', '\n');
    await tab.select('a');
    tab.expectNoProblems();
  });
});

/** Runs inside an output and tries everything that would be worth stealing. */
const THIEF = `<p id="report">nothing yet</p><script>
(async () => {
  const tried = {};
  const attempt = async (name, action) => { try { tried[name] = 'GOT ' + String(await action()).slice(0, 80); } catch (error) { tried[name] = 'refused: ' + error.name; } };
  await attempt('cookie', () => { const cookie = document.cookie; if (!cookie) throw new DOMException('', 'Empty'); return cookie; });
  await attempt('storage', () => localStorage.length + sessionStorage.length);
  await attempt('parent', () => parent.document.title);
  await attempt('address', () => parent.location.href);
  await attempt('top', () => { top.location = 'about:blank'; throw new DOMException('', 'Asked'); });
  await attempt('api', async () => (await fetch('/api/v1/info')).text());
  await attempt('apiAbsolute', async () => (await fetch('HOST/api/v1/info', { credentials: 'include' })).text());
  await attempt('socket', () => new Promise((resolve, reject) => { const socket = new WebSocket('HOST/api/v1/sessions/x/connect'.replace('http', 'ws')); socket.onopen = () => resolve('open'); socket.onerror = () => reject(new DOMException('', 'Closed')); }));
  await attempt('xhr', () => new Promise((resolve, reject) => { const request = new XMLHttpRequest(); request.open('GET', 'HOST/health'); request.onload = () => resolve(request.responseText); request.onerror = () => reject(new DOMException('', 'Failed')); request.send(); }));
  await attempt('image', () => new Promise((resolve, reject) => { const image = new Image(); image.onload = () => resolve('loaded'); image.onerror = () => reject(new DOMException('', 'Blocked')); image.src = 'HOST/lectern.svg'; }));
  await attempt('referrer', () => { if (!document.referrer) throw new DOMException('', 'Empty'); return document.referrer; });
  await attempt('popup', () => { const popup = open('HOST/'); if (!popup) throw new DOMException('', 'Blocked'); return popup; });
  await attempt('origin', () => { if (self.origin !== 'null') return self.origin; throw new DOMException('', 'Opaque'); });
  document.getElementById('report').textContent = JSON.stringify(tried);
})();
</script>`;

describe('an output that wants more than to be shown', () => {
  let host: Host;
  let browser: Browser;
  withHost((...made) => ([host, browser] = made));

  it('reaches no cookie, token, storage, page or host', async () => {
    const context = await browser.newContext();
    const html = THIEF.replaceAll('HOST', host.url);
    const name = host.notebook('thief.ipynb', [
      { id: 'a', source: '1', outputs: [{ output_type: 'display_data', data: { 'text/html': html }, metadata: {} }] },
      { id: 'b', source: '2', outputs: [{ output_type: 'display_data', data: { 'image/svg+xml': '<svg xmlns="http://www.w3.org/2000/svg" onload="parent.postMessage({lectern:\'height\',height:1e9},\'*\'); parent.document.body.remove()"></svg>' }, metadata: {} }] },
      { id: 'c', cell_type: 'markdown', source: '<script>window.markdownRan = true</script><img src=x onerror="window.markdownRan = true"><a href="javascript:window.markdownRan=true">link</a>' },
    ]);
    const tab = await Tab.open(context, host, name);
    const cookies = await context.cookies();
    expect(cookies.length).toBeGreaterThan(0);
    expect(cookies.every((cookie) => cookie.httpOnly && cookie.sameSite === 'Strict')).toBe(true);
    expect(tab.page.url()).not.toContain('token');
    await tab.cell('a').getByTestId('output-frame').waitFor();
    const frame = await tab.outputFrame('a');
    const report = await until('the report', async () => {
      const text = await frame.locator('#report').textContent().catch(() => null);
      return text?.startsWith('{') ? (JSON.parse(text) as Record<string, string>) : null;
    });
    expect(Object.keys(report)).toHaveLength(13);
    for (const [what, outcome] of Object.entries(report)) expect(outcome, what).toMatch(/^refused/);
    expect(await tab.cell('a').getByTestId('output-frame').getAttribute('sandbox')).toBe('allow-scripts');
    expect(await tab.page.evaluate(() => (window as any).markdownRan)).toBeUndefined();
    expect(await tab.cell('c').locator('a').first().getAttribute('href')).toBeNull();
    await tab.cell('b').getByTestId('output-frame').waitFor();
    expect((await tab.cell('b').getByTestId('output-frame').boundingBox())!.height).toBeLessThanOrEqual(20_000);
    await context.close();
  });

  it('cannot be opened outside its sandbox either, and the page itself allows no inline script', async () => {
    const frame = await host.get('/output-frame.html');
    expect(frame.status).toBe(200);
    expect(frame.headers.get('content-security-policy')).toMatch(/sandbox allow-scripts/);
    expect(frame.headers.get('content-security-policy')).toMatch(/default-src 'none'/);
    const page = await host.get('/');
    expect(page.headers.get('content-security-policy')).toMatch(/script-src 'self' 'wasm-unsafe-eval'/);
    expect(page.text).not.toMatch(/<script(?![^>]*src=)/);
  });
});
