/** Zeros are told from anything else, wherever the one byte lies that differs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isZeros } from '../../src/delta/zeros.ts';

test('one byte anywhere is seen, bytes around the range are not', () => {
  const around = Buffer.alloc(300_000, 0xff);
  const bytes = around.subarray(3, 200_003);
  bytes.fill(0, 100, 199_900);
  assert.equal(isZeros(bytes, 100, 199_900), true);
  assert.equal(isZeros(bytes, 99, 199_900), false);
  assert.equal(isZeros(bytes, 100, 199_901), false);
  for (const at of [100, 101, 65_635, 65_636, 131_171, 131_172, 199_899]) {
    bytes[at] = 1;
    assert.equal(isZeros(bytes, 100, 199_900), false, `byte ${at}`);
    bytes[at] = 0;
  }
  assert.equal(isZeros(bytes, 5, 5), true);
});
