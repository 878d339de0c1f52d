// How the page looks, in its main states, on a phone, a tablet and a desk, light and dark. Compared as small pictures: what moved, vanished or changed
// its colour shows, a font's hinting does not; the fonts are the same wherever this runs. LECTERN_LOOKS=1 takes them anew, into tests/browser/looks; look at them then.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Host, ROOT } from '../support/host';
import { launch, Tab } from './support';

const KEPT = path.join(ROOT, 'tests/browser/looks');
const FOUND = path.join(ROOT, 'build/looks');
const SHRINK = 8;
const PHONE = { width: 360, height: 736 };
const TABLET = { width: 768, height: 736 };
const DESK = { width: 1440, height: 736 };
const SHOTS = [
  { size: PHONE, colorScheme: 'light' },
  { size: TABLET, colorScheme: 'light' },
  { size: DESK, colorScheme: 'light' },
  { size: DESK, colorScheme: 'dark' },
] as const;
/** Of the small picture's points, how many may differ, and how much a point must to count: colour as the eye weighs it. */
const MAY_DIFFER = 0.05;
const DIFFERS = 0.09;

/** Debian's fonts-dejavu-core, and nothing else that is installed. */
const FONTS = '/usr/share/fonts/truetype/dejavu';
const FAMILIES = { 'sans-serif': 'DejaVuSans', serif: 'DejaVuSerif', monospace: 'DejaVuSansMono' };

/** A fontconfig file in the folder that knows these fonts alone. */
function onlyDejaVu(folder: string): string {
  const aliases = Object.entries({ ...FAMILIES, 'system-ui': 'DejaVuSans' }).map(([family, file]) => {
    for (const name of [`${file}.ttf`, `${file}-Bold.ttf`]) fs.copyFileSync(path.join(FONTS, name), path.join(folder, name));
    return `<alias binding="same"><family>${family}</family><prefer><family>${file.replace('DejaVu', 'DejaVu ').replace('Mono', ' Mono')}</family></prefer></alias>`;
  });
  const file = path.join(folder, 'fonts.conf');
  fs.writeFileSync(file, `<?xml version="1.0"?>\n<!DOCTYPE fontconfig SYSTEM "fonts.dtd">\n<fontconfig><dir>${folder}</dir><cachedir>${folder}</cachedir>${aliases.join('')}</fontconfig>\n`);
  return file;
}

