/** The simulated time, and the bound that no plan is below: held against every plan there is, on small cases. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { leastSeconds, requestForEachRun, secondsOf } from '../../scripts/bench/page-time.ts';
import type { PageTraffic } from '../../scripts/bench/page-time.ts';
import type { ByteRange } from '../../src/kernel/byte-range.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';

test('the time is that of the scarcer of the two', () => {
  assert.equal(secondsOf({ requests: 1000, bytes: 0 }), 2);
  assert.equal(secondsOf({ requests: 1, bytes: 120 * MIB }), 2);
});

test('a run that is longer than a request may be takes several', () => {
  const runs = [
    { offset: 0, lengthBytes: 9 * MIB },
    { offset: 10 * MIB, lengthBytes: 4 * KIB },
  ];
  assert.deepEqual(requestForEachRun(runs), { requests: 4, bytes: 9 * MIB + 4 * KIB });
});

/** Lengths of runs and, between them, gaps: runs at even places. */
const lengths = fc
  .array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 9 })
  .map((all) => (all.length % 2 === 0 ? all.slice(1) : all));

test('no plan is below the bound, whatever it writes and reads; some are close', () => {
  fc.assert(
    fc.property(lengths, (all) => {
      const bound = leastSeconds(runsOf(all));
      const best = Math.min(...everyPlan(all).map(secondsOf));
      assert.ok(bound <= best * (1 + 1e-9), `the bound ${bound} is above the best plan's ${best}`);
      assert.ok(bound >= best / 3, `the bound ${bound} says nothing of the best plan's ${best}`);
    }),
    { seed: 5 },
  );
});

test('among many small gaps the bound is below what a request for each run takes', () => {
  const runs = Array.from({ length: 1000 }, (_, index) => ({ offset: index * 12 * KIB, lengthBytes: 4 * KIB }));
  const [bound, naive] = [leastSeconds(runs), secondsOf(requestForEachRun(runs))];
  assert.ok(bound < naive / 3, `${bound} against ${naive}`);
});

const UNIT = 4 * KIB;

function runsOf(all: readonly number[]): ByteRange[] {
  const runs: ByteRange[] = [];
  let offset = 0;
  all.forEach((length, index) => {
    if (index % 2 === 0) runs.push({ offset, lengthBytes: length * UNIT });
    offset += length * UNIT;
  });
  return runs;
}

/** Every choice of what is written and what is read, as long as all runs are written and each written gap is read. */
function everyPlan(all: readonly number[]): PageTraffic[] {
  const plans: PageTraffic[] = [];
  const choices = 4 ** all.length;
  for (let choice = 0; choice < choices; choice += 1) {
    const written = all.map((_, index) => ((choice >> (2 * index)) & 1) === 1);
    const read = all.map((_, index) => ((choice >> (2 * index)) & 2) === 2);
    const allowed = all.every((_, index) => (index % 2 === 0 ? written[index] : !written[index] || read[index]));
    if (!allowed) continue;
    let [requests, bytes] = [0, 0];
    for (const chosen of [written, read]) {
      all.forEach((length, index) => {
        if (!(chosen[index] ?? false)) return;
        bytes += length * UNIT;
        if (!(chosen[index - 1] ?? false)) requests += 1;
      });
    }
    plans.push({ requests, bytes });
  }
  return plans;
}
