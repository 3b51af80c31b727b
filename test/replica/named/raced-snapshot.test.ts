/**
 * A snapshot raced by the next delta: the worker of a delta with a marker stalls at its snapshot; another finishes that
 * delta and applies the next. The point must be the state after its own delta, and there must be one.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sound, start } from '../start.ts';
import { LONG_MS, stallingWorker } from './stall.ts';
import type { CallPlace } from './stall.ts';

const PLACES: readonly (CallPlace & { readonly what: string })[] = [
  { what: 'before it has seen that the blob is still its own', port: 'replicas', method: 'properties' },
  { what: 'with the request for the snapshot on its way', port: 'replicas', method: 'snapshot' },
  { what: 'with the snapshot taken and not yet named', port: 'state', method: 'replace', nth: 2 },
];

describe('a snapshot raced by the next delta', () => {
  for (const place of PLACES) {
    test(`its worker stalls ${place.what}`, async () => {
      const { storage, site, worker } = await start();
      const stalled = stallingWorker(storage, place);
      const late = stalled.worker.receive(site.inline(site.next({ marker: 'm' })));
      await Promise.race([stalled.stalls, late.then(() => assert.fail('it did not stall'))]);
      storage.clock.advance(LONG_MS);
      assert.equal((await worker.receive(site.inline(site.next()))).outcome, 'applied');
      await sound(storage, site, { applied: 2, points: 1 });

      stalled.wake();
      assert.equal((await late).outcome, 'applied');
      // Looks at the point's bytes as well: they are those after delta 1.
      await sound(storage, site, { applied: 2, points: 1 });
      const { replica, snapshots } = await storage.generation(site);
      assert.deepEqual(
        (await storage.replicas.listSnapshots(replica)).map(({ snapshot }) => snapshot),
        snapshots.map(({ snapshot }) => snapshot),
      );
    });
  }
});
