/** A few hundred seeds every day; many more by `npm run simulate`. And proof that the simulator can fail. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BROKEN, isBrokenName } from './broken.ts';
import { simulate } from './simulation.ts';

const SEEDS = 200;
/** Each broken promise must be found within so many seeds. */
const FOUND_WITHIN = 60;

test(`seeds 1 to ${SEEDS}`, async () => {
  const failures: string[] = [];
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const problem = await simulate(seed);
    if (problem !== undefined) failures.push(`seed ${seed}: ${problem}`);
  }
  assert.deepEqual(failures, []);
});

test('a seed runs exactly as it ran before', async () => {
  for (const seed of [3, 71]) {
    const traces = [];
    for (let run = 0; run < 2; run += 1) {
      const lines: string[] = [];
      await simulate(seed, { trace: (line) => lines.push(line) });
      traces.push(lines);
    }
    assert((traces[0]?.length ?? 0) > 20);
    assert.deepEqual(traces[1], traces[0]);
  }
});

describe('a broken promise is found', () => {
  for (const broken of Object.keys(BROKEN).filter(isBrokenName)) {
    test(broken, async () => {
      let found: string | undefined;
      for (let seed = 1; found === undefined && seed <= FOUND_WITHIN; seed += 1) {
        found = await simulate(seed, { broken });
      }
      assert.notEqual(found, undefined);
    });
  }
});
