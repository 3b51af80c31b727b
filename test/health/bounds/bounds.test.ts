/** Lease, margin, window and intervals: each inequality at its edge, and all that fail at once. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { brokenBounds } from '../../../src/health/bounds/bounds.ts';
import type { Bounds } from '../../../src/health/bounds/bounds.ts';
import { USUAL_ASSUMPTIONS, marginMs } from '../../../src/health/term/margin.ts';

/** Each inequality holds, and by no millisecond more. */
const TIGHT: Bounds = {
  leaseMs: 60_000,
  marginMs: marginMs(60_000),
  assumptions: USUAL_ASSUMPTIONS,
  stopMs: 40_000 - USUAL_ASSUMPTIONS.killMs - 1,
  windowMs: 40_000,
  witnesses: [
    { name: 'heartbeats', everyMs: 13_333 },
    { name: 'probe', everyMs: 13_333 },
  ],
  gapMs: 20_000,
  alertAfterMs: 40_001,
};

const CASES: readonly (readonly [string, Partial<Bounds>, RegExp])[] = [
  [
    'a stop that takes a millisecond more',
    { stopMs: TIGHT.stopMs + 1 },
    /^stop \+ kill < lease − lease\/3 does not hold: 38 s \+ 2 s < 60 s − 20 s$/,
  ],
  [
    'a margin of a millisecond less',
    { marginMs: TIGHT.marginMs - 1 },
    /^margin ≥ lease × drift \+ pause \+ kill .*60 s × 1000 ppm \+ 5 s \+ 2 s$/,
  ],
  ['no margin', { marginMs: 0 }, /^margin ≥ .*: 0 s ≥/],
  [
    'a witness that is slower',
    { witnesses: [{ name: 'probe', everyMs: 13_334 }] },
    /^window ≥ 3 × interval of witness probe /,
  ],
  ['a monitor that may sleep longer', { gapMs: 20_001 }, /^window ≥ 2 × the monitor's gap .*: 40 s ≥ 2 × 20 s$/],
  ['an alert at every start', { alertAfterMs: 40_000 }, /^the monitor's alert > window/],
  [
    'a window between two renewals',
    { windowMs: 39_999, gapMs: 1, witnesses: [] },
    /^window ≥ 2 × lease\/3 .*≥ 2 × 20 s$/,
  ],
  ['what is not a number', { marginMs: Number.NaN }, /^margin ≥/],
];

suite('the bounds', () => {
  test('hold at their edges', () => {
    assert.deepEqual(brokenBounds(TIGHT), []);
  });
  for (const [what, change, line] of CASES) {
    test(`are broken by ${what}`, () => {
      const lines = brokenBounds({ ...TIGHT, ...change });
      assert.equal(lines.length, 1, lines.join('\n'));
      assert.match(lines[0] ?? '', line);
    });
  }
  test('are told all at once', () => {
    assert.equal(brokenBounds({ ...TIGHT, stopMs: 60_000, marginMs: 0, windowMs: 1, alertAfterMs: 0 }).length, 7);
  });
});
