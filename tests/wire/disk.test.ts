// A disk that is full, broken or read-only: everybody is told, nothing is called saved, and all goes on when it does.
// And the power goes, while real people edit.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Disk, fill, mayMount } from '../support/disk';
import { Host } from '../support/host';

const set = (cell_id: string, source: string) => ({ changes: [{ type: 'set_source', cell_id, source }] });

/** Cells of the session as a newcomer sees them. */
async function sources(host: Host): Promise<Record<string, string>> {
  const reader = await Client.join(host, await host.open('n.ipynb'), { viewOnly: true });
  const cells = Object.fromEntries(reader.ready.notebook.cells.map((cell: any) => [cell.id, cell.source]));
  await reader.close();
  return cells;
}

async function survives(a: Client, b: Client, host: Host, breaks: () => void, heals: () => void) {
  expect((await a.command('transaction', set('a', 'before'))).ok).toBe(true);
  const heads = (await a.command('save', {})).heads;
  const file = host.file('n.ipynb');
  for (const client of [a, b]) {
    await client.event('save-state', (data) => data.state === 'saved' && JSON.stringify(data.heads) === JSON.stringify(heads));
  }
  const [seen, told] = [b.frames.length, a.frames.length];
  breaks();
  const id = randomBytes(8).toString('hex');
  const first = await a.command('transaction', set('a', 'not safe'), { id });
  expect([first.ok, first.error?.code, first.error?.status]).toEqual([false, 'journal_failed', 507]);
  const failed = await b.event('save-state', (data) => data.state === 'failed', seen);
  expect(failed.data.error).toMatchObject({ code: 'journal_failed', message: expect.stringContaining('journal') });
  // From now on nothing is taken that memory alone would hold.
  const second = await a.command('transaction', set('b', 'refused'));
  expect([second.ok, second.error?.code, second.error?.status]).toEqual([false, 'journal_failed', 503]);
  expect((await a.command('undo', {})).ok).toBe(false);
  const save = await a.command('save', {});
  expect(save.ok).toBe(false);
  expect(host.file('n.ipynb')).toBe(file);
  expect(b.events('notebook-document-transaction').length, 'nobody sees an edit that a crash could take back').toBe(
    b.frames.slice(0, seen).filter((frame) => frame.op === 'notebook-document-transaction').length,
  );
  for (const client of [a.frames.slice(told), b.frames.slice(seen)]) {
    expect(client.filter((frame) => frame.op === 'save-state' && frame.data.state === 'saved')).toEqual([]);
  }
  const healed = b.frames.length;
  heals();
  await b.event('save-state', (data) => data.state === 'saved' && data.error === undefined, healed, 30_000);
  const again = await a.command('transaction', set('a', 'not safe'), { id });
  expect(again.error, 'it is made already').toEqual(first.error);
  expect((await a.command('transaction', set('b', 'after'))).ok).toBe(true);
  expect((await a.command('save', {})).ok).toBe(true);
  expect(host.file('n.ipynb')).toContain('after');
  expect(await sources(host)).toMatchObject({ b: 'after' });
}

describe.each(['ENOSPC', 'EIO', 'EROFS'] as const)('a disk that answers %s', (state) => {
  it('is told, takes nothing for saved, and is used again when it works', async () => {
    const disk = new Disk();
    disk.is('well');
    const host = await disk.start({ args: ['--autosave-after-ms', '300'] });
    try {
      const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: 'old' }, { id: 'b', source: 'old' }]));
      const a = await Client.join(host, info);
      const b = await Client.join(host, info, { viewOnly: true });
      await survives(a, b, host, () => disk.is(state), () => disk.is('well'));
      await a.close();
      await b.close();
    } finally {
      await host.stop();
      disk.forget();
    }
  });
});

it.runIf(mayMount).each([
  ['was saved', true],
  ['is in the journal alone', false],
])('a session whose journal takes nothing ends when the file has all of it, and what was before %s', async (_, saves) => {
  const disk = new Disk();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=160m', 'tmpfs', disk.home]);
  try {
    // Without a save of `before` the journal's last word on the file is its first.
    const host = await disk.restart({ args: saves ? ['--autosave-after-ms', '300'] : ['--autosave-after-ms', '600000', '--autosave-at-most-ms', '600000'] });
    try {
      const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: 'old' }, { id: 'b', source: 'old' }]));
      const a = await Client.join(host, info);
      expect((await a.command('transaction', set('a', 'before'))).ok).toBe(true);
      if (saves) expect((await a.command('save', {})).ok).toBe(true);
      const filler = path.join(disk.home, 'filler');
      fill(filler);
      const large = randomBytes(300_000).toString('base64');
      const refused = await a.command('transaction', set('a', large));
      expect([refused.ok, refused.error?.status]).toEqual([false, 507]);
      const ended = await host.request('DELETE', `/api/v1/sessions/${info.session_id}`);
      expect(ended.status, 'it waits for no disk').toBe(204);
      fs.rmSync(filler);
      expect(host.file('n.ipynb')).toContain(large.slice(0, 100));
      const again = await Client.join(host, await host.open('n.ipynb'));
      const cell = again.ready.notebook.cells.find((one: any) => one.id === 'a');
      expect(cell.source === large, 'what was kept is there').toBe(true);
      expect((await again.command('transaction', set('b', 'after'))).ok).toBe(true);
      const saved = await again.command('save', {});
      expect(saved.error, 'the file is nobody else\'s').toBeUndefined();
      expect(saved.ok).toBe(true);
      await again.close();
    } finally {
      await host.stop();
    }
  } finally {
    execFileSync('umount', [disk.home]);
    disk.forget();
  }
});

