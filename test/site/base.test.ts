/** Generations that begin from something: raw pages that the site writes, or a recovery point of the generation before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeewardError } from '../../src/kernel/errors.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import type { ReplicatorOptions } from '../../src/site/replicator.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { MemorySite } from '../support/memory-site.ts';
import { ModelCloud } from '../support/model-cloud.ts';

const VOLUME_BYTES = 13 * MIB + 1536;
const DIRECT: Partial<ReplicatorOptions> = { directFromBytes: MIB };

/** A cloud that takes raw pages when it is asked to, and copies them a heartbeat after their list came. */
function directCloud(volumeBytes = VOLUME_BYTES): ModelCloud {
  const cloud = new ModelCloud(volumeBytes);
  cloud.onHeartbeat = (said) => {
    cloud.stepBase(said);
  };
  return cloud;
}

/** Data that does not begin or end where ranges do. */
function fill(bytes: Uint8Array): void {
  bytes.fill(1, 3 * MIB, 6 * MIB).fill(2, 8 * MIB + 512, 8 * MIB + 1024);
  bytes
    .fill(3, 9 * MIB, 9 * MIB + 4 * KIB)
    .fill(3, 10 * MIB, 10 * MIB + 4 * KIB)
    .fill(4, 13 * MIB);
}

test('a large volume goes as raw pages, with nothing stored in between, and delta 1 follows', async () => {
  const cloud = directCloud();
  const site = new MemorySite(cloud);
  fill(site.volume.bytes);
  let inFlight = 0;
  let inFlightMax = 0;
  const waiting: (() => void)[] = [];
  cloud.beforePages = async () => {
    inFlight += 1;
    inFlightMax = Math.max(inFlightMax, inFlight);
    setTimeout(() => {
      for (const go of waiting.splice(0)) go();
    }, 5);
    await new Promise<void>((resolve) => waiting.push(resolve));
    inFlight -= 1;
  };
  const { replicator } = await site.start(DIRECT);
  const { numbers, changedBytes } = await replicator.replicateOnce();
  assert.deepEqual({ numbers, changedBytes }, { numbers: [1], changedBytes: 0 });
  assert.ok(cloud.heads[0]?.marker);
  assert.equal(cloud.heads[0].predecessor, cloud.baseDigest);
  assertSameBytes(cloud.replica, site.volume.bytes);
  assert.ok(inFlightMax > 1 && inFlightMax <= 8, `${inFlightMax} in flight`);
  // The data, and no gap that is worth a request of its own.
  assert.equal(cloud.uploadedBytes, 3 * MIB + 4 * KIB + 4 * KIB + 4 * KIB + 1536);
  assert.equal(replicator.status().firstCopyDone, true);

  // And on as ever.
  site.volume.bytes.fill(9, 0, 512);
  assert.deepEqual((await replicator.replicateOnce()).numbers, [2]);
  assertSameBytes(cloud.replica, site.volume.bytes);
  assert.equal(cloud.heard.at(-1)?.direct, undefined);
});

test('what changes while the pages are written, and what the cloud finds different, is in delta 1', async () => {
  const cloud = directCloud();
  const site = new MemorySite(cloud);
  const { volume } = site;
  fill(volume.bytes);
  const { replicator } = await site.start(DIRECT);
  cloud.beforePages = () => {
    volume.bytes.fill(7, 0, 8 * KIB).fill(0, 4 * MIB, 4 * MIB + 8 * KIB);
  };
  const heard = cloud.onHeartbeat;
  cloud.onHeartbeat = (said) => {
    // A page that was acknowledged and torn all the same, before the copy was made.
    if (cloud.saying.base?.phase === 'copying') cloud.upload[5 * MIB] = 99;
    heard(said);
  };
  await replicator.replicateOnce();
  assert.equal(cloud.heads.length, 1);
  assertSameBytes(cloud.replica, volume.bytes);
});

test('an upload that is cut off at any request goes on where it was, over restarts', async () => {
  for (let cut = 1; cut <= 5; cut += 1) {
    const cloud = directCloud(20 * MIB);
    const site = new MemorySite(cloud);
    for (let at = 0; at < 20 * MIB; at += 4 * MIB) site.volume.bytes.fill(at / MIB + 1, at, at + 64 * KIB);
    let writes = 0;
    cloud.beforePages = () => {
      writes += 1;
      if (writes === cut) throw new LeewardError('UNAVAILABLE', 'the line is cut');
    };
    const { replicator } = await site.start(DIRECT);
    await assert.rejects(replicator.replicateOnce(), { code: 'UNAVAILABLE' });
    site.store.crash(() => false);
    const before = cloud.uploadedBytes;
    cloud.beforePages = () => undefined;
    const { replicator: again } = await site.start(DIRECT);
    await again.replicateOnce();
    assertSameBytes(cloud.replica, site.volume.bytes);
    assert.ok(before > 0 || cut === 1);
    assert.equal(cloud.heads.length, 1);
  }
});

