/**
 * Crashes at every durable operation while a generation's base is made, before and after it took effect, in a first copy of
 * raw pages and in a resync from a recovery point with a repair: what the chain makes in the end is the volume.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KIB } from '../../src/kernel/units.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { Crash, crashingStore } from '../support/crashing-store.ts';
import type { Faults } from '../support/crashing-store.ts';
import { MemorySite } from '../support/memory-site.ts';
import { ModelCloud } from '../support/model-cloud.ts';

const VOLUME_BYTES = 300 * KIB + 512;

async function run(crashAt: number, when: Faults['when']): Promise<Faults> {
  const cloud = new ModelCloud(VOLUME_BYTES);
  const site = new MemorySite(cloud);
  const { volume, store } = site;
  cloud.onHeartbeat = (said) => {
    cloud.stepBase(said);
  };
  const faults: Faults = { count: 0, crashAt, when };
  const options = { directFromBytes: KIB, deltaLiteralBytesMax: 64 * KIB };
  let chance = crashAt;
  let running: Awaited<ReturnType<typeof site.start>> | undefined;
  const persist = async (work: (of: Awaited<ReturnType<typeof site.start>>) => Promise<void>): Promise<void> => {
    for (;;) {
      try {
        running ??= await site.start(options, crashingStore(store, faults));
        await work(running);
        return;
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
        store.crash(() => (chance = (chance * 1103515245 + 12345) & 0x7fffffff) % 3 === 0);
        running = undefined;
        // What it had read and written may be something else by now.
        volume.bytes.fill(9, 8 * KIB, 16 * KIB).fill(0, 100 * KIB, 108 * KIB);
      }
    }
  };
  const interval = async (): Promise<void> =>
    persist(async ({ siteLink, replicator }) => {
      await replicator.replicateOnce();
      await siteLink.round();
      assert.equal(replicator.status().waitingBytes, 0);
      assertSameBytes(cloud.replica, volume.bytes);
    });

  volume.bytes.fill(1, 0, 100 * KIB).fill(2, 200 * KIB);
  await interval();
  volume.bytes.fill(3, 150 * KIB, 180 * KIB);
  await interval();

  // The next generation begins from a point that holds something else.
  const point = cloud.replica.slice();
  point.fill(66, 250 * KIB, 251 * KIB);
  cloud.resyncFrom(point);
  await persist(async ({ siteLink }) => {
    await siteLink.heartbeat();
  });
  volume.bytes.fill(4, 64 * KIB, 72 * KIB);
  await interval();
  await interval();
  assert.equal(cloud.heads[0]?.predecessor, cloud.baseDigest);
  assert.deepEqual(await store.listDeltas(), []);
  assert.ok(cloud.lists.length > 0);
  for (const list of cloud.lists) assert.deepEqual(list, cloud.lists[0], 'two lists of one base');
  return faults;
}

for (const when of ['before', 'after'] as const) {
  test(`a crash ${when} any durable operation of a base loses nothing and tears nothing`, async () => {
    const { count } = await run(0, when);
    assert.ok(count > 40, `${count} operations`);
    for (let crashAt = 1; crashAt <= count; crashAt += 1) {
      const faults = await run(crashAt, when);
      assert.ok(faults.count >= crashAt, `crash ${crashAt} did not happen`);
    }
  });
}
