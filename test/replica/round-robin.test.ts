/** Volumes in turns: a deadline, a share for each, and every one of them in the course of the rounds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RoundRobin } from '../../src/replica/rounds/round-robin.ts';
import { ManualClock } from '../support/memory/clock.ts';

const VOLUMES = Array.from({ length: 10 }, (_, index) => `volume-${index}`);

/** A round in which each volume takes all the time that it is given, or `takesMs`. */
async function round(turns: RoundRobin, clock: ManualClock, ms: number, takesMs = Infinity) {
  const until = clock.bootMs() + ms;
  const came: string[] = [];
  const shares: number[] = [];
  await turns.run(VOLUMES, until, async (volume, untilBootMs) => {
    came.push(volume);
    shares.push(untilBootMs - clock.bootMs());
    assert(untilBootMs <= until);
    clock.advance(Math.min(takesMs, untilBootMs - clock.bootMs()));
  });
  return { came, shares, overMs: clock.bootMs() - until };
}

test('each has a share of the time that is left, and what one leaves is for the others', async () => {
  const clock = new ManualClock();
  const turns = new RoundRobin(clock, 1);
  const even = await round(turns, clock, 100_000);
  assert.deepEqual(even.came.toSorted(), VOLUMES);
  assert.deepEqual(new Set(even.shares), new Set([10_000]));
  const quick = await round(turns, clock, 100_000, 1000);
  assert(quick.shares.every((share, at) => share > (quick.shares[at - 1] ?? 0)));
  assert.equal(quick.shares.at(-1), 91_000);
});

test('nothing begins after the deadline, and the next round begins where this one ended', async () => {
  const clock = new ManualClock();
  const turns = new RoundRobin(clock, 1);
  const came: string[] = [];
  for (let count = 0; count < 5; count += 1) {
    const { came: now, overMs } = await round(turns, clock, 10_000);
    assert.equal(now.length, 2, 'a turn is no shorter than is worth while');
    assert(overMs <= 0);
    came.push(...now);
  }
  assert.deepEqual(came.toSorted(), VOLUMES);
  assert.deepEqual((await round(turns, clock, 0)).came, []);
  await turns.run([], clock.bootMs() + 1000, async () => {
    assert.fail('there is nothing to do');
  });
});
