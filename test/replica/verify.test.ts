/**
 * Verification: lists of range hashes against points of the replica. What is the same is verified, what differs is located
 * and repaired by an ordinary delta, and what cannot be compared changes nothing.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasChores, volumeKind } from '../../src/documents/volume.ts';
import { MIB } from '../../src/kernel/units.ts';
import { sign } from '../../src/protocol/signed.ts';
import { RANGE_BYTES } from '../../src/ranges/blocks.ts';
import { heed } from '../../src/replica/intake/site-word.ts';
import { MemoryStorage } from '../support/data-path.ts';
import type { Worker } from '../support/data-path.ts';
import { makeList, putList } from '../support/range-lists.ts';
import { FORMAT_NINE, resigned } from '../support/resigned.ts';
import { SiteFixture } from '../support/site-fixture.ts';
import { reasonOf, sound, start } from './start.ts';

/** Three ranges, the last of them short. */
const VOLUME_BYTES = 2 * RANGE_BYTES + MIB + 512;

/** One range after the other, and one each call. */
const SLOW = { windowRanges: 1, budgetMs: 0 };

async function write(worker: Worker, site: SiteFixture, marker?: string): Promise<void> {
  const number = site.last + 1;
  const extents = [0, RANGE_BYTES + 8192, VOLUME_BYTES - 512].map((offset) => ({
    offset,
    bytes: Buffer.alloc(512, number),
  }));
  const wish = marker === undefined ? { extents } : { extents, marker };
  assert.equal((await worker.receive(site.inline(site.next(wish)))).outcome, 'applied');
}

/** The replica's live blob gets other bytes behind everybody's back. */
async function damage(storage: MemoryStorage, site: SiteFixture, offset: number): Promise<void> {
  const fence = (await storage.replicas.properties(site.replica))?.sequenceNumber ?? 0;
  await storage.replicas.writePages(site.replica, { offset, bytes: Buffer.alloc(512, 0xee), fence });
}

