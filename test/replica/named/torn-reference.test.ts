/**
 * A delta whose references lead to pages that it overwrites itself, torn at each of its calls in turn: another worker finds
 * the content in the journal, and not in the replica any more. The site is gone by then.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KIB } from '../../../src/kernel/units.ts';
import { replicaProblem } from '../../support/replica-check.ts';
import { sound, start } from '../start.ts';
import { LONG_MS } from './stall.ts';

const BLOCK = 4 * KIB;

function block(text: string): Uint8Array {
  return Buffer.alloc(BLOCK, `${text}; `);
}

test('a reference torn: a delta that overwrites the source of its own references dies at any call', async () => {
  let [killAt, isDone] = [0, false];
  let torn = 0;
  for (; !isDone; killAt += 1) {
    const { storage, site, worker } = await start();
    const first = site.next({ extents: [{ offset: 0, bytes: Buffer.concat([block('a'), block('b')]) }], marker: 'm' });
    await worker.receive(site.inline(first));
    // The two blocks change places, and one is copied further: each is source and target.
    const swap = site.next({
      extents: [
        { offset: 0, bytes: block('b') },
        { offset: BLOCK, bytes: block('a') },
        { offset: 9 * BLOCK, bytes: block('a') },
      ],
      marker: 'swapped',
    });
    const sent = site.inline(site.referring(swap, ({ offset }) => ({ at: offset === 0 ? BLOCK : 0 })));
    let left = killAt;
    const dying = storage.worker({}, async ({ proceed }) => {
      if (left-- <= 0) throw new Error('dead');
      return proceed();
    });
    isDone = await dying.receive(sent).then(
      () => true,
      () => false,
    );
    if ((await replicaProblem(storage.replicas, site, { number: 1 })) && !isDone) torn += 1;
    // What was acknowledged is finished although the site is gone.
    storage.clock.advance(LONG_MS);
    const rescuer = storage.worker();
    await rescuer.sweep();
    const { tip, applied } = await storage.generation(site);
    assert.equal(applied.number, tip.number);
    const problem = await replicaProblem(storage.replicas, site, { number: tip.number });
    assert.equal(problem, undefined, `killed at ${killAt}`);
    await rescuer.receive(sent);
    await sound(storage, site, { applied: 2, points: 2 });
  }
  assert(killAt > 8 && torn > 0, `${killAt} calls, ${torn} of them with the replica changed`);
});
