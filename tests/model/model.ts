// What may be in the notebook after a round, given what was in it before and what was answered to whom. The model does not know in which order
// the host took what came at once, and need not: it holds that every token which came, went or stayed has somebody who may have done it.
import type { View } from './notebook';

/** `acked`: the host said yes. `refused`: it said no. `unknown`: the line was cut before it said anything. */
export type Fate = 'acked' | 'refused' | 'unknown';

/** What one step may have done to the notebook. */
export interface Effect {
  by: string;
  what: string;
  fate: Fate;
  /** The round whose document its author had seen: what happened since then may meet it in the middle. */
  since: number;
  /** Tokens that are new with it, and the cell they were written into. */
  adds: { token: string; cell: string }[];
  /** Exactly these tokens. */
  removes: string[];
  /** Cells it deletes, with whatever is in them by then. */
  deletes: string[];
  /** Cells whose source it makes exactly this, whatever it is by then. */
  replaces: { cell: string; source: string }[];
  /** All cells become what they were in a version: these tokens. */
  restores?: Set<string>;
  /** Takes back, or puts back, something of its author's. */
  reverses?: boolean;
  /** May bring any of these: they are in a file. */
  offers?: Set<string>;
  /** May leave a second copy: somebody chose to keep both sides. */
  copies?: boolean;
  /** A program that wrote the file while the host may have been saving it: what it had not seen goes too. */
  blind?: boolean;
  /** Nobody will ever know: in how many more rounds it may still show. */
  lapses?: number;
}

export function effect(by: string, what: string, since: number, parts: Partial<Effect> = {}): Effect {
  return { by, what, since, fate: 'unknown', adds: [], removes: [], deletes: [], replaces: [], ...parts };
}

function count(view: View): Map<string, { times: number; cell: string }> {
  const all = new Map<string, { times: number; cell: string }>();
  for (const cell of view) {
    for (const token of cell.source) {
      const known = all.get(token);
      all.set(token, { times: (known?.times ?? 0) + 1, cell: known?.cell ?? cell.id });
    }
  }
  return all;
}

export class Model {
  private round = 0;
  private before: View = [];
  private readonly own = new Map<string, Set<string>>(); // what each author ever brought
  private readonly took = new Map<string, Set<string>>(); // what each author ever took away
  private readonly deleted = new Map<string, number>(); // the last round in which a cell may have been deleted
  private readonly remade = new Map<string, number>(); // the last round in which a cell may have been made again
  private readonly back = new Map<string, number>(); // the last round in which a token may have been put back
  private readonly refused = new Set<string>();
  private readonly arrived = new Set<string>(); // what was there at the end of some round, or may have come and gone within one

  begin(view: View): void {
    this.before = view;
  }
  get rounds(): number {
    return this.round;
  }
  get last(): View {
    return this.before;
  }

  /** What is wrong with `after`, the document all agree on after these effects: those settled in this round, and those still under way. */
  end(after: View, effects: Effect[]): string[] {
    const faults: string[] = [];
    this.round += 1;
    const all = effects.filter((one) => one.fate !== 'refused');
    const had = count(this.before);
    const has = count(after);
    const cells = new Set(after.map((cell) => cell.id));
    if (cells.size !== after.length) faults.push(`a cell is there twice: ${after.map((cell) => cell.id).join(' ')}`);
    this.note(all, had, cells);

    const acked = new Map<string, Effect>();
    for (const one of effects) for (const { token } of one.fate === 'acked' ? one.adds : []) acked.set(token, one);
    for (const one of effects) for (const { token } of one.fate === 'refused' ? one.adds : []) this.refused.add(token);

    for (const token of new Set([...had.keys(), ...has.keys(), ...acked.keys()])) {
      const was = had.get(token)?.times ?? 0;
      const now = has.get(token)?.times ?? 0;
      const least = Math.max(was, acked.has(token) && !this.arrived.has(token) ? 1 : 0);
      const places = [had.get(token)?.cell, ...all.flatMap((one) => one.adds.filter((add) => add.token === token).map((add) => add.cell))];
      const shown = `${token} (U+${token.codePointAt(0)!.toString(16)})`;
      if (now < least && !all.some((one) => places.some((cell) => this.mayRemove(one, token, cell))) && !this.intoDeleted(acked.get(token), token)) {
        faults.push(`${shown} is missing: ${acked.has(token) ? `acknowledged to ${acked.get(token)!.by} in this round` : `in ${had.get(token)!.cell} before the round`}, and nobody removed it`);
      }
      if (now > was) {
        const adders = all.filter((one) => this.mayAdd(one, token));
        if (adders.length < now - was) {
          faults.push(this.refused.has(token) ? `${shown} is there although it was refused` : `${shown} is there ${now} times, ${was} before, and nobody put it there`);
        } else if (now > 1 && !adders.some((one) => one.reverses || one.copies)) {
          faults.push(`${shown} is doubled`);
        }
      }
      if (now > 0) this.stillThere(token, shown, was, effects, all, faults);
    }
    for (const one of effects) {
      for (const cell of one.fate === 'acked' ? one.deletes : []) {
        if (cells.has(cell) && (this.remade.get(cell) ?? -1) <= one.since) {
          faults.push(`cell ${cell} is there although ${one.by} deleted it`);
        }
      }
    }
    for (const token of has.keys()) this.arrived.add(token);
    for (const one of all) {
      for (const { token, cell } of one.adds) {
        if (all.some((other) => other !== one && this.mayRemove(other, token, cell)) || this.deleted.get(cell) === this.round) this.arrived.add(token);
      }
    }
    this.before = after;
    return faults;
  }