describe('verification', () => {
  test('a point that is the same is verified, at once', async () => {
    const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
    await write(worker, site, 'm');
    await write(worker, site);
    const outcome = await worker.receive(await putList(storage.entries, site, { number: 1 }));
    assert.deepEqual(outcome, { outcome: 'listed', volume: site.id, number: 1 });
    const volume = await storage.volume(site);
    assert.partialDeepStrictEqual(volume.compared, { generation: 1, number: 1, differingBytes: 0 });
    assert.equal(volume.repair, undefined);
    assert.equal(volume.verification, undefined);
    assert.equal((await storage.generation(site)).snapshots[0]?.verifiedAtMs, storage.clock.wallMs());
    await sound(storage, site, { applied: 2, points: 1 });
  });

  test('a difference is located, asked for, and repaired by a delta; the next list verifies', async () => {
    const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
    await write(worker, site);
    await damage(storage, site, RANGE_BYTES + 100 * 512);
    await write(worker, site, 'm');
    await worker.receive(await putList(storage.entries, site, { number: 2 }));
    const found = await storage.volume(site);
    assert.equal(found.compared?.differingBytes, RANGE_BYTES);
    assert.deepEqual(found.repair?.ranges, [{ offset: RANGE_BYTES, lengthBytes: RANGE_BYTES }]);
    assert.equal((await storage.generation(site)).snapshots[0]?.verifiedAtMs, undefined);

    const bytes = site.bytesAt(2).slice(RANGE_BYTES, 2 * RANGE_BYTES);
    await worker.receive(
      await site.put(storage.entries, site.next({ extents: [{ offset: RANGE_BYTES, bytes }], marker: 'r' })),
    );
    const said = { volume: site.id, generation: 1, stored: 3, waitingBytes: 0 };
    const other = heed(found, { ...said, repaired: 'another' }, 0);
    assert.equal(other, undefined);
    await storage.documents.update(volumeKind, site.documentName, (document) =>
      heed(document, { ...said, repaired: found.repair?.id }, 0),
    );
    assert.equal((await storage.volume(site)).repair, undefined);
    await worker.receive(await putList(storage.entries, site, { number: 3 }));
    assert.equal((await storage.volume(site)).compared?.differingBytes, 0);
    assert.notEqual((await storage.generation(site)).snapshots[1]?.verifiedAtMs, undefined);
  });

  test('a list that comes before its delta waits for it, and no sweep looks at it in vain', async () => {
    const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
    await write(worker, site);
    const delta = site.next({ marker: 'm' });
    await worker.receive(await putList(storage.entries, site, { number: 2 }));
    assert.equal(hasChores(await storage.volume(site)), false);
    await worker.receive(site.inline(delta));
    assert.equal(hasChores(await storage.volume(site)), true);
    assert.deepEqual((await worker.sweep()).failed, []);
    assert.equal((await storage.volume(site)).compared?.differingBytes, 0);
  });

  test('a comparison goes on over as many calls as it takes, and finds the same', async () => {
    const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
    await write(worker, site);
    await damage(storage, site, 512);
    await damage(storage, site, VOLUME_BYTES - 1024);
    await write(worker, site, 'm');
    const slow = storage.worker(SLOW);
    await slow.receive(await putList(storage.entries, site, { number: 2 }));
    const nexts: unknown[] = [];
    for (let calls = 0; (await storage.volume(site)).verification; calls += 1) {
      assert(calls < 10);
      nexts.push((await storage.volume(site)).verification?.next);
      await slow.sweep();
    }
    assert.deepEqual(nexts, [1, 2]);
    const { repair, compared } = await storage.volume(site);
    assert.deepEqual(repair?.ranges, [
      { offset: 0, lengthBytes: RANGE_BYTES },
      { offset: 2 * RANGE_BYTES, lengthBytes: MIB + 512 },
    ]);
    assert.equal(compared?.differingBytes, RANGE_BYTES + MIB + 512);
  });

  test('what was never written is not read', async () => {
    const volumeBytes = 40 * RANGE_BYTES;
    const { storage, site, worker } = await start({ volumeBytes });
    const extents = [{ offset: 17 * RANGE_BYTES + 512, bytes: Buffer.alloc(1024, 5) }];
    await worker.receive(site.inline(site.next({ extents, marker: 'm' })));
    const reads: unknown[] = [];
    const counting = storage.worker({}, async ({ port, method, args, proceed }) => {
      if (port === 'replicas' && method === 'read') reads.push(args[1]);
      return proceed();
    });
    await counting.receive(await putList(storage.entries, site, { number: 1 }));
    assert.equal((await storage.volume(site)).compared?.differingBytes, 0);
    assert.equal(reads.length, 1);
    assert.partialDeepStrictEqual(reads[0], { offset: 17 * RANGE_BYTES + 512, lengthBytes: 1024 });
  });

  test('what nobody needs is passed by', async () => {
    const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
    await write(worker, site, 'm');
    await write(worker, site);
    const passed = async (wish: Parameters<typeof putList>[2]): Promise<void> => {
      const outcome = await worker.receive(await putList(storage.entries, site, wish));
      assert.equal(outcome.outcome, 'passed-by');
      assert.equal((await storage.volume(site)).verification, undefined);
    };
    await passed({ number: 2 });
    await passed({ number: 1, digest: 'ab'.repeat(32) });
    await passed({ number: 1, generation: 2 });
    await passed({ number: 0 });
    const slow = storage.worker(SLOW);
    await slow.receive(await putList(storage.entries, site, { number: 1 }));
    const other = site.bytesAt(1).slice();
    other[0] = 99;
    const second = await worker.receive(await putList(storage.entries, site, { number: 1, bytes: other }));
    assert.equal(second.outcome, 'passed-by');
    await worker.sweep();
    assert.equal((await storage.volume(site)).compared?.differingBytes, 0);
  });

  test('a list that waits for a delta that never comes is replaced by the next', async () => {
    const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
    await write(worker, site, 'm');
    const far = { number: 4_000_000_000, digest: 'ab'.repeat(32), bytes: site.bytesAt(1) };
    assert.equal((await worker.receive(await putList(storage.entries, site, far))).outcome, 'listed');
    assert.equal((await worker.receive(await putList(storage.entries, site, { number: 1 }))).outcome, 'listed');
    assert.equal((await storage.volume(site)).compared?.number, 1);
  });

  test('a list that turns out damaged, short, or of another size ends its comparison and changes nothing else', async () => {
    for (const spoil of [
      (bytes: Uint8Array) => bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte)),
      (bytes: Uint8Array) => bytes.slice(0, -1),
      (bytes: Uint8Array) => bytes.slice(0, 512),
    ]) {
      const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
      await write(worker, site, 'm');
      const { place, bytes, message } = makeList(site, { number: 1 });
      await storage.entries.create(place, spoil(bytes));
      assert.equal((await worker.receive(message)).outcome, 'listed');
      const volume = await storage.volume(site);
      assert.equal(volume.verification, undefined);
      assert.equal(volume.compared, undefined);
      await sound(storage, site, { applied: 1, points: 1 });
    }
    const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
    await write(worker, site, 'm');
    await worker.receive(await putList(storage.entries, site, { number: 1, bytes: new Uint8Array(512) }));
    assert.equal((await storage.volume(site)).compared, undefined);
  });

  test('retention keeps the point of a comparison until that has ended', async () => {
    const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES }, { snapshotsKept: 1 });
    await write(worker, site, 'm');
    await storage.worker(SLOW).receive(await putList(storage.entries, site, { number: 1 }));
    assert.equal((await storage.volume(site)).verification?.next, 1);
    await worker.receive(site.inline(site.next({ marker: 'n' })));
    assert.equal((await storage.generation(site)).snapshots.length, 2);
    await worker.sweep();
    const { compared, verification } = await storage.volume(site);
    assert.equal(verification, undefined);
    assert.equal(compared?.differingBytes, 0);
    await worker.receive(site.inline(site.next({ marker: 'o' })));
    assert.equal((await storage.generation(site)).snapshots.length, 1);
  });

  test('a comparison whose list is gone ends, and another list is asked for', async () => {
    const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
    await write(worker, site, 'm');
    await storage.worker(SLOW).receive(await putList(storage.entries, site, { number: 1 }));
    const { verification } = await storage.volume(site);
    await storage.entries.remove({ ...site.journal, blob: verification?.entry ?? '' });
    await worker.sweep();
    const volume = await storage.volume(site);
    assert.deepEqual([volume.verification, volume.compared], [undefined, undefined]);
    assert(volume.verifyAskedAtMs !== undefined);
  });
});

