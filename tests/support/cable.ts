// Two hosts of one person with a cable between them: one has a session, the other hears of it and finds its host at the
// cable's end alone.
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { Host, until, type ConnectionInfo, type NotebookCell } from './host';

/** A cable between two hosts that can be pulled. */
export class Cable {
  readonly sockets = new Set<net.Socket>();
  port = 0;
  /** What comes back through it is not always what was sent. */
  tamper: (chunk: Buffer) => Buffer = (chunk) => chunk;
  private server: net.Server | undefined;
  constructor(private readonly to: number) {}
  async up(): Promise<void> {
    this.server = net.createServer((here) => {
      const there = net.connect(this.to, '127.0.0.1');
      for (const [one, other] of [[here, there], [there, here]] as const) {
        this.sockets.add(one);
        one.on('close', () => { this.sockets.delete(one); other.destroy(); });
        one.on('error', () => other.destroy());
      }
      here.pipe(there);
      there.on('data', (chunk) => {
        if (!here.write(this.tamper(chunk))) there.pause();
      });
      here.on('drain', () => there.resume());
      there.on('end', () => here.end());
    });
    await new Promise<void>((resolve) => this.server!.listen(this.port, '127.0.0.1', () => resolve()));
    this.port = (this.server!.address() as net.AddressInfo).port;
  }
  async down(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server!.close(() => resolve()));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}

const heardOf = async (host: Host, session: string) =>
  (await host.get('/api/v1/presence')).body.sessions.some((row: any) => row.session_id === session);

export class Cabled {
  private constructor(
    readonly desk: Host,
    readonly couch: Host,
    /** The desk's, which the couch has heard of and not attached. */
    readonly info: ConnectionInfo,
    /** It is down. */
    readonly cable: Cable,
    /** Where the couch hears of others. */
    readonly near: string,
    private readonly far: string,
  ) {}

  static async start(cells: NotebookCell[]): Promise<Cabled> {
    const [near, far] = ['near', 'far'].map((end) => fs.mkdtempSync(path.join(os.tmpdir(), `lectern-cable-${end}-`))) as [string, string];
    const desk = await Host.start({ args: ['--device-name', 'Desk', '--no-presence-local', '--presence-folder', far] });
    const cable = new Cable(desk.port);
    await cable.up();
    const info = await desk.open(desk.notebook('far.ipynb', cells));
    const couch = await Host.start({ args: ['--device-name', 'Couch', '--no-presence-local', '--presence-folder', near] });
    const files = () => fs.readdirSync(far, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.json') && !path.basename(name).startsWith('.'));
    const record = await until('the desk publishes', () => {
      for (const name of files()) {
        const found = JSON.parse(fs.readFileSync(path.join(far, name), 'utf8'));
        if (found.sessions?.length) return { name, found };
      }
      return undefined;
    });
    await cable.down();
    record.found.endpoints = [{ ...record.found.endpoints[0], address: `127.0.0.1:${cable.port}` }];
    record.found.ttl_ms = 600_000;
    fs.mkdirSync(path.dirname(path.join(near, record.name)), { recursive: true, mode: 0o700 });
    fs.writeFileSync(path.join(near, record.name), JSON.stringify(record.found), { mode: 0o600 });
    // What proves the couch there is in its list of servers of the same person.
    const servers = path.join(couch.home, 'run', 'lectern', 'servers');
    const start = fs.readFileSync('/proc/self/stat', 'utf8').replace(/^.*\) /s, '').split(' ')[19];
    fs.writeFileSync(path.join(servers, `${process.pid}.json`), JSON.stringify({ pid: process.pid, start_time: start, url: `http://127.0.0.1:${cable.port}`, token: desk.token, root: '/', tls_cert: '', started_at: '2026-01-01T00:00:00Z' }), { mode: 0o600 });
    await until('it is heard of', () => heardOf(couch, info.session_id), 30_000);
    return new Cabled(desk, couch, info, cable, near, far);
  }

  async stop(): Promise<void> {
    for (const host of [this.couch, this.desk]) await host.stop();
    if (this.cable.sockets.size) await this.cable.down();
    for (const folder of [this.near, this.far]) fs.rmSync(folder, { recursive: true, force: true });
  }
}
