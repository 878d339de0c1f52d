// `open` before any output that names the model, for everybody: whoever takes over, comes late, comes back, or was too slow (protocol 5).
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client';
import { Host } from '../support/host';
import { modelOrder } from '../support/model_order';

const widget = (id: string) => `from ipykernel.comm import Comm
from IPython.display import display
${id} = Comm(target_name='jupyter.widget', comm_id='${id}', data={'state': {'_model_module': 'm', '_model_name': 'IntSlider', 'value': 1}, 'buffer_paths': []})
show('${id}')`;
const SHOW = `from IPython.display import display
def show(id):
    display({'application/vnd.jupyter.widget-view+json': {'version_major': 2, 'version_minor': 0, 'model_id': id}, 'text/plain': id}, raw=True)`;

describe('a model is opened before an output names it', () => {
  let host: Host;
  let info: any;
  let editor: Client;
  const clients: Client[] = [];
  const join = async (options = {}) => {
    const client = await Client.join(host, info, options);
    clients.push(client);
    return client;
  };
  /** Of everything that came: the models named, all of them opened by then. */
  const inOrder = (client: Client, known: string[] = []) => {
    const { named, broken } = modelOrder(client.frames, known);
    expect(broken).toEqual([]);
    return named;
  };
  /** The answer comes over HTTP; the epoch to edit with by an event. */
  const takeOver = async (client: Client) => {
    const from = client.frames.length;
    expect((await client.takeover()).status).toBe(200);
    await client.event('consumer-capabilities', (data) => data.consumer_capabilities.edit, from);
  };
  const shows = (client: Client, id: string, from = 0) => client.event('cell-op', (data) => JSON.stringify(data.outputs ?? []).includes(`"model_id":"${id}"`), from, 30_000);

  beforeAll(async () => {
    host = await Host.start();
    const ids = ['first', 'taken', 'missed', 'slow'];
    const flood = "for i in range(250):\n    display({'text/plain': f'{i}' + 'f' * 60_000}, raw=True)";
    info = await host.open(
      host.notebook('order.ipynb', [
        { id: 'show', source: SHOW },
        ...ids.map((id) => ({ id, source: widget(id) })),
        { id: 'flood', source: flood },
        // What there is not is the kernel's own business: it breaks nothing for anybody.
        { id: 'never', source: "show('never')" },
      ]),
    );
    editor = await join();
    await editor.execute(['show', 'first']);
  });
  afterAll(async () => {
    for (const client of clients) await client.close();
    await host.stop();
  });

  it('to who joins late', async () => {
    const late = await join();
    expect(inOrder(late)).toEqual(['first']);
  });

  it('across a takeover, to who has the pen and who lost it', async () => {
    const other = await join();
    await takeOver(other);
    await other.execute(['taken']);
    await shows(editor, 'taken');
    expect(inOrder(other)).toEqual(['first', 'taken']);
    expect(inOrder(editor)).toEqual(['first', 'taken']);
    await takeOver(editor);
  });

  it('to who was cut off and gets what was missed', async () => {
    const lost = await join();
    const { opened } = modelOrder(lost.frames);
    const { key, resume } = lost;
    lost.cut();
    await editor.execute(['missed']);
    const back = await join({ key, resume });
    expect(back.ready.replay).toBe('gap');
    expect(opened).toEqual(['first', 'taken']);
    expect(inOrder(back, opened)).toEqual(['missed']);
  });

  it('to who was too slow and gets a fresh snapshot', async () => {
    const slow = await join();
    slow.socket.pause();
    await editor.execute(['slow', 'flood', 'never'], 120_000);
    slow.socket.resume();
    const resync = await slow.event('resync', undefined, 0, 60_000);
    const from = slow.frames.indexOf(resync);
    await slow.event('replay-complete', undefined, from, 60_000);
    await shows(slow, 'never', from);  // in the snapshot, or behind it where that began before the last run had ended
    const fresh = modelOrder(slow.frames.slice(from));
    expect([...fresh.opened].sort()).toEqual(['first', 'missed', 'slow', 'taken']);
    expect(fresh.named).toEqual(['first', 'taken', 'missed', 'slow', 'never']);
    expect(fresh.broken).toEqual(['never']);
    await editor.command('room', {}, { epoch: null });
  });
});
