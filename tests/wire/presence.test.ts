// Two hosts share a folder: each sees the other's live sessions, nobody sees their own (protocol 6). And the host-wide
// stream, which tells of sessions here and elsewhere (protocol 2).
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host, LECTERN, until } from '../support/host';

describe('presence-folder', () => {
  it('publishes live sessions in one file per instance and derives those of others', async () => {
    const shared = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-presence-'));
    const one = await Host.start({ args: ['--presence-folder', shared, '--device-name', 'Desk'] });
    const two = await Host.start({ args: ['--presence-folder', shared, '--device-name', 'Couch'] });
    try {
      const info = await one.open(one.notebook('shared.ipynb', [{ id: 'a', source: '1' }]));
      const a = await Client.join(one, info);
      const rows = async (host: Host) => {
        const body = (await host.get('/api/v1/presence')).body;
        return (body.sessions ?? body) as any[];
      };
      const row = await until('the couch sees the desk', async () => (await rows(two)).find((candidate) => candidate.session_id === info.session_id), 30_000);
      expect(row).toMatchObject({ session_id: info.session_id, device_name: 'Desk' });
      expect(await rows(one)).toEqual([]);
      const files: string[] = [];
      const walk = (folder: string) => {
        for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
          const full = path.join(folder, entry.name);
          if (entry.isDirectory()) walk(full);
          else files.push(full);
        }
      };
      walk(shared);
      const records = files.filter((file) => file.endsWith('.json'));
      expect(records.length).toBeGreaterThanOrEqual(1);
      for (const file of records) {
        expect(fs.statSync(file).mode & 0o077).toBe(0);
        const text = fs.readFileSync(file, 'utf8');
        expect(text).not.toContain(one.token);
        expect(text).not.toContain(two.token);
        expect(text).not.toContain(a.key.secret);
        JSON.parse(text);
      }
      fs.writeFileSync(path.join(path.dirname(records[0]!), 'broken.json'), '{');
      expect(await until('the row survives a bad file', async () => (await rows(two)).length === 1)).toBe(true);
      await a.close();
      await one.stop();
      await until('the desk is gone', async () => (await rows(two)).length === 0, 30_000);
    } finally {
      await two.stop();
      if (one.process.exitCode === null) await one.stop();
      fs.rmSync(shared, { recursive: true, force: true });
    }
  });
});

describe('presence-local', () => {
  it('shows hosts of one person on one machine to each other without a word of configuration, and a killed one goes', async () => {
    const one = await Host.start();
    const two = await Host.start({ home: one.home, args: ['--device-name', 'Desk'] });
    const off = await Host.start({ home: one.home, args: ['--no-presence-local'] });
    const stranger = await Host.start();
    const cli = (...args: string[]) =>
      spawnSync(LECTERN, [...args, '--server', one.url, '--token', one.token], {
        encoding: 'utf8',
        env: { ...process.env, XDG_STATE_HOME: path.join(one.home, 'state'), XDG_CONFIG_HOME: path.join(one.home, 'config'), XDG_RUNTIME_DIR: path.join(one.home, 'run') },
      });
    try {
      for (const host of [one, two, off, stranger]) await host.open(host.notebook('n.ipynb', [{ id: 'a', source: '1' }]));
      const presence = async (host: Host) => (await host.get('/api/v1/presence')).body;
      const ids = async (host: Host) => (await presence(host)).sessions.map((row: any) => row.session_id);
      const there = (await two.get('/api/v1/sessions')).body.sessions[0].session_id;
      await until('the other host is seen', async () => (await ids(one)).length === 1, 30_000);
      expect(await ids(one)).toEqual([there]);
      await until('and sees this one', async () => (await ids(two)).length === 1, 30_000);
      expect((await presence(one)).backends).toMatchObject([{ id: 'presence-local', ok: true }]);
      expect((await presence(one)).devices).toMatchObject([{ device_name: 'Desk', hosts: 1, sessions: 1, this_device: true }]);
      expect((await presence(off)).backends).toEqual([]);
      expect(await ids(stranger)).toEqual([]);
      const said = cli('presence');
      expect([said.status, said.stdout]).toEqual([0, expect.stringContaining(`${there}  n.ipynb  on Desk`)]);
      expect(JSON.parse(cli('presence', '--json').stdout).sessions[0].session_id).toBe(there);
      expect(cli('devices').stdout).toMatch(/Desk \(this one\) {2}1 hosts, 1 sessions/);
      expect(JSON.parse(cli('devices', '--json').stdout).devices).toHaveLength(1);
      expect(cli('devices', 'odd').status).toBe(2);
      await two.kill('SIGKILL');
      await until('the killed one is gone', async () => (await ids(one)).length === 0, 30_000);
      expect(cli('presence').stdout).toContain('No session is live elsewhere');
    } finally {
      for (const host of [two, off, stranger, one]) await host.stop();
    }
  });
});

describe('the host-wide stream', () => {
  it('says sessions-changed with the whole list when a notebook is opened and when it ends', async () => {
    const host = await Host.start();
    const cut = new AbortController();
    try {
      expect((await fetch(`${host.url}/api/v1/events`)).status).toBe(401);
      const stream = await fetch(`${host.url}/api/v1/events`, { headers: { Authorization: `Bearer ${host.token}` }, signal: cut.signal });
      expect(stream.status).toBe(200);
      expect(stream.headers.get('content-type')).toMatch(/^text\/event-stream/);
      const heard: any[] = [];
      const reading = (async () => {
        const decoder = new TextDecoder();
        let rest = '';
        for await (const chunk of stream.body as any) {
          rest += decoder.decode(chunk, { stream: true });
          const lines = rest.split('\n');
          rest = lines.pop()!;
          for (const line of lines) if (line.startsWith('data:')) heard.push(JSON.parse(line.slice(5)));
        }
      })().catch(() => undefined);
      const lists = () => heard.filter((event) => event.op === 'sessions-changed').map((event) => JSON.stringify(event.data));
      const last = () => lists()[lists().length - 1] ?? '';
      const one = await host.open(host.notebook('one.ipynb', [{ id: 'a', source: '1' }]));
      await until('the stream names the first session', () => last().includes(one.session_id));
      const two = await host.open(host.notebook('two.ipynb', [{ id: 'a', source: '1' }]));
      await until('the stream names both', () => last().includes(one.session_id) && last().includes(two.session_id));
      expect((await host.request('DELETE', `/api/v1/sessions/${one.session_id}`)).status).toBe(204);
      await until('the ended one is gone', () => !last().includes(one.session_id) && last().includes(two.session_id));
      expect(JSON.stringify(heard)).not.toContain(host.token);
      cut.abort();
      await reading;
    } finally {
      cut.abort();
      await host.stop();
    }
  });
});
