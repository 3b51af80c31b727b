/** Comparing long contents: `assert.deepEqual` would describe the difference byte by byte, for minutes. */
import assert from 'node:assert/strict';

/** Fails at the first byte that differs, and says where. */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array, what = 'content'): void {
  assert.equal(actual.length, expected.length, `${what}: length`);
  if (Buffer.compare(actual, expected) === 0) return;
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  assert.fail(`${what}: byte ${at} is ${actual[at] ?? 'missing'}, not ${expected[at] ?? 'there'}`);
}