it.runIf(mayMount)('a state folder on a full file system is survived like that, too', async () => {
  const disk = new Disk();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=160m', 'tmpfs', disk.base]);
  try {
    fs.mkdirSync(disk.root);
    fs.mkdirSync(disk.home);
    const host = await disk.restart({ args: ['--autosave-after-ms', '300'] });
    try {
      const info = await host.open(host.notebook('n.ipynb', [{ id: 'a', source: 'old' }, { id: 'b', source: 'old' }]));
      const a = await Client.join(host, info);
      const b = await Client.join(host, info, { viewOnly: true });
      const filler = path.join(disk.base, 'filler');
      // The journal has space reserved ahead: what is to fail has to be larger than that.
      const large = randomBytes(300_000).toString('base64');
      expect((await a.command('transaction', set('a', 'before'))).ok).toBe(true);
      fill(filler);
      const seen = b.frames.length;
      const refused = await a.command('transaction', set('a', large));
      expect([refused.ok, refused.error?.code]).toEqual([false, 'journal_failed']);
      await b.event('save-state', (data) => data.state === 'failed', seen);
      const healed = b.frames.length;
      fs.rmSync(filler);
      await b.event('save-state', (data) => data.state === 'saved' && data.error === undefined, healed, 30_000);
      expect((await a.command('transaction', set('b', 'after'))).ok).toBe(true);
      expect(await sources(host)).toMatchObject({ b: 'after' });
      await a.close();
      await b.close();
    } finally {
      await host.stop();
    }
  } finally {
    execFileSync('umount', [disk.base]);
    disk.forget();
  }
});

// A seed for each run; the message of a failure has it.
const runs = Number(process.env.LECTERN_POWER_CUTS ?? 4);
const seed = Number(process.env.LECTERN_POWER_SEED ?? 1);
describe('the power goes', () => {
  it.each(Array.from({ length: runs }, (_, run) => seed * 1000 + run))(
    'and every acknowledged edit, the pen and its epoch are there again (seed %i)',
    async (number) => {
      const random = mulberry(number);
      const disk = new Disk();
      disk.is('well');
      const kind = ['before', 'mid', 'after'][Math.floor(random() * 3)];
      const loss = random() < 0.5 ? 'all' : 'some';
      const after = 1 + Math.floor(random() * 60);
      const plan = `die=${kind} loss=${loss} seed=${number}`;
      let second: Host | undefined;
      try {
        const first = await disk.start({ plan, args: ['--autosave-after-ms', '30'] });
        const info = await first.open(first.notebook('n.ipynb', [{ id: 'a', source: 'old' }]));
        const a = await Client.join(first, info);
        let [acknowledged, tried, epoch] = ['old', 'old', a.epoch ?? 0];
        const gone = new Promise<void>((resolve) => first.process.once('exit', () => resolve()));
        let dead = false;
        void gone.then(() => (dead = true));
        expect((await a.command('transaction', set('a', 'first'))).ok).toBe(true);
        [acknowledged, tried] = ['first', 'first'];
        disk.is(`kill ${after}`);
        for (let i = 0; i < 400 && !dead; ++i) {
          tried = `edit ${i}`;
          const reply = await Promise.race([a.command('transaction', set('a', tried)), gone]);
          if (!reply) break;
          expect(reply.ok, `${plan} after ${after}`).toBe(true);
          acknowledged = tried;
          epoch = Math.max(epoch, a.epoch ?? 0);
        }
        await gone;
        second = await disk.restart();
        const again = await second.open('n.ipynb');
        expect(again.notebook_id, plan).toBe(info.notebook_id);
        const b = await Client.join(second, again, { key: a.key, resume: a.resume });
        expect(b.ready.client.id, plan).toBe(a.key.id);
        // The last one was on its way: there or not, never a mixture.
        expect([acknowledged, tried], plan).toContain(b.ready.notebook.cells[0].source);
        expect(b.ready.consumer_capabilities.edit, `${plan}: the editor is still the editor`).toBe(true);
        expect(b.epoch, `${plan}: epochs only rise`).toBeGreaterThan(epoch);
        expect((await b.command('transaction', set('a', 'goes on'))).ok, plan).toBe(true);
        expect((await b.command('save', {})).ok, plan).toBe(true);
        expect(second.file('n.ipynb')).toContain('goes on');
        expect(fs.readdirSync(path.join(disk.home, 'state', 'lectern', 'notebooks')).length).toBe(1);
        await b.close();
      } finally {
        await second?.stop();
        disk.forget();
      }
    },
    120_000,
  );
});

function mulberry(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
