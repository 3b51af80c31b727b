/** The margin is the sum of what the assumptions allow to go wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { USUAL_ASSUMPTIONS, marginMs } from '../../../src/health/term/margin.ts';

test('drift counts over the whole lease, pause and kill once', () => {
  assert.equal(marginMs(60_000, { driftPpm: 1000, pauseMs: 5000, killMs: 2000 }), 7060);
  assert.equal(marginMs(60_000), marginMs(60_000, USUAL_ASSUMPTIONS));
});

test('a part of a millisecond of drift counts as a whole one', () => {
  assert.equal(marginMs(1, { driftPpm: 1, pauseMs: 0, killMs: 0 }), 1);
});
