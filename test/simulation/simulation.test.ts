/** A few hundred seeds every day; many more by `npm run simulate`. And proof that the simulator can fail. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BROKEN, isBrokenName } from './broken.ts';
import { simulate } from './simulation.ts';
import { walk } from './walk.ts';

const SEEDS = 150;
const WALKS = 400;
/** What is broken must be found within so many seeds. */
const FOUND_WITHIN = 60;

/** The command itself: in a process of its own it is not slowed down by what the test runner keeps of each promise. */
async function command(...options: string[]): Promise<{ status: number | null; lines: string[] }> {
  const script = fileURLToPath(new URL('../../scripts/simulate.ts', import.meta.url));
  const child = spawn(process.execPath, [script, ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { status, lines: output.trimEnd().split('\n') };
}

describe('what must hold', { concurrency: 2 }, () => {
  test(`seeds 1 to ${SEEDS}`, async () => {
    const found = await command('--seeds', String(SEEDS), '--jobs', '2');
    assert.deepEqual(found, { status: 0, lines: [`${SEEDS} passed, 0 failed`] });
  });

  test(`walks 1 to ${WALKS} over the transitions alone`, async () => {
    for (let seed = 1; seed <= WALKS; seed += 1) assert.equal(await walk(seed), undefined, `seed ${seed}`);
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
});

describe(`found within ${FOUND_WITHIN} seeds, and its seed finds it again`, { concurrency: 2 }, () => {
  for (const broken of Object.keys(BROKEN).filter(isBrokenName)) {
    const { what, violation } = BROKEN[broken];
    test(`${broken}: ${what}`, async () => {
      const { status, lines } = await command('--seeds', String(FOUND_WITHIN), '--broken', broken, '--until-found');
      assert.equal(status, 1);
      assert.match(lines.at(-1) ?? '', /^\d+ passed, 1 failed$/);
      const [, seed, problem = ''] = /^seed (\d+): (.*)$/.exec(lines[0] ?? '') ?? [];
      assert.match(problem, violation);
      assert.equal(await simulate(Number(seed), { broken }), problem);
    });
  }
});
