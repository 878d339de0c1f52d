// Bad input ends in a clear error; the host and the other sessions keep working.
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { Client, encodeBinary } from '../support/client';
import { Host } from '../support/host';
import { rawRequest } from '../support/raw';

describe('hostile input', () => {
  let host: Host;
  let good: Client;
  beforeAll(async () => {
    host = await Host.start();
    good = await Client.join(host, await host.open(host.notebook('good.ipynb', [{ id: 'a', source: '1' }])));
  });
  afterAll(async () => {
    await good.close();
    await host.stop();
  });
  // After every attack somebody else's session still takes an edit.
  let count = 0;
  afterEach(async () => {
    const edit = await good.command('transaction', { changes: [{ type: 'set_source', cell_id: 'a', source: `${count++}` }] });
    expect(edit.ok).toBe(true);
  });
  const auth = () => `Authorization: Bearer ${host.token}\r\n`;
  const head = (line: string, headers: string) => `${line} HTTP/1.1\r\nHost: 127.0.0.1:${host.port}\r\n${auth()}${headers}`;

  it('smuggled and contradictory lengths are refused before the body', async () => {
    const cases: [string, string][] = [
      ['both lengths', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
      ['two lengths', 'Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!'],
      ['negative', 'Content-Length: -1\r\n\r\n'],
      ['not a number', 'Content-Length: 5x\r\n\r\nhello'],
      ['neither', '\r\n'],
    ];
    for (const [name, rest] of cases) {
      const answer = await rawRequest(host.port, head('POST /api/v1/notebooks/open', `Content-Type: application/json\r\n${rest}`));
      expect([name, /^HTTP\/1.1 (400|411|413|501) /.test(answer)]).toEqual([name, true]);
      expect(answer).toContain('"error"');
    }
  });

  it('a 200 MB upload is refused, not swallowed', async () => {
    const answer = await rawRequest(host.port, head('POST /api/v1/notebooks/open', 'Content-Length: 209715200\r\n\r\n') + 'x'.repeat(100_000));
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    const chunk = 'x'.repeat(65536);
    const chunked = await rawRequest(
      host.port,
      head('POST /api/v1/notebooks/open', 'Transfer-Encoding: chunked\r\n\r\n') + `${(65536).toString(16)}\r\n${chunk}\r\n`.repeat(64),
    );
    expect(chunked === '' || /^HTTP\/1.1 413 /.test(chunked)).toBe(true);
  });

  it('a 200 MB notebook is refused by its limit', async () => {
    const file = path.join(host.root, 'huge.ipynb');
    const handle = fs.openSync(file, 'w');
    fs.ftruncateSync(handle, 200 * 1024 * 1024 + 1);
    fs.closeSync(handle);
    const answer = await host.post('/api/v1/notebooks/open', { path: 'huge.ipynb' });
    expect([answer.status, answer.body.error.code]).toEqual([413, 'too_large']);
    fs.rmSync(file);
  });

  it('garbage instead of HTTP, huge heads and slow heads end the connection', async () => {
    const garbage = await rawRequest(host.port, Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 0xff]));
    expect(garbage === '' || garbage.startsWith('HTTP/1.')).toBe(true);
    const long = await rawRequest(host.port, head(`GET /${'a'.repeat(40_000)}`, '\r\n'));
    expect(long === '' || /^HTTP\/1.1 4\d\d /.test(long)).toBe(true);
    const many = await rawRequest(host.port, head('GET /health', `${Array.from({ length: 500 }, (_, i) => `X-${i}: y\r\n`).join('')}\r\n`));
    expect(many === '' || /^HTTP\/1.1 4\d\d /.test(many)).toBe(true);
    const started = Date.now();
    await rawRequest(host.port, 'GET /health HTTP/1.1\r\nHost: ', 9_000);
    expect(Date.now() - started).toBeLessThan(8_500);
  });

  it('JSON that is truncated, deep, duplicated or not UTF-8 is 400', async () => {
    for (const body of ['{"path":"x"', '['.repeat(5_000), '{"path":"a","path":"b"}', '{"path":"\\ud800"}', '{"path":"x"} extra', 'nul']) {
      const answer = await host.post('/api/v1/notebooks/open', body);
      expect([body.slice(0, 20), answer.status]).toEqual([body.slice(0, 20), 400]);
    }
    const binary = await host.request('POST', '/api/v1/notebooks/open', new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]));
    expect(binary.status).toBe(400);
  });

  it('notebooks that are truncated or hostile name the place and leave no session', async () => {
    const full = fs.readFileSync(path.join(host.root, 'good.ipynb'), 'utf8');
    const before = (await host.get('/api/v1/sessions')).body;
    const texts = [full.slice(0, full.length / 2), '{"cells":'.repeat(50_000), `{"cells":[{"cell_type":"code","source":${'['.repeat(20_000)}`, '{"cells":{},"nbformat":4}', '{"cells":[],"nbformat":99}', '\0\0\0', ''];
    for (const [index, text] of texts.entries()) {
      fs.writeFileSync(path.join(host.root, `h${index}.ipynb`), text);
      const answer = await host.post('/api/v1/notebooks/open', { path: `h${index}.ipynb` });
      expect([index, answer.status >= 400 && answer.status < 500]).toEqual([index, true]);
      expect(fs.readFileSync(path.join(host.root, `h${index}.ipynb`), 'utf8')).toBe(text);
    }
    expect((await host.get('/api/v1/sessions')).body).toEqual(before);
  });

  it('frames that break RFC 6455 close that connection alone', async () => {
    const upgrade = () =>
      head(`GET /api/v1/sessions/${good.session}/connect`, 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: lectern.v1\r\n\r\n');
    const mask = Buffer.from([0, 0, 0, 0]);
    const frames: [string, Buffer][] = [
      ['unmasked', Buffer.from([0x81, 0x02, 0x7b, 0x7d])],
      ['reserved bits', Buffer.concat([Buffer.from([0xf1, 0x82]), mask, Buffer.from('{}')])],
      ['reserved opcode', Buffer.concat([Buffer.from([0x83, 0x82]), mask, Buffer.from('{}')])],
      ['fragmented ping', Buffer.concat([Buffer.from([0x09, 0x82]), mask, Buffer.from('{}')])],
      ['text not UTF-8', Buffer.concat([Buffer.from([0x81, 0x82]), mask, Buffer.from([0xff, 0xfe])])],
      ['a gigabyte announced', Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0])],
    ];
    for (const [name, frame] of frames) {
      const started = Date.now();
      const answer = await rawRequest(host.port, Buffer.concat([Buffer.from(upgrade()), frame]), 8_000);
      expect([name, answer.startsWith('HTTP/1.1 101 ')]).toEqual([name, true]);
      expect([name, Date.now() - started < 7_500]).toEqual([name, true]);
    }
  });

  it('messages that are not the protocol are answered or ignored, never fatal', async () => {
    const client = await Client.join(host, good.session);
    client.socket.send('not json');
    await client.until('a reply or a close', () => client.closed ?? client.frames.find((frame) => frame.op === 'reply'));
    const other = await Client.join(host, good.session);
    other.socket.send(JSON.stringify({ hello: 'unknown frames are ignored' }));
    other.socket.send(encodeBinary(99, {}, new Uint8Array(10)));
    const after = await other.command('room', {}, { epoch: null });
    expect(after.ok).toBe(true);
    const wrong: [string, string, string][] = [
      ['{"id":"w1","body":{}}', 'w1', 'command is missing'],
      ['{"id":"w2","command":"room","body":null}', 'w2', 'body must be an object'],
      ['{"id":"\\ud800","command":"room"}', '', 'surrogate'],
      ['{"id":"\\ud83d\\u0041","command":"room"}', '', 'surrogate'],
      ['{"id":"\\\\\\udc00","command":"room"}', '', 'surrogate'],
    ];
    for (const [text, id, words] of wrong) {
      const from = other.frames.length;
      other.socket.send(text);
      const refused = (await other.event('reply', undefined, from)).data;
      expect([text, refused.id, refused.error.status, refused.error.message]).toEqual([text, id, 400, expect.stringContaining(words)]);
    }
    other.socket.send('{"id":"\\ud83d\\ude00 \\\\ud800","command":"room"}');
    expect((await other.event('reply', (data) => data.id === '😀 \\ud800')).data.ok).toBe(true);
    const [notices] = [other.events('notice').length];
    for (const kind of [1, 2]) other.socket.send(encodeBinary(kind, {}, new Uint8Array([1, 2, 3])));
    await other.until('both to be refused', () => other.events('notice').length === notices + 2);
    other.socket.send(new Uint8Array([3, 255, 255, 255, 255, 1]));
    await other.until('a reply or a close', () => other.closed ?? other.frames.filter((frame) => frame.op === 'reply').length > 1);
    await other.close();
    await client.close();
  });

  it('a command that nests too deep, or breaks off, is answered under its id', async () => {
    const client = await Client.join(host, await host.open(host.notebook('frames.ipynb', [{ id: 'a', source: '1' }])));
    const deep = `${'['.repeat(300)}${']'.repeat(300)}`;
    for (const [id, frame] of [
      ['deep', `{"id":"deep","command":"transaction","body":{"changes":${deep}}}`],
      ['short', '{"id":"short","command":"transaction","body":{"changes":['],
    ] as const) {
      client.socket.send(frame);
      const answer = await client.event('reply', (data) => data.id === id);
      expect([id, answer.data.ok, answer.data.error.status, answer.data.error.code]).toEqual([id, false, 400, 'bad_request']);
    }
    expect((await client.command('room', {}, { epoch: null })).ok).toBe(true);
    await client.close();
  });

  it('a WebSocket without its handshake, version or subprotocol is refused', async () => {
    const base = `GET /api/v1/sessions/${good.session}/connect`;
    const wrongVersion = await rawRequest(host.port, head(base, 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'));
    expect(wrongVersion).toMatch(/^HTTP\/1.1 (400|426) /);
    const badKey = await rawRequest(host.port, head(base, 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n'));
    expect(badKey).toMatch(/^HTTP\/1.1 400 /);
    const plain = await host.get(`/api/v1/sessions/${good.session}/connect`);
    expect([400, 426]).toContain(plain.status);
    const origin = new WebSocket(`ws://127.0.0.1:${host.port}/api/v1/sessions/${good.session}/connect`, 'lectern.v1', {
      headers: { Authorization: `Bearer ${host.token}`, Origin: 'https://evil.example' },
    });
    const status = await new Promise<number | undefined>((resolve) => {
      origin.on('unexpected-response', (_request, response) => resolve(response.statusCode));
      origin.on('open', () => resolve(101));
      origin.on('error', () => undefined);
    });
    expect(status).toBe(403);
  });
});

it('limits are settings; what is over one is refused naming it, before there is a session', async () => {
  const host = await Host.start({
    args: ['--max-notebook-bytes', '4096', '--max-notebook-cells', '3', '--max-cell-bytes', '1024', '--max-notebook-depth', '12'],
  });
  try {
    const none = (await host.get('/api/v1/sessions')).body;
    expect((await host.get('/api/v1/info')).body.limits).toMatchObject({ notebook_bytes: 4096, notebook_cells: 3, cell_bytes: 1024, notebook_depth: 12 });
    const cells = (count: number, source = '1') => Array.from({ length: count }, (_, i) => ({ id: `c${i}`, source }));
    const deep = (levels: number) => ({ metadata: { x: JSON.parse('['.repeat(levels) + ']'.repeat(levels)) } });
    const cases: [string, number, string][] = [
      [host.notebook('bytes.ipynb', cells(3, 'x'.repeat(1000)), { metadata: { x: 'x'.repeat(3000) } }), 413, 'max-notebook-bytes'],
      [host.notebook('cells.ipynb', cells(4)), 413, 'max-notebook-cells'],
      [host.notebook('source.ipynb', cells(1, 'x'.repeat(1025))), 413, 'max-cell-bytes'],
      [host.notebook('deep.ipynb', cells(1), deep(20)), 422, 'max-notebook-depth'],
    ];
    for (const [name, status, setting] of cases) {
      const before = host.file(name);
      const answer = await host.post('/api/v1/notebooks/open', { path: name });
      expect([name, answer.status]).toEqual([name, status]);
      expect(answer.body.error.hint).toContain(setting);
      expect(host.file(name)).toBe(before);
    }
    expect((await host.get('/api/v1/sessions')).body).toEqual(none);
    // Who edits is held to the same.
    const client = await Client.join(host, await host.open(host.notebook('n.ipynb', cells(3))));
    const source = await client.command('transaction', { changes: [{ type: 'set_source', cell_id: 'c0', source: 'x'.repeat(1025) }] });
    expect([source.error?.code, source.error?.message]).toEqual(['too_large', expect.stringContaining('max-cell-bytes')]);
    const cell = await client.command('transaction', { changes: [{ type: 'create_cell', cell_id: 'n', cell_type: 'code', source: '', after: 'c0' }] });
    expect([cell.error?.code, cell.error?.message]).toEqual(['too_large', expect.stringContaining('max-notebook-cells')]);
    await client.close();
  } finally {
    await host.stop();
  }
});

it('metadata that nests deeper than a document holds is refused when it is opened, not when it is edited', async () => {
  const host = await Host.start();
  try {
    const none = (await host.get('/api/v1/sessions')).body;
    const name = host.notebook('deep.ipynb', [{ id: 'a', source: '1' }], { metadata: { x: JSON.parse('['.repeat(80) + ']'.repeat(80)) } });
    const answer = await host.post('/api/v1/notebooks/open', { path: name });
    expect([answer.status, answer.body.error.code]).toEqual([422, 'malformed']);
    expect(answer.body.error.message).toContain('64 levels');
    expect((await host.get('/api/v1/sessions')).body).toEqual(none);
  } finally {
    await host.stop();
  }
});
