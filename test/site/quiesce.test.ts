import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { currentGeneration } from '../../src/documents/volume.ts';
import { LeewardError, isLeewardError } from '../../src/kernel/errors.ts';
import { MIB } from '../../src/kernel/units.ts';
import type { Quiesce } from '../../src/ports/quiesce.ts';
import { MemoryCloud } from '../support/memory-cloud.ts';
import { MemorySite } from '../support/memory-site.ts';

async function siteWith(volumeBytes: number): Promise<{ cloud: MemoryCloud; site: MemorySite }> {
  const cloud = await MemoryCloud.make({ volumeBytes });
  return { cloud, site: new MemorySite(cloud) };
}

/** What happened, and a hold that ends as it is told to. */
function holding(happened: string[], stoodStill: () => boolean): Quiesce {
  return {
    hold: async () => {
      happened.push('held');
      return {
        release: async () => {
          happened.push('released');
          return stoodStill();
        },
      };
    },
  };
}

describe('a volume that is made to stand still', () => {
  test('is held while it is read and no longer; its points are application-consistent', async () => {
    const { cloud, site } = await siteWith(MIB);
    const happened: string[] = [];
    site.volume.onRead = () => happened.push('read');
    let stoodStill = true;
    const { replicator } = await site.start({ quiesce: holding(happened, () => stoodStill) });
    const { restless } = await replicator.replicateOnce();
    assert.equal(restless, undefined);
    assert.deepEqual(
      happened.filter((what, at) => what !== happened[at - 1]),
      ['held', 'read', 'released'],
    );

    stoodStill = false;
    site.volume.bytes.fill(1, 0, 4096);
    const second = await replicator.replicateOnce();
    assert.match(second.restless?.message ?? '', /did not stand still/);

    await cloud.work();
    const { snapshots } = currentGeneration(await cloud.storage.volume(cloud.site));
    assert.deepEqual(
      snapshots.map(({ number, consistency }) => ({ number, consistency })),
      [
        { number: 1, consistency: 'application' },
        { number: 2, consistency: 'crash' },
      ],
    );
  });

  test('that cannot be made to is read all the same, and says so', async () => {
    const { cloud, site } = await siteWith(MIB);
    const quiesce: Quiesce = { hold: () => Promise.reject(new LeewardError('UNAVAILABLE', 'the database is busy')) };
    const { replicator } = await site.start({ quiesce });
    const { numbers, restless } = await replicator.replicateOnce();
    assert.deepEqual(numbers, [1]);
    assert(isLeewardError(restless, 'UNAVAILABLE'));
    assert.match(restless.message, /the database is busy/);
    await cloud.work();
    const { snapshots } = currentGeneration(await cloud.storage.volume(cloud.site));
    assert.deepEqual(
      snapshots.map(({ consistency }) => consistency),
      ['crash'],
    );
  });

  test('is released when the interval fails while it reads', async () => {
    const { site } = await siteWith(MIB);
    const happened: string[] = [];
    site.volume.onRead = () => {
      site.volume.isGone = true;
    };
    const { replicator } = await site.start({ quiesce: holding(happened, () => true) });
    await assert.rejects(replicator.replicateOnce());
    assert.deepEqual(happened, ['held', 'released']);
  });
});
