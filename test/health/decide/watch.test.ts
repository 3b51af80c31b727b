/** The monitor's own watch. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { MonitorDocument } from '../../../src/documents/monitor.ts';
import { NOT_THROUGH, nextWatch } from '../../../src/health/decide/watch.ts';

const after = (ticks: [nowMs: number, through: boolean][]) => {
  let watch: MonitorDocument | undefined;
  for (const [nowMs, through] of ticks) watch = nextWatch(watch, { nowMs, through, gapMs: 100 });
  return watch;
};

suite("the monitor's watch", () => {
  test('begins with the first tick and goes on over regular ones', () => {
    assert.partialDeepStrictEqual(
      after([
        [1000, true],
        [1100, true],
        [1200, true],
      ]),
      { lastTickMs: 1200, awakeSinceMs: 1000, canarySinceMs: 1000 },
    );
  });

  test('begins anew after a gap, for the canary too', () => {
    assert.partialDeepStrictEqual(
      after([
        [1000, true],
        [1101, true],
      ]),
      { awakeSinceMs: 1101, canarySinceMs: 1101 },
    );
  });

  test('begins anew when the clock jumped back, and goes on from there', () => {
    assert.partialDeepStrictEqual(
      after([
        [5000, true],
        [5100, true],
        [1000, true],
        [1100, true],
      ]),
      { lastTickMs: 1100, awakeSinceMs: 1000, canarySinceMs: 1000 },
    );
  });

  test('counts canaries from the first that got through after one that did not', () => {
    const failed = after([
      [1000, true],
      [1100, false],
    ]);
    assert.partialDeepStrictEqual(failed, { awakeSinceMs: 1000, canarySinceMs: NOT_THROUGH });
    assert.partialDeepStrictEqual(nextWatch(failed, { nowMs: 1200, through: true, gapMs: 100 }), {
      awakeSinceMs: 1000,
      canarySinceMs: 1200,
    });
  });

  test('keeps what a newer program wrote beside it, and never turns its time back', () => {
    const before = { ...nextWatch(undefined, { nowMs: 1000, through: true, gapMs: 100 }), novel: 1 };
    const next = nextWatch(before, { nowMs: 900, through: true, gapMs: 100 });
    assert.partialDeepStrictEqual(next, { lastTickMs: 1000, novel: 1 });
  });
});
