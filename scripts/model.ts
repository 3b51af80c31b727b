/**
 * Checks leases, guards, runs and aborts, and the decision on a site, exhaustively, then the former at random with more of
 * everything (test/model/README.md):
 * `npm run model [-- --margin TICKS] [--drift TICKS] [--pause TICKS] [--quorum DOMAINS] [--replays] [--no-guard] [--rollback]
 * [--weak-stopped] [--weak-abort] [--keep-waits] [--keep-early] [--walks N]`.
 *
 * Prints how many states it saw, and how long it takes at most until something good comes once the faults have ended. Ends
 * with exit code 1 and the shortest trace when something that must hold does not. Each of the options makes that so. A tick
 * is a second of the service's clock; the model's lease has three.
 */
import { parseArgs } from 'node:util';
import { check, walk } from '../test/model/checker.ts';
import type { Checked, Model } from '../test/model/checker.ts';
import { LeaseModel } from '../test/model/lease-model.ts';
import { SiteModel } from '../test/model/site-model.ts';
import { FULL_BOUNDS, UNSAFE, WALK_BOUNDS } from '../test/model/unsafe.ts';
import type { UnsafeName } from '../test/model/unsafe.ts';
import { SeededRandom } from '../test/simulation/random.ts';

/** More than any of the bounds has. */
const STATES_MAX = 4_000_000;
const WALK_STEPS_MAX = 400;

const { values } = parseArgs({
  options: {
    margin: { type: 'string' },
    drift: { type: 'string' },
    pause: { type: 'string' },
    quorum: { type: 'string' },
    replays: { type: 'boolean' },
    'no-guard': { type: 'boolean' },
    rollback: { type: 'boolean' },
    'weak-stopped': { type: 'boolean' },
    'weak-abort': { type: 'boolean' },
    'keep-waits': { type: 'boolean' },
    'keep-early': { type: 'boolean' },
    walks: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
  },
});

function whole(name: UnsafeName | 'walks' | 'seed'): number {
  const text = values[name];
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new Error(`--${name} ${String(text)}: use a whole number from 0`);
  return value;
}

/** What one of the options has broken; undefined where nothing is. */
function broken(): { readonly name: string; readonly model: Model<unknown> } | undefined {
  const names = (Object.keys(UNSAFE) as UnsafeName[]).filter((name) => values[name] !== undefined);
  const [name, another] = names;
  if (another !== undefined) throw new Error(`--${another}: break one thing at a time`);
  if (name === undefined) return undefined;
  const isSet = typeof values[name] === 'boolean';
  return { name: `--${name}`, model: UNSAFE[name].model(isSet ? 1 : whole(name)) };
}

/** Whether nothing was wrong. */
function tell(what: string, beganMs: number, { states, isComplete, violation, boundTicks }: Checked): boolean {
  const all = isComplete ? ', all that can be reached' : '';
  const bound = boundTicks === undefined || boundTicks === 0 ? '' : `; good again after ${boundTicks} ticks at most`;
  const took = ((performance.now() - beganMs) / 1000).toFixed(1);
  process.stdout.write(`${what}: ${states} states seen${all}${bound} (${took} s)\n`);
  if (!violation) return true;
  process.stdout.write(`${violation.what}:\n${violation.trace.map((step, at) => `  ${at + 1}. ${step}\n`).join('')}`);
  process.exitCode = 1;
  return false;
}

function checkAll(): boolean {
  const all = Object.entries(FULL_BOUNDS).every(([what, bounds]) =>
    tell(what, performance.now(), check(new LeaseModel(bounds), STATES_MAX)),
  );
  const sites = {
    'the decision on a site, each fault alone': {},
    'the same where its heartbeats are the only witness, and renewals are sent again': {
      faults: ['renewals are sent again'],
      isAlone: true,
    },
  } as const;
  return (
    all &&
    Object.entries(sites).every(([what, bounds]) =>
      tell(what, performance.now(), check(new SiteModel(bounds), STATES_MAX)),
    )
  );
}

function walkAtRandom(walks: number): void {
  const random = new SeededRandom(whole('seed'));
  const choose = (count: number): number => random.between(0, count - 1);
  for (const lease of ['strict', 'keep'] as const) {
    const model = new LeaseModel({ ...WALK_BOUNDS, lease });
    const began = performance.now();
    if (!tell(`at random, ${lease}, two nodes`, began, walk(model, { walks, stepsMax: WALK_STEPS_MAX, choose })))
      return;
  }
}

const unsafe = broken();
if (unsafe) tell(unsafe.name, performance.now(), check(unsafe.model, STATES_MAX));
else if (checkAll() && whole('walks') > 0) walkAtRandom(whole('walks'));
