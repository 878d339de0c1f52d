// One WebSocket to a host: whoever extends it keeps what arrives, and waiting is by condition.
import WebSocket from 'ws';

export abstract class Line {
  closed: { code: number; reason: string } | undefined;
  private waiters: (() => void)[] = [];

  protected constructor(readonly socket: WebSocket) {
    socket.on('message', (data, isBinary) => {
      this.take(data, isBinary);
      this.wake();
    });
    socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.wake();
    });
    socket.on('error', () => this.wake());
  }

  protected abstract take(data: WebSocket.RawData, isBinary: boolean): void;
  /** What arrived last, for the words of a wait that took too long. */
  protected abstract tail(): string[];

  private wake() {
    const waiting = this.waiters;
    this.waiters = [];
    for (const waiter of waiting) waiter();
  }

  /** Fails with the status and body when the host refuses. */
  protected opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.once('open', () => resolve());
      this.socket.once('error', reject);
      this.socket.once('unexpected-response', (_request, response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk));
        response.on('end', () => reject(new Error(`${response.statusCode} ${body}`)));
      });
    });
  }

  async until<T>(what: string, check: () => T, timeoutMs = 15_000): Promise<NonNullable<T>> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const value = check();
      if (value) return value as NonNullable<T>;
      const left = end - Date.now();
      if (left <= 0) {
        throw new Error(`timed out waiting for ${what}; closed: ${JSON.stringify(this.closed)}; last arrived:\n${this.tail().join('\n')}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  async close(): Promise<void> {
    if (this.socket.readyState === WebSocket.CLOSED) return;
    this.socket.close(1000);
    await this.until('the socket to close', () => this.closed);
  }
  /** Cuts the connection as a pulled cable does. */
  cut(): void {
    this.socket.terminate();
  }
}
