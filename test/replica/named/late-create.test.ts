/**
 * The first delta of a generation that is left right after it: the request that makes its blob lands after upkeep has seen
 * that nobody needs the generation. Found by the simulator: the blob stayed for ever.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { volumeKind } from '../../../src/documents/volume.ts';
import { orderReseed } from '../../../src/replica/generation/generations.ts';
import { runUpkeep } from '../../../src/replica/rounds/upkeep.ts';
import { start } from '../start.ts';

const KEPT_MS = 7 * 86_400_000;
const HOUR_MS = 3_600_000;

test('a blob that is made late goes with its generation', async () => {
  const { storage, site, worker } = await start();
  let late: (() => Promise<unknown>) | undefined;
  const stalled = storage.worker({}, async ({ port, method, proceed }) => {
    if (port !== 'replicas' || method !== 'create') return proceed();
    late = proceed;
    throw new Error('no answer');
  });
  await assert.rejects(stalled.receive(site.inline(site.next())), /no answer/);
  storage.clock.advance(60_000);
  await worker.sweep();
  await storage.documents.update(volumeKind, site.documentName, (document) =>
    orderReseed(document, { from: 'zeros', reason: 'by hand', sinceMs: 0 }),
  );
  await worker.sweep();
  await runUpkeep(storage, { keptMs: KEPT_MS });
  await late?.();
  storage.clock.advance(HOUR_MS);
  await runUpkeep(storage, { keptMs: KEPT_MS });
  assert.deepEqual(Object.keys((await storage.volume(site)).generations), ['2']);
  assert.equal(await storage.replicas.properties(site.replica), undefined);
});
