// Widget models as a document: what `models=document` gets in place of model-lifecycle events (protocol 3, 5).
import * as A from '@automerge/automerge';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client, cut, encodeBinary } from '../support/client';
import { Host, LECTERN } from '../support/host';

const OPEN = `from ipykernel.comm import Comm
raw = bytes(range(256)) * 400
made = Comm(target_name='jupyter.widget', comm_id='slider', metadata={'version': '2.1.0'}, buffers=[raw],
            data={'state': {'_model_module': 'm', '_model_name': 'IntSlider', 'value': 3, 'nested': {}}, 'buffer_paths': [['nested', 'raw']]})
print('made')`;
const RAW = Buffer.concat(Array.from({ length: 400 }, () => Buffer.from(Array.from({ length: 256 }, (_, i) => i))));

class Models {
  doc: A.Doc<any> | undefined;
  history = '';
  private seen = 0;
  constructor(readonly client: Client, before?: Models) {
    if (before) [this.doc, this.history] = [before.doc, before.history];
    client.socket.on('message', () => this.pull());
    this.pull();
  }
  pull() {
    for (; this.seen < this.client.binaries.length; ++this.seen) {
      const frame = this.client.binaries[this.seen]!;
      if (frame.kind === 6 && frame.header.document === 'models') {
        this.doc = A.load<any>(frame.payload);
        this.history = frame.header.history_id;
        expect(A.getHeads(this.doc!).sort()).toEqual(frame.header.heads);
      } else if (frame.kind === 4) {
        [this.doc] = A.applyChanges(this.doc!, cut(frame.payload, frame.header.sizes));
      }
    }
  }
  get comms(): Record<string, any> {
    this.pull();
    return JSON.parse(JSON.stringify(this.doc?.comms ?? {}));
  }
}

