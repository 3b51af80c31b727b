/** Whether an application is meant to run, by what its guard says and what people marked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GuardStatus, GuardedStatus } from '../../../src/ports/guard-desk.ts';
import { meantOf } from '../../../src/site/agent/meant.ts';

const guarded = (name: string, state: GuardedStatus['state'], offlineUntilWallMs?: number): GuardedStatus => ({
  ...{ name, state, startedBootMs: undefined, offlineUntilWallMs, starts: 1 },
});
const status = (lease: GuardStatus['lease'], ...applications: GuardedStatus[]): GuardStatus => ({
  ...{ group: 'acme/berlin/erp', node: 'north', term: 1, lease, applications },
});

const cases: [what: string, of: Parameters<typeof meantOf>[1], is: object][] = [
  [
    'a guard that cannot be asked',
    { status: { reason: 'why' }, needs: [], markedUntilWallMs: 9 },
    { is: 'unasked', reason: 'why' },
  ],
  [
    'a guard that does not know it',
    { status: status('held'), needs: [], markedUntilWallMs: undefined },
    { is: 'unasked' },
  ],
  [
    'a lease',
    { status: status('held', guarded('shop', 'running')), needs: [], markedUntilWallMs: undefined },
    { is: 'meant' },
  ],
  [
    'a lease, and it has died',
    { status: status('held', guarded('shop', 'stopped')), needs: [], markedUntilWallMs: undefined },
    { is: 'meant' },
  ],
  [
    'no lease',
    { status: status('none', guarded('shop', 'stopped')), needs: [], markedUntilWallMs: undefined },
    { is: 'no-lease', isRunning: false },
  ],
  [
    'no lease of a group whose leases keep',
    { status: status('none', guarded('shop', 'running')), needs: [], markedUntilWallMs: undefined },
    { is: 'no-lease', isRunning: true },
  ],
  [
    'its own mark, with a lease or without',
    { status: status('none', guarded('shop', 'offline', 7)), needs: [], markedUntilWallMs: 9 },
    { is: 'offline', isItself: true, untilWallMs: 7 },
  ],
  [
    'the mark of what it depends on',
    {
      status: status('held', guarded('shop', 'stopped'), guarded('database', 'offline')),
      needs: ['cache', 'database'],
      markedUntilWallMs: 9,
    },
    { is: 'offline', isItself: false, untilWallMs: undefined },
  ],
  [
    'a mark above it',
    { status: status('held', guarded('shop', 'running')), needs: [], markedUntilWallMs: 9 },
    { is: 'offline', isItself: false, untilWallMs: 9 },
  ],
];
for (const [what, of, is] of cases) {
  test(what, () => {
    assert.partialDeepStrictEqual(meantOf('shop', of), is);
  });
}
