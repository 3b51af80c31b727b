/** Sixty seeds every day; many more by `npm run simulate`. And proof that the simulator can fail. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { BROKEN, isBrokenName } from './broken.ts';
import { simulate } from './simulation.ts';
import { walk } from './walk.ts';

const SEEDS = 60;
const WALKS = 400;
/** What is broken must be found within so many seeds. */
const FOUND_WITHIN = 100;

const foundSchema = z.object({ broken: z.string(), problem: z.string().optional(), again: z.string().optional() });

/** A program of its own: there nothing is slowed down by what the test runner keeps of each promise. */
async function program(path: string, ...options: string[]): Promise<{ status: number | null; lines: string[] }> {
  const script = fileURLToPath(new URL(path, import.meta.url));
  const child = spawn(process.execPath, [script, ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { status, lines: output.trimEnd().split('\n') };
}

// Both run side by side, and each test below waits for its own.
const daily = program('../../scripts/simulate.ts', '--seeds', String(SEEDS));
const found = program('./find-broken.ts', String(FOUND_WITHIN));

test(`seeds 1 to ${SEEDS}`, async () => {
  assert.deepEqual(await daily, { status: 0, lines: [`${SEEDS} passed, 0 failed`] });
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

test('seeds that fail are printed, counted, and found again by their number, in any number of jobs', async () => {
  const script = '../../scripts/simulate.ts';
  const many = await program(script, '--seeds', '4', '--jobs', '2', '--broken', 'snapshots');
  assert.equal(many.status, 1);
  const failed = many.lines.slice(0, -1);
  assert(failed.length > 0);
  assert.equal(many.lines.at(-1), `${4 - failed.length} passed, ${failed.length} failed`);
  const [line = '', seed = ''] = /^seed (\d+): ./.exec(failed[0] ?? '') ?? [];
  assert.notEqual(line, '');
  const one = await program(script, '--seeds', '1', '--first', seed, '--broken', 'snapshots');
  assert.deepEqual(one, { status: 1, lines: [failed[0], '0 passed, 1 failed'] });
});

describe(`found within ${FOUND_WITHIN} seeds, and its seed finds it again`, () => {
  for (const broken of Object.keys(BROKEN).filter(isBrokenName)) {
    test(`${broken}: ${BROKEN[broken].what}`, async () => {
      const all = (await found).lines.map((line) => foundSchema.parse(JSON.parse(line)));
      const mine = all.find((each) => each.broken === broken);
      assert.match(mine?.problem ?? '', BROKEN[broken].violation);
      assert.equal(mine?.again, mine?.problem);
    });
  }
});
