/** Upkeep: what nobody needs goes, what anybody needs stays, whoever is interrupted. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { uploadPlace, volumeKind } from '../../src/documents/volume.ts';
import { journalPrefix, uploadContainer } from '../../src/kernel/names.ts';
import { orderReseed } from '../../src/replica/generation/generations.ts';
import type { Reseed } from '../../src/documents/volume.ts';
import { runUpkeep } from '../../src/replica/rounds/upkeep.ts';
import type { UpkeepPorts, UpkeepReport } from '../../src/replica/rounds/upkeep.ts';
import type { MemoryStorage, Worker } from '../support/data-path.ts';
import { intercept } from '../support/memory/intercept.ts';
import { baseDigestOf, putList } from '../support/range-lists.ts';
import { replicaProblem } from '../support/replica-check.ts';
import { SiteFixture } from '../support/site-fixture.ts';
import { sound, start } from './start.ts';

const KEPT_MS = 3_600_000;

async function upkeep(storage: UpkeepPorts): Promise<UpkeepReport> {
  return runUpkeep(storage, { keptMs: KEPT_MS });
}

async function numbers(storage: MemoryStorage, site: SiteFixture): Promise<string[]> {
  const found: string[] = [];
  const prefix = journalPrefix(site.ref, site.generation);
  for await (const { name } of storage.entries.list(site.journal, prefix)) found.push(name.slice(prefix.length));
  return found.map((name) => name.replace(/^0*(\d+)-.*$/, '$1'));
}

async function reseed(storage: MemoryStorage, site: SiteFixture, from: Reseed['from']): Promise<void> {
  await storage.documents.update(volumeKind, site.documentName, (document) =>
    orderReseed(document, { from, reason: 'by hand', sinceMs: 0 }),
  );
}

/** Two deltas with a point each, then the next generation from the newest point, with a point of its own. */
async function superseded(): Promise<{ storage: MemoryStorage; site: SiteFixture; next: SiteFixture; worker: Worker }> {
  const { storage, site, worker } = await start();
  for (const marker of ['m1', 'm2']) await worker.receive(site.inline(site.next({ marker })));
  await reseed(storage, site, 'point');
  await worker.sweep();
  const bytes = site.bytesAt(2);
  const digest = baseDigestOf(site.id, 2, bytes);
  const next = new SiteFixture({ volume: site.ref, generation: 2 }, [{ number: 0, digest, bytes }]);
  await worker.receive(await putList(storage.entries, next, { number: 0, bytes }));
  return { storage, site, next, worker };
}

describe('journal entries', () => {
  test('go when they are applied and old; what is not applied stays, however old', async () => {
    const { storage, site, worker } = await start();
    for (let count = 0; count < 3; count += 1) await worker.receive(site.inline(site.next()));
    storage.clock.advance(KEPT_MS - 1);
    assert.equal((await upkeep(storage)).entries, 0);
    const dead = storage.worker({}, async ({ port, proceed }) => {
      if (port === 'replicas') throw new Error('dead');
      return proceed();
    });
    await dead.receive(site.inline(site.next())).catch(() => undefined);
    await dead.receive(site.inline(site.next())).catch(() => undefined);
    storage.clock.advance(KEPT_MS);
    assert.equal((await upkeep(storage)).entries, 3);
    assert.deepEqual(await numbers(storage, site), ['4', '5']);
    await worker.sweep();
    await sound(storage, site, { applied: 5 });
    assert.equal((await upkeep(storage)).entries, 2);
    assert.equal((await worker.receive(site.inline(site.next()))).outcome, 'applied');
  });

  test('an early one stays, and a delta that is repeated after its entry went is still a repeat', async () => {
    const { storage, site, worker } = await start();
    const [first, second, third] = [site.next(), site.next(), site.next()];
    await worker.receive(site.inline(first));
    await worker.receive(site.inline(third));
    storage.clock.advance(KEPT_MS);
    assert.equal((await upkeep(storage)).entries, 1);
    assert.deepEqual(await numbers(storage, site), ['3']);
    assert.equal((await worker.receive(site.inline(first))).outcome, 'repeated');
    assert.equal((await worker.receive(site.inline(second))).outcome, 'applied');
    await sound(storage, site, { applied: 3 });
  });

  test('of one number all go or none: another writer’s is never left alone to look like the chain’s', async () => {
    const { storage, site, worker } = await start();
    const first = site.next();
    await worker.receive(site.inline(first));
    for (let count = 0; count < 2; count += 1) await worker.receive(site.inline(site.next()));
    storage.clock.advance(KEPT_MS);
    const fork = site.forkAt(0);
    const rival = fork.next({ extents: [{ offset: 0, bytes: Buffer.alloc(512, 9) }] });
    await storage.entries.create(fork.entryPlace(rival), rival.bytes);
    assert.equal((await upkeep(storage)).entries, 2);
    assert.deepEqual(await numbers(storage, site), ['1', '1']);
    assert.equal((await worker.receive(site.inline(first))).outcome, 'repeated');
    assert.equal((await storage.volume(site)).trouble, null);
  });

  test('range lists and names that a site made up go when they are old; a list that waits to be compared stays', async () => {
    const { storage, site, worker } = await start();
    await worker.receive(site.inline(site.next({ marker: 'm' })));
    await worker.receive(await putList(storage.entries, site, { number: 1 }));
    const junk = { ...site.journal, blob: `${journalPrefix(site.ref, 1)}junk` };
    await storage.entries.create(junk, Buffer.from('junk'));
    const delta = site.next({ marker: 'n' });
    await worker.receive(await putList(storage.entries, site, { number: 2 }));
    storage.clock.advance(KEPT_MS);
    assert.equal((await upkeep(storage)).entries, 3);
    assert.equal((await numbers(storage, site)).length, 1);
    await worker.receive(site.inline(delta));
    await worker.sweep();
    assert.equal((await storage.volume(site)).compared?.number, 2);
  });
});

