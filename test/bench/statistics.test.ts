import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interleavedPairs, median, medianRatio } from '../../scripts/bench/statistics.ts';

test('the median is the middle value, or the mean of the middle two, whatever the order', () => {
  assert.equal(median([3]), 3);
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([10, 1, 2, 100]), 6);
  assert.equal(median([10, 9, 100]), 10, 'ordered as numbers, not as texts');
  assert.throws(() => median([]));
});

test('pairs run one thing at a time, and take turns in who is first', async () => {
  const order: string[] = [];
  let running = 0;
  const run = (who: string) => async (index: number) => {
    running += 1;
    assert.equal(running, 1);
    await Promise.resolve();
    order.push(`${who}${index}`);
    running -= 1;
    return index;
  };
  await interleavedPairs(3, { ours: run('o'), bare: run('b') });
  assert.deepEqual(order, ['o0', 'b0', 'b1', 'o1', 'o2', 'b2']);
});

test('a ratio is taken within each pair: a machine that slows down in between changes nothing', () => {
  const pairs = [
    { ours: 2, bare: 1 },
    { ours: 200, bare: 100 },
    { ours: 30, bare: 10 },
  ];
  assert.equal(medianRatio(pairs, { ours: (value) => value, bare: (value) => value }), 2);
});
