/** A few hundred seeds every day; many more by `npm run simulate`. And proof that the simulator can fail. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BROKEN, isBrokenName } from './broken.ts';
import { simulate } from './simulation.ts';

const SEEDS = 200;
/** Each broken promise must be found within so many seeds. */
const FOUND_WITHIN = 40;

/** The command itself: in a process of its own it is not slowed down by what the test runner keeps of each promise. */
function command(...options: string[]): { status: number | null; lines: string[] } {
  const script = fileURLToPath(new URL('../../scripts/simulate.ts', import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, [script, ...options], { encoding: 'utf8' });
  return { status, lines: stdout.trimEnd().split('\n') };
}

test(`seeds 1 to ${SEEDS}`, () => {
  assert.deepEqual(command('--seeds', String(SEEDS)), { status: 0, lines: [`${SEEDS} passed, 0 failed`] });
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

describe('a broken promise is found, and its seed finds it again', () => {
  for (const broken of Object.keys(BROKEN).filter(isBrokenName)) {
    test(broken, async () => {
      const { status, lines } = command('--seeds', String(FOUND_WITHIN), '--broken', broken);
      assert.equal(status, 1);
      assert.match(lines.at(-1) ?? '', /^\d+ passed, [1-9]\d* failed$/);
      const [, seed, problem] = /^seed (\d+): (.*)$/.exec(lines[0] ?? '') ?? [];
      assert.equal(await simulate(Number(seed), { broken }), problem);
    });
  }
});
