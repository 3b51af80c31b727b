/** An image file as a volume: what its end means. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isLeewardError } from '../../src/kernel/errors.ts';
import { openVolumeSource } from '../../src/system/volume-source.ts';

describe('an image file', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'leeward-source-'));
  });
  after(async () => {
    await rm(folder, { recursive: true });
  });

  test('that ends within a page reads as zeros up to the end of that page, and no further', async () => {
    const path = join(folder, 'odd.img');
    await writeFile(path, Buffer.alloc(1000, 0xab));
    const source = await openVolumeSource(path);
    try {
      assert.equal(await source.sizeBytes(), 1024);
      const whole = new Uint8Array(1024).fill(0xff);
      await source.read(0, whole);
      assert.deepEqual(whole, new Uint8Array([...Buffer.alloc(1000, 0xab), ...Buffer.alloc(24)]));
      await assert.rejects(source.read(512, new Uint8Array(1024)), (error) => isLeewardError(error, 'SOURCE_CHANGED'));
    } finally {
      await source.close();
    }
  });

  test('that shrinks while it is read is an error, not zeros', async () => {
    const path = join(folder, 'shrinks.img');
    await writeFile(path, Buffer.alloc(4096, 0xab));
    const source = await openVolumeSource(path);
    try {
      for (const sizeBytes of [2048, 2000]) {
        await truncate(path, sizeBytes);
        await assert.rejects(source.read(0, new Uint8Array(4096)), (error) => isLeewardError(error, 'SOURCE_CHANGED'));
        assert.equal(await source.sizeBytes(), 2048);
      }
    } finally {
      await source.close();
    }
  });
});
