/** Range lists that let the cloud compare its replica, and repairs of what it finds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeewardError } from '../../src/kernel/errors.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import { RANGE_BYTES, blockHashes, rangeHash } from '../../src/ranges/blocks.ts';
import type { RangeList } from '../../src/ranges/list.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { MemorySite } from '../support/memory-site.ts';
import { ModelCloud } from '../support/model-cloud.ts';

const DAY_MS = 24 * 3_600_000;
const VOLUME_BYTES = 9 * MIB + 1536;

function hashesOf(bytes: Uint8Array): Uint8Array {
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += RANGE_BYTES) {
    hashes.push(rangeHash(blockHashes(bytes.subarray(at, at + RANGE_BYTES))));
  }
  return Buffer.concat(hashes);
}

function newest(cloud: ModelCloud): RangeList {
  return cloud.lists.at(-1) ?? assert.fail('no list came');
}

test('a day after the last one, a list of what the volume is follows an interval', async () => {
  const site = new MemorySite(new ModelCloud(VOLUME_BYTES));
  const { cloud, volume } = site;
  volume.bytes.fill(1, 3 * MIB, 6 * MIB).fill(2, 9 * MIB);
  const { replicator } = await site.start();
  await replicator.replicateOnce();
  cloud.storage.clock.advance(DAY_MS - 1);
  await replicator.replicateOnce();
  assert.equal(cloud.lists.length, 0);

  cloud.storage.clock.advance(1);
  volume.bytes.fill(3, 8 * KIB, 9 * KIB);
  await replicator.replicateOnce();
  assert.equal(cloud.lists.length, 1);
  const { number, digest, volumeBytes, hashes } = newest(cloud);
  const made = { number: 2, digest: cloud.heads.at(-1)?.digest, volumeBytes: VOLUME_BYTES };
  assert.deepEqual({ number, digest, volumeBytes }, made);
  assertSameBytes(hashes, hashesOf(volume.bytes), 'hashes');

  // Not again before another day, over restarts too; and then also where nothing has changed.
  cloud.storage.clock.advance(DAY_MS - 1);
  const { replicator: again } = await site.start();
  await again.replicateOnce();
  assert.equal(cloud.lists.length, 1);
  cloud.storage.clock.advance(1);
  await again.replicateOnce();
  assert.equal(cloud.lists.length, 2);
  assert.equal(newest(cloud).number, 2);

  // A clock that was set back does not put it off.
  cloud.storage.clock.advance(-10 * DAY_MS);
  await again.replicateOnce();
  assert.equal(cloud.lists.length, 3);
});

test('the cloud can ask for a list, and is given it once', async () => {
  const site = new MemorySite(new ModelCloud(VOLUME_BYTES));
  const { cloud } = site;
  const { siteLink, replicator } = await site.start();
  await replicator.replicateOnce();
  cloud.saying = { verify: true };
  for (let round = 0; round < 3; round += 1) {
    await siteLink.heartbeat();
    await replicator.replicateOnce();
  }
  assert.equal(cloud.lists.length, 1);
});

test('a list that could not be sent follows the next interval, after a restart too', async () => {
  const site = new MemorySite(new ModelCloud(VOLUME_BYTES));
  const { cloud } = site;
  const { replicator } = await site.start();
  await replicator.replicateOnce();
  cloud.storage.clock.advance(DAY_MS);
  const put = cloud.putEntry.bind(cloud);
  cloud.putEntry = async () => {
    throw new LeewardError('UNAVAILABLE', 'the line is cut');
  };
  assert.equal((await replicator.replicateOnce()).unsent, undefined);
  cloud.putEntry = put;
  const { replicator: again } = await site.start();
  await again.replicateOnce();
  assert.equal(cloud.lists.length, 1);
});

test('no list is made of an interval that broke off', async () => {
  const site = new MemorySite(new ModelCloud(VOLUME_BYTES));
  const { cloud, volume } = site;
  const { replicator } = await site.start({ deltaLiteralBytesMax: 64 * KIB });
  await replicator.replicateOnce();
  cloud.storage.clock.advance(2 * DAY_MS);
  volume.bytes.fill(1, 0, 100 * KIB);
  site.store.onPut = () => (volume.isGone = true);
  await assert.rejects(replicator.replicateOnce(), { code: 'SOURCE_CHANGED' });
  assert.equal(cloud.lists.length, 0);
});

test('a repair is sent with the next interval, whatever the index believed, and only then counts as done', async () => {
  const site = new MemorySite(new ModelCloud(VOLUME_BYTES));
  const { cloud, volume } = site;
  volume.bytes.fill(1, 5 * MIB, 6 * MIB).fill(2, 9 * MIB);
  const { siteLink, replicator } = await site.start();
  await replicator.replicateOnce();

  // Bits that fell over in the cloud: in data, in zeros, and at the odd end.
  cloud.replica[5 * MIB + 7] = 99;
  cloud.replica[4 * MIB + 7] = 99;
  cloud.replica[VOLUME_BYTES - 1] = 99;
  const repair = { id: 'check-1', ranges: [{ offset: 4 * MIB, lengthBytes: 100 * MIB }] };
  cloud.saying = { repair };
  await siteLink.heartbeat();
  assert.equal(cloud.heard.at(-1)?.repaired, undefined, 'not before it is durable');
  await siteLink.heartbeat();
  assert.equal(cloud.heard.at(-1)?.repaired, 'check-1');
  cloud.storage.clock.advance(DAY_MS);

  const { siteLink: second, replicator: restarted } = await site.start();
  await second.heartbeat();
  await second.heartbeat();
  assert.equal(cloud.heard.at(-1)?.repaired, 'check-1');
  const { numbers, changedBytes } = await restarted.replicateOnce();
  assert.deepEqual(numbers, [2]);
  assert.equal(changedBytes, VOLUME_BYTES - 4 * MIB);
  assertSameBytes(cloud.replica, volume.bytes);
  assertSameBytes(newest(cloud).hashes, hashesOf(volume.bytes), 'the list after it');

  // Asked for again it is done already; another one is another.
  await second.heartbeat();
  assert.deepEqual((await restarted.replicateOnce()).numbers, []);
  cloud.saying = { repair: { id: 'check-2', ranges: [{ offset: 0, lengthBytes: 4 * MIB }] } };
  await second.heartbeat();
  assert.equal((await restarted.replicateOnce()).changedBytes, 4 * MIB);
  cloud.saying = {};
  await second.heartbeat();
  await second.heartbeat();
  assert.equal(cloud.heard.at(-1)?.repaired, undefined);
});

test('no list is made while a repair is due', async () => {
  const site = new MemorySite(new ModelCloud(VOLUME_BYTES));
  const { cloud } = site;
  const { siteLink, replicator } = await site.start();
  await replicator.replicateOnce();
  cloud.storage.clock.advance(2 * DAY_MS);
  // It is heard of after the interval has passed the range.
  site.volume.onRead = (offset) => {
    if (offset !== 8 * MIB) return;
    cloud.saying = { repair: { id: 'check-1', ranges: [{ offset: 0, lengthBytes: 4 * MIB }] } };
  };
  const read = site.volume.read.bind(site.volume);
  site.volume.read = async (offset, into) => {
    await read(offset, into);
    if (offset === 8 * MIB) await siteLink.heartbeat();
  };
  await replicator.replicateOnce();
  assert.equal(cloud.lists.length, 0);
  site.volume.onRead = () => undefined;
  assert.equal((await replicator.replicateOnce()).changedBytes, 4 * MIB);
  assert.equal(newest(cloud).number, 2);
});
