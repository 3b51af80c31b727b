/**
 * A site and the real engine of the cloud, over storage in memory: sizes that change, a first copy of raw pages, and all
 * that heals without a person.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { currentGeneration, volumeKind } from '../../src/documents/volume.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { MemoryCloud } from '../support/memory-cloud.ts';
import { MemorySite } from '../support/memory-site.ts';

const DAY_MS = 24 * 3_600_000;
const VOLUME_BYTES = 9 * MIB + 1536;

/** A cloud that comes round to its work before each heartbeat, while the site waits for it. */
async function start(volumeBytes = VOLUME_BYTES) {
  const cloud = await MemoryCloud.make({ volumeBytes });
  cloud.before = async (request) => {
    if (request !== 'heartbeat') return;
    await cloud.work();
    await cloud.sweep();
  };
  const site = new MemorySite(cloud);
  site.volume.bytes.fill(1, 3 * MIB, 4 * MIB + 512).fill(2, volumeBytes - 512);
  return { cloud, site };
}

async function document(cloud: MemoryCloud) {
  return await cloud.storage.volume(cloud.site);
}

async function assertReplica(cloud: MemoryCloud, site: MemorySite): Promise<void> {
  await cloud.work();
  assertSameBytes(await cloud.replica(), site.volume.bytes);
  assert.equal((await document(cloud)).trouble, null);
}

test('a volume that grows, shrinks and grows is what it is in the cloud, too, and its properties with it', async () => {
  const { cloud, site } = await start();
  const { siteLink, replicator } = await site.start();
  for (const [sizeBytes, fill] of [
    [VOLUME_BYTES, 0],
    [12 * MIB, 0],
    [12 * MIB + 512, 7],
    [2 * MIB + 512, 0],
    [9 * MIB, 0],
    [3 * MIB, 5],
  ] as const) {
    const bytes = new Uint8Array(sizeBytes).fill(fill);
    bytes.set(site.volume.bytes.subarray(0, sizeBytes));
    site.volume.bytes = bytes;
    site.volume.known = { label: `${sizeBytes}` };
    await replicator.replicateOnce();
    await assertReplica(cloud, site);
    assert.equal(currentGeneration(await document(cloud)).properties.label, `${sizeBytes}`);
    await siteLink.round();
  }
});

test('a first copy of raw pages becomes the replica, and the upload is gone', async () => {
  const { cloud, site } = await start();
  const { siteLink, replicator } = await site.start({ directFromBytes: MIB });
  const { numbers, changedBytes } = await replicator.replicateOnce();
  assert.deepEqual({ numbers, changedBytes }, { numbers: [1], changedBytes: 0 });
  assert.equal(cloud.entries.filter((name) => name.endsWith('.delta')).length, 0, 'nothing was stored in between');
  await assertReplica(cloud, site);
  const { published, current } = await document(cloud);
  assert.equal(published, current);
  site.volume.bytes.fill(3, 0, 512);
  await siteLink.round();
  await replicator.replicateOnce();
  await assertReplica(cloud, site);
});

test('what is damaged in the replica is found by the day, repaired, and verified then', async () => {
  const { cloud, site } = await start();
  const { siteLink, replicator } = await site.start();
  await replicator.replicateOnce();
  await siteLink.round();
  const { replica } = currentGeneration(await document(cloud));
  const fence = (await cloud.storage.replicas.properties(replica))?.sequenceNumber ?? 0;
  for (const offset of [3 * MIB, 5 * MIB]) {
    await cloud.storage.replicas.writePages(replica, { offset, bytes: Buffer.alloc(512, 0xee), fence });
  }
  // The next point has the damage, since nothing has touched these pages.
  cloud.storage.clock.advance(DAY_MS);
  site.volume.bytes.fill(3, 0, 512);
  await replicator.replicateOnce();
  await cloud.work();
  await siteLink.round();
  await siteLink.round();
  assert.equal((await document(cloud)).repair, undefined, 'the site has said that it will');
  cloud.storage.clock.advance(DAY_MS);
  await replicator.replicateOnce();
  await assertReplica(cloud, site);
  assert.ok(currentGeneration(await document(cloud)).snapshots.at(-1)?.verifiedAtMs !== undefined);
});

test('a delta that is lost on both sides costs a comparison, and what differs', async () => {
  const { cloud, site } = await start();
  const { siteLink, replicator } = await site.start();
  await replicator.replicateOnce();
  await siteLink.round();
  // The cloud has lost its entry after it was acknowledged, and the outbox its file.
  site.volume.bytes.fill(6, 0, 512).fill(0, 4 * MIB, 4 * MIB + 512);
  await replicator.replicateOnce();
  for (const queue of ['leeward-deltas', 'leeward-bulk']) {
    for (const message of await cloud.storage.queues.take(queue, { countMax: 32, hiddenMs: 1 })) await message.done();
  }
  await site.store.removeDelta(2);
  await cloud.storage.documents.update(volumeKind, cloud.site.documentName, (held) => ({
    ...held,
    resend: [{ generation: 1, number: 2, form: 'literal-2' }],
  }));
  for (let round = 0; round < 3; round += 1) await siteLink.round().catch(() => undefined);
  assert.equal((await document(cloud)).current, 2);
  assert.equal((await document(cloud)).published, 1, 'the last good one stays offered');
  await replicator.replicateOnce();
  await assertReplica(cloud, site);
  assert.equal((await document(cloud)).published, 2);
  assert.equal(replicator.status().generation, 2);
});

test('a site that has lost its folder goes on by itself', async () => {
  const { cloud, site } = await start();
  const { siteLink, replicator } = await site.start();
  await replicator.replicateOnce();
  await siteLink.round();
  const fresh = new MemorySite(cloud);
  fresh.volume.bytes = site.volume.bytes;
  fresh.volume.bytes.fill(6, 0, 512);
  cloud.storage.clock.advance(60_000);
  const { siteLink: freshAgent, replicator: freshOne } = await fresh.start();
  for (let round = 0; round < 3; round += 1) await freshAgent.round().catch(() => undefined);
  const { changedBytes } = await freshOne.replicateOnce();
  assert.equal(changedBytes, 4 * MIB, 'one range differs');
  await assertReplica(cloud, fresh);
  assert.equal((await document(cloud)).published, 2);
});

test('a first copy of raw pages whose site is stopped goes on after it', async () => {
  const { cloud, site } = await start();
  site.volume.bytes.fill(4, 0, 64 * KIB);
  const { replicator } = await site.start({ directFromBytes: MIB });
  const before = cloud.before;
  let pages = 0;
  cloud.before = async (request, body) => {
    await before(request, body);
    if (request === 'putPages') pages += 1;
    if (pages === 2) throw new Error('the power is cut');
  };
  await assert.rejects(replicator.replicateOnce(), /power/);
  site.store.crash(() => false);
  cloud.before = before;
  const { replicator: again } = await site.start({ directFromBytes: MIB });
  await again.replicateOnce();
  await assertReplica(cloud, site);
});
