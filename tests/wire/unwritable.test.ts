// A disk that takes nothing keeps nobody out: who comes meanwhile reads what is safe, is told why, and goes on by
// itself when the disk does.
import * as A from '@automerge/automerge';
import { describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Disk } from '../support/disk';
import type { Host } from '../support/host';

const set = (cell_id: string, source: string) => ({ changes: [{ type: 'set_source', cell_id, source }] });
const sources = (client: Client) =>
  Object.fromEntries(client.ready.notebook.cells.map((cell: any) => [cell.id, cell.source]));

async function withDisk(work: (disk: Disk, host: Host) => Promise<void>) {
  const disk = new Disk();
  disk.is('well');
  const host = await disk.start({ args: ['--autosave-after-ms', '300'] });
  try {
    await work(disk, host);
  } finally {
    await host.stop();
    disk.forget();
  }
}

describe('who comes while the journal refuses', () => {
  it('sees what is safe and nothing else, is told, and goes on when the disk does', async () => {
    await withDisk(async (disk, host) => {
      const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: 'old' }, { id: 'b', source: 'old' }]));
      const a = await Client.join(host, info);
      expect((await a.command('transaction', set('a', 'safe'))).ok).toBe(true);
      disk.is('ENOSPC');
      expect((await a.command('transaction', set('a', 'not safe'))).error?.code).toBe('journal_failed');

      const reader = await Client.join(host, info);
      expect(sources(reader)).toEqual({ a: 'safe', b: 'old' });
      const told = await reader.event('save-state');
      expect(told.data).toMatchObject({ state: 'failed', error: { code: 'journal_failed' } });
      const other = await Client.join(host, info, { document: 'changes' });
      const whole = await other.until('the document', () => other.binaries.find((frame) => frame.kind === 6));
      const document = A.load<any>(whole.payload);
      expect(String(document.cells.a.source)).toBe('safe');
      expect([...A.getHeads(document)].sort()).toEqual(whole.header.heads);
      const bytes = await fetch(`${host.url}/api/v1/sessions/${info.session_id}/document`, {
        headers: { Authorization: `Bearer ${host.token}` },
      });
      const got = A.load<any>(new Uint8Array(await bytes.arrayBuffer()));
      expect(A.getHeads(got)).toEqual(A.getHeads(document));

      disk.is('well');
      const edit = await reader.event('notebook-document-transaction', () => true, 0, 30_000);
      expect(edit.data.transaction.version).toBe(reader.ready.notebook.version + 1);
      await reader.event('save-state', (data) => data.state === 'saved' && data.error === undefined, 0, 30_000);
      await other.until('the changes', () => other.binaries.find((frame) => frame.kind === 3));
      expect((await a.command('transaction', set('b', 'after'))).ok).toBe(true);
      const late = await Client.join(host, info, { viewOnly: true });
      expect(sources(late)).toEqual({ a: 'not safe', b: 'after' });
      for (const client of [a, reader, other, late]) await client.close();
    });
  });
});

describe.concurrent.each(['ENOSPC', 'EIO', 'EROFS'] as const)('opening a notebook on a disk that answers %s', (state) => {
  it('shows it for reading, says so, and gives it back when the disk works', async () => {
    await withDisk(async (disk, host) => {
      // One that the host knows, with an edit that its file has not, and one that it never saw.
      const known = host.notebook('known.ipynb', [{ id: 'a', source: 'old' }]);
      const first = await host.open(known);
      const a = await Client.join(host, first);
      expect((await a.command('transaction', set('a', 'edited'))).ok).toBe(true);
      expect((await a.command('save', {})).ok).toBe(true);
      await a.close();
      await host.request('DELETE', `/api/v1/sessions/${first.session_id}`);
      const fresh = host.notebook('fresh.ipynb', [{ id: 'a', source: 'fresh' }]);
      const before = host.file('fresh.ipynb');
      disk.is(state);
      const opened = [];
      for (const [name, source] of [[known, 'edited'], [fresh, 'fresh']] as const) {
        const info = await host.open(name);
        const reader = await Client.join(host, info);
        expect(sources(reader)).toEqual({ a: source });
        expect(reader.ready.consumer_capabilities.edit).toBe(false);
        expect(reader.ready.notices.join(' ')).toContain('reading');
        const told = await reader.event('save-state');
        expect(told.data).toMatchObject({ state: 'failed', error: { code: 'journal_failed' } });
        expect((await reader.takeover()).status).toBe(403);
        expect((await reader.command('transaction', set('a', 'no'), { epoch: null })).ok).toBe(false);
        opened.push({ name, reader });
      }
      expect(host.file('fresh.ipynb')).toBe(before);
      disk.is('well');
      for (const { name, reader } of opened) {
        await reader.until('the end of reading only', () => reader.closed, 60_000);
        expect(reader.closed).toMatchObject({ code: 1000, reason: 'SHUTDOWN' });
        const again = await Client.join(host, await host.open(name));
        expect(again.ready.consumer_capabilities.edit).toBe(true);
        expect(again.ready.notices).toBeUndefined();
        expect((await again.command('transaction', set('a', 'goes on'))).ok).toBe(true);
        expect((await again.command('save', {})).ok).toBe(true);
        expect(host.file(name)).toContain('goes on');
        await again.close();
      }
    });
  });
});
