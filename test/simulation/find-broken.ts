/**
 * For each name that `--broken` can have: the first seed that finds it, within as many as the argument says, and what that
 * seed finds when it is run again. A line of JSON each. A program of its own, because the test runner's bookkeeping of
 * promises makes a simulation slow.
 */
import { BROKEN, isBrokenName } from './broken.ts';
import type { BrokenName } from './broken.ts';
import { simulate } from './simulation.ts';

interface Found {
  readonly broken: BrokenName;
  readonly seed: number;
  readonly problem: string | undefined;
  readonly again: string | undefined;
}

async function find(broken: BrokenName, seeds: number): Promise<Found> {
  for (let seed = 1; seed <= seeds; seed += 1) {
    const problem = await simulate(seed, { broken });
    if (problem !== undefined) return { broken, seed, problem, again: await simulate(seed, { broken }) };
  }
  return { broken, seed: seeds, problem: undefined, again: undefined };
}

for (const broken of Object.keys(BROKEN).filter(isBrokenName)) {
  process.stdout.write(`${JSON.stringify(await find(broken, Number(process.argv[2])))}\n`);
}
