/** Volumes that grow and shrink: what the deltas make is what the volume is, whatever happens in between. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KIB } from '../../src/kernel/units.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { MemorySite } from '../support/memory-site.ts';
import { ModelCloud } from '../support/model-cloud.ts';

/** Gives the volume another size; `fill` stands in what is new of it. */
function resize(site: MemorySite<ModelCloud>, sizeBytes: number, fill: number): void {
  const bytes = new Uint8Array(sizeBytes).fill(fill);
  bytes.set(site.volume.bytes.subarray(0, sizeBytes));
  site.volume.bytes = bytes;
}

test('a volume goes on in its generation with the size that it has now, and sends what the resize does not give', async () => {
  const site = new MemorySite(new ModelCloud(64 * KIB));
  site.volume.bytes.fill(1, 0, 60 * KIB);
  const { replicator } = await site.start();
  const { cloud } = site;
  await replicator.replicateOnce();

  const steps = [
    { name: 'grows by zeros', sizeBytes: 96 * KIB, fill: 0, changedBytes: 0 },
    { name: 'grows by data', sizeBytes: 104 * KIB, fill: 2, changedBytes: 8 * KIB },
    { name: 'shrinks to whole blocks', sizeBytes: 100 * KIB, fill: 0, changedBytes: 0 },
    { name: 'shrinks into a block', sizeBytes: 98 * KIB, fill: 0, changedBytes: 2 * KIB },
    { name: 'grows within the block', sizeBytes: 99 * KIB, fill: 0, changedBytes: 3 * KIB },
    { name: 'grows behind a short block', sizeBytes: 104 * KIB, fill: 0, changedBytes: 4 * KIB },
    { name: 'shrinks to before what was written', sizeBytes: 40 * KIB, fill: 0, changedBytes: 0 },
    { name: 'grows again over what was cut off', sizeBytes: 64 * KIB, fill: 1, changedBytes: 24 * KIB },
    { name: 'is cut to nothing', sizeBytes: 0, fill: 0, changedBytes: 0 },
    { name: 'comes back as zeros', sizeBytes: 8 * KIB, fill: 0, changedBytes: 0 },
  ];
  for (const [index, { name, sizeBytes, fill, changedBytes }] of steps.entries()) {
    resize(site, sizeBytes, fill);
    const report = await replicator.replicateOnce();
    assert.deepEqual(
      { numbers: report.numbers, changedBytes: report.changedBytes },
      { numbers: [index + 2], changedBytes },
      name,
    );
    assert.equal(cloud.heads.at(-1)?.volumeBytes, sizeBytes, name);
    assert.equal(cloud.heads.at(-1)?.marker?.name, `p-${index + 2}`, name);
    assertSameBytes(cloud.replica, site.volume.bytes, name);
    assert.deepEqual((await replicator.replicateOnce()).numbers, [], `${name}: once`);
  }
});

for (const then of [1, 0])
  test(`an interval that breaks off after a cut leaves nothing of the cut block for known: it becomes ${then}`, async () => {
    const site = new MemorySite(new ModelCloud(64 * KIB));
    site.volume.bytes.fill(1);
    const { replicator } = await site.start({ deltaLiteralBytesMax: 8 * KIB });
    await replicator.replicateOnce();

    // Two deltas come to be; what stood in the third, the cut block with it, is never sent.
    resize(site, 30 * KIB, 0);
    site.volume.bytes.fill(2, 0, 20 * KIB);
    const { cloud } = site;
    const made = cloud.heads.length;
    site.store.onPut = (number) => (site.volume.isGone = number === made + 2);
    await assert.rejects(replicator.replicateOnce(), { code: 'SOURCE_CHANGED' });
    assert.equal(cloud.replica.length, 30 * KIB);

    // Given back its size and its bytes, it is not what it was: the cut has taken them from the replica.
    site.volume.isGone = false;
    site.store.onPut = () => undefined;
    resize(site, 64 * KIB, then);
    site.volume.bytes.fill(then, 20 * KIB);
    await replicator.replicateOnce();
    assertSameBytes(cloud.replica, site.volume.bytes);
  });

test('a size that changes during an interval drops the delta that is being made, and the next interval takes it', async () => {
  const site = new MemorySite(new ModelCloud(64 * KIB));
  const { replicator } = await site.start();
  await replicator.replicateOnce();
  for (const sizeBytes of [96 * KIB, 32 * KIB]) {
    site.volume.bytes.fill(sizeBytes / KIB);
    site.volume.onRead = () => {
      site.volume.onRead = () => undefined;
      resize(site, sizeBytes, 7);
    };
    const made = site.cloud.heads.length;
    await assert.rejects(replicator.replicateOnce(), { code: 'SOURCE_CHANGED' });
    assert.equal(site.cloud.heads.length, made, 'nothing of it was sent');
    await replicator.replicateOnce();
    assertSameBytes(site.cloud.replica, site.volume.bytes);
  }
});
