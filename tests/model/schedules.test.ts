// Random schedules on a real host (docs/testing.md): clients of three kinds edit, leave, come back with what they did meanwhile, go back in history,
// take the pen; the host is stopped and killed, the file changed by others. After each round all agree and the model has nothing to object.
//   LECTERN_SCHEDULES=N       how many; LECTERN_SCHEDULE_SEED=S the first one's seed
//   LECTERN_SCHEDULE='{…}'    exactly this one, as a failure printed it
import { expect, it } from 'vitest';
import { generate, shrink, type Schedule } from './schedule';
import { World } from './world';

const COUNT = Number(process.env.LECTERN_SCHEDULES ?? 6);
const SEED = Number(process.env.LECTERN_SCHEDULE_SEED ?? 1);
const SHRINK_MS = Number(process.env.LECTERN_SHRINK_MS ?? 60_000);
const GIVEN = process.env.LECTERN_SCHEDULE;

async function faultsOf(schedule: Schedule): Promise<{ faults: string[]; log: string[] }> {
  const world = new World(schedule);
  try {
    return { faults: await world.run(), log: world.log };
  } catch (error) {
    return { faults: [error instanceof Error ? (error.stack ?? error.message) : String(error)], log: world.log };
  }
}

async function hold(schedule: Schedule): Promise<void> {
  const first = await faultsOf(schedule);
  if (first.faults.length === 0) return;
  const end = Date.now() + SHRINK_MS;
  let last = first;
  const least = await shrink(
    schedule,
    async (smaller) => {
      const tried = await faultsOf(smaller);
      if (tried.faults.length > 0) last = tried;
      return tried.faults.length > 0;
    },
    () => Date.now() < end,
  );
  expect.fail(
    [`seed ${schedule.seed}: ${first.faults.join('\n')}`, 'shrunk to:', ...last.log, ...last.faults, `LECTERN_SCHEDULE='${JSON.stringify(least)}'`].join('\n'),
  );
}

it(
  'whatever people, the host and other programs do: all agree, nothing acknowledged is missing, nothing is doubled',
  async () => {
    if (GIVEN) return hold(JSON.parse(GIVEN));
    for (let n = 0; n < COUNT; ++n) await hold(generate(SEED + n));
  },
  60_000 + SHRINK_MS * 3 + COUNT * 60_000,
);
