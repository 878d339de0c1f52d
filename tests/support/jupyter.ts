// A real Jupyter Server or Kernel Gateway, as the machine of kernels that a host reaches through its gateway plugin.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { ROOT, until } from './host';

export const KERNELS_VENV = process.env.LECTERN_KERNELS_VENV ?? path.join(ROOT, 'build/kernels-venv');

export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export interface JupyterOptions {
  kind?: 'jupyter_server' | 'kernel_gateway';
  /** Without it the server speaks the newest form of the WebSocket. */
  oldSubprotocol?: boolean;
  tls?: { cert: string; key: string };
}

export class Jupyter {
  output = '';
  private process!: ChildProcess;
  private constructor(readonly port: number, readonly token: string, readonly folder: string, private readonly options: JupyterOptions) {}

  static async start(options: JupyterOptions = {}): Promise<Jupyter> {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-jupyter-'));
    const jupyter = new Jupyter(await freePort(), `secret-${Math.random().toString(36).slice(2)}`, folder, options);
    fs.writeFileSync(jupyter.tokenFile, `${jupyter.token}\n`, { mode: 0o600 });
    await jupyter.up();
    return jupyter;
  }

  get tokenFile(): string {
    return path.join(this.folder, 'token');
  }
  get url(): string {
    return `${this.options.tls ? 'https' : 'http'}://localhost:${this.port}`;
  }
  /** Options of a host that is to use it. */
  get args(): string[] {
    return ['--gateway', this.url, '--gateway-token-file', this.tokenFile];
  }

  /** On the same port as before. */
  async up(): Promise<void> {
    const server = (this.options.kind ?? 'jupyter_server') === 'jupyter_server';
    const app = server ? 'ServerApp' : 'KernelGatewayApp';
    const args = ['-m', server ? 'jupyter_server' : 'kernel_gateway', `--${app}.port=${this.port}`, `--${app}.port_retries=0`, `--${app}.ip=127.0.0.1`];
    if (server) args.push('--allow-root', '--no-browser', `--ServerApp.root_dir=${this.folder}`);
    if (this.options.oldSubprotocol) args.push('--ZMQChannelsWebsocketConnection.kernel_ws_protocol=');
    if (this.options.tls) args.push(`--${app}.certfile=${this.options.tls.cert}`, `--${app}.keyfile=${this.options.tls.key}`);
    this.process = spawn(path.join(KERNELS_VENV, 'bin/python'), args, {
      cwd: this.folder,
      env: {
        ...process.env,
        JUPYTER_TOKEN: this.token,
        KG_AUTH_TOKEN: this.token,
        JUPYTER_RUNTIME_DIR: path.join(this.folder, 'runtime'),
        JUPYTER_DATA_DIR: path.join(this.folder, 'data'),
        JUPYTER_CONFIG_DIR: path.join(this.folder, 'config'),
        JUPYTER_PREFER_ENV_PATH: '1',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.process.stdout!, this.process.stderr!]) stream.on('data', (chunk) => (this.output += chunk));
    await until(
      `the ${this.options.kind ?? 'jupyter_server'} answers`,
      () => {
        if (this.process.exitCode !== null) throw new Error(`it ended:\n${this.output}`);
        return new Promise<boolean>((resolve) => {
          const socket = net.connect(this.port, '127.0.0.1', () => {
            socket.destroy();
            resolve(true);
          });
          socket.on('error', () => resolve(false));
        });
      },
      60_000,
    );
  }

  async get(route: string): Promise<any> {
    const response = await fetch(this.url + route, { headers: { Authorization: `token ${this.token}` } });
    return response.json();
  }
  async kernels(): Promise<any[]> {
    return this.get('/api/kernels');
  }

  async down(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, 'exit');
    this.process.kill(signal);
    await ended;
  }
  async stop(): Promise<void> {
    const cut = setTimeout(() => this.process.kill('SIGKILL'), 10_000);
    await this.down('SIGTERM');
    clearTimeout(cut);
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}
