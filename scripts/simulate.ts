/**
 * Runs the simulator over many seeds: `npm run simulate -- --seeds N [--first S] [--broken NAME] [--jobs N] [--trace]`.
 *
 * A seed that fails is printed with what was wrong; `--seeds 1 --first SEED` runs it again, exactly, and
 * `--trace` tells on stderr what happened. Ends with `N passed, N failed`; exit code 1 when any failed. With `--broken` a
 * promise or a rule of the protocol is broken, which must be found.
 * `--jobs` runs that many processes side by side, each with its share of the seeds.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BROKEN, isBrokenName } from '../test/simulation/broken.ts';
import type { BrokenName } from '../test/simulation/broken.ts';
import { simulate } from '../test/simulation/simulation.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    first: { type: 'string', default: '1' },
    broken: { type: 'string' },
    jobs: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
  },
});

function count(name: 'seeds' | 'first' | 'jobs'): number {
  const value = Number(values[name]);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`--${name} ${values[name]}: use a whole number from 1`);
  return value;
}

function brokenName(): BrokenName | undefined {
  const { broken: name } = values;
  if (name === undefined || isBrokenName(name)) return name;
  throw new Error(`--broken ${name}: use one of ${Object.keys(BROKEN).join(', ')}`);
}

/** Runs `seeds` from `first` on in this process; how many passed and failed. */
async function run(first: number, seeds: number): Promise<{ passed: number; failed: number }> {
  const trace = values.trace ? (line: string): boolean => process.stderr.write(`${line}\n`) : undefined;
  let [passed, failed] = [0, 0];
  for (let seed = first; seed < first + seeds; seed += 1) {
    const problem = await simulate(seed, { broken, trace });
    if (problem === undefined) {
      passed += 1;
      continue;
    }
    failed += 1;
    process.stdout.write(`seed ${seed}: ${problem}\n`);
  }
  return { passed, failed };
}

/** The same in a process of its own, whose seeds that failed are printed here. */
async function runElsewhere(first: number, seeds: number): Promise<{ passed: number; failed: number }> {
  const options = ['--seeds', String(seeds), '--first', String(first), ...(broken ? ['--broken', broken] : [])];
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  await new Promise((resolve) => child.on('close', resolve));
  const lines = output.trimEnd().split('\n');
  const [, passed, failed] = /^(\d+) passed, (\d+) failed$/.exec(lines.pop() ?? '') ?? [];
  if (passed === undefined || failed === undefined)
    throw new Error(`seeds ${first} to ${first + seeds - 1} did not end`);
  for (const line of lines) process.stdout.write(`${line}\n`);
  return { passed: Number(passed), failed: Number(failed) };
}

const broken = brokenName();
const [seeds, first, jobs] = [count('seeds'), count('first'), count('jobs')];
if (jobs > seeds) throw new Error(`--jobs ${jobs}: that is more than there are seeds`);
if (jobs > 1 && values.trace) throw new Error('--trace: use it with one job');
/** Where each job's share begins, and where the last one ends. */
const bounds = Array.from({ length: jobs + 1 }, (_, job) => first + Math.floor((job * seeds) / jobs));
const shares = bounds.slice(1).map((end, job) => ({ first: bounds[job] ?? first, end }));
const results =
  jobs === 1
    ? [await run(first, seeds)]
    : await Promise.all(shares.map(async (share) => runElsewhere(share.first, share.end - share.first)));
const passed = results.reduce((sum, result) => sum + result.passed, 0);
const failed = results.reduce((sum, result) => sum + result.failed, 0);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;
