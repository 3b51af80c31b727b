/** A snapshot that nobody named does not exist, and only it is ever deleted, whatever happens meanwhile. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { removeUnnamedSnapshots } from '../../src/replica/apply/snapshots.ts';
import type { MemoryStorage } from '../support/data-path.ts';
import type { SiteFixture } from '../support/site-fixture.ts';
import { sound, start } from './start.ts';

/** Leaves a delta whose snapshot was taken and never named. */
async function dieBeforeNaming(storage: MemoryStorage, site: SiteFixture, marker: string): Promise<void> {
  let dead = false;
  const dying = storage.worker({}, async ({ method, proceed }) => {
    if (dead) throw new Error('dead');
    const answer = await proceed();
    dead ||= method === 'snapshot';
    return answer;
  });
  await assert.rejects(dying.receive(site.inline(site.next({ marker }))), /dead/);
}

async function listed(storage: MemoryStorage, site: SiteFixture): Promise<(number | undefined)[]> {
  return (await storage.replicas.listSnapshots(site.replica)).map(({ number }) => number);
}

test('a snapshot that a dead worker never named is replaced by the adopter’s, and deleted', async () => {
  const { storage, site, worker } = await start();
  await worker.receive(site.inline(site.next({ marker: 'first' })));
  await dieBeforeNaming(storage, site, 'second');
  assert.deepEqual(await listed(storage, site), [1, 2]);
  storage.clock.advance(60_000);
  await worker.sweep();
  assert.deepEqual(await listed(storage, site), [1, 2]);
  await sound(storage, site, { applied: 2, points: 2 });
});

test('the one that is about to be named is left alone', async () => {
  const { storage, site, worker } = await start();
  await worker.receive(site.inline(site.next()));
  await dieBeforeNaming(storage, site, 'pending');
  assert.equal(await removeUnnamedSnapshots(storage, site.ref), 0);
  assert.deepEqual(await listed(storage, site), [2]);
});

test('a snapshot without a label of ours is left alone', async () => {
  const { storage, site, worker } = await start();
  await worker.receive(site.inline(site.next()));
  const { etag } = (await storage.replicas.properties(site.replica)) ?? { etag: '' };
  await storage.replicas.snapshot(site.replica, { etag, number: 1 });
  const replicas = Object.create(storage.replicas, {
    listSnapshots: { value: async () => [{ snapshot: 'by-hand', number: undefined }] },
  }) as MemoryStorage['replicas'];
  assert.equal(await removeUnnamedSnapshots({ documents: storage.documents, replicas }, site.ref), 0);
});

test('a marker that is applied at any moment of the cleaning keeps its snapshot', async () => {
  for (let at = 0; at < 6; at += 1) {
    for (const when of ['before', 'after'] as const) {
      const { storage, site, worker } = await start();
      await worker.receive(site.inline(site.next({ marker: 'first' })));
      await dieBeforeNaming(storage, site, 'orphan');
      storage.clock.advance(60_000);
      let calls = 0;
      const cleaner = storage.worker({}, async ({ proceed }) => {
        const mine = calls++ === at;
        const apply = async (): Promise<void> => {
          await worker.sweep();
          await worker.receive(site.inline(site.next({ marker: 'meanwhile' })));
        };
        if (mine && when === 'before') await apply();
        const answer = await proceed();
        if (mine && when === 'after') await apply();
        return answer;
      });
      const replicas = cleaner.ports.replicas;
      await removeUnnamedSnapshots({ documents: cleaner.documents, replicas }, site.ref);
      await worker.sweep();
      const last = site.last;
      await sound(storage, site, { applied: last, points: last });
    }
  }
});

test('a blob that changes under the snapshot again and again gets it in the end, or the delta waits; none is lost', async () => {
  for (const { changes, outcome, isApplied } of [
    { changes: 1, outcome: 'applied', isApplied: true },
    { changes: 4, outcome: 'applied', isApplied: true },
    // The turn ends, and another begins once the claim has.
    { changes: 5, outcome: 'durable', isApplied: true },
    { changes: 50, outcome: 'durable', isApplied: false },
  ]) {
    const { storage, site, worker } = await start();
    await worker.receive(site.inline(site.next()));
    let left = changes;
    const disturbed = storage.worker({}, async ({ method, proceed }) => {
      if (method === 'snapshot' && left-- > 0) {
        const { sequenceNumber = 0 } = (await storage.replicas.properties(site.replica)) ?? {};
        await storage.replicas.raiseSequenceNumber(site.replica, sequenceNumber);
      }
      return proceed();
    });
    assert.equal((await disturbed.receive(site.inline(site.next({ marker: 'm' })))).outcome, outcome);
    // What waits is acknowledged, and not applied without its point.
    const { tip, applied, snapshots } = await storage.generation(site);
    assert.deepEqual([tip.number, applied.number, snapshots.length], isApplied ? [2, 2, 1] : [2, 1, 0]);
    storage.clock.advance(60_000);
    left = 0;
    await worker.sweep();
    await sound(storage, site, { applied: 2, points: 1 });
  }
});