describe('models=document', () => {
  let host: Host;
  let editor: Client;
  let reader: Client;
  let models: Models;
  let info: any;
  const join = (query: Record<string, string> = {}, rest = {}) => Client.join(host, info, { query: { models: 'document', ...query }, ...rest });
  beforeAll(async () => {
    host = await Host.start();
    info = await host.open(
      host.notebook('m.ipynb', [
        { id: 'open', source: OPEN },
        { id: 'move', source: "for i in range(200): made.send(data={'method': 'update', 'state': {'value': i}, 'buffer_paths': []})" },
        { id: 'custom', source: "made.send(data={'method': 'custom', 'content': {'hello': 1}})" },
        { id: 'close', source: 'made.close()' },
      ]),
    );
    editor = await Client.join(host, info);
    reader = await join();
    models = new Models(reader);
  });
  afterAll(async () => {
    await editor.close();
    await host.stop();
  });

  it('begins with the document of nteract\'s comms schema, before any output', async () => {
    const first = reader.binaries.find((frame) => frame.kind === 6)!;
    expect(first.header).toMatchObject({ document: 'models', version: 1, heads: ['59e6107683328412635b4c868124e9c4014704de086aef822a58c07d85153a57'] });
    expect(models.comms).toEqual({});
  });

  it('a new model is in it before the output that follows; its buffer is a blob', async () => {
    let atOutput: string[] | undefined;
    reader.socket.on('message', () => {
      if (!atOutput && reader.text('open').includes('made')) atOutput = Object.keys(models.comms);
    });
    await editor.execute(['open']);
    await reader.event('cell-op', (data) => data.cell_id === 'open' && data.status === 'idle');
    expect(atOutput).toEqual(['slider']);
    const { slider } = models.comms;
    expect(slider).toMatchObject({ target_name: 'jupyter.widget', model_module: 'm', model_name: 'IntSlider', cell_id: 'open', revision: 1 });
    expect(slider.state.value).toBe(3);
    const blob = slider.state.nested.raw;
    expect(blob).toEqual({ $blob: createHash('sha256').update(RAW).digest('hex'), size: RAW.length, media_type: 'application/octet-stream' });
    const bytes = await fetch(`${host.url}/blobs/${blob.$blob}`, { headers: { Authorization: `Bearer ${host.token}` } });
    expect(bytes.status).toBe(200);
    expect(Buffer.from(await bytes.arrayBuffer()).equals(RAW)).toBe(true);
  });

  it('updates are coalesced per model and end in the last value; no lifecycle events, but custom messages', async () => {
    const before = reader.binaries.length;
    await editor.execute(['move']);
    await reader.until('the last value', () => models.comms.slider.state.value === 199);
    expect(reader.binaries.length - before).toBeLessThan(200);
    expect(models.comms.slider.revision).toBe(editor.events('model-lifecycle').at(-1)!.data.revision);
    await editor.execute(['custom']);
    const custom = await reader.event('model-lifecycle');
    expect([custom.seq, custom.data.message]).toEqual([null, { method: 'custom', content: { hello: 1 } }]);
    expect(reader.events('model-lifecycle')).toHaveLength(1);
    expect(editor.binaries.filter((frame) => frame.kind === 4 || frame.kind === 6)).toEqual([]);
  });

  it('a write by the command is in the document; a change of the client\'s own is refused', async () => {
    const wrote = await reader.command('model', { model_id: 'slider', message: { method: 'update', state: { value: 42 }, buffer_paths: [] } }, { epoch: null });
    expect(wrote.ok).toBe(true);
    await reader.until('the write', () => models.comms.slider.revision === wrote.revision);
    expect(models.comms.slider.state.value).toBe(42);
    reader.socket.send(encodeBinary(4, { id: 'mine', sizes: [3] }, new Uint8Array([1, 2, 3])));
    const refused = await reader.event('reply', (data) => data.id === 'mine');
    expect([refused.data.ok, refused.data.error.code, refused.data.error.status]).toEqual([false, 'read_only', 403]);
  });

  it('a joiner gets the whole, one that states known heads what it lacks, one with another history the whole', async () => {
    const joiner = await join();
    expect(new Models(joiner).comms).toEqual(models.comms);
    await joiner.close();
    const { key, resume } = reader;
    const heads = A.getHeads(models.doc!).join(',');
    reader.cut();
    const value = { model_id: 'slider', message: { method: 'update', state: { value: 7 }, buffer_paths: [] } };
    expect((await editor.command('model', value)).ok).toBe(true);
    const back = await join({ models_heads: heads, models_history_id: models.history }, { key, resume });
    expect(back.ready.replay).toBe('gap');
    expect(back.binaries.map((frame) => frame.kind)).toEqual([4]);
    expect(back.events('model-lifecycle')).toEqual([]);
    models = new Models(back, models);
    expect(models.comms.slider.state.value).toBe(7);
    const stranger = await join({ models_heads: heads, models_history_id: 'another' });
    expect(stranger.binaries.map((frame) => frame.kind)).toEqual([6]);
    await stranger.close();
    reader = back;
  });

  it('unknown heads: the sync protocol', async () => {
    const peer = await join();
    let doc = A.load<any>(peer.binaries.find((frame) => frame.kind === 6)!.payload);
    await peer.command('room', {}, { epoch: null });
    let state = A.initSyncState();
    let mine = A.init<any>();
    let taken = peer.binaries.length;
    for (let round = 0; round < 10 && A.getHeads(mine).join() !== A.getHeads(doc).join(); ++round) {
      let message: Uint8Array | null;
      [state, message] = A.generateSyncMessage(mine, state);
      if (message) peer.socket.send(encodeBinary(2, {}, message));
      await peer.until('an answer', () => peer.binaries.slice(taken).some((frame) => frame.kind === 2));
      for (; taken < peer.binaries.length; ++taken) {
        if (peer.binaries[taken]!.kind === 2) [mine, state] = A.receiveSyncMessage(mine, state, peer.binaries[taken]!.payload);
      }
    }
    expect(JSON.parse(JSON.stringify(mine.comms))).toEqual(models.comms);
    await peer.close();
  });

  it('a closed model leaves the document', async () => {
    await editor.execute(['close']);
    await reader.until('the model to go', () => models.comms.slider === undefined);
    expect(models.comms).toEqual({});
    await reader.close();
  });
});

