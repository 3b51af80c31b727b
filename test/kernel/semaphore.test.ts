import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Semaphore } from '../../src/kernel/semaphore.ts';

test('turns go to whoever waited longest, and no more are out than there are', async () => {
  const turns = new Semaphore(2);
  const order: number[] = [];
  let [out, most] = [0, 0];
  const works = Array.from({ length: 6 }, async (_, index) =>
    turns.run(async () => {
      order.push(index);
      out += 1;
      most = Math.max(most, out);
      await Promise.resolve();
      out -= 1;
    }),
  );
  assert.equal(turns.isWanted(), true);
  await Promise.all(works);
  assert.deepEqual(
    { order, most, isWanted: turns.isWanted() },
    { order: [0, 1, 2, 3, 4, 5], most: 2, isWanted: false },
  );
});

test('whoever stops waiting has no turn, and takes none from the others', async () => {
  const turns = new Semaphore(1);
  await turns.take();
  const stop = new AbortController();
  const stopped = turns.take({ signal: stop.signal });
  const waits = turns.take();
  stop.abort(new Error('enough'));
  await assert.rejects(stopped, /enough/);
  await assert.rejects(turns.take({ signal: stop.signal }), /enough/);
  turns.end();
  await waits;
  turns.end();
  await turns.take({ signal: new AbortController().signal });
});

test('a turn whose work fails is over', async () => {
  const turns = new Semaphore(1);
  await assert.rejects(
    turns.run(async () => {
      throw new Error('broken');
    }),
    /broken/,
  );
  await turns.take();
});
