/**
 * A site that has lost its folder and asks for another generation, and is started again while the cloud cannot be reached.
 * Found by the simulator: it made a chain of its own beside the one that it had forgotten, and took itself for a fork.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeewardError } from '../../src/kernel/errors.ts';
import { KIB } from '../../src/kernel/units.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { MemorySite } from '../support/memory-site.ts';
import { ModelCloud } from '../support/model-cloud.ts';

for (const generation of [1, 2]) {
  test(`nothing is made in generation ${generation}, of which the cloud has what is not known here`, async () => {
    const cloud = new ModelCloud(64 * KIB);
    cloud.generation = generation;
    cloud.saying = { acknowledged: { number: 5, digest: 'ab'.repeat(32) } };
    const site = new MemorySite(cloud);
    site.volume.bytes.fill(1);
    const { replicator: first } = await site.start();
    await assert.rejects(first.replicateOnce(), { code: 'REFUSED' });

    const heartbeat = cloud.heartbeat.bind(cloud);
    cloud.heartbeat = async () => {
      throw new LeewardError('UNAVAILABLE', 'no answer');
    };
    const { siteLink, replicator } = await site.start();
    await assert.rejects(replicator.replicateOnce(), { code: 'UNAVAILABLE' });
    assert.deepEqual(await site.store.listDeltas(), []);

    cloud.heartbeat = heartbeat;
    await siteLink.heartbeat();
    await siteLink.heartbeat();
    assert.partialDeepStrictEqual(cloud.heard.at(-1), { generation, wants: 'generation' });
    cloud.nextGeneration(new Uint8Array(0));
    await siteLink.heartbeat();
    await replicator.replicateOnce();
    assertSameBytes(cloud.replica, site.volume.bytes);
  });
}
