// A schedule: rounds of steps. The steps of one actor follow each other, different actors' run at once. Parameters are plain numbers that are taken
// modulo whatever there is when the step runs, so that any part of a schedule is a schedule, and a failed one can be shrunk.
import { Random } from './random';

export type PeerKind = 'events' | 'changes' | 'sync';
export type ClientStep =
  | 'type' | 'replace' | 'create' | 'delete' | 'move' | 'retype' | 'mark'
  | 'undo' | 'redo' | 'restore' | 'save' | 'take' | 'release' | 'resolve' | 'leave' | 'cut' | 'cut_midway' | 'back';
export type FileStep = 'write_over' | 'rename_over' | 'touch' | 'remove' | 'put_back' | 'remove_and_put_back';
export type HostStep = 'stop' | 'kill';

export interface Step {
  /** A client by number, or one of the two others. */
  who: number | 'file' | 'host';
  what: ClientStep | FileStep | HostStep;
  a: number;
  b: number;
  c: number;
}
export interface Schedule {
  seed: number;
  policy: 'collaborative' | 'local-takeover';
  autosave: boolean;
  peers: PeerKind[];
  rounds: Step[][];
}

const EDITS = [
  [34, 'type'], [6, 'replace'], [10, 'create'], [6, 'delete'], [7, 'move'], [3, 'retype'], [4, 'mark'],
] as const;
const OTHERS = [
  [9, 'undo'], [5, 'redo'], [5, 'restore'], [4, 'save'], [5, 'leave'], [6, 'cut'], [6, 'cut_midway'], [14, 'back'], [3, 'resolve'],
] as const;
const PEN = [[16, 'take'], [3, 'release']] as const;
const OUTSIDE = [
  [6, 'write_over'], [8, 'rename_over'], [2, 'touch'], [2, 'remove'], [3, 'put_back'], [3, 'remove_and_put_back'],
] as const;

export function generate(seed: number): Schedule {
  const random = new Random(seed);
  const policy = random.chance(78) ? 'collaborative' : 'local-takeover';
  const kinds = policy === 'collaborative' ? ([[4, 'events'], [4, 'changes'], [3, 'sync']] as const) : ([[1, 'events'], [1, 'changes']] as const);
  const peers: PeerKind[] = Array.from({ length: 2 + random.below(4) }, () => random.weighed<PeerKind>(kinds));
  const step = (who: Step['who'], what: Step['what']): Step => ({ who, what, a: random.below(1 << 20), b: random.below(1 << 20), c: random.below(1 << 20) });
  const anyone = () => random.below(peers.length);
  const clientStep = () => {
    const choices = [...EDITS, ...OTHERS, ...(policy === 'local-takeover' ? PEN : [])];
    return step(anyone(), random.weighed<ClientStep>(choices));
  };
  const edits = (most: number) => Array.from({ length: random.below(most + 1) }, () => step(anyone(), random.weighed<ClientStep>(EDITS)));
  const rounds: Step[][] = [];
  const count = 6 + random.below(7);
  while (rounds.length < count) {
    const kind = random.below(100);
    if (kind < 60) {
      rounds.push(Array.from({ length: 1 + random.below(7) }, clientStep));
    } else if (kind < 76) {
      rounds.push([step('file', random.weighed<FileStep>(OUTSIDE)), ...edits(4)]);
    } else if (kind < 88) {
      const down = [step('host', random.chance(65) ? 'kill' : 'stop'), ...edits(6)];
      if (random.chance(30)) down.push(step('file', random.weighed<FileStep>(OUTSIDE)));
      rounds.push(down);
    } else {
      rounds.push([step(anyone(), random.weighed<ClientStep>([[5, 'restore'], [3, 'undo'], [2, 'resolve'], [2, 'save']] as const))]);
    }
  }
  return { seed, policy, autosave: random.chance(25), peers, rounds };
}

/** Leaves out rounds and steps for as long as `fails` still says so, and `more` allows. */
export async function shrink(schedule: Schedule, fails: (smaller: Schedule) => Promise<boolean>, more: () => boolean): Promise<Schedule> {
  let best = schedule;
  const attempt = async (rounds: Step[][]): Promise<boolean> => {
    if (!more() || !(await fails({ ...best, rounds }))) return false;
    best = { ...best, rounds };
    return true;
  };
  for (let size = Math.ceil(best.rounds.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = best.rounds.length - size; at >= 0; at -= size) {
      await attempt([...best.rounds.slice(0, at), ...best.rounds.slice(at + size)]);
    }
  }
  for (let round = best.rounds.length - 1; round >= 0; --round) {
    for (let at = best.rounds[round]!.length - 1; at >= 0; --at) {
      if (best.rounds[round]!.length === 1) break;
      await attempt(best.rounds.map((steps, index) => (index === round ? steps.filter((_, other) => other !== at) : steps)));
    }
  }
  return best;
}