describe('generations', () => {
  test('the offered one and the one that deltas are taken for stay; what neither is, goes later', async () => {
    const { storage, site, next, worker } = await superseded();
    storage.clock.advance(10 * KEPT_MS);
    assert.equal((await upkeep(storage)).generations, 0);
    await worker.receive(next.inline(next.next({ marker: 'first' })));
    assert.equal((await storage.volume(next)).published, 2);
    assert.equal((await upkeep(storage)).generations, 0);
    storage.clock.advance(KEPT_MS - 1);
    assert.equal((await upkeep(storage)).generations, 0);
    for (const { number, snapshot } of (await storage.volume(site)).generations['1']?.snapshots ?? []) {
      assert.equal(await replicaProblem(storage.replicas, site, { number, snapshot }), undefined);
    }
    storage.clock.advance(1);
    assert.equal((await upkeep(storage)).generations, 1);
    assert.deepEqual(Object.keys((await storage.volume(site)).generations), ['2']);
    assert.equal(await storage.replicas.properties(site.replica), undefined);
    assert.deepEqual(await numbers(storage, site), []);
    await sound(storage, next, { applied: 1, points: 1 });
  });

  test('a crash at every call of a removal leaves what the next upkeep finishes', async () => {
    for (let at = 0, died = true; died; at += 1) {
      died = false;
      const { storage, site, next, worker } = await superseded();
      await worker.receive(next.inline(next.next({ marker: 'first' })));
      await upkeep(storage);
      storage.clock.advance(KEPT_MS);
      let calls = 0;
      const wrap = <T extends object>(port: T): T =>
        intercept(port, async ({ proceed }) => {
          if (calls++ >= at) {
            died = true;
            throw new Error('dead');
          }
          return proceed();
        });
      const { documents } = storage.worker();
      const dying = {
        documents,
        replicas: wrap(storage.replicas),
        entries: wrap(storage.entries),
        access: wrap(storage.access),
      };
      await upkeep(dying).catch(() => undefined);
      await upkeep(storage);
      assert.deepEqual(Object.keys((await storage.volume(site)).generations), ['2'], `call ${at}`);
      assert.equal(await storage.replicas.properties(site.replica), undefined);
      assert.deepEqual(await numbers(storage, site), []);
      await sound(storage, next, { applied: 1, points: 1 });
    }
  });

  test('the source of a base that is being made stays', async () => {
    const { storage, site, worker } = await start();
    await worker.receive(site.inline(site.next({ marker: 'm' })));
    await reseed(storage, site, 'point');
    await storage.worker({ budgetMs: 0 }).sweep();
    assert.equal((await storage.generation(site)).base?.phase, 'copying');
    await storage.documents.update(volumeKind, site.documentName, (document) => ({ ...document, published: null }));
    storage.clock.advance(KEPT_MS);
    await upkeep(storage);
    storage.clock.advance(KEPT_MS);
    assert.equal((await upkeep(storage)).generations, 0);
    await worker.sweep();
    assert.equal((await storage.generation(site)).base?.phase, 'comparing');
  });

  test('an upload that nobody will take is closed at once', async () => {
    const { storage, site, worker } = await start();
    await reseed(storage, site, 'upload');
    await worker.sweep();
    const containers: string[] = [];
    const access = {
      removeContainer: async ({ container }: { container: string }): Promise<void> => {
        containers.push(container);
      },
    };
    const { documents, replicas, entries } = storage;
    await upkeep({ documents, replicas, entries, access });
    assert.deepEqual(containers, []);
    await worker.engine.endTerm(site.ref, 1);
    await upkeep({ documents, replicas, entries, access });
    assert.deepEqual(containers, [uploadContainer(site.ref, 2)]);
  });

  test('an upload that was taken is removed once more: a late request may have made its container anew', async () => {
    const { storage, site, worker } = await start();
    await reseed(storage, site, 'upload');
    await worker.sweep();
    const bytes = new Uint8Array(site.volumeBytes);
    await worker.receive(await putList(storage.entries, site, { generation: 2, number: 0, bytes }));
    await worker.sweep();
    const { generations } = await storage.volume(site);
    const taken = generations['2'];
    assert.equal(taken?.base?.phase, 'ready');
    const place = uploadPlace(site.id, taken);
    await storage.replicas.create(place, 512);
    await upkeep(storage);
    assert.equal(await storage.replicas.properties(place), undefined);
  });
});

test('snapshots that nobody named go, of the offered generation too', async () => {
  const { storage, site, worker } = await superseded();
  await storage.replicas.snapshot(site.replica, { number: 1 });
  await storage.replicas.snapshot(site.replica, { number: 99 });
  assert.equal((await upkeep(storage)).snapshots, 1);
  const left = await storage.replicas.listSnapshots(site.replica);
  assert.deepEqual(
    left.map(({ number }) => number),
    [1, 2, 99],
  );
  await worker.sweep();
});

test('one volume that cannot be read keeps no other waiting', async () => {
  const { storage, site, worker } = await start();
  const other = await new SiteFixture({ volume: { ...site.ref, volume: 'other' } }).register(storage.documents);
  await worker.receive(other.inline(other.next()));
  const { document } = await storage.state.read(site.documentName);
  assert(document);
  await storage.state.replace(site.documentName, '{', document.etag, {});
  storage.clock.advance(KEPT_MS);
  const { entries, failed } = await upkeep(storage);
  assert.equal(entries, 1);
  assert.deepEqual(
    failed.map(({ what }) => what),
    [site.id],
  );
});