describe('looks', () => {
  let host: Host;
  let browser: Browser;
  let desk: Page;
  const fonts = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-fonts-'));
  beforeAll(async () => {
    host = await Host.start({ args: ['--device-name', 'desk'] });
    browser = await launch({ FONTCONFIG_FILE: onlyDejaVu(fonts) });
    desk = await (await browser.newContext()).newPage();
    fs.mkdirSync(FOUND, { recursive: true });
  });
  afterAll(async () => {
    await browser?.close();
    await host?.stop();
    fs.rmSync(fonts, { recursive: true, force: true });
  });

  /** What the page shows, in all sizes and schemes, small, in one picture. */
  async function sheet(page: Page): Promise<string> {
    const shots: string[] = [];
    for (const { size, colorScheme } of SHOTS) {
      await page.setViewportSize(size);
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      // Two frames: the first lays out, the second has painted it.
      await page.evaluate(() => new Promise<void>((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve()))));
      expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), `${size.width} overflows`).toBe(true);
      shots.push((await page.screenshot({ caret: 'hide', animations: 'disabled' })).toString('base64'));
    }
    return desk.evaluate(
      async ([images, shrink]) => {
        const pictures = await Promise.all(
          images.map(async (data) => {
            const image = new Image();
            image.src = `data:image/png;base64,${data}`;
            await image.decode();
            return image;
          }),
        );
        const canvas = document.createElement('canvas');
        canvas.width = pictures.reduce((sum, image) => sum + image.width / shrink, 0);
        canvas.height = pictures[0]!.height / shrink;
        const context = canvas.getContext('2d')!;
        context.imageSmoothingQuality = 'high';
        let at = 0;
        for (const image of pictures) {
          context.drawImage(image, at, 0, image.width / shrink, image.height / shrink);
          at += image.width / shrink;
        }
        return canvas.toDataURL('image/png').split(',')[1]!;
      },
      [shots, SHRINK] as const,
    );
  }

  const difference = (one: string, two: string) =>
    desk.evaluate(
      async ([a, b, least]) => {
        const points = async (data: string) => {
          const image = new Image();
          image.src = `data:image/png;base64,${data}`;
          await image.decode();
          const canvas = document.createElement('canvas');
          canvas.width = image.width;
          canvas.height = image.height;
          const context = canvas.getContext('2d')!;
          context.drawImage(image, 0, 0);
          return { size: `${image.width}x${image.height}`, data: context.getImageData(0, 0, image.width, image.height).data };
        };
        const [left, right] = [await points(a), await points(b)];
        if (left.size !== right.size) return 1;
        let count = 0;
        for (let at = 0; at < left.data.length; at += 4) {
          const [r, g, bl] = [0, 1, 2].map((part) => (left.data[at + part]! - right.data[at + part]!) / 255) as [number, number, number];
          // YIQ, as in pixelmatch: brightness weighs most.
          const y = 0.299 * r + 0.587 * g + 0.114 * bl;
          const i = 0.596 * r - 0.274 * g - 0.322 * bl;
          const q = 0.211 * r - 0.523 * g + 0.312 * bl;
          if (Math.sqrt(0.5053 * y * y + 0.299 * i * i + 0.1957 * q * q) > least) count += 1;
        }
        return count / (left.data.length / 4);
      },
      [one, two, DIFFERS] as const,
    );

  async function looksAsBefore(name: string, page: Page): Promise<void> {
    const found = await sheet(page);
    const file = path.join(KEPT, `${name}.png`);
    if (process.env.LECTERN_LOOKS) {
      fs.mkdirSync(KEPT, { recursive: true });
      fs.writeFileSync(file, Buffer.from(found, 'base64'));
      return;
    }
    fs.writeFileSync(path.join(FOUND, `${name}.png`), Buffer.from(found, 'base64'));
    const part = await difference(fs.readFileSync(file).toString('base64'), found);
    expect(part, `${name} differs from tests/browser/looks/${name}.png; what was found is in build/looks`).toBeLessThan(MAY_DIFFER);
  }

  it('are as they were: the files, an editor, a reader with the banner, a dialog, the grid', async () => {
    const context = await browser.newContext({ locale: 'en', timezoneId: 'UTC' });
    fs.mkdirSync(path.join(host.root, 'data'));
    fs.writeFileSync(path.join(host.root, 'values.csv'), 'a,b\n');
    for (const name of ['Orders.ipynb', 'report.py', 'a long name that somebody gave without thinking of phones.ipynb']) host.notebook(name, [{ source: '1' }]);
    const output = (text: string) => [{ output_type: 'stream', name: 'stdout', text: [text] }];
    const name = host.notebook('notes.ipynb', [
      { id: 'm', cell_type: 'markdown', source: '# Orders, autumn\n\nWhat came in, **by region**.' },
      { id: 'a', source: 'orders = {"North": 1204, "East": 877}\nfor region, count in orders.items():\n    print(f"{region:<6} {count:>5}")', execution_count: 1, outputs: output('North   1204\nEast     877\n') },
      { id: 'b', source: 'print(sum(orders.values()))', execution_count: 2, outputs: output('2081\n') },
    ]);
    const list = await Tab.blank(context);
    await list.page.goto(`${host.url}/?token=${host.token}`);
    await list.page.getByTestId('upload').waitFor();
    await list.page.getByText('values.csv').waitFor();
    await looksAsBefore('files', list.page);
    const one = await Tab.open(context, host, name);
    await one.select('a');
    await one.showsOutput('b', '2081');
    await one.page.evaluate(() => (document.activeElement as HTMLElement).blur());
    await looksAsBefore('editor', one.page);
    const two = await Tab.open(context, host, name);
    await two.banner.waitFor();
    await two.showsOutput('b', '2081');
    await looksAsBefore('reader', two.page);
    await one.page.bringToFront();
    await one.page.keyboard.press('h');
    await one.page.getByRole('dialog').waitFor();
    await looksAsBefore('dialog', one.page);
    const grid = await Tab.open(context, host, name, { view: 'grid' });
    await grid.page.getByTestId('tile').getByTestId('outputs').getByText('2081').waitFor();
    await looksAsBefore('grid', grid.page);
    for (const tab of [list, one, two, grid]) tab.expectNoProblems();
    await context.close();
  });

  it('fit a phone in the language with the longest words; nightly in the others', async () => {
    const editor = await browser.newContext();
    const name = host.notebook('phone.ipynb', [{ id: 'm', cell_type: 'markdown', source: '# 注文 訂單' }, { id: 'a', source: 'x = 1' }]);
    await Tab.open(editor, host, name);
    const fits = (page: Page) =>
      page.evaluate(() => {
        const seen = [...document.querySelectorAll<HTMLElement>('button, .header, .reader-row, .person, h1, h2')].filter((one) => one.offsetParent !== null && !one.closest('.toolbar, .cm-editor, .visually-hidden'));
        const cut = seen.filter((one) => one.scrollWidth > one.clientWidth + 1 || one.getBoundingClientRect().right > window.innerWidth + 1);
        return { wide: document.documentElement.scrollWidth - window.innerWidth, cut: cut.map((one) => `${one.className} ${one.textContent}`) };
      });
    for (const [locale, lang] of Object.entries({ ...(process.env.LECTERN_STRICT === '1' ? { 'zh-CN': 'zh-hans', 'zh-TW': 'zh-hant' } : {}), ja: 'ja' })) {
      const context = await browser.newContext({ locale, viewport: PHONE });
      const tab = await Tab.open(context, host, name);
      await tab.banner.waitFor();
      await tab.page.getByTestId('panel-people').click();
      expect((await tab.page.evaluate(() => document.documentElement.lang)).toLowerCase()).toBe(lang);
      expect([locale, await fits(tab.page)]).toEqual([locale, { wide: 0, cut: [] }]);
      await tab.page.goto(host.url);
      await tab.page.getByTestId('upload').waitFor();
      expect([locale, await fits(tab.page)]).toEqual([locale, { wide: 0, cut: [] }]);
      await context.close();
    }
    await editor.close();
  });
});