describe('a models document that has grown', () => {
  it('gives way to a fresh one: followers see the same models, and nothing is applied twice', async () => {
    const host = await Host.start({ args: ['--models-limit', '5'] });
    try {
      const info = await host.open(host.notebook('grown.ipynb', [{ id: 'open', source: OPEN }]));
      const editor = await Client.join(host, info);
      const follow = () => Client.join(host, info, { query: { models: 'document' } });
      const [reader, other] = [await follow(), await follow()];
      await editor.execute(['open']);
      const write = (value: number) => editor.command('model', { model_id: 'slider', message: { method: 'update', state: { value, raw: null }, buffer_paths: [] } });
      const followers = [new Models(reader), new Models(other)];
      // Each its own change of the document: the next comes when everybody has it.
      for (let value = 10; value < 32; ++value) {
        const wrote = await write(value);
        expect(wrote.ok).toBe(true);
        for (const models of followers) {
          await models.client.until('the value', () => models.comms.slider?.revision === wrote.revision);
          expect(models.comms.slider).toMatchObject({ target_name: 'jupyter.widget', model_name: 'IntSlider', cell_id: 'open', state: { value, raw: null, nested: { raw: { size: RAW.length } } } });
        }
      }
      const histories = new Set<string>();
      for (const { client } of followers) {
        let doc: A.Doc<any> | undefined;
        let [version, revision, documents] = [0, 0, 0];
        for (const { kind, header, payload } of client.binaries) {
          if (kind === 6) {
            doc = A.load<any>(payload);
            ++documents;
            histories.add(header.history_id);
          } else {
            // What a follower applies is the next change of the document it has, and nothing beside it.
            expect([kind, header.version]).toEqual([4, version + 1]);
            [doc] = A.applyChanges(doc!, cut(payload, header.sizes));
            expect(A.getConflicts(doc!.comms, 'slider')).toBeUndefined();
          }
          version = header.version;
          expect(doc!.comms.slider?.revision ?? 0).toBeGreaterThanOrEqual(revision);
          revision = doc!.comms.slider?.revision ?? 0;
          expect(Object.keys(doc!.comms)).toEqual(revision === 0 ? [] : ['slider']);
        }
        expect(documents).toBeGreaterThanOrEqual(4);
        expect(A.getHistory(doc!).length).toBeLessThanOrEqual(8);
      }
      expect(histories.size, 'every fresh document is of a history of its own, the same for all').toBe(followers[0]!.client.binaries.filter((frame) => frame.kind === 6).length);
      // Who was away meanwhile has changes that no document has any more.
      const { doc, client } = followers[1]!;
      const before = { models_heads: A.getHeads(doc!).join(','), models_history_id: followers[1]!.history };
      client.cut();
      for (let value = 40; value < 50; ++value) {
        const wrote = await write(value);
        await reader.until('the value', () => followers[0]!.comms.slider.revision === wrote.revision);
      }
      const back = await Client.join(host, info, { query: { models: 'document', ...before }, key: client.key, resume: client.resume });
      expect(back.binaries.map((frame) => frame.kind)).toEqual([6]);
      expect(new Models(back).comms).toEqual(followers[0]!.comms);
      await Promise.all([editor, reader, back].map((one) => one.close()));
    } finally {
      await host.stop();
    }
  });
});

describe('a write that the kernel does not take', () => {
  it('is told to its writer, and is in nobody\'s model', async () => {
    // tests/plugins-bad/crashing_runtime.cpp, inside the host: it refuses what has "refuse" in it.
    const plugins = path.resolve(path.dirname(LECTERN), '../plugins-crashing-live');
    const home = fs.mkdtempSync(path.join(os.tmpdir(), 'lectern-home-'));
    const env = { ...process.env, XDG_STATE_HOME: path.join(home, 'state'), XDG_CONFIG_HOME: path.join(home, 'config') };
    execFileSync(LECTERN, ['plugins', 'trust', path.join(plugins, 'crashing-runtime/crashing-runtime.so')], { env, stdio: 'pipe' });
    const host = await Host.start({ home, args: ['--plugin-path', plugins] });
    try {
      const made = await host.post('/api/v1/notebooks/create', { runtime: 'crashing-runtime/crash' });
      expect(made.status, made.text).toBe(201);
      const writer = await Client.join(host, made.body);
      const other = await Client.join(host, made.body);
      const reader = await Client.join(host, made.body, { query: { models: 'document' } });
      const document = new Models(reader);
      expect((await writer.command('execute', { code: 'widget' })).ok).toBe(true);
      await writer.event('model-lifecycle', (data) => data.message.method === 'open');
      const write = (value: string) => writer.command('model', { model_id: 'model', message: { method: 'update', state: { value }, buffer_paths: [] } });
      const values = (client: Client) => client.events('model-lifecycle').map(({ data }) => [data.revision, data.message.state.value]);
      expect(await write('taken')).toMatchObject({ ok: true, revision: 2 });
      const refused = await write('refuse this');
      expect([refused.ok, refused.error?.code]).toEqual([false, 'kernel_unavailable']);
      const late = await Client.join(host, made.body);
      expect(values(late), 'who joins now has what the kernel has').toEqual([[2, 'taken']]);
      const lateReader = await Client.join(host, made.body, { query: { models: 'document' } });
      expect(new Models(lateReader).comms.model).toMatchObject({ revision: 2, state: { value: 'taken' } });
      expect(await write('last')).toMatchObject({ ok: true, revision: 3 });
      await other.event('model-lifecycle', (data) => data.revision === 3);
      expect(values(other)).toEqual([[1, ''], [2, 'taken'], [3, 'last']]);
      await reader.until('the last value', () => document.comms.model.revision === 3);
      expect(document.comms.model.state).toEqual({ value: 'last' });
    } finally {
      await host.stop();
      fs.rmSync(home, { recursive: true, force: true });
    }
  });
});
