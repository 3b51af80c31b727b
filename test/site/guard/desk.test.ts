/** When a guard's desk lets a single application be started, and how one way of arming a stop takes the place of another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ArmedStop } from '../../../src/ports/armed-stop.ts';
import { newGuard, whyNotStarted } from '../../../src/site/guard/core.ts';
import type { GuardState } from '../../../src/site/guard/core.ts';
import { Desk } from '../../../src/site/guard/desk.ts';
import { OneStop } from '../../../src/site/guard/one-stop.ts';
import { failsWith } from '../../support/fails-with.ts';
import { ManualClock } from '../../support/memory/clock.ts';

const TIMES = { stopMs: 3000, killMs: 1000, answerMs: 2000 };
const GROUP = 'acme/berlin/erp';

/** A guard that has all of it running at 10 s, under a lease of term 3 until 30 s that is armed. */
const RUNNING: GuardState = (() => {
  const found = { application: 'running', armedBootMs: 30_000 } as const;
  const state = newGuard({ group: GROUP, promisedTerm: 2, seenTerm: 3, keptTerm: 0, found });
  return { ...state, lease: { ...state.lease, term: 3, untilBootMs: 30_000 } };
})();

test('a single application is started only under a sure lease with an armed stop, while all of it runs', () => {
  const at = (change: Partial<GuardState>, nowBootMs = 10_000): string | undefined =>
    whyNotStarted({ ...RUNNING, ...change }, nowBootMs, TIMES);
  assert.equal(at({}), undefined);
  for (const application of ['stopped', 'stopping', 'killed'] as const) assert.ok(at({ application }));
  assert.match(at({ closing: { term: 3, run: 'r' } }) ?? '', /closing/);
  assert.match(at({ promisedTerm: 3 }) ?? '', /promised/);
  assert.match(at({ doubtedBootMs: 9000 }) ?? '', /clocks/);
  assert.match(at({ armedBootMs: 0 }) ?? '', /armed/);
  assert.match(at({ armedBootMs: 13_000 }) ?? '', /armed/, 'no time is left to stop it again');
  assert.ok(at({}, 26_000));
  assert.ok(at({ lease: { ...RUNNING.lease, untilBootMs: 0 } }));
});

test('what is refused is told why: no lease, one that is too short, or too little of it left', () => {
  const at = (lease: Partial<GuardState['lease']>, nowBootMs: number, application: GuardState['application']): string =>
    whyNotStarted({ ...RUNNING, application, lease: { ...RUNNING.lease, ...lease } }, nowBootMs, TIMES) ?? '';
  assert.equal(at({}, 30_000, 'stopped'), 'no lease is held');
  assert.equal(at({ refusal: 'its guards are others' }, 30_000, 'stopped'), 'its guards are others');
  assert.match(at({ leaseMs: 6000 }, 26_000, 'stopped'), /^stop \+ kill < .* 3 s \+ 1 s < 6 s − 2 s: .*longer lease$/);
  assert.match(at({ leaseMs: 20_000 }, 26_000, 'running'), /^too little of the lease is left/);
  assert.match(at({ leaseMs: 20_000 }, 25_999, 'stopped'), /^the guard has not started/);
});

test('under a lease that keeps nothing is armed, and nothing starts in another term', () => {
  const kept = { ...RUNNING, mode: 'keep', keptTerm: 3, armedBootMs: 0 } as const;
  assert.equal(whyNotStarted(kept, 10_000, TIMES), undefined);
  assert.ok(whyNotStarted({ ...kept, lease: { ...kept.lease, term: 4 } }, 10_000, TIMES));
  assert.ok(whyNotStarted(kept, 40_000, TIMES), 'a start takes a lease all the same');
});

test('an order without the lease begins nothing, but to take offline', async () => {
  const orders: string[] = [];
  const lease = { ...RUNNING.lease, untilBootMs: Infinity };
  let state: GuardState = { ...RUNNING, lease, application: 'stopped' };
  const desk = new Desk({
    group: GROUP,
    node: 'north',
    clock: new ManualClock(),
    times: TIMES,
    applications: {
      status: async () => [],
      order: async (order) => {
        orders.push(order.do);
      },
    },
    state: () => state,
  });
  await assert.rejects(desk.order({ do: 'restart', name: 'a' }), failsWith('REFUSED'));
  await assert.rejects(desk.order({ do: 'start', name: 'a' }), failsWith('REFUSED'));
  await desk.order({ do: 'offline', name: 'a', untilWallMs: undefined });
  assert.deepEqual(orders, ['offline']);
  assert.deepEqual(await desk.status(), {
    group: GROUP,
    node: 'north',
    term: 3,
    lease: 'held',
    stopMs: 3000,
    killMs: 1000,
    applications: [],
  });
  state = { ...RUNNING, lease: { ...RUNNING.lease, untilBootMs: 0 } };
  assert.equal((await desk.status()).lease, 'none');
  state = { ...state, keptTerm: 3 };
  assert.equal((await desk.status()).lease, 'held', 'what it was started for goes on');
});

class PlayedStop implements ArmedStop {
  armed = 0;
  isBroken = false;

  async arm(untilBootMs: number): Promise<void> {
    if (this.isBroken) throw new Error('broken');
    this.armed = untilBootMs;
  }

  async disarm(): Promise<void> {
    this.armed = 0;
  }

  async armedBootMs(): Promise<number> {
    return this.armed;
  }
}

test('what an earlier guard has armed another way counts until the new way is armed, and not after', async () => {
  const [used, other] = [new PlayedStop(), new PlayedStop()];
  other.armed = 20_000;
  const stop = new OneStop(used, [other]);
  assert.equal(await stop.armedBootMs(), 20_000);
  used.isBroken = true;
  await assert.rejects(stop.arm(30_000));
  assert.equal(await stop.armedBootMs(), 20_000);
  used.isBroken = false;
  await stop.arm(30_000);
  assert.deepEqual([await stop.armedBootMs(), other.armed], [30_000, 0]);
  await stop.disarm();
  assert.equal(await stop.armedBootMs(), 0);
});
