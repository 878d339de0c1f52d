// The JavaScript Automerge package and the host, each with what the other made: live, by changes and by the sync protocol, and by saved bytes.
import * as A from '@automerge/automerge';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client, cut, encodeBinary } from '../support/client';
import { Host, until, type ConnectionInfo } from '../support/host';

type Doc = A.Doc<any>;
// Two UTF-16 units, combining marks, a joined family, right to left, a flag, a NUL and what Unicode calls no character.
const ODD = ['😀', '𝒳', 'é', 'Z̃̆', '👩‍👩‍👧', 'שלום', '🇩🇪', '\u0000', '\uFFFE', '\u2028', '한글', 'ß', '\t'];
const source = (doc: Doc, cell: string): string => doc.cells[cell].source;
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('Automerge of JavaScript', () => {
  let host: Host;
  let info: ConnectionInfo;
  const joined: Client[] = [];
  beforeAll(async () => {
    host = await Host.start({ args: ['--policy', 'collaborative', '--autosave-at-most-ms', '0'] });
    info = await host.open(host.notebook('n.ipynb', ['a', 'b', 'c', 'd'].map((id) => ({ id, source: id }))));
  });
  afterAll(async () => {
    for (const client of joined) await client.close();
    await host.stop();
  });

  const join = async (document: 'events' | 'changes'): Promise<Client> => {
    const client = await Client.join(host, info, { document });
    joined.push(client);
    await client.until('the pen', () => client.epoch);
    return client;
  };
  /** A copy that follows the host by `03`. */
  const replica = async () => {
    const client = await join('changes');
    const whole = await client.until('the document', () => client.binaries.find((frame) => frame.kind === 6));
    let doc: Doc = A.load(whole.payload.slice(), { actor: client.ready.actor });
    let seen = 0;
    const pull = (): Doc => {
      for (; seen < client.binaries.length; ++seen) {
        const frame = client.binaries[seen]!;
        if (frame.kind === 3) [doc] = A.applyChanges(doc, cut(frame.payload, frame.header.sizes).map((chunk) => chunk.slice()));
      }
      return doc;
    };
    let sent = 0;
    return {
      client,
      doc: pull,
      change: (work: (draft: any) => void): Uint8Array => {
        doc = A.change(pull(), work);
        return A.getLastLocalChange(doc)!;
      },
      send: async (changes: Uint8Array[]): Promise<any> => {
        const id = `js${sent++}`;
        client.sendChanges(changes, { id, epoch: client.epoch });
        return (await client.event('reply', (data) => data.id === id)).data;
      },
    };
  };
  /** A copy that knows the sync protocol alone. */
  const sync = (client: Client, doc: Doc = A.init({ actor: client.ready.actor })) => {
    let state = A.initSyncState();
    let taken = 0;
    const peer = {
      doc,
      /** Says what there is to say and hears what was said. */
      talk: (): Doc => {
        for (; taken < client.binaries.length; ++taken) {
          const frame = client.binaries[taken]!;
          if (frame.kind === 1) [peer.doc, state] = A.receiveSyncMessage(peer.doc, state, frame.payload.slice());
        }
        for (let message = peer.next(); message; message = peer.next()) client.socket.send(encodeBinary(1, {}, message));
        return peer.doc;
      },
      next: (): A.SyncMessage | null => {
        const [next, message] = A.generateSyncMessage(peer.doc, state);
        state = next;
        return message;
      },
      change: (work: (draft: any) => void) => {
        peer.doc = A.change(peer.doc, work);
      },
      acknowledged: (): boolean => {
        peer.talk();
        return A.hasOurChanges(peer.doc, state);
      },
    };
    return peer;
  };
  /**
   * What `peer` has to say, with all that it did since `heads`. Its own message leaves out what the filter of the host's takes for known, which is one
   * change in a hundred that is not.
   */
  const words = (peer: ReturnType<typeof sync>, heads: A.Heads) => ({ ...A.decodeSyncMessage(peer.next()!), changes: A.getChangesSince(peer.doc, heads) });
  const saved = async (): Promise<Uint8Array> => {
    const answer = await fetch(`${host.url}/api/v1/sessions/${info.session_id}/document`, { headers: { Authorization: `Bearer ${host.token}` } });
    return new Uint8Array(await answer.arrayBuffer());
  };
  const snapshot = async (): Promise<Map<string, any>> => {
    const client = await Client.join(host, info, { viewOnly: true });
    const cells = new Map<string, any>(client.ready.notebook.cells.map((cell: any) => [cell.id, cell]));
    await client.close();
    return cells;
  };

  it('splices any text where the host splices it, and the other way round', async () => {
    const js = await replica();
    const other = await join('events');
    let version = other.ready.notebook.version;
    let points = [...source(js.doc(), 'a')];
    for (const [round, text] of ODD.entries()) {
      const at = (round * 5) % (points.length + 1);
      const units = points.slice(0, at).join('').length;
      const reply = await js.send([js.change((draft) => A.splice(draft, ['cells', 'a', 'source'], units, 0, text))]);
      expect(reply).toMatchObject({ ok: true });
      points.splice(at, 0, ...text);
      const told = await other.event('notebook-document-transaction', (data) => data.transaction.version === reply.version);
      expect(told.data.transaction.changes).toEqual([{ type: 'splice_source', cell_id: 'a', index: at, delete: 0, insert: text }]);
      version = reply.version;

      const from = (round * 3) % points.length;
      const gone = Math.min(1 + (round % 2), points.length - from);
      const back = await other.command('transaction', { base_version: version, changes: [{ type: 'splice_source', cell_id: 'a', index: from, delete: gone, insert: `${round}𝒴` }] });
      expect(back).toMatchObject({ ok: true });
      points.splice(from, gone, ...`${round}𝒴`);
      await js.client.until('the splice', () => source(js.doc(), 'a') === points.join(''));
    }
    expect((await snapshot()).get('a').source).toBe(points.join(''));
    expect(source(A.load(await saved()), 'a')).toBe(points.join(''));
  });

  it('takes back what the other one typed into odd text, and no half of a character', async () => {
    const js = await replica();
    const before = source(js.doc(), 'b');
    const family = '👩‍👩‍👧é𝒳';
    expect(await js.send([js.change((draft) => A.splice(draft, ['cells', 'b', 'source'], 1, 0, family))])).toMatchObject({ ok: true });
    expect(await js.client.command('undo')).toMatchObject({ ok: true, changes: 1 });
    await js.client.until('the undo', () => source(js.doc(), 'b') === before);
    expect(await js.client.command('redo')).toMatchObject({ ok: true, changes: 1 });
    await js.client.until('the redo', () => source(js.doc(), 'b') === before + family);
  });

  it('keeps maps, lists, counters, dates and bytes in metadata; counters of two add up', async () => {
    const one = await replica();
    const two = await replica();
    const rich = {
      map: { deep: { 'k.e"y': new A.ImmutableString('v') } }, list: [1, 'two', null, { three: 3 }], count: new A.Counter(5),
      when: new Date(86_400_000), bytes: new Uint8Array([1, 2, 255]), big: 2 ** 40, minus: -7, half: 0.5, yes: true, none: null, text: 'a text',
    };
    expect(await one.send([one.change((draft) => Object.assign(draft.cells.c.metadata, rich))])).toMatchObject({ ok: true });
    await two.client.until('the metadata', () => two.doc().cells.c.metadata.count);
    const changes = [one, two].map((peer, index) => peer.change((draft) => draft.cells.c.metadata.count.increment(index + 1)));
    expect(await Promise.all([one.send([changes[0]!]), two.send([changes[1]!])])).toMatchObject([{ ok: true }, { ok: true }]);
    const whole: Doc = A.load(await saved());
    expect(whole.cells.c.metadata.count.value).toBe(8);
    expect(plain(whole.cells.c.metadata.map)).toEqual({ deep: { 'k.e"y': 'v' } });
    expect(whole.cells.c.metadata.when).toEqual(new Date(86_400_000));
    expect([...whole.cells.c.metadata.bytes]).toEqual([1, 2, 255]);
    const told = (await snapshot()).get('c').metadata;
    expect(told).toMatchObject({ map: { deep: { 'k.e"y': 'v' } }, list: [1, 'two', null, { three: 3 }], count: 8, big: 2 ** 40, minus: -7, half: 0.5, yes: true, none: null, text: 'a text' });
    // An edit of the host's beside them leaves them what they are, and the file has them.
    const other = await join('events');
    expect(await other.command('transaction', { changes: [{ type: 'set_metadata', cell_id: 'c', path: ['map', 'deep', 'more'], value: [true] }] })).toMatchObject({ ok: true });
    await one.client.until('the key', () => one.doc().cells.c.metadata.map.deep.more);
    expect(one.doc().cells.c.metadata.count).toBeInstanceOf(A.Counter);
    expect(await other.command('save')).toMatchObject({ ok: true });
    expect(JSON.parse(host.file('n.ipynb')).cells[2].metadata).toMatchObject({ count: 8, map: { deep: { more: [true] } } });
  });

  it('is told by sync that the host has what it sent, also when it spoke again before the answer', async () => {
    const client = await join('events');
    const peer = sync(client);
    await client.until('the notebook', () => peer.talk().cells?.b && peer.acknowledged());
    for (let n = 0; n < 5; ++n) {
      const heads = A.getHeads(peer.doc);
      peer.change((draft) => A.splice(draft, ['cells', 'b', 'source'], 0, 0, `s${n} `));
      const said = words(peer, heads);
      expect(said.changes).toHaveLength(1);
      for (const changes of [said.changes, []]) client.socket.send(encodeBinary(1, {}, A.encodeSyncMessage({ ...said, changes })));
      await client.until('the host to have it', peer.acknowledged);
    }
    expect((await snapshot()).get('b').source).toMatch(/^s4 s3 s2 s1 s0 /);
  });

  it('may send by sync what builds on changes that come later', async () => {
    const client = await join('events');
    const peer = sync(client);
    await client.until('the notebook', () => peer.talk().cells?.b && peer.acknowledged());
    const heads = A.getHeads(peer.doc);
    for (const word of ['first ', 'second ', 'third ']) peer.change((draft) => A.splice(draft, ['cells', 'b', 'source'], 0, 0, word));
    const said = words(peer, heads);
    expect(said.changes).toHaveLength(3);
    for (const change of [2, 1, 0]) client.socket.send(encodeBinary(1, {}, A.encodeSyncMessage({ ...said, changes: [said.changes[change]!] })));
    await client.until('the host to have them', peer.acknowledged);
    expect((await snapshot()).get('b').source).toMatch(/^third second first /);
  });

  it('is asked by sync for what a filter left out, and not again for what builds on it', async () => {
    const client = await join('events');
    const peer = sync(client);
    await client.until('the notebook', () => peer.talk().cells?.b && peer.acknowledged());
    const heads = A.getHeads(peer.doc);
    for (const word of ['under ', 'over ']) peer.change((draft) => A.splice(draft, ['cells', 'b', 'source'], 0, 0, word));
    const said = words(peer, heads);
    const [left_out, came] = said.changes;
    const from = client.binaries.length;
    client.socket.send(encodeBinary(1, {}, A.encodeSyncMessage({ ...said, changes: [came!] })));
    const answer = await client.until('the answer', () => client.binaries.slice(from).find((frame) => frame.kind === 1));
    const asked = A.decodeSyncMessage(answer.payload.slice());
    expect([asked.need, asked.have]).toEqual([[A.decodeChange(left_out!).hash], []]);
    client.socket.send(encodeBinary(1, {}, A.encodeSyncMessage({ ...said, changes: [left_out!] })));
    await client.until('the host to have them', peer.acknowledged);
    expect((await snapshot()).get('b').source).toMatch(/^over under /);
  });

  it('is told at once that nothing waits for changes of an actor that is not its own', async () => {
    const client = await join('events');
    const peer = sync(client, A.init({ actor: 'ab'.repeat(16) }));
    await client.until('the notebook', () => peer.talk().cells?.b && peer.acknowledged());
    const heads = A.getHeads(peer.doc);
    for (const word of ['first ', 'second ']) peer.change((draft) => A.splice(draft, ['cells', 'b', 'source'], 0, 0, word));
    const said = words(peer, heads);
    const from = client.frames.length;
    client.socket.send(encodeBinary(1, {}, A.encodeSyncMessage({ ...said, changes: [said.changes[1]!] })));
    await client.event('notice', (data) => /not issued to this client/.test(data.text), from);
  });

  it('comes back by sync with what it did under the actor it had before, and goes on under the new one', async () => {
    const client = await join('events');
    const before = sync(client);
    await client.until('the notebook', () => before.talk().cells?.b && before.acknowledged());
    client.cut();
    before.change((draft) => A.splice(draft, ['cells', 'b', 'source'], 0, 0, 'away '));
    const back = await Client.join(host, info, { document: 'events', key: client.key });
    joined.splice(joined.indexOf(client), 1, back);
    const { actor } = back.ready;
    expect(actor).not.toBe(A.getActorId(before.doc));
    const after = sync(back, A.clone(before.doc, { actor }));
    after.change((draft) => A.splice(draft, ['cells', 'b', 'source'], 0, 0, 'back '));
    await back.until('the host to have both', after.acknowledged);
    expect(back.events('notice')).toEqual([]);
    expect((await snapshot()).get('b').source).toMatch(/^back away /);
  });

  it('has a thousand changes by `03`, a thousand by sync and a thousand of the host’s, with their past, also after a restart', async () => {
    const js = await replica();
    const letter = (n: number) => (n % 9 === 0 ? '𝒵' : String.fromCharCode(97 + (n % 26)));
    const typed: Uint8Array[] = [];
    for (let n = 0; n < 1000; ++n) {
      // Erases at the front now and then: one unit of text, never half of one.
      const first = source(js.doc(), 'd').codePointAt(0)! > 0xffff ? 2 : 1;
      typed.push(js.change((draft) => A.splice(draft, ['cells', 'd', 'source'], 0, n % 3 === 2 ? first : 0, letter(n))));
    }
    expect(await js.send(typed.slice(0, 500))).toMatchObject({ ok: true });
    expect(await js.send(typed.slice(500))).toMatchObject({ ok: true });

    // By sync alone, from nothing: it learns all there is, and the host all it has.
    const peer = await join('events');
    const mine = sync(peer);
    await peer.until('all of it by sync', () => mine.talk().cells?.d && source(mine.doc, 'd') === source(js.doc(), 'd'));
    expect(A.getHeads(mine.doc)).toEqual(A.getHeads(A.load(await saved())));
    const upTo = A.getHeads(mine.doc);
    for (let n = 0; n < 1000; ++n) mine.change((draft) => A.splice(draft, ['cells', 'b', 'source'], source(draft, 'b').length, 0, letter(n)));
    await peer.until('the host to have it', mine.acknowledged);
    await js.client.until('the thousand', () => source(js.doc(), 'b') === source(mine.doc, 'b'));

    const large = Array.from({ length: 30_000 }, (_, n) => ODD[n % 3]!).join('');
    expect(await js.send([js.change((draft) => A.splice(draft, ['cells', 'd', 'source'], 0, 0, large))])).toMatchObject({ ok: true });

    const other = await join('events');
    const replies = await Promise.all(
      Array.from({ length: 1000 }, (_, n) => other.command('transaction', { base_version: other.ready.notebook.version, changes: [{ type: 'splice_source', cell_id: 'a', index: 0, delete: 0, insert: letter(n) }] })),
    );
    expect(replies.every((reply) => reply.ok)).toBe(true);
    await js.client.until('the host’s thousand', () => source(js.doc(), 'a').startsWith(letter(0)) || source(js.doc(), 'a').length >= 1000);

    const bytes = await saved();
    const whole: Doc = A.load(bytes);
    await until('both have the same', () => JSON.stringify(A.getHeads(js.doc())) === JSON.stringify(A.getHeads(whole)));
    expect(A.getHistory(whole).length).toBeGreaterThan(3000);
    expect(source(A.view(whole, upTo), 'b')).not.toBe(source(whole, 'b'));
    expect(source(A.view(whole, upTo), 'b')).toBe(source(A.view(mine.doc, upTo), 'b'));
    const again = A.save(whole);
    expect(A.getHeads(A.load(again))).toEqual(A.getHeads(whole));

    // What JavaScript saved and loaded goes on where it was; the host takes it after a restart too.
    await host.kill('SIGKILL');
    const next = await Host.start({ root: host.root, home: host.home, args: ['--policy', 'collaborative'] });
    const old = host;
    host = next;
    const forget = next.forget.bind(next);
    next.forget = () => {
      forget();
      old.forget();
    };
    info = await host.open('n.ipynb');
    expect(A.getHeads(A.load(await saved()))).toEqual(A.getHeads(whole));
    const query = { heads: A.getHeads(whole).join(','), history_id: js.client.ready.history_id };
    const back = await Client.join(host, info, { key: js.client.key, document: 'changes', query });
    joined.splice(0, joined.length, back);
    let loaded: Doc = A.load(again, { actor: back.ready.actor });
    loaded = A.change(loaded, (draft) => A.splice(draft, ['cells', 'c', 'source'], 0, 0, 'from saved bytes 😀 '));
    back.sendChanges([A.getLastLocalChange(loaded)!], { id: 'back', epoch: back.epoch });
    expect((await back.event('reply', (data) => data.id === 'back')).data).toMatchObject({ ok: true });
    expect((await snapshot()).get('c').source).toBe('from saved bytes 😀 c');
  });
});