describe('a list that nobody may send', () => {
  const refused = async (changed: Record<string, unknown>, put = true): Promise<string> => {
    const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
    await write(worker, site, 'm');
    const { place, bytes, message } = makeList(site, { number: 1 }, changed);
    if (put) await storage.entries.create(place, bytes);
    const before = await storage.volume(site);
    const reason = await reasonOf(storage, await worker.receive(message));
    assert.deepEqual(await storage.volume(site), before);
    return reason;
  };

  test('of a volume of another site', async () => {
    const storage = new MemoryStorage();
    const victim = await new SiteFixture({ volumeBytes: VOLUME_BYTES }).register(storage.documents);
    const thief = await new SiteFixture({
      volume: { tenant: 'acme', site: 'oslo', group: 'erp', volume: 'data' },
      volumeBytes: VOLUME_BYTES,
    }).register(storage.documents);
    const worker = storage.worker();
    await write(worker, victim, 'm');
    const { message } = makeList(victim, { number: 1 });
    const stolen = sign(thief.key, 'ranges', JSON.parse(message.payload));
    assert.match(await reasonOf(storage, await worker.receive(stolen)), /not a volume of acme\/oslo/);
    assert.equal((await storage.volume(victim)).verification, undefined);
  });

  test('that is not where it is said to be, or not what it is said to be', async () => {
    assert.match(await refused({}, false), /the journal has no/);
    assert.match(await refused({ entry: 'erp/data/00000001/0000000001-x.delta' }), /no range list/);
    assert.match(
      await refused({ entry: `erp/data/00000001/ranges/0000000002-${'a'.repeat(64)}.ranges` }),
      /no range list/,
    );
    assert.match(await refused({ entry: `../../state/ranges/0000000001-${'a'.repeat(64)}.ranges` }), /no range list/);
    assert.match(await refused({ entry: 7 }), /entry/);
  });

  test('whose head is of another state', async () => {
    const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
    await write(worker, site, 'm');
    await write(worker, site, 'n');
    const { bytes } = makeList(site, { number: 1 });
    const { place, message } = makeList(site, { number: 2 });
    await storage.entries.create(place, bytes);
    assert.match(await reasonOf(storage, await worker.receive(message)), /number: the message says 2, the list 1/);
  });

  test('made by a newer program waits', async () => {
    const { site, worker } = await start({ volumeBytes: VOLUME_BYTES });
    const { message } = makeList(site, { number: 0 });
    const newer = resigned(site.key, { ...message, version: FORMAT_NINE });
    assert.equal((await worker.receive(newer)).outcome, 'waits');
  });
});

