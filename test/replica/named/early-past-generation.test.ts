/**
 * A worker keeps an early delta while the next generation begins: the number of the one says nothing of the other, which
 * would look for it until it had as many. Found by the simulator.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasWork, volumeKind } from '../../../src/documents/volume.ts';
import { orderReseed } from '../../../src/replica/generation/generations.ts';
import { start } from '../start.ts';

test('a delta that was early in the generation before is not waited for in the next', async () => {
  const { storage, site, worker } = await start();
  await worker.receive(site.inline(site.next({ marker: 'm' })));
  site.next();
  const early = site.next();
  const busy = storage.worker({}, async ({ method, args: [place], proceed }) => {
    const answer = await proceed();
    if (method === 'create' && JSON.stringify(place).includes(early.digest)) {
      await storage.documents.update(volumeKind, site.documentName, (document) =>
        orderReseed(document, { from: 'zeros', reason: 'by hand', sinceMs: 0 }),
      );
      await worker.sweep();
    }
    return answer;
  });
  assert.equal((await busy.receive(site.inline(early))).outcome, 'early');
  const volume = await storage.volume(site);
  assert.equal(volume.current, 2);
  assert.equal((await storage.generation(site)).beyond, 0);
  assert.equal(hasWork(volume), false);
});
