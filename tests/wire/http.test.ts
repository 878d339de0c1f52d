// The HTTP API as protocol 1 and 2 have it.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, ROOT } from '../support/host';
import { rawRequest } from '../support/raw';

describe('HTTP', () => {
  let host: Host;
  beforeAll(async () => {
    host = await Host.start({ args: ['--device-name', 'Test desk'] });
  });
  afterAll(() => host.stop());

  it('answers /health without a token and everything else only with one', async () => {
    expect(await (await fetch(`${host.url}/health`)).json()).toEqual({ status: 'ok' });
    for (const route of ['/api/v1/info', '/api/v1/sessions', '/api/v1/files', '/api/v1/plugins', '/metrics', `/blobs/${'0'.repeat(64)}`]) {
      const answer = await fetch(host.url + route);
      expect([route, answer.status]).toEqual([route, 401]);
      expect(((await answer.json()) as any).error.code).toBeTruthy();
    }
    for (const authorization of [`Bearer ${host.token}x`, 'Bearer ', 'Basic abc', `Bearer${host.token}`]) {
      expect((await fetch(`${host.url}/api/v1/info`, { headers: { Authorization: authorization } })).status).toBe(401);
    }
    expect((await fetch(`${host.url}/api/v1/info`, { headers: { Authorization: `token ${host.token}` } })).status).toBe(200);
  });

  it('swaps ?token= for a strict cookie once', async () => {
    const answer = await fetch(`${host.url}/?token=${host.token}`, { redirect: 'manual' });
    expect([302, 303, 307]).toContain(answer.status);
    const cookie = answer.headers.get('set-cookie')!;
    expect(cookie).toMatch(/HttpOnly/i);
    expect(cookie).toMatch(/SameSite=Strict/i);
    expect(answer.headers.get('location')).not.toContain('token');
    const withCookie = await fetch(`${host.url}/api/v1/info`, { headers: { Cookie: cookie.split(';')[0]! } });
    expect(withCookie.status).toBe(200);
  });

  it('refuses foreign Hosts and cross-site Origins', async () => {
    const raw = await rawRequest(host.port, `GET /api/v1/info HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer ${host.token}\r\nConnection: close\r\n\r\n`);
    expect(raw).toMatch(/^HTTP\/1.1 421 /);
    const cross = await host.request('POST', '/api/v1/notebooks/open', { path: 'x' }, { Origin: 'https://evil.example' });
    expect(cross.status).toBe(403);
    const own = await host.get('/api/v1/info', { Origin: host.url });
    expect(own.status).toBe(200);
  });

  it('says what it is', async () => {
    const info = (await host.get('/api/v1/info')).body;
    expect(info).toMatchObject({ device_name: 'Test desk', policy: expect.anything() });
    expect(info.version).toMatch(/^\d+\.\d+\.\d+/);
    const plugins = (await host.get('/api/v1/plugins')).body;
    const text = JSON.stringify(plugins);
    for (const id of ['local-takeover', 'collaborative', 'transport-websocket', 'transport-sse', 'format-ipynb', 'presence-folder', 'runtime-jupyter']) {
      expect(text).toContain(id);
    }
    expect((await host.get('/metrics')).text).toMatch(/^# (HELP|TYPE) lectern_/m);
    expect((await host.get('/metrics')).text).toMatch(/^# TYPE lectern_queue_bytes gauge$/m);
  });

  it('opens with final counts and names every failure', async () => {
    host.notebook('sub/ok.ipynb', [{ source: '1' }, { source: '2' }]);
    const opened = await host.post('/api/v1/notebooks/open', { path: 'sub/ok.ipynb' });
    expect(opened.status).toBe(200);
    expect(opened.body).toMatchObject({ protocol: 'lectern.v1', cell_count: 2, needs_trust_approval: false });
    expect(opened.body.path.endsWith('sub/ok.ipynb')).toBe(true);
    const absolute = await host.post('/api/v1/notebooks/open', { path: path.join(host.root, 'sub/ok.ipynb') });
    expect(absolute.body.session_id).toBe(opened.body.session_id);
    const both = await Promise.all([1, 2, 3].map(() => host.open('sub/ok.ipynb')));
    expect(new Set(both.map((info) => info.session_id)).size).toBe(1);

    fs.writeFileSync(path.join(host.root, 'bad.ipynb'), '{\n "cells": [\n  {]\n');
    fs.writeFileSync(path.join(host.root, 'plain.txt'), 'hello');
    fs.writeFileSync(path.join(host.root, 'list.ipynb'), '[]');
    fs.symlinkSync('/etc/hostname', path.join(host.root, 'link.ipynb'));
    const cases: [string, number, string][] = [
      ['nowhere/gone.ipynb', 404, 'not_found'],
      ['../outside.ipynb', 403, 'outside_root'],
      ['sub/../../outside.ipynb', 403, 'outside_root'],
      ['/etc/passwd', 403, 'outside_root'],
      ['link.ipynb', 403, 'outside_root'],
      ['plain.txt', 415, 'unknown_format'],
      ['bad.ipynb', 422, 'malformed'],
      ['list.ipynb', 422, 'malformed'],
    ];
    const before = (await host.get('/api/v1/sessions')).body;
    for (const [file, status, code] of cases) {
      const answer = await host.post('/api/v1/notebooks/open', { path: file });
      expect([file, answer.status, answer.body?.error?.code]).toEqual([file, status, code]);
      expect(answer.body.error.message.length).toBeGreaterThan(10);
    }
    const bad = await host.post('/api/v1/notebooks/open', { path: 'bad.ipynb' });
    expect(bad.body.error.details).toMatchObject({ line: 3 });
    expect((await host.get('/api/v1/sessions')).body).toEqual(before);
    expect((await host.post('/api/v1/notebooks/open', { path: 5 })).status).toBe(400);
    expect((await host.post('/api/v1/notebooks/open', '{"path":')).status).toBe(400);
  });

  it('creates a notebook for each runtime and refuses an unknown one with the known', async () => {
    const unknown = await host.post('/api/v1/notebooks/create', { runtime: 'cobol' });
    expect([unknown.status, unknown.body.error.code]).toEqual([400, 'unknown_runtime']);
    const known = /jupyter\/python3/.test(JSON.stringify(unknown.body));
    expect(known).toBe(true);
    const names: string[] = unknown.body.error.details?.known ?? ['jupyter/python3'];
    for (const [index, runtime] of names.entries()) {
      const made = await host.post('/api/v1/notebooks/create', { runtime, path: `made-${index}.ipynb` });
      expect(made.status).toBe(201);
      expect(made.body.cell_count).toBe(1);
      const client = await Client.join(host, made.body.session_id);
      expect(client.ready.notebook.cells).toHaveLength(1);
      expect(client.ready.notebook.cells[0]).toMatchObject({ cell_type: 'code', source: '' });
      expect(client.ready.notebook.metadata.kernelspec.name).toBeTruthy();
      expect((await client.command('save', {})).ok).toBe(true);
      expect(JSON.parse(host.file(`made-${index}.ipynb`))).toMatchObject({ nbformat: 4, nbformat_minor: 5 });
      await client.close();
    }
    const short = await host.post('/api/v1/notebooks/create', { runtime: 'python3' });
    expect(short.status).toBe(201);
    // Many at the same moment: each its own name, and a name that was given to one of them.
    const at_once = (body: object) => Promise.all(Array.from({ length: 6 }, () => host.post('/api/v1/notebooks/create', { runtime: 'python3', ...body })));
    const untitled = await at_once({});
    expect(untitled.map((made) => made.status)).toEqual(Array(6).fill(201));
    expect(new Set(untitled.map((made) => made.body.path)).size).toBe(6);
    const named = await at_once({ path: 'one.ipynb' });
    expect(named.map((made) => made.body.error?.code ?? made.status).sort()).toEqual([201, ...Array(5).fill('path_exists')]);
    const both = await host.post('/api/v1/notebooks/create', { runtime: 'python3', path: 'neither.ipynb', ephemeral: true });
    expect([both.status, both.body.error.code]).toEqual([400, 'bad_request']);
    expect(both.body.error.message).toMatch(/body.path and body.ephemeral/);
    expect((await host.get('/api/v1/files')).text).not.toContain('neither.ipynb');
    const nowhere = await host.post('/api/v1/notebooks/create', { runtime: 'python3', ephemeral: true });
    expect([nowhere.status, nowhere.body.path.startsWith(host.root)]).toEqual([201, false]);
    const outside = await host.post('/api/v1/notebooks/create', { runtime: 'python3', path: '../x.ipynb' });
    expect([outside.status, outside.body.error.code]).toEqual([403, 'outside_root']);
  });

  it('lists files inside the root only', async () => {
    host.notebook('folder/x.ipynb', [{ source: '' }]);
    const top = await host.get('/api/v1/files');
    expect(JSON.stringify(top.body)).toContain('folder');
    const inside = await host.get('/api/v1/files?path=folder');
    expect(JSON.stringify(inside.body)).toContain('x.ipynb');
    expect((await host.get('/api/v1/files?path=..')).status).toBe(403);
    expect((await host.get('/api/v1/files?path=nosuch')).status).toBe(404);
  });

  it('serves a client without a socket: join, takeover, execute, leave', async () => {
    const info = await host.open(host.notebook('headless.ipynb', [{ id: 'a', source: '6 * 7' }]));
    const made = await host.post(`/api/v1/sessions/${info.session_id}/clients`, { label: 'script', kind: 'program' });
    expect(made.status).toBe(201);
    const headers = { 'Lectern-Client': `${made.body.client.id}.${made.body.client.secret}` };
    const won = await host.post(`/api/v1/sessions/${info.session_id}/takeover`, {}, headers);
    expect(won.status).toBe(200);
    const watcher = await Client.join(host, info);
    const run = await host.post(`/api/v1/sessions/${info.session_id}/commands/execute`, { cell_ids: ['a'] }, { ...headers, 'Lectern-Epoch': String(won.body.epoch) });
    expect(run.status).toBe(200);
    await watcher.until('42', () => watcher.text('a') === '42', 60_000);
    await watcher.close();
    const gone = await host.request('DELETE', `/api/v1/sessions/${info.session_id}`);
    expect(gone.status).toBe(204);
    expect((await host.get(`/api/v1/sessions/${info.session_id}`)).status).toBe(404);
  });

  it('publishes specifications that hold what the protocol names', async () => {
    const openapi = (await host.get('/api/v1/openapi.json')).body;
    expect(openapi.openapi).toMatch(/^3\.1/);
    const paths = Object.keys(openapi.paths).map((route) => route.replace(/\{[^}]*\}/g, '{}'));
    for (const route of ['/api/v1/notebooks/open', '/api/v1/notebooks/create', '/api/v1/sessions/{}/takeover', '/api/v1/policy', '/api/v1/presence']) {
      expect(paths).toContain(route);
    }
    const asyncapi = (await host.get('/api/v1/asyncapi.json')).body;
    expect(asyncapi.asyncapi).toMatch(/^3\./);
    const text = JSON.stringify(asyncapi);
    for (const name of ['kernel-ready', 'consumer-capabilities', 'room-state', 'cell-op', 'model-lifecycle', 'transaction', 'execute']) {
      expect(text).toContain(name);
    }
    // The page's types are held to what was written from these two; see the script for how to write it anew.
    const script = path.join(ROOT, 'host/web/scripts/spec_types.mjs');
    const gone = execFileSync('node', [script, host.url, host.token, path.join(ROOT, 'host/web/src/wire/spec.ts')], { encoding: 'utf8' });
    expect(gone).toBe('');
  });

  it('takes requests as strangers write them: no length, a body nobody reads, If-None-Match in all its forms', async () => {
    const info = await host.open(host.notebook('strange.ipynb', [{ id: 'a', source: '1' }]));
    const session = `/api/v1/sessions/${info.session_id}`;
    const raw = (line: string, rest = '', body = '') =>
      rawRequest(host.port, `${line} HTTP/1.1\r\nHost: 127.0.0.1:${host.port}\r\nAuthorization: Bearer ${host.token}\r\nConnection: close\r\n${rest}\r\n${body}`);
    expect(await raw(`POST ${session}/clients`)).toMatch(/^HTTP\/1.1 201 /);
    // But an upload whose body was forgotten empties no file.
    fs.writeFileSync(path.join(host.root, 'kept.txt'), 'kept');
    expect(await raw('POST /api/v1/files/content?path=kept.txt&overwrite=true')).toMatch(/^HTTP\/1.1 411 /);
    expect(host.file('kept.txt')).toBe('kept');
    expect(await raw('GET /api/v1/sessions', 'Content-Length: 2\r\n', '{}')).toMatch(/^HTTP\/1.1 200 /);
    expect(await raw('GET /api/v1/sessions', 'Content-Length: 5000\r\n', ' '.repeat(5000))).toMatch(/^HTTP\/1.1 413 /);
    expect(await raw('GET http://evil.example/api/v1/sessions')).toMatch(/^HTTP\/1.1 421 /);
    const etag = (await host.get(`${session}/document`)).headers.get('etag')!;
    for (const [known, status] of [[etag, 304], [`W/${etag}`, 304], [`"x", ${etag}`, 304], ['*', 304], ['"x"', 200]] as const) {
      expect([known, (await host.get(`${session}/document`, { 'If-None-Match': known })).status]).toEqual([known, status]);
    }
    // The head of a stream ends, and whoever asks for it is nobody's guest.
    const members = async () => (await host.get(session)).body.room.members.length;
    const before = await members();
    expect(await raw(`HEAD ${session}/events`)).toMatch(/^HTTP\/1.1 200 [\s\S]*text\/event-stream[\s\S]*\r\n\r\n$/);
    expect(await members()).toBe(before);
  });

  it('refuses parameters that are no choice before it upgrades, and denies the pen to a token that never edits', async () => {
    const info = await host.open(host.notebook('chosen.ipynb', [{ id: 'a', source: '1' }]));
    const session = `/api/v1/sessions/${info.session_id}`;
    for (const wrong of ['document=x', 'models=x', 'buffers=x', 'view_only=perhaps']) {
      const refused = await host.get(`${session}/events?${wrong}`);
      expect([wrong, refused.status, refused.body.error.code]).toEqual([wrong, 400, 'bad_request']);
      const url = info.connect_url.replace(/^ws/, 'http');
      const upgrade = { Upgrade: 'websocket', Connection: 'Upgrade, close', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Protocol': 'lectern.v1' };
      const head = Object.entries({ Host: `127.0.0.1:${host.port}`, Authorization: `Bearer ${host.token}`, ...upgrade }).map(([name, value]) => `${name}: ${value}\r\n`);
      expect([wrong, (await rawRequest(host.port, `GET ${new URL(url).pathname}?${wrong} HTTP/1.1\r\n${head.join('')}\r\n`)).slice(0, 13)]).toEqual([wrong, 'HTTP/1.1 400 ']);
    }
    const token = (await host.post('/api/v1/tokens', { scope: 'interact' })).body.token;
    const guest = Object.create(host, { token: { value: token } }) as Host;
    const made = await guest.post(`${session}/clients`, {});
    const key = { 'Lectern-Client': `${made.body.client.id}.${made.body.client.secret}` };
    const asked = await guest.post(`${session}/takeover`, {}, key);
    expect([asked.status, asked.body.error.code]).toEqual([403, 'denied']);
    for (const [command, body, at] of [['focus', {}, 'body.cell_id'], ['answer', { request_id: 'x', allow: true }, 'body.request_id']] as const) {
      const wrong = await guest.post(`${session}/commands/${command}`, body, key);
      expect([command, wrong.status, wrong.body.error.details]).toEqual([command, 400, { path: at }]);
    }
  });

  it('says 404 for unknown routes and 405 with Allow for wrong methods, in the one error body', async () => {
    for (const [method, route, status] of [
      ['GET', '/api/v1/nosuch', 404],
      ['DELETE', '/api/v1/info', 405],
      ['GET', '/api/v1/sessions/nosuch', 404],
    ] as const) {
      const answer = await host.request(method, route);
      expect([route, answer.status]).toEqual([route, status]);
      expect(answer.body.error).toMatchObject({ code: expect.any(String), message: expect.any(String) });
    }
    expect((await host.request('DELETE', '/api/v1/info')).headers.get('allow')).toContain('GET');
  });

  it('serves the page with a strict policy and without third parties', async () => {
    const page = await fetch(`${host.url}/`, { headers: { Authorization: `Bearer ${host.token}` } });
    expect(page.status).toBe(200);
    const csp = page.headers.get('content-security-policy')!;
    expect(csp).toContain("default-src 'self'");
    expect(csp.match(/script-src[^;]*/)![0]).not.toContain('unsafe-inline');
    expect(csp.match(/script-src[^;]*/)![0]).not.toContain("'unsafe-eval'");
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
    const html = await page.text();
    expect(html).toContain('<div id="root"');
    const script = /src="(\/assets\/[^"]+\.js)"/.exec(html)![1]!;
    const plain = await fetch(host.url + script, { headers: { Authorization: `Bearer ${host.token}`, 'Accept-Encoding': 'identity' } });
    expect(plain.headers.get('content-encoding')).toBeNull();
    const packed = await fetch(host.url + script, { headers: { Authorization: `Bearer ${host.token}`, 'Accept-Encoding': 'gzip' } });
    expect(packed.headers.get('content-encoding')).toBe('gzip');
    expect(await packed.text()).toBe(await plain.text());
    expect((await host.get(`${script}.gz`)).status).toBe(404);
    for (const escape of ['/..%2f..%2fetc%2fpasswd', '/assets/../../../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd']) {
      expect((await host.get(escape)).text).not.toContain('root:');
    }
  });
});

describe('binding', () => {
  it('refuses a non-loopback bind without token or TLS and says what to add', async () => {
    for (const args of [['--bind', '0.0.0.0'], ['--bind', '0.0.0.0', '--no-token'], ['--bind', '0.0.0.0', '--no-token', '--insecure-plaintext']]) {
      await expect(Host.start({ args })).rejects.toThrow(/ended with (1|2)[\s\S]*(--tls-cert|remove --no-token)/);
    }
  });

  it('works without a token on loopback when told so', async () => {
    const host = await Host.start({ args: ['--no-token'] });
    try {
      expect(host.token).toBe('');
      expect((await host.get('/api/v1/info')).status).toBe(200);
    } finally {
      await host.stop();
    }
  });
});
