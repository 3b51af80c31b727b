import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byDelta } from '../../scripts/bench/churn.ts';
import { changedRuns, zipf } from '../../scripts/bench/churn-database.ts';
import { sumOf } from '../../scripts/bench/ranges.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';

test('changed blocks are found as the longest runs; what is new has changed', () => {
  const before = Buffer.alloc(20 * KIB);
  const after = Buffer.alloc(24 * KIB);
  after[4 * KIB] = 1;
  after[12 * KIB - 1] = 1;
  assert.deepEqual(changedRuns(before, after), [
    { offset: 4 * KIB, lengthBytes: 8 * KIB },
    { offset: 20 * KIB, lengthBytes: 4 * KIB },
  ]);
});

test("ranks have the shares of Zipf's law", () => {
  const rankOf = zipf(3, 1);
  // 1 : 1/2 : 1/3 of 11/6.
  assert.deepEqual([0, 0.54, 0.55, 0.81, 0.82, 0.9999].map(rankOf), [0, 0, 1, 1, 2, 2]);
});

test('runs are cut into portions that fit a delta, and nothing is lost', () => {
  const runs = [
    { offset: 0, lengthBytes: 40 * MIB },
    { offset: 50 * MIB, lengthBytes: 4 * KIB },
  ];
  const parts = byDelta(runs);
  assert.equal(parts.length, 3);
  assert.ok(parts.every((part) => sumOf(part) <= 16 * MIB));
  assert.equal(sumOf(parts.flat()), 40 * MIB + 4 * KIB);
  assert.deepEqual(parts[1]?.[0], { offset: 15 * MIB, lengthBytes: 15 * MIB });
});
