/**
 * A worker stalls in the middle of a delta, at any of its calls, and wakes when another generation has begun from a point
 * of its own and is published: what it does then reaches the generation that was left, and no point of either.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RANGE_BYTES } from '../../../src/ranges/blocks.ts';
import { heedWord } from '../../../src/replica/intake/site-word.ts';
import { baseDigestOf, putList } from '../../support/range-lists.ts';
import { replicaProblem } from '../../support/replica-check.ts';
import { SiteFixture } from '../../support/site-fixture.ts';
import { sound, start } from '../start.ts';
import { LONG_MS, stallingWorker } from './stall.ts';
import type { CallPlace } from './stall.ts';

const PLACES: readonly CallPlace[] = [
  { port: 'replicas', method: 'raiseSequenceNumber' },
  { port: 'replicas', method: 'writePages' },
  { port: 'replicas', method: 'clearPages' },
  { port: 'replicas', method: 'snapshot' },
  { port: 'state', method: 'replace', nth: 2 },
];

describe('a worker stalled past its generation', () => {
  for (const place of PLACES) {
    test(`at ${place.port}.${place.method}`, async () => {
      const { storage, site, worker } = await start({ volumeBytes: RANGE_BYTES + 512 });
      await worker.receive(await site.put(storage.entries, site.next({ marker: 'old' })));
      const { snapshots: points } = await storage.generation(site);
      const stalled = stallingWorker(storage, place);
      const extents = [
        { offset: 0, bytes: Buffer.alloc(512, 0xaa) },
        { offset: 8192, zerosBytes: 512 },
      ];
      const lost = site.next({ extents, marker: 'lost' });
      const waking = stalled.worker.receive(await site.put(storage.entries, lost)).then(
        () => undefined,
        () => undefined,
      );
      await stalled.stalls;

      // Its entry is damaged, and the site cannot give it any more: a next generation begins from the point before.
      storage.entries.overwrite(site.entryPlace(lost), Buffer.from('damaged'));
      storage.clock.advance(LONG_MS);
      await worker.sweep();
      const word = { volume: site.id, generation: 1, stored: 2, waitingBytes: 0, lost: 2 };
      await heedWord(storage, word, storage.clock.wallMs());
      const bytes = site.bytesAt(1);
      const digest = baseDigestOf(site.id, 2, bytes);
      const next = new SiteFixture({ volume: site.ref, generation: 2 }, [{ number: 0, digest, bytes }]);
      await worker.receive(await putList(storage.entries, next, { number: 0, bytes }));
      await worker.receive(next.inline(next.next({ marker: 'new' })));
      await sound(storage, next, { applied: 1, points: 1 });

      stalled.wake();
      await waking;
      await sound(storage, next, { applied: 1, points: 1 });
      const { published, generations } = await storage.volume(next);
      const old = generations['1'];
      assert(old);
      assert.equal(published, 2);
      assert.deepEqual([old.applied.number, old.tip.number, old.claim, old.retiredPoints], [1, 1, null, 1]);
      assert.equal(points.length, 1);
      for (const { number, snapshot } of points) {
        assert.equal(await replicaProblem(storage.replicas, site, { number, snapshot }), undefined);
      }
    });
  }
});
