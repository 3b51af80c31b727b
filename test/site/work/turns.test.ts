import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JoinedTurns } from '../../../src/site/work/joined-turns.ts';
import { RangeBuffers } from '../../../src/site/work/range-buffers.ts';

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
