/** Which reads of the state before a delta's references take: docs/delta-format.md, "Reference table". */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { priorReads } from '../../src/delta/prior-reads.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';

const reads = (...references: [at: number, lengthBytes: number][]): [number, number, number][] =>
  [...priorReads(references.map(([at, lengthBytes]) => ({ at, lengthBytes })))].map((read) => [
    read.offset,
    read.lengthBytes,
    read.references.length,
  ]);

test('neighbours are read together, whatever their order and however they overlap', () => {
  assert.deepEqual(reads(), []);
  assert.deepEqual(reads([8192, 512], [0, 4096], [1024, 512], [8192, 512]), [[0, 8704, 4]]);
  assert.deepEqual(reads([0, 512], [512 + 64 * KIB, 512]), [[0, 64 * KIB + 1024, 2]]);
});

test('what lies further apart than 64 KiB is read apart', () => {
  const far = 1024 + 64 * KIB;
  assert.deepEqual(reads([far, 512], [0, 512]), [
    [0, 512, 1],
    [far, 512, 1],
  ]);
});

test('a read reaches over no more than a MiB, but for one reference that is longer', () => {
  assert.deepEqual(reads([0, MIB - 512], [MIB - 512, 512], [MIB, 512]), [
    [0, MIB, 2],
    [MIB, 512, 1],
  ]);
  assert.deepEqual(reads([0, 512], [512, 4 * MIB], [1024, 512]), [
    [0, 512, 1],
    [512, 4 * MIB, 2],
  ]);
});
