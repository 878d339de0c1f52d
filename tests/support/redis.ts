// A real redis-server of the test's own, on a socket in a folder of its own.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { until } from './host';

export class Redis {
  private constructor(private readonly folder: string, private readonly process: ChildProcess) {}

  get socket(): string {
    return path.join(this.folder, 'redis.sock');
  }

  static async start(): Promise<Redis> {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-redis-'));
    const redis = new Redis(folder, spawn('redis-server', [
      '--port', '0', '--unixsocket', path.join(folder, 'redis.sock'), '--save', '', '--appendonly', 'no', '--daemonize', 'no',
      '--dir', folder, '--logfile', path.join(folder, 'redis.log'),
    ], { stdio: 'ignore' }));
    let failed: Error | undefined;
    redis.process.on('error', (error) => (failed = error)).on('exit', (code) => (failed ??= new Error(`redis-server ended with ${code}`)));
    try {
      await until('redis-server answers', async () => {
        if (failed) throw failed;
        return (await redis.ask(['PING']).catch(() => '')).startsWith('+PONG');
      }, 60_000);
    } catch (error) {
      await redis.stop();
      throw error;
    }
    return redis;
  }

  /** The raw answers to these commands. */
  ask(...commands: string[][]): Promise<string> {
    const text = [...commands, ['QUIT']].map((words) =>
      `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`).join('');
    return new Promise((resolve, reject) => {
      let answer = '';
      const socket = net.connect(this.socket, () => socket.write(text));  // it ends the connection when all has been said
      socket.setEncoding('utf8').on('data', (part: string) => (answer += part)).on('end', () => resolve(answer)).on('error', reject);
    });
  }

  async stop(): Promise<void> {
    const { process: child } = this;
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}
