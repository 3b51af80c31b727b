/** A replicator over real files: an image of an odd number of MiB with a hole, a store in a folder, restarts. */
import assert from 'node:assert/strict';
import { mkdtemp, open, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MIB } from '../../src/kernel/units.ts';
import { SiteLink } from '../../src/site/send/site-link.ts';
import { Replicator } from '../../src/site/replicator.ts';
import { openSiteStore } from '../../src/system/site-store.ts';
import { SystemRandom } from '../../src/system/random.ts';
import { openVolumeSource } from '../../src/system/volume-source.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { MemoryCloud } from '../support/memory-cloud.ts';

test('an image file arrives byte for byte, over restarts', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'leeward-site-'));
  try {
    const path = join(folder, 'image');
    const volumeBytes = 37 * MIB;
    const image = await open(path, 'w+');
    await image.truncate(volumeBytes);
    const random = new SystemRandom();
    await image.write(random.bytes(20 * MIB), 0, 20 * MIB, 10 * MIB + 512);

    const cloud = await MemoryCloud.make({ volumeBytes });
    const { clock } = cloud.storage;
    for (const expected of [[1, 2], [3], []]) {
      const source = await openVolumeSource(path);
      const store = await openSiteStore(join(folder, 'volume'));
      const agentStore = await openSiteStore(join(folder, 'agent'));
      const siteLink = new SiteLink({
        site: 'acme/berlin',
        key: cloud.site.key,
        clock,
        link: cloud,
        store: agentStore,
      });
      const replicator = await Replicator.open({ volume: cloud.site.id, source, store, siteLink, clock });
      const { numbers, readBytes } = await replicator.replicateOnce();
      assert.deepEqual(numbers, expected);
      assert.equal(readBytes, volumeBytes);
      await cloud.work();
      await replicator.waitUntilAcknowledged(10_000);
      assertSameBytes(await cloud.replica(), await readFile(path));
      for (const open of [source, store, agentStore]) await open.close();
      // Changed once only: the last round finds nothing.
      if (expected.length === 2) await image.write(random.bytes(3000), 0, 3000, 36 * MIB + 7);
    }
    await image.close();
    const index = await stat(join(folder, 'volume', 'index'));
    assert.ok(index.blocks * 512 < index.size, 'the index is sparse where the volume is');
    assert.equal(index.size, ((36 * MIB) / 4096 + 1) * 16);
  } finally {
    await rm(folder, { recursive: true });
  }
});
