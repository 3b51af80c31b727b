/**
 * Runs the simulator over many seeds: `npm run simulate -- --seeds N [--first S] [--broken NAME] [--trace]`.
 *
 * A seed that fails is printed with what was wrong; `--seeds 1 --first SEED` runs it again, exactly, and
 * `--trace` tells on stderr what happened. Ends with
 * `N passed, N failed`; exit code 1 when any failed. With `--broken` an adapter breaks one promise, which must be found.
 */
import { parseArgs } from 'node:util';
import { BROKEN, isBrokenName } from '../test/simulation/broken.ts';
import { simulate } from '../test/simulation/simulation.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    first: { type: 'string', default: '1' },
    broken: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});

function count(name: 'seeds' | 'first'): number {
  const value = Number(values[name]);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`--${name} ${values[name]}: use a whole number from 1`);
  return value;
}

const { broken } = values;
if (broken !== undefined && !isBrokenName(broken)) {
  throw new Error(`--broken ${broken}: use one of ${Object.keys(BROKEN).join(', ')}`);
}
const [seeds, first] = [count('seeds'), count('first')];
const trace = values.trace ? (line: string): boolean => process.stderr.write(`${line}\n`) : undefined;
let failed = 0;
for (let seed = first; seed < first + seeds; seed += 1) {
  const problem = await simulate(seed, { broken, trace });
  if (problem === undefined) continue;
  failed += 1;
  process.stdout.write(`seed ${seed}: ${problem}\n`);
}
process.stdout.write(`${seeds - failed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;
