// A real Chromium on a real host: tabs, what a person does in them, and a line that can be cut.
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Frame, type Locator, type Page } from 'playwright-core';
import http from 'node:http';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { Host, until, type HostOptions } from '../support/host';

const CHROMIUM = process.env.LECTERN_CHROMIUM ?? '/usr/bin/chromium';

export function launch(env: Record<string, string> = {}): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'], env: { ...(process.env as Record<string, string>), ...env } });
}

/** One host and one browser for a suite: told once they are there, ended with it. */
export function withHost(set: (host: Host, browser: Browser) => void, options: HostOptions = {}): void {
  let host: Host | undefined;
  let browser: Browser | undefined;
  beforeAll(async () => {
    host = await Host.start(options);
    browser = await launch();
    set(host, browser);
  });
  afterAll(async () => {
    await Promise.allSettled([browser?.close(), host?.stop()]);
  });
}

/** One browser context for a suite, without tabs, routes and rights at the start of each test: a page that is loaded again comes from its cache. */
export function withContext(browser: () => Browser, set: (context: BrowserContext) => void, options: BrowserContextOptions = {}): void {
  let context: BrowserContext | undefined;
  beforeAll(async () => {
    context = await browser().newContext(options);
    set(context);
  });
  afterEach(async () => {
    await Promise.all(context?.pages().map((page) => page.close()) ?? []);
    await context?.unrouteAll({ behavior: 'ignoreErrors' });
    await context?.clearPermissions();
  });
  afterAll(() => context?.close());
}

/** Between a browser context and the host: an HTTP proxy whose every connection can be cut, and which then refuses new ones. */
export class Line {
  private readonly sockets = new Set<net.Socket>();
  /** What comes from the host on its sockets, and where it goes. */
  private readonly downward = new Map<net.Socket, net.Socket>();
  private open = true;

  private constructor(
    private readonly server: http.Server,
    private readonly delayMs: number,
  ) {}

  /** `delayMs`: how long whatever a socket carries is under way, each way. */
  static async create(delayMs = 0): Promise<Line> {
    const server = http.createServer();
    const line = new Line(server, delayMs);
    server.on('connection', (socket) => {
      line.keep(socket);
      if (!line.open) socket.destroy();
    });
    server.on('request', (request, response) => {
      const target = new URL(request.url!);
      const onward = http.request(
        { host: target.hostname, port: target.port, path: target.pathname + target.search, method: request.method, headers: request.headers },
        (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(response);
        },
      );
      onward.on('error', () => response.destroy());
      request.pipe(onward);
    });
    server.on('connect', (request, socket: net.Socket, head) => {
      const [host, port] = request.url!.split(':');
      const onward = net.connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        onward.write(head);
        line.carry(onward, socket);
        line.carry(socket, onward);
        line.downward.set(onward, socket);
      });
      line.keep(onward);
      onward.on('error', () => socket.destroy());
      onward.on('close', () => socket.destroy());
      socket.on('error', () => onward.destroy());
      socket.on('close', () => onward.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return line;
  }

  get proxy() {
    return { server: `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`, bypass: '<-loopback>' };
  }

  cut(): void {
    this.shut();
    for (const socket of this.sockets) socket.destroy();
  }

  /** What is open goes on, and nothing new is let through. */
  shut(): void {
    this.open = false;
  }

  mend(): void {
    this.open = true;
  }

  /** The sockets that are open now take nothing more from the host, and still carry what the page says; new ones are as ever. */
  hold(): void {
    for (const [from, to] of this.downward) {
      from.unpipe(to);
      from.pause();
    }
  }

  /** What was held goes on, from where it stopped. */
  flow(): void {
    for (const [from, to] of this.downward) from.pipe(to);
  }

  close(): void {
    this.cut();
    this.server.close();
  }

  private carry(from: net.Socket, to: net.Socket): void {
    if (this.delayMs === 0) {
      from.pipe(to);
      return;
    }
    const later = (action: () => void) => setTimeout(() => to.writable && action(), this.delayMs);
    from.on('data', (chunk: Buffer) => later(() => to.write(chunk)));
    from.on('end', () => later(() => to.end()));
  }

  private keep(socket: net.Socket): void {
    this.sockets.add(socket);
    socket.on('close', () => {
      this.sockets.delete(socket);
      this.downward.delete(socket);
    });
    socket.on('error', () => undefined);
  }
}

/** One tab, and the hands of a person in it. */
export class Tab {
  readonly problems: string[] = [];

  private constructor(readonly page: Page) {
    page.on('pageerror', (error) => this.problems.push(`page error: ${error.message}`));
    page.on('console', (message) => {
      if (message.type() === 'error') this.problems.push(`console: ${message.text()}`);
    });
  }

  static async blank(context: BrowserContext): Promise<Tab> {
    return new Tab(await context.newPage());
  }

