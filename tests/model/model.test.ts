// The checks can fail: shown a document that lost, doubled or kept something it must not have, they say so.
import { describe, expect, it } from 'vitest';
import { effect, Model, type Effect } from './model';
import type { View } from './notebook';
import { generate, shrink, type Schedule } from './schedule';
import { token } from './random';
import { World } from './world';

const cell = (id: string, source: string) => ({ id, type: 'code', source, metadata: {} });
const begun = () => {
  const model = new Model();
  model.begin([cell('a', 'XY'), cell('b', 'Z')]);
  return model;
};
const typed = (fate: Effect['fate']) => effect('ann', 'splice', 0, { fate, adds: [{ token: 'N', cell: 'a' }] });

describe('the model', () => {
  const after = (source: string, ...effects: Effect[]) => begun().end([cell('a', source), cell('b', 'Z')], effects);

  it('has nothing against what may be', () => {
    expect(after('XY')).toEqual([]);
    expect(after('XNY', typed('acked'))).toEqual([]);
    expect(after('XY', typed('refused'))).toEqual([]);
    for (const source of ['XY', 'XNY']) expect(after(source, typed('unknown'))).toEqual([]);
    expect(after('Y', effect('bob', 'splice', 0, { fate: 'acked', removes: ['X'] }))).toEqual([]);
    expect(after('YN', typed('acked'), effect('bob', 'replace', 0, { fate: 'unknown', replaces: [{ cell: 'a', source: 'Y' }] }))).toEqual([]);
  });

  it.each<[string, string, Effect[], RegExp]>([
    ['an acknowledged insertion is gone', 'XY', [typed('acked')], /^N .* is missing: acknowledged to ann/],
    ['something older is gone', 'Y', [typed('unknown')], /^X .* is missing: in a before/],
    ['somebody else’s went with an undo', 'Y', [effect('bob', 'undo', 0, { fate: 'acked', reverses: true })], /^X .* is missing/],
    ['an insertion is there twice', 'NXNY', [typed('acked')], /^N .* is there 2 times, 0 before/],
    ['what was there is doubled', 'XXY', [effect('bob', 'replace', 0, { fate: 'acked', replaces: [{ cell: 'a', source: 'XY' }] })], /^X .* is doubled/],
    ['a refused insertion is there', 'XNY', [typed('refused')], /^N .* although it was refused/],
    ['what was removed came back', 'XY', [effect('bob', 'splice', 0, { fate: 'acked', removes: ['X'] })], /^X .* although bob removed it/],
    ['a deleted cell is there', 'XY', [effect('bob', 'delete', 0, { fate: 'acked', deletes: ['a'] })], /^cell a is there although bob deleted it/],
  ])('objects where %s', (_, source, effects, says) => {
    expect(after(source, ...effects).join('\n')).toMatch(says);
  });

  it('objects to a cell that is there twice', () => {
    expect(begun().end([cell('a', 'XY'), cell('a', ''), cell('b', 'Z')], [])[0]).toMatch(/^a cell is there twice/);
  });

  it('knows what an author may take back in later rounds, and that an away client did not know of a deletion', () => {
    const model = begun();
    expect(model.end([cell('b', 'Z')], [effect('bob', 'delete', 0, { fate: 'acked', deletes: ['a'] })])).toEqual([]);
    expect(model.end([cell('b', 'Z')], [typed('acked')])).toEqual([]);
    expect(model.end([cell('a', 'XY'), cell('b', 'Z')], [effect('bob', 'undo', 2, { fate: 'acked', reverses: true })])).toEqual([]);
    expect(model.end([cell('b', 'Z')], [])).toHaveLength(2);
  });
});

describe('a schedule', () => {
  const schedule: Schedule = { ...generate(7), policy: 'collaborative', autosave: false };
  /** The document without the newest token: somebody's acknowledged insertion. */
  const lossy = () => {
    const known = new Set<string>();
    let seen = 0;
    return (view: View): View => {
      const all = view.flatMap((one) => [...one.source]);
      const lost = all.find((one) => known.size > 0 && !known.has(one));
      for (const one of all) known.add(one);
      return ++seen > 1 && lost ? view.map((one) => ({ ...one, source: one.source.replace(lost, '') })) : view;
    };
  };

  it('fails when a token that was acknowledged is not in what the model is shown, and is shrunk to a few steps', async () => {
    const found = async (tried: Schedule) => (await new World(tried, lossy()).run()).some((fault) => / is missing: /.test(fault));
    const small = {
      ...schedule,
      peers: ['events' as const, 'changes' as const],
      rounds: [0, 1, 2].map((who) => [{ who, what: 'type' as const, a: who, b: 1, c: 1 }, { who: who + 1, what: 'move' as const, a: 1, b: 2, c: 3 }]),
    };
    expect(await found(small)).toBe(true);
    const least = await shrink(small, found, () => true);
    expect(least.rounds.flat().length).toBeLessThanOrEqual(2);
  });

  it('is the same for the same seed, and has tokens of one character each', () => {
    expect(generate(41)).toEqual(generate(41));
    expect(generate(41)).not.toEqual(generate(42));
    const tokens = Array.from({ length: 20_000 }, (_, n) => token(n));
    expect(new Set(tokens).size).toBe(tokens.length);
    expect(tokens.every((one) => [...one].length === 1 && one.normalize('NFKC') === one)).toBe(true);
  });
});