test('a crash at every call of a comparison: whoever sweeps next ends it, with the same result', async () => {
  for (let at = 0, died = true; died; at += 1) {
    died = false;
    for (const when of ['before', 'after'] as const) {
      const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
      await write(worker, site);
      await damage(storage, site, 512);
      await write(worker, site, 'm');
      const message = await putList(storage.entries, site, { number: 2 });
      let calls = 0;
      let dead = false;
      const crashing = storage.worker({ windowRanges: 1 }, async ({ proceed }) => {
        const mine = calls++ === at;
        if (dead || (mine && when === 'before')) {
          dead = true;
          throw new Error('dead');
        }
        const answer = await proceed();
        if (!mine) return answer;
        dead = true;
        throw new Error('dead');
      });
      await crashing.receive(message).catch(() => undefined);
      died ||= dead;
      const rescuer = storage.worker();
      await rescuer.sweep();
      // The host gives the message again; by now it may be known.
      await rescuer.receive(message);
      const { repair, compared, verification } = await storage.volume(site);
      assert.equal(verification, undefined, `crash ${when} call ${at}`);
      assert.equal(compared?.differingBytes, RANGE_BYTES, `crash ${when} call ${at}`);
      assert.deepEqual(repair?.ranges, [{ offset: 0, lengthBytes: RANGE_BYTES }]);
      const { applied, tip, snapshots } = await storage.generation(site);
      assert.deepEqual([applied.number, tip.number, snapshots.length], [2, 2, 1]);
    }
    assert(at < 200);
  }
});

test('damage at the end of a volume is found, however many points are taken while it is compared', async () => {
  const { storage, site, worker } = await start(
    { volumeBytes: 4 * RANGE_BYTES },
    { windowRanges: 1, budgetMs: 0, snapshotsKept: 2 },
  );
  const quick = storage.worker({ snapshotsKept: 2 });
  const at = 3 * RANGE_BYTES;
  await quick.receive(site.inline(site.next({ extents: [{ offset: at, bytes: Buffer.alloc(512, 1) }] })));
  const fence = (await storage.replicas.properties(site.replica))?.sequenceNumber ?? 0;
  await storage.replicas.writePages(site.replica, { offset: at + 512, bytes: Buffer.alloc(512, 0xee), fence });
  await quick.receive(site.inline(site.next({ marker: 'compared' })));
  await worker.receive(await putList(storage.entries, site, { number: site.last }));
  for (let interval = 0; interval < 6; interval += 1) {
    await quick.receive(site.inline(site.next({ marker: `i-${interval}` })));
    await worker.sweep();
  }
  const { compared, repair } = await storage.volume(site);
  assert.deepEqual(repair?.ranges, [{ offset: at, lengthBytes: RANGE_BYTES }]);
  assert.equal(compared?.differingBytes, RANGE_BYTES);
  // The point outlives the others only for the comparison.
  await quick.receive(site.inline(site.next({ marker: 'last' })));
  assert.equal((await storage.generation(site)).snapshots.length, 2);
});
