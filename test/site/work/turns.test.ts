import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FairTurns } from '../../../src/site/work/fair-turns.ts';
import { JoinedTurns } from '../../../src/site/work/joined-turns.ts';
import { RangeBuffers } from '../../../src/site/work/range-buffers.ts';

test('turns go to whoever waited longest, and no more are out than there are', async () => {
  const turns = new FairTurns(2);
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
  assert.equal(turns.isWanted, true);
  await Promise.all(works);
  assert.deepEqual({ order, most, isWanted: turns.isWanted }, { order: [0, 1, 2, 3, 4, 5], most: 2, isWanted: false });
});

test('whoever stops waiting has no turn, and takes none from the others', async () => {
  const turns = new FairTurns(1);
  await turns.take();
  const stop = new AbortController();
  const stopped = turns.take(stop.signal);
  const waits = turns.take();
  stop.abort(new Error('enough'));
  await assert.rejects(stopped, /enough/);
  await assert.rejects(turns.take(stop.signal), /enough/);
  turns.end();
  await waits;
  turns.end();
  await turns.take(new AbortController().signal);
});

test('a turn whose work fails is over', async () => {
  const turns = new FairTurns(1);
  await assert.rejects(
    turns.run(async () => {
      throw new Error('broken');
    }),
    /broken/,
  );
  await turns.take();
});

test('work that is asked for while it is done is done once more, for all who asked', async () => {
  const ends: PromiseWithResolvers<undefined>[] = [];
  const joined = new JoinedTurns(async () => {
    const end = Promise.withResolvers<undefined>();
    ends.push(end);
    await end.promise;
  });
  const first = joined.ask();
  await Promise.resolve();
  const later = [joined.ask(), joined.ask(), joined.ask()];
  assert.equal(ends.length, 1);
  ends[0]?.reject(new Error('broken'));
  await assert.rejects(first, /broken/);
  // The failure of one turn is no other's.
  await Promise.resolve();
  assert.equal(ends.length, 2);
  ends[1]?.resolve(undefined);
  await Promise.all(later);
  assert.equal(ends.length, 2);
});

test('buffers are few, used again while any is out, and let go when none is', async () => {
  const buffers = new RangeBuffers(2);
  const [one, two] = [await buffers.take(), await buffers.take()];
  const third = buffers.take();
  buffers.giveBack(one);
  assert.equal(await third, one);
  buffers.giveBack(one);
  buffers.giveBack(two);
  assert.notEqual(await buffers.take(), two);
});
