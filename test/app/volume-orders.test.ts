/** A person's orders for a volume: what they change, and what is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { orderGeneration, orderVerification } from '../../src/app/volume-orders.ts';
import { volumeStatusOf } from '../support/volume-status.ts';
import { failsWith } from '../support/fails-with.ts';
import { putList } from '../support/range-lists.ts';
import { start } from '../replica/start.ts';

test('a comparison is asked for until a list comes', async () => {
  const { storage, site, worker } = await start();
  await worker.receive(site.inline(site.next({ marker: 'm' })));
  await orderVerification(storage.documents, site.ref);
  assert.equal((await storage.volume(site)).verifyAskedAtMs, storage.clock.wallMs());
  await worker.receive(await putList(storage.entries, site, { number: 1 }));
  assert.equal((await storage.volume(site)).verifyAskedAtMs, undefined);
  assert.partialDeepStrictEqual(await volumeStatusOf(storage, site), {
    verifiedPoints: 1,
    compared: { number: 1, differingBytes: 0 },
    comparing: null,
  });
});

test('a generation is ordered once, and begins with the next sweep', async () => {
  const { storage, site, worker } = await start();
  await worker.receive(site.inline(site.next({ marker: 'm' })));
  const order = { from: 'point', reason: 'two writers' } as const;
  await orderGeneration(storage.documents, site.ref, order);
  assert.equal((await volumeStatusOf(storage, site)).reseed, 'two writers');
  await assert.rejects(orderGeneration(storage.documents, site.ref, order), failsWith('REFUSED'));
  await worker.sweep();
  assert.partialDeepStrictEqual(await volumeStatusOf(storage, site), {
    generation: 2,
    published: 1,
    points: 1,
    reseed: null,
    base: { from: 'point', phase: 'comparing' },
  });
});

test('what the state does not allow is refused', async () => {
  const { storage, site, worker } = await start();
  const from = async (what: 'point' | 'zeros'): Promise<unknown> =>
    orderGeneration(storage.documents, site.ref, { from: what, reason: 'r' });
  await assert.rejects(from('point'), failsWith('REFUSED'));
  await worker.engine.endTerm(site.ref, 1);
  await assert.rejects(from('zeros'), failsWith('REFUSED'));
  await assert.rejects(orderVerification(storage.documents, site.ref), failsWith('REFUSED'));
  await assert.rejects(orderVerification(storage.documents, { ...site.ref, volume: 'other' }), failsWith('NOT_FOUND'));
});
