/**
 * An upload for a volume that has grown since its size was said: what it has no room for goes with delta 1. Found by the
 * simulator: storage refused the pages behind the upload's end, and the site tried for ever.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { orderGeneration } from '../../src/app/volume-orders.ts';
import { LeewardError } from '../../src/kernel/errors.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { MemoryCloud } from '../support/memory-cloud.ts';
import { MemorySite } from '../support/memory-site.ts';

async function start() {
  const cloud = await MemoryCloud.make({ volumeBytes: 64 * KIB });
  cloud.before = async (request) => {
    if (request !== 'heartbeat') return;
    await cloud.work();
    await cloud.sweep();
  };
  const site = new MemorySite(cloud);
  site.volume.bytes.fill(1);
  return { cloud, site };
}

function grow({ volume }: MemorySite): void {
  const bytes = new Uint8Array(2 * MIB + 512).fill(2);
  bytes.set(volume.bytes);
  volume.bytes = bytes;
}

test('a generation that a person orders from an upload, of a volume that has grown', async () => {
  const { cloud, site } = await start();
  const { siteLink, replicator } = await site.start();
  await replicator.replicateOnce();
  await siteLink.round();
  grow(site);
  await orderGeneration(cloud.storage.documents, cloud.site.ref, { from: 'upload', reason: 'by hand' });
  await siteLink.round();
  await siteLink.round();
  await replicator.replicateOnce();
  await cloud.work();
  const { current, published } = await cloud.storage.volume(cloud.site);
  assert.deepEqual([current, published], [2, 2]);
  assertSameBytes(await cloud.replica(), site.volume.bytes);
});

test('a first copy of a volume that grew after the upload was asked for, whose answer was lost', async () => {
  const { cloud, site } = await start();
  const { replicator } = await site.start({ directFromBytes: KIB });
  let lost = 0;
  const heartbeat = cloud.heartbeat.bind(cloud);
  cloud.heartbeat = async (message) => {
    const answer = await heartbeat(message);
    const { base } = answer.volumes[0] ?? {};
    if (base === undefined || lost > 0) return answer;
    lost += 1;
    grow(site);
    throw new LeewardError('UNAVAILABLE', 'no answer');
  };
  await replicator.replicateOnce();
  await cloud.work();
  assert.equal(lost, 1);
  assertSameBytes(await cloud.replica(), site.volume.bytes);
});