  private static put(where: Map<string, Set<string>>, by: string, token: string): void {
    if (!where.has(by)) where.set(by, new Set());
    where.get(by)!.add(token);
  }

  /** What the effects of this round allow later ones to do. */
  private note(all: Effect[], had: Map<string, { times: number; cell: string }>, cells: Set<string>): void {
    const here = new Map([...had].map(([token, { cell }]) => [token, cell]));
    for (const one of all) for (const add of one.adds) here.set(add.token, add.cell);
    for (const one of all) {
      for (const { token } of one.adds) Model.put(this.own, one.by, token);
    }
    // What one of them did may be what the next one takes back, within the same round too.
    for (let pass = 0; pass < 2; ++pass) {
      for (const one of all) {
        for (const [token, cell] of here) {
          if (this.mayRemove(one, token, cell)) Model.put(this.took, one.by, token);
        }
        const put = new Set([...(one.restores ?? []), ...(one.offers ?? []), ...one.replaces.flatMap((made) => [...made.source])]);
        for (const token of put) {
          Model.put(this.own, one.by, token);
          this.back.set(token, this.round);
        }
        if (one.reverses) {
          for (const token of this.took.get(one.by) ?? []) Model.put(this.own, one.by, token); // by being put back
          for (const token of [...(this.took.get(one.by) ?? []), ...(this.own.get(one.by) ?? [])]) this.back.set(token, this.round);
        }
      }
    }
    const earlier = new Set(this.before.map((cell) => cell.id));
    for (const cell of cells) {
      if (!earlier.has(cell) || all.some((one) => one.reverses || one.restores || one.replaces.some((made) => made.cell === cell))) this.remade.set(cell, this.round);
    }
    const sweeping = all.filter((one) => one.reverses || one.restores).length;
    for (const cell of new Set([...here.values()])) {
      if (!cells.has(cell) || sweeping > 1 || all.some((one) => one.deletes.includes(cell))) this.deleted.set(cell, this.round);
    }
  }

  private mayRemove(one: Effect, token: string, cell: string | undefined): boolean {
    if (one.fate === 'refused') return false;
    if (one.blind || one.removes.includes(token)) return true;
    if (cell !== undefined && one.deletes.includes(cell)) return true;
    if (one.replaces.some((made) => made.cell === cell && !made.source.includes(token))) return true;
    if (one.restores && !one.restores.has(token)) return true;
    return one.reverses === true && (this.own.get(one.by)?.has(token) ?? false);
  }

  private mayAdd(one: Effect, token: string): boolean {
    if (one.fate === 'refused') return false;
    if (one.adds.some((add) => add.token === token)) return true;
    if (one.replaces.some((made) => made.source.includes(token))) return true;
    if (one.restores?.has(token) || one.offers?.has(token)) return true;
    return one.reverses === true && ((this.took.get(one.by)?.has(token) ?? false) || (this.own.get(one.by)?.has(token) ?? false));
  }

  /** Written into a cell that others had deleted, which the author had not heard of: it went with the cell. */
  private intoDeleted(one: Effect | undefined, token: string): boolean {
    if (!one) return false;
    const cell = one.adds.find((add) => add.token === token)!.cell;
    return (this.deleted.get(cell) ?? -1) > one.since;
  }

  private stillThere(token: string, shown: string, was: number, effects: Effect[], all: Effect[], faults: string[]): void {
    const remover = effects.find((one) => one.fate === 'acked' && one.removes.includes(token));
    if (!remover || was !== 1) return;
    const putBack = (this.back.get(token) ?? -1) > remover.since || all.some((one) => one !== remover && this.mayAdd(one, token));
    if (!putBack) faults.push(`${shown} is there although ${remover.by} removed it`);
  }
}
