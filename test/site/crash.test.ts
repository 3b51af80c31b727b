/**
 * Crashes of the replicator at every durable operation, before and after it took effect: what is sent in the end is the
 * volume, in one chain, and nothing was ever sent that had not been stored.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDelta } from '../../src/delta/delta.ts';
import { NO_DIGEST } from '../../src/kernel/hash.ts';
import { KIB } from '../../src/kernel/units.ts';
import { envelopeSchema } from '../../src/protocol/envelope.ts';
import { readPayload, signedMessageSchema } from '../../src/protocol/signed.ts';
import { BLOCK_BYTES } from '../../src/ranges/blocks.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { MemoryCloud } from '../support/memory-cloud.ts';
import { Crash, crashingStore } from '../support/crashing-store.ts';
import type { Faults } from '../support/crashing-store.ts';
import { MemorySite } from '../support/memory-site.ts';

const VOLUME_BYTES = 66 * KIB;

/** Each step may be cut off and is then repeated by a fresh process, as often as it takes. */
async function steps(site: MemorySite, faults: Faults, survives: () => boolean): Promise<void> {
  const changes: ((bytes: Uint8Array) => void)[] = [
    (bytes) => bytes.fill(1, 0, 9 * BLOCK_BYTES),
    (bytes) => bytes.fill(0, 2 * BLOCK_BYTES, 3 * BLOCK_BYTES).fill(2, 65 * KIB),
    (bytes) => bytes.fill(3, 3 * BLOCK_BYTES, 8 * BLOCK_BYTES),
  ];
  const options = { deltaLiteralBytesMax: 3 * BLOCK_BYTES };
  const begin = async () => site.start(options, crashingStore(site.store, faults));
  let running: Awaited<ReturnType<typeof begin>> | undefined;
  for (const change of changes) {
    change(site.volume.bytes);
    for (let done = false; !done;) {
      try {
        running ??= await begin();
        await running.replicator.replicateOnce();
        await site.cloud.work();
        await running.siteLink.round();
        assert.equal(running.replicator.status().waitingBytes, 0);
        done = true;
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
        site.store.crash(survives);
        running = undefined;
        // What has to be sent again must not hang on what the volume still shows.
        site.volume.bytes.fill(9, 12 * BLOCK_BYTES, 13 * BLOCK_BYTES);
      }
    }
  }
}

async function run(crashAt: number, when: Faults['when']): Promise<Faults> {
  const cloud = await MemoryCloud.make({ volumeBytes: VOLUME_BYTES });
  const site = new MemorySite(cloud);
  const made = new Map<number, { digest: string; bytes: Uint8Array }>();
  const checks: Promise<void>[] = [];
  cloud.before = (request, text) => {
    if (request !== 'sendMessage' || typeof text !== 'string') return;
    const { inline = '' } = readPayload(signedMessageSchema.parse(JSON.parse(text)), envelopeSchema);
    const bytes = new Uint8Array(Buffer.from(inline, 'base64'));
    const { number, digest } = openDelta(bytes).head;
    assert.equal(made.get(number)?.digest ?? digest, digest, `delta ${number} was sent with two contents`);
    made.set(number, { digest, bytes });
    checks.push(
      site.store.readDelta(number).then((stored) => {
        assert.deepEqual(stored, bytes, `delta ${number} was sent and not stored`);
      }),
    );
  };
  let chance = crashAt;
  const faults: Faults = { count: 0, crashAt, when };
  await steps(site, faults, () => (chance = (chance * 1103515245 + 12345) & 0x7fffffff) % 3 === 0);
  await Promise.all(checks);

  const volume = new Uint8Array(VOLUME_BYTES);
  let predecessor = NO_DIGEST;
  for (let number = 1; number <= made.size; number += 1) {
    const delta = openDelta(made.get(number)?.bytes ?? assert.fail(`delta ${number} is missing`));
    assert.equal(delta.head.predecessor, predecessor);
    predecessor = delta.head.digest;
    for (const piece of delta.pieces()) {
      if ('zerosBytes' in piece) volume.fill(0, piece.offset, piece.offset + piece.zerosBytes);
      else volume.set(piece.bytes, piece.offset);
    }
  }
  assertSameBytes(volume, site.volume.bytes, 'deltas');
  assertSameBytes(await cloud.replica(), site.volume.bytes);
  assert.deepEqual(await site.store.listDeltas(), []);
  return faults;
}

for (const when of ['before', 'after'] as const) {
  test(`a crash ${when} any durable operation loses nothing and tears nothing`, async () => {
    const { count } = await run(0, when);
    assert.ok(count > 30, `${count} operations`);
    for (let crashAt = 1; crashAt <= count; crashAt += 1) {
      const faults = await run(crashAt, when);
      assert.ok(faults.count >= crashAt, `crash ${crashAt} did not happen`);
    }
  });
}

test('a disk that is full for a while is recovered from without a restart', async () => {
  const { count } = await run(0, 'before');
  for (let crashAt = 3; crashAt <= count; crashAt += 1) {
    const cloud = await MemoryCloud.make({ volumeBytes: VOLUME_BYTES });
    const site = new MemorySite(cloud);
    const faults: Faults = { count: 0, crashAt, when: 'before' };
    const { siteLink, replicator } = await site.start(
      { deltaLiteralBytesMax: 3 * BLOCK_BYTES },
      crashingStore(site.store, faults),
    );
    for (const value of [1, 2, 3]) {
      site.volume.bytes.fill(value, value * BLOCK_BYTES, (value + 7) * BLOCK_BYTES);
      for (let done = false; !done;) {
        try {
          await replicator.replicateOnce();
          await cloud.work();
          await siteLink.round();
          done = true;
        } catch (error) {
          if (!(error instanceof Crash)) throw error;
        }
      }
    }
    assertSameBytes(await cloud.replica(), site.volume.bytes);
  }
});
