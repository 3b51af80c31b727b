/** The cloud may take less of a delta than the format allows, and says so: the site keeps to it from the next delta on. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { checkDelta, openDelta } from '../../src/delta/delta.ts';
import type { DeltaLimits } from '../../src/delta/limits.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import { envelopeSchema } from '../../src/protocol/envelope.ts';
import { readPayload, signedMessageSchema } from '../../src/protocol/signed.ts';
import { limitsOf } from '../../src/site/chain/delta-room.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { MemoryCloud } from '../support/memory-cloud.ts';
import { MemoryContentIndex } from '../support/memory/content-index.ts';
import { MemorySite } from '../support/memory-site.ts';

/** Every delta that is sent from now on, as it travels. */
function sentBy(cloud: MemoryCloud): Uint8Array[] {
  const sent: Uint8Array[] = [];
  cloud.before = (request, body) => {
    if (request === 'putEntry' && body instanceof Uint8Array) sent.push(body);
    if (request !== 'sendMessage' || typeof body !== 'string') return;
    const { inline } = readPayload(signedMessageSchema.parse(JSON.parse(body)), envelopeSchema);
    if (inline !== undefined) sent.push(Buffer.from(inline, 'base64'));
  };
  return sent;
}

/** 4 MiB: random bytes, bytes that repeat, and scattered blocks. */
function fill(bytes: Uint8Array): void {
  bytes.set(randomBytes(2 * MIB + 12 * KIB));
  bytes.fill(7, 2 * MIB + 12 * KIB, 3 * MIB);
  for (let at = 3 * MIB; at < 4 * MIB; at += 8 * KIB) bytes[at] = 1;
}

const LOWERED: readonly Partial<DeltaLimits>[] = [
  { contentBytesMax: MIB },
  { contentBytesMax: 100 * KIB },
  { encodedBytesMax: MIB },
  { encodedBytesMax: 40 * KIB },
  { extentsMax: 10 },
  { framesMax: 1 },
  { ratioMax: 1 },
  { ratioMax: 30 },
  { contentBytesMax: MIB, encodedBytesMax: MIB, extentsMax: 16, framesMax: 16, ratioMax: 100 },
];

for (const limits of LOWERED) {
  test(`every delta keeps within ${JSON.stringify(limits)}`, async () => {
    for (const zstdLevel of [0, 3]) {
      const cloud = await MemoryCloud.make({ volumeBytes: 4 * MIB });
      const site = new MemorySite(cloud);
      fill(site.volume.bytes);
      cloud.limits = { ...limits };
      const sent = sentBy(cloud);
      const { replicator } = await site.start({ zstdLevel, content: new MemoryContentIndex() });
      await replicator.replicateOnce();
      // What the cloud has by now can be referred to.
      await cloud.work();
      await replicator.waitUntilAcknowledged(60_000);
      site.volume.bytes.copyWithin(MIB, 0, MIB / 2);
      site.volume.bytes.fill(0, 3 * MIB);
      await replicator.replicateOnce();
      await cloud.work();
      assert.ok(sent.length > 1);
      for (const bytes of sent) openDelta(bytes, limitsOf(limits));
      assertSameBytes(await cloud.replica(), site.volume.bytes);
    }
  });
}

test('limits that are lowered or raised count from the next delta on', async () => {
  const cloud = await MemoryCloud.make({ volumeBytes: 4 * MIB });
  const site = new MemorySite(cloud);
  const sent = sentBy(cloud);
  const { siteLink, replicator } = await site.start();
  const sizes: number[][] = [];
  for (const contentBytesMax of [undefined, 300 * KIB, undefined]) {
    cloud.limits = contentBytesMax === undefined ? undefined : { contentBytesMax };
    await siteLink.heartbeat();
    site.volume.bytes.set(randomBytes(MIB));
    await replicator.replicateOnce();
    sizes.push(sent.splice(0).map((bytes) => checkDelta(bytes).head.literalBytes));
  }
  assert.deepEqual(sizes, [[MIB], [300 * KIB, 300 * KIB, 300 * KIB, 124 * KIB], [MIB]]);
});

test('of a delta that was stored before, the site shows what the cloud says, and puts no entry again', async () => {
  const cloud = await MemoryCloud.make({ volumeBytes: 4 * MIB });
  const site = new MemorySite(cloud);
  fill(site.volume.bytes);
  const { replicator, siteLink } = await site.start({ resendAfterMs: 1000 });
  await replicator.replicateOnce();
  const { sentBytes } = replicator.status();
  const [text = ''] = cloud.messages;
  const strict = cloud.storage.worker({ limits: limitsOf({ contentBytesMax: MIB }) });
  for (let round = 0; round < 3; round += 1) {
    await strict.ingest.receive(JSON.parse(text), 'leeward-bulk');
    cloud.storage.clock.advance(10_000);
    await siteLink.round();
    assert.match(replicator.status().trouble ?? '', /contentBytesMax/);
  }
  assert.equal(cloud.entries.length, 1);
  assert.equal(replicator.status().sentBytes, sentBytes, 'messages that name an entry count none of its bytes');
  // Somebody raises the limit: the message is repeated, and taken.
  await cloud.work();
  await siteLink.round();
  assert.deepEqual(
    [replicator.status().acknowledgedNumber, replicator.status().trouble],
    [replicator.status().storedNumber, undefined],
  );
});
