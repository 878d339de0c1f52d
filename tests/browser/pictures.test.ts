// The pictures the README shows. They are only taken when asked for: LECTERN_PICTURES=1.
import path from 'node:path';
import { describe, it } from 'vitest';
import { Host, ROOT, until } from '../support/host';
import { launch, Tab } from './support';

const BARS = `from IPython.display import SVG

bars = [
    f'<rect y="{row * 30}" width="{count / 4}" height="20" fill="#4b8f94"/>'
    for row, count in enumerate(orders.values())
]
SVG(f'<svg xmlns="http://www.w3.org/2000/svg" width="420" height="84">{"".join(bars)}</svg>')`;

describe.runIf(process.env.LECTERN_PICTURES)('pictures', () => {
  it('two tabs of one notebook: the editor and a reader', async () => {
    const host = await Host.start();
    const browser = await launch();
    const name = host.notebook('orders.ipynb', [
      { id: 'm', cell_type: 'markdown', source: '# Orders, autumn 2026\n\nWhat came in, **by region**. Run it, or watch somebody run it.' },
      { id: 'a', source: 'orders = {"North": 1204, "East": 877, "South": 1523}\nfor region, count in orders.items():\n    print(f"{region:<6} \\x1b[36m{count:>5}\\x1b[0m")' },
      { id: 'b', source: BARS },
      { id: 'c', source: 'sum(orders.values()) / len(orders)' },
    ]);
    const size = { width: 820, height: 850 };
    const context = await browser.newContext({ viewport: size, deviceScaleFactor: 2 });
    const dark = await browser.newContext({ viewport: size, deviceScaleFactor: 2, colorScheme: 'dark' });
    const one = await Tab.open(context, host, name);
    await one.select('a');
    for (let at = 0; at < 3; at += 1) await one.page.keyboard.press('Shift+Enter');
    await one.showsOutput('c', '1201');
    const extra = (await one.order())[4];
    if (extra) {
      await one.select(extra);
      await one.page.keyboard.press('d');
      await one.page.keyboard.press('d');
    }
    await one.page.keyboard.press('Control+s');
    await until('saved', async () => (await one.page.getByTestId('save-state').getAttribute('data-state')) === 'saved');
    const two = await Tab.open(dark, host, name);
    await two.showsOutput('c', '1201');
    await two.banner.waitFor();
    await one.enter('c');
    await one.page.mouse.move(4, 4);
    for (const tab of [one, two]) {
      await tab.page.evaluate(() => window.scrollTo(0, 0));
      await until('the drawing', async () => (await tab.outputFrame('b').then((frame) => frame.locator('svg').count())) === 1);
      await until('settled', async () => (await tab.page.getByTestId('kernel-state').getAttribute('data-state')) === 'idle');
    }
    const shots = [await one.page.screenshot(), await two.page.screenshot()].map((shot) => `data:image/png;base64,${shot.toString('base64')}`);
    const sheet = await (await browser.newContext({ viewport: { width: 1600, height: 850 }, deviceScaleFactor: 1 })).newPage();
    await sheet.setContent(
      `<body style="margin:0;padding:40px;display:flex;align-items:center;gap:40px;background:#dcd8cf;box-sizing:border-box;height:850px">${shots
        .map((shot) => `<img src="${shot}" style="width:740px;border-radius:12px;box-shadow:0 8px 30px rgb(0 0 0/18%)">`)
        .join('')}</body>`,
    );
    await until('both pictures', () => sheet.evaluate(() => [...document.images].every((image) => image.complete)));
    await sheet.screenshot({ path: path.join(ROOT, 'docs/images/takeover.png') });
    await browser.close();
    await host.stop();
  });
});
