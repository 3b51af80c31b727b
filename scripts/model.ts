/**
 * Checks leases, guards, runs and aborts exhaustively within small bounds, then at random beyond them:
 * `npm run model [-- --margin TICKS] [--drift TICKS] [--pause TICKS] [--no-guard] [--rollback] [--weak-stopped] [--weak-abort] [--walks N]`.
 *
 * Prints how many states it saw, and ends with exit code 1 and the shortest trace when two writers are possible. Each of the
 * options makes that so. A tick is a second of the service's clock; the model's lease has three.
 */
import { parseArgs } from 'node:util';
import { check, walk } from '../test/model/checker.ts';
import type { Checked } from '../test/model/checker.ts';
import { LeaseModel } from '../test/model/lease-model.ts';
import type { LeaseBounds, Unsafe } from '../test/model/lease-model.ts';
import { SAFE_BOUNDS, UNSAFE } from '../test/model/unsafe.ts';
import { SeededRandom } from '../test/simulation/random.ts';

/** More than any of the bounds has. */
const STATES_MAX = 4_000_000;
/** Beyond what is looked at exhaustively: two nodes, longer histories, more of everything. */
const WALK_BOUNDS: LeaseBounds = { nodes: 2, ticks: 40, questions: 30, deaths: 3, reboots: 2, aborts: 2 };
const WALK_STEPS_MAX = 400;

const { values } = parseArgs({
  options: {
    margin: { type: 'string' },
    drift: { type: 'string' },
    pause: { type: 'string' },
    'no-guard': { type: 'boolean' },
    rollback: { type: 'boolean' },
    'weak-stopped': { type: 'boolean' },
    'weak-abort': { type: 'boolean' },
    walks: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
  },
});

function ticks(name: 'margin' | 'drift' | 'pause' | 'walks' | 'seed'): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} ${text}: use a whole number from 0`);
  return value;
}

/** What is broken, and the bounds that show it. */
function chosen(): { bounds: LeaseBounds; unsafe: Unsafe } {
  const names = (Object.keys(UNSAFE) as (keyof typeof UNSAFE)[]).filter((name) => values[name] !== undefined);
  const [name, another] = names;
  if (another !== undefined) throw new Error(`--${another}: break one thing at a time`);
  if (name === undefined) return { bounds: SAFE_BOUNDS, unsafe: {} };
  const { bounds, unsafe } = UNSAFE[name];
  if (name !== 'margin' && name !== 'drift' && name !== 'pause') return { bounds, unsafe };
  const value = ticks(name);
  return { bounds, unsafe: value === undefined ? unsafe : { [name]: value } };
}

function tell(how: string, { states, isComplete, violation }: Checked): void {
  const all = isComplete ? ', all that can be reached' : '';
  process.stdout.write(`${how}: ${states} states seen${all}\n`);
  if (!violation) return;
  process.stdout.write(`${violation.what}:\n${violation.trace.map((step, at) => `  ${at + 1}. ${step}\n`).join('')}`);
  process.exitCode = 1;
}

const { bounds, unsafe } = chosen();
const exhaustive = check(new LeaseModel(bounds, unsafe), STATES_MAX);
tell('exhaustively', exhaustive);
const walks = ticks('walks') ?? 0;
if (!exhaustive.violation && walks > 0) {
  const random = new SeededRandom(ticks('seed') ?? 1);
  const choose = (count: number): number => random.between(0, count - 1);
  tell('at random', walk(new LeaseModel(WALK_BOUNDS, unsafe), { walks, stepsMax: WALK_STEPS_MAX, choose }));
}
