import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { fewAtOnce } from '../../src/kernel/few-at-once.ts';

async function* listed(count: number): AsyncGenerator<number> {
  for (let item = 0; item < count; item += 1) {
    await turn();
    yield item;
  }
}

test('few at once: never more, and results in the order of the items', async () => {
  for (const items of [listed(20), Array.from({ length: 20 }, (_, item) => item)]) {
    let running = 0;
    let most = 0;
    const results = await fewAtOnce(4, items, async (item) => {
      running += 1;
      most = Math.max(most, running);
      for (let turns = item % 5; turns >= 0; turns -= 1) await turn();
      running -= 1;
      return item * 2;
    });
    assert.deepEqual(
      results,
      Array.from({ length: 20 }, (_, item) => item * 2),
    );
    assert.equal(most, 4);
  }
  assert.deepEqual(await fewAtOnce(4, [], async () => turn()), []);
});

test('few at once: after an error nothing new begins, what runs is awaited, and the items are closed', async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  let isClosed = false;
  const items = (async function* () {
    try {
      yield* listed(20);
    } finally {
      isClosed = true;
    }
  })();
  const work = fewAtOnce(3, items, async (item) => {
    begun.push(item);
    if (item === 4) throw new Error('the fifth');
    for (let turns = 0; turns < 10; turns += 1) await turn();
    ended.push(item);
  });
  await assert.rejects(work, /the fifth/);
  assert.ok(begun.length < 8, `${begun.length} began`);
  assert.deepEqual(
    ended,
    begun.filter((item) => item !== 4),
  );
  assert.ok(isClosed);
});

test('few at once: a listing that fails is the error', async () => {
  const items = (async function* () {
    yield* listed(2);
    throw new Error('no more of the list');
  })();
  await assert.rejects(
    fewAtOnce(2, items, async () => turn()),
    /no more of the list/,
  );
});