test('what was acknowledged is not written again', async () => {
  const cloud = directCloud(20 * MIB);
  const site = new MemorySite(cloud);
  site.volume.bytes.fill(1);
  cloud.beforePages = (offset) => {
    if (offset >= 12 * MIB) throw new LeewardError('UNAVAILABLE', 'the line is cut');
  };
  const { replicator } = await site.start(DIRECT);
  await assert.rejects(replicator.replicateOnce(), { code: 'UNAVAILABLE' });
  assert.equal(cloud.uploadedBytes, 12 * MIB);
  cloud.beforePages = () => undefined;
  const { replicator: again } = await site.start(DIRECT);
  await again.replicateOnce();
  assert.equal(cloud.uploadedBytes, 20 * MIB);
  assertSameBytes(cloud.replica, site.volume.bytes);
});

test('an upload whose URL has ended goes on with the next', async () => {
  const cloud = directCloud();
  const site = new MemorySite(cloud);
  fill(site.volume.bytes);
  let ended = false;
  cloud.beforePages = (offset) => {
    if (offset < 4 * MIB || ended) return;
    ended = true;
    const { base = assert.fail('no base') } = cloud.saying;
    cloud.saying = { base: { ...base, uploadUrl: 'https://model.test/upload-2' } };
  };
  const { replicator } = await site.start(DIRECT);
  await replicator.replicateOnce();
  assert.ok(ended);
  assertSameBytes(cloud.replica, site.volume.bytes);
});

test('a cloud that does not take raw pages gets deltas at once; a small volume does not ask', async () => {
  const site = new MemorySite(new ModelCloud(VOLUME_BYTES));
  fill(site.volume.bytes);
  const { replicator } = await site.start(DIRECT);
  await replicator.replicateOnce();
  assert.ok(site.cloud.heard.some(({ direct }) => direct === true));
  assertSameBytes(site.cloud.replica, site.volume.bytes);
  assert.equal(site.cloud.uploadedBytes, 0);

  const small = new MemorySite(directCloud());
  const { replicator: smallOne } = await small.start({ directFromBytes: VOLUME_BYTES + 512 });
  await smallOne.replicateOnce();
  assert.ok(small.cloud.heard.every(({ direct }) => direct === undefined));
});

test('a volume that grows or shrinks while its pages are written has its new size after delta 1', async () => {
  for (const sizeBytes of [9 * MIB + 512, 20 * MIB]) {
    const cloud = directCloud();
    const site = new MemorySite(cloud);
    fill(site.volume.bytes);
    let done = false;
    cloud.beforePages = (offset) => {
      if (offset < 8 * MIB || done) return;
      done = true;
      const bytes = new Uint8Array(sizeBytes).fill(5);
      bytes.set(site.volume.bytes.subarray(0, sizeBytes));
      site.volume.bytes = bytes;
    };
    const { replicator } = await site.start(DIRECT);
    await replicator.replicateOnce().catch(async (error: unknown) => {
      // It shrank under a read: the next interval goes on.
      if (!(error instanceof LeewardError) || error.code !== 'SOURCE_CHANGED') throw error;
      await replicator.replicateOnce();
    });
    assert.ok(done);
    assertSameBytes(cloud.replica, site.volume.bytes);
  }
});

/** A site whose generation 1 has arrived, and a cloud that begins the next from `point`. */
async function resynced(options: { point: (bytes: Uint8Array) => Uint8Array }) {
  const cloud = new ModelCloud(VOLUME_BYTES);
  const site = new MemorySite(cloud);
  fill(site.volume.bytes);
  const { siteLink, replicator } = await site.start();
  await replicator.replicateOnce();
  await replicator.waitUntilAcknowledged(10_000);
  cloud.resyncFrom(options.point(cloud.replica.slice()));
  await siteLink.heartbeat();
  cloud.onHeartbeat = (said) => {
    cloud.stepBase(said);
  };
  return { cloud, site, siteLink, replicator };
}