  /** Opens a notebook; the token is given once, as a person's first link does. */
  static async open(context: BrowserContext, host: Host, notebook: string, query: Record<string, string> = {}): Promise<Tab> {
    const tab = await Tab.blank(context);
    await tab.goto(host, notebook, query);
    return tab;
  }

  async goto(host: Host, notebook: string, query: Record<string, string> = {}): Promise<void> {
    const search = new URLSearchParams({ ...(host.token ? { token: host.token } : {}), path: notebook, ...query });
    await this.page.goto(`${host.url}/?${search}`);
    await this.ready();
  }

  /** The cells are shown and the first events are in. */
  async ready(): Promise<void> {
    // Busy until each cell of a long notebook has its place.
    await this.page.locator('[data-testid=cells]:not([aria-busy])').waitFor();
    await until('the tab is connected', () => this.page.evaluate(() => !document.querySelector('[data-testid=offline]') && document.querySelector('[data-testid=members]') !== null));
  }

  cell(id: string): Locator {
    return this.page.locator(`[data-cell-id="${id}"]`);
  }

  order(): Promise<string[]> {
    return this.page.getByTestId('cell').evaluateAll((cells) => cells.map((cell) => cell.getAttribute('data-cell-id') ?? ''));
  }

  /** The cell's text as it stands on the screen. */
  source(id: string): Promise<string> {
    return this.cell(id)
      .getByTestId('source')
      .evaluate((source) => {
        const lines = source.querySelectorAll('.cm-line');
        return lines.length > 0 ? [...lines].map((line) => line.textContent).join('\n') : (source.textContent ?? '').replace('\u200b', '');
      });
  }

  output(id: string): Promise<string> {
    return this.cell(id).evaluate((cell) => cell.querySelector('[data-testid=outputs]')?.textContent ?? '');
  }

  async shows(id: string, text: string): Promise<void> {
    await until(`cell ${id} reads ${JSON.stringify(text)}`, async () => (await this.source(id)) === text).catch(async (error: Error) => {
      throw new Error(`${error.message}; it reads ${JSON.stringify(await this.source(id))}`);
    });
  }

  async showsOutput(id: string, text: string | RegExp): Promise<void> {
    const found = async () => {
      const output = await this.output(id);
      return typeof text === 'string' ? output.includes(text) : text.test(output);
    };
    await until(`the output of ${id} has ${text}`, found, 30_000).catch(async (error: Error) => {
      throw new Error(`${error.message}; it has ${JSON.stringify(await this.output(id))}`);
    });
  }

  /** Puts the cursor at the end of a cell's text. */
  async enter(id: string): Promise<void> {
    // A tab in the background paints once a second, and a click waits for paint.
    await this.page.bringToFront();
    await this.cell(id).locator('.cm-content').click();
    await this.page.keyboard.press('Control+End');
  }

  async type(id: string, text: string): Promise<void> {
    await this.enter(id);
    await this.page.keyboard.type(text);
  }

  /** Selects a cell in command mode. */
  async select(id: string): Promise<void> {
    await this.enter(id);
    await this.page.keyboard.press('Escape');
    await until(`cell ${id} is active`, () => this.cell(id).evaluate((cell) => cell.classList.contains('cell-command') && document.activeElement === cell));
  }

  get banner(): Locator {
    return this.page.getByTestId('reader-banner');
  }

  isReader(): Promise<boolean> {
    return this.banner.isVisible();
  }

  async becomesReader(): Promise<void> {
    await this.banner.waitFor({ timeout: 10_000 });
    await until('the editors are read-only', () => this.page.evaluate(() => [...document.querySelectorAll('.cm-content')].every((editor) => editor.getAttribute('contenteditable') === 'false')));
  }

  async becomesEditor(): Promise<void> {
    await this.banner.waitFor({ state: 'detached', timeout: 10_000 });
    await until('an editor can be typed in', () => this.page.evaluate(() => [...document.querySelectorAll('.cm-content')].some((editor) => editor.getAttribute('contenteditable') === 'true')));
  }

  async takeOver(): Promise<void> {
    await this.page.bringToFront();
    await this.page.getByTestId('takeover-button').click();
    await this.becomesEditor();
  }

  async allSent(): Promise<void> {
    await until('everything typed is sent', async () => (await this.page.getByTestId('save-state').getAttribute('data-unsent')) === 'false');
  }

  async kernel(state: string): Promise<void> {
    await until(`the kernel is ${state}`, async () => (await this.page.getByTestId('kernel-state').getAttribute('data-state')) === state, 30_000);
  }

  /** The frame of a cell's nth HTML output. */
  async outputFrame(id: string, nth = 0): Promise<Frame> {
    const element = await this.cell(id).getByTestId('output-frame').nth(nth).elementHandle();
    const frame = await element!.contentFrame();
    return frame!;
  }

  /** Nothing went wrong that a person could find in the console. */
  expectNoProblems(): void {
    expect(this.problems).toEqual([]);
  }
}
