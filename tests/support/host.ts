// Starts the real host on a folder of its own and talks HTTP to it. Nothing is shared between two hosts of the tests.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const LECTERN = process.env.LECTERN_BIN ?? path.join(ROOT, 'build/dev/bin/lectern');

export interface HostOptions {
  args?: string[];
  env?: Record<string, string>;
  /** Notebook root to serve; a fresh empty one when absent. */
  root?: string;
  /** Keeps state, settings and runtime files: for a second host on the same machine state. */
  home?: string;
  /** A fixed port: for a second host where the first one was. */
  port?: number;
  /** Another executable: one whose plugins lie elsewhere. */
  binary?: string;
  /** Where it is started; the tests' own folder when absent. */
  cwd?: string;
}

export interface Answer<T = any> {
  status: number;
  headers: Headers;
  body: T;
  text: string;
}

export interface ConnectionInfo {
  protocol: string;
  notebook_id: string;
  session_id: string;
  path: string;
  format: string;
  cell_count: number;
  needs_trust_approval: boolean;
  connect_url: string;
}

export interface ClientKey {
  id: string;
  secret: string;
}

/**
 * For tests about who is asked: on a busy machine a tab of ours may be silent for a second and is not lost, and the
 * process of a policy may wait for the processor.
 */
export const PATIENT = ['--asked-alive-ms', '20000', '--policy-budget-ms', '1000'];

export class Host {
  readonly url: string;
  readonly port: number;
  readonly token: string;
  stderr = '';

  private constructor(
    readonly process: ChildProcess,
    startUrl: string,
    readonly root: string,
    readonly home: string,
    private readonly owned: string[],
  ) {
    const parsed = new URL(startUrl);
    this.token = parsed.searchParams.get('token') ?? '';
    this.port = Number(parsed.port);
    this.url = `${parsed.protocol}//${parsed.host}`;
  }

  static async start(options: HostOptions = {}): Promise<Host> {
    const owned: string[] = [];
    const folder = (kind: string) => {
      const made = fs.mkdtempSync(path.join(os.tmpdir(), `lectern-${kind}-`));
      owned.push(made);
      return made;
    };
    const root = options.root ?? folder('root');
    const home = options.home ?? folder('home');
    const child = spawn(options.binary ?? LECTERN, ['serve', root, '--port', String(options.port ?? 0), '--no-browser', ...(options.args ?? [])], {
      env: {
        ...process.env,
        LECTERN_VENV: process.env.LECTERN_VENV ?? path.join(ROOT, '.venv'),
        XDG_STATE_HOME: path.join(home, 'state'),
        XDG_CONFIG_HOME: path.join(home, 'config'),
        XDG_RUNTIME_DIR: path.join(home, 'run'),
        ...options.env,
      },
      cwd: options.cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    let host: Host | undefined;
    child.stderr!.on('data', (chunk) => {
      stderr += chunk;
      if (host) host.stderr = stderr;
    });
    const startUrl = await new Promise<string>((resolve, reject) => {
      let out = '';
      const timer = setTimeout(() => reject(new Error(`the host did not start in 40 s:\n${out}${stderr}`)), 40_000);
      child.stdout!.on('data', (chunk) => {
        out += chunk;
        const found = /https?:\/\/\S+/.exec(out);
        if (found) {
          clearTimeout(timer);
          resolve(found[0]);
        }
      });
      child.on('error', (error) => {
        clearTimeout(timer);
        reject(error);
      });
      child.on('exit', (code) => {
        clearTimeout(timer);
        reject(new Error(`the host ended with ${code}:\n${out}${stderr}`));
      });
    }).catch(async (error) => {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        await ended;
      }
      for (const made of owned) fs.rmSync(made, { recursive: true, force: true });
      throw error;
    });
    host = new Host(child, startUrl, root, home, owned);
    host.stderr = stderr;
    return host;
  }

  async request<T = any>(method: string, route: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer<T>> {
    const raw = typeof body === 'string' || body instanceof Uint8Array;
    const response = await fetch(this.url + route, {
      method,
      redirect: 'manual',
      headers: {
        ...(this.token ? { Authorization: `Bearer ${this.token}` } : {}),
        ...(body !== undefined ? { 'Content-Type': 'application/json' } : {}),
        ...headers,
      },
      body: body === undefined ? undefined : raw ? (body as string) : JSON.stringify(body),
    });
    const text = await response.text();
    let parsed: any;
    try {
      parsed = JSON.parse(text);
    } catch {
      parsed = undefined;
    }
    return { status: response.status, headers: response.headers, body: parsed, text };
  }

  get<T = any>(route: string, headers?: Record<string, string>) {
    return this.request<T>('GET', route, undefined, headers);
  }
  post<T = any>(route: string, body: unknown = {}, headers?: Record<string, string>) {
    return this.request<T>('POST', route, body, headers);
  }
  put<T = any>(route: string, body: unknown, headers?: Record<string, string>) {
    return this.request<T>('PUT', route, body, headers);
  }

  async open(relative: string): Promise<ConnectionInfo> {
    const answer = await this.post<ConnectionInfo>('/api/v1/notebooks/open', { path: relative });
    if (answer.status !== 200) throw new Error(`open ${relative}: ${answer.status} ${answer.text}`);
    return answer.body;
  }

  /** Writes a notebook as Jupyter does and returns its name. */
  notebook(name: string, cells: NotebookCell[], extra: Record<string, unknown> = {}): string {
    const file = path.join(this.root, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, notebookText(cells, extra));
    return name;
  }

  file(name: string): string {
    return fs.readFileSync(path.join(this.root, name), 'utf8');
  }

  kill(signal: NodeJS.Signals): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return Promise.resolve();
    const ended = once(this.process, 'exit');
    this.process.kill(signal);
    return ended.then(() => undefined);
  }

  /** Ends the host in the orderly way and removes its folders. */
  async stop(): Promise<void> {
    const cut = setTimeout(() => this.process.kill('SIGKILL'), 15_000);
    await this.kill('SIGTERM');
    clearTimeout(cut);
    this.forget();
  }

  forget(): void {
    for (const folder of this.owned) fs.rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }); // a kernel may be writing yet
  }
}

export interface NotebookCell {
  id?: string;
  cell_type?: 'code' | 'markdown' | 'raw';
  source: string;
  outputs?: unknown[];
  execution_count?: number | null;
  metadata?: Record<string, unknown>;
}

export function notebookText(cells: NotebookCell[], extra: Record<string, unknown> = {}): string {
  const body = {
    cells: cells.map((cell, index) => {
      const type = cell.cell_type ?? 'code';
      const common = { cell_type: type, id: cell.id ?? `cell-${index}`, metadata: cell.metadata ?? {} };
      const source = cell.source === '' ? [] : cell.source.split(/(?<=\n)/);
      return type === 'code'
        ? { cell_type: type, execution_count: cell.execution_count ?? null, id: common.id, metadata: common.metadata, outputs: cell.outputs ?? [], source }
        : { ...common, source };
    }),
    metadata: { kernelspec: { display_name: 'Python 3 (ipykernel)', language: 'python', name: 'python3' }, language_info: { name: 'python' }, ...extra },
    nbformat: 4,
    nbformat_minor: 5,
  };
  return JSON.stringify(body, null, 1) + '\n';
}

/** Polls until `check` gives something; never a fixed sleep. */
export async function until<T>(what: string, check: () => T | Promise<T>, timeoutMs = 15_000): Promise<NonNullable<T>> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value) return value as NonNullable<T>;
    if (Date.now() > end) throw new Error(`timed out waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