test('a generation that begins from a point gets only the ranges that differ, and what has changed', async () => {
  const { cloud, site, replicator } = await resynced({
    point: (bytes) => {
      bytes.fill(66, 4 * MIB, 4 * MIB + 512);
      bytes.fill(66, 12 * MIB - 512, 12 * MIB);
      return bytes;
    },
  });
  site.volume.bytes.fill(8, 0, 512);
  const { changedBytes } = await replicator.replicateOnce();
  assert.equal(changedBytes, 8 * MIB + 4 * KIB);
  assert.equal(cloud.heads[0]?.predecessor, cloud.baseDigest);
  assertSameBytes(cloud.replica, site.volume.bytes);
});

test('a point of another size than the volume now has is brought to it', async () => {
  const sizes = [5 * MIB + 512, VOLUME_BYTES, 20 * MIB];
  for (const pointBytes of sizes) {
    for (const volumeBytes of sizes) {
      const { cloud, site, replicator } = await resynced({
        point: (bytes) => {
          const other = new Uint8Array(pointBytes).fill(66);
          other.set(bytes.subarray(0, pointBytes));
          return other;
        },
      });
      const bytes = new Uint8Array(volumeBytes);
      bytes.set(site.volume.bytes.subarray(0, volumeBytes));
      site.volume.bytes = bytes;
      await replicator.replicateOnce();
      assertSameBytes(cloud.replica, site.volume.bytes, `${pointBytes} to ${volumeBytes}`);
    }
  }
});

test('a site that has lost all it knew asks for another generation, and compares it with the volume', async () => {
  const { cloud, site } = await resynced({ point: (bytes) => bytes.fill(66, 4 * MIB, 4 * MIB + 512) });
  // It was the chain of generation 1 that it should have gone on with.
  cloud.saying = { acknowledged: { number: 5, digest: 'ab'.repeat(32) } };
  const fresh = new MemorySite(cloud);
  fresh.volume.bytes = site.volume.bytes;
  const { siteLink, replicator } = await fresh.start();
  await assert.rejects(replicator.replicateOnce(), {
    code: 'REFUSED',
    message: /another generation was asked for/,
  });
  await siteLink.heartbeat();
  assert.equal(cloud.heard.at(-1)?.wants, 'generation');
  assert.equal(cloud.heard.at(-1)?.generation, 2);

  cloud.resyncFrom(cloud.replica);
  await siteLink.heartbeat();
  const { changedBytes } = await replicator.replicateOnce();
  assert.equal(changedBytes, 4 * MIB);
  assertSameBytes(cloud.replica, site.volume.bytes);
});

test('a base that an earlier life of the site has listed is believed in nothing', async () => {
  const { cloud } = await resynced({ point: (bytes) => bytes });
  // Its list of all that is there has come, and matches; then its folder is lost, and the volume becomes zeros.
  cloud.saying = { base: { from: 'point', phase: 'copying', listed: true } };
  const { id: volume } = cloud.site;
  const head = { volume, generation: 2, number: 0, digest: '', volumeBytes: VOLUME_BYTES };
  cloud.lists.push({ ...head, hashes: cloud.hashesOfReplica() });
  const fresh = new MemorySite(cloud);
  const { replicator } = await fresh.start();
  await replicator.replicateOnce();
  assert.equal(cloud.lists.length, 1, 'it sends no list of its own');
  assertSameBytes(cloud.replica, fresh.volume.bytes);
});

test('a delta that is asked for again and lost here is told', async () => {
  const cloud = new ModelCloud(VOLUME_BYTES);
  const site = new MemorySite(cloud);
  fill(site.volume.bytes);
  const { siteLink, replicator } = await site.start({ deltaLiteralBytesMax: 512 * KIB });
  cloud.saying = { appliedNumber: 0 };
  await replicator.replicateOnce();
  const damaged = (await site.store.readDelta(3)) ?? assert.fail('no delta 3');
  damaged[damaged.length - 1] = 255 - (damaged.at(-1) ?? 0);
  await site.store.putDelta(3, damaged);
  await site.store.removeDelta(5);
  cloud.saying = { appliedNumber: 0, resend: [5, 3, 2].map((number) => ({ number, form: 'literal-2' })) };
  await siteLink.round().catch(() => undefined);
  await siteLink.heartbeat();
  assert.equal(cloud.heard.at(-1)?.lost, 3);
  assert.ok(
    [...cloud.entries.keys()].some((name) => name.includes('/0000000002-')),
    'what is there is sent',
  );
  cloud.saying = {};
  await siteLink.round();
  await siteLink.heartbeat();
  assert.equal(cloud.heard.at(-1)?.lost, undefined);
});
