// A reader of server-sent events over a plain socket of HTTP, which a test may stop reading; nothing comes back by itself.
import http from 'node:http';
import { until, type ConnectionInfo, type Host } from './host';

export interface Sent {
  /** Of a recorded event: what goes into Last-Event-ID. */
  id: string | undefined;
  op: string;
  seq: number | null;
  data: any;
}

export interface ReadOptions {
  query?: Record<string, string>;
  headers?: Record<string, string>;
}

export class EventReader {
  readonly events: Sent[] = [];
  ended = false;
  private text = '';

  private constructor(
    private readonly request: http.ClientRequest,
    readonly response: http.IncomingMessage,
  ) {
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => this.take(chunk));
    response.on('error', () => (this.ended = true));
    response.on('close', () => (this.ended = true));
  }

  /** Fails with status and body when the host refuses. */
  static open(host: Host, session: ConnectionInfo, options: ReadOptions = {}): Promise<EventReader> {
    const query = new URLSearchParams(options.query).toString();
    const headers = { Authorization: `Bearer ${host.token}`, Accept: 'text/event-stream', ...options.headers };
    return new Promise((resolve, reject) => {
      const request = http.get(`${host.url}/api/v1/sessions/${session.session_id}/events${query && `?${query}`}`, { agent: false, headers }, (response) => {
        if (response.statusCode === 200) return resolve(new EventReader(request, response));
        let body = '';
        response.on('data', (chunk) => (body += chunk));
        response.on('end', () => reject(new Error(`${response.statusCode} ${body}`)));
      });
      request.on('error', reject);
    });
  }
  /** Opens and waits until the replay is over. */
  static async join(host: Host, session: ConnectionInfo, options: ReadOptions = {}): Promise<EventReader> {
    const reader = await EventReader.open(host, session, options);
    await reader.event('replay-complete');
    return reader;
  }

  private take(chunk: string) {
    this.text += chunk;
    for (let end = this.text.indexOf('\n\n'); end >= 0; end = this.text.indexOf('\n\n')) {
      const lines = this.text.slice(0, end).split('\n');
      this.text = this.text.slice(end + 2);
      const line = (name: string) => lines.find((one) => one.startsWith(`${name}: `))?.slice(name.length + 2);
      const data = line('data');
      if (data !== undefined) this.events.push({ id: line('id'), ...JSON.parse(data) });
    }
  }

  get ready(): any {
    return this.events.find((event) => event.op === 'kernel-ready')?.data;
  }
  /** What EventSource would send back. */
  get lastId(): string | undefined {
    return this.events.filter((event) => event.id !== undefined).at(-1)?.id;
  }
  event(op: string, match: (data: any) => boolean = () => true): Promise<Sent> {
    return until(`the stream has ${op}; ended: ${this.ended}`, () => this.events.find((event) => event.op === op && match(event.data)));
  }
  untilEnded(): Promise<unknown> {
    return until('the stream has ended', () => this.ended);
  }
  close(): Promise<unknown> {
    this.request.destroy();
    return this.untilEnded();
  }
}
