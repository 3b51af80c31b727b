/**
 * A stalled worker that wakes after a new term: it stood still at each of its calls in turn, the term ended meanwhile, and
 * another brought the replica to the cut in the new epoch. What it still has on its way changes nothing.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { currentGeneration } from '../../../src/documents/volume.ts';
import { PAGE_BLOB_LIMITS } from '../../../src/replica/plan/cost.ts';
import { offerProblem, replicaProblem } from '../../support/replica-check.ts';
import { reasonOf, start } from '../start.ts';
import { LONG_MS, stallingWorker } from './stall.ts';
import type { CallPlace } from './stall.ts';

const PLACES: readonly (CallPlace & { readonly what: string })[] = [
  { what: 'its claim', port: 'state', method: 'replace' },
  { what: 'the raised fence', port: 'replicas', method: 'raiseSequenceNumber' },
  { what: 'the first write', port: 'replicas', method: 'writePages' },
  { what: 'the second write', port: 'replicas', method: 'writePages', nth: 2 },
  { what: 'the snapshot', port: 'replicas', method: 'snapshot' },
  { what: 'the change that ends its turn', port: 'state', method: 'replace', nth: 2 },
];

/** Requests that cost next to nothing: each extent is one, and no gap is bridged. */
const FIGURES = { costs: { requestsPerS: 1e9, bytesPerS: 1 }, limits: PAGE_BLOB_LIMITS };
const EXTENTS = [0, 8192, 16384].map((offset) => ({ offset, bytes: Buffer.alloc(512, 7) }));

describe('a stalled worker that wakes after a new term', () => {
  for (const place of PLACES) {
    test(`with ${place.what} on its way`, async () => {
      const { storage, site, worker } = await start();
      await worker.receive(site.inline(site.next({ marker: 'first' })));
      const stalled = stallingWorker(storage, place, { figures: FIGURES });
      const late = stalled.worker.receive(site.inline(site.next({ extents: EXTENTS, marker: 'second' })));
      await Promise.race([stalled.stalls, late.then(() => assert.fail('it did not stall'))]);
      storage.clock.advance(LONG_MS);
      const { number: cut } = await worker.engine.endTerm(site.ref, 1);
      assert.equal(await worker.engine.drain(site.ref), 'drained');
      // A delta whose claim was not yet written when the term ended is not on the chain.
      assert.equal(cut, place.what === 'its claim' ? 1 : 2);
      const before = await storage.volume(site);
      assert.equal(currentGeneration(before).epoch, 2);

      stalled.wake();
      const outcome = await late;
      assert.match(outcome.outcome, /^(applied|repeated|set-aside)$/);
      assert.deepEqual(await storage.volume(site), before);
      assert.equal(await replicaProblem(storage.replicas, site, { number: cut }), undefined);
      assert.equal(await offerProblem(storage, site), undefined);
      const { replica, snapshots } = currentGeneration(before);
      assert.equal(snapshots.length, cut);
      assert.equal((await storage.replicas.listSnapshots(replica)).length, snapshots.length);

      // What its site goes on to make is beyond the cut.
      if (cut === 2) {
        const reason = await reasonOf(storage, await worker.receive(site.inline(site.next())));
        assert.match(reason, /has ended at delta 2/);
      }
    });
  }
});
