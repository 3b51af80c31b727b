import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { dataRanges, joined, sumOf } from '../../scripts/bench/ranges.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';

test('data is found in units of the asked size, neighbours joined up to the most that a write may have', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'leeward-ranges-'));
  try {
    const image = Buffer.alloc(9 * MIB);
    // A last byte, a block after it across the border of two parts, and a block alone.
    image[4 * MIB - 1] = 1;
    image[4 * MIB] = 1;
    image[8 * MIB + 5000] = 1;
    const path = join(folder, 'image');
    await writeFile(path, image);
    assert.deepEqual(await dataRanges(path, 4 * KIB, 4 * MIB), [
      { offset: 4 * MIB - 4 * KIB, lengthBytes: 8 * KIB },
      { offset: 8 * MIB + 4 * KIB, lengthBytes: 4 * KIB },
    ]);
    // The last range is the file's rest.
    assert.deepEqual(await dataRanges(path, 4 * MIB, 4 * MIB), [
      { offset: 0, lengthBytes: 4 * MIB },
      { offset: 4 * MIB, lengthBytes: 4 * MIB },
      { offset: 8 * MIB, lengthBytes: MIB },
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('joining keeps every byte and goes beyond no limit', () => {
  const ranges = Array.from({ length: 10 }, (_, index) => ({ offset: index * 100, lengthBytes: 100 }));
  const result = joined(ranges, 350);
  assert.deepEqual(
    result.map(({ lengthBytes }) => lengthBytes),
    [300, 300, 300, 100],
  );
  assert.equal(sumOf(result), 1000);
  assert.equal(
    joined(
      [
        { offset: 0, lengthBytes: 1 },
        { offset: 2, lengthBytes: 1 },
      ],
      100,
    ).length,
    2,
  );
});
