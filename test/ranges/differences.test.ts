/** Where two copies differ: nothing is forgotten, and never more ranges than there is room for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RANGE_BYTES, RANGE_HASH_BYTES } from '../../src/ranges/blocks.ts';
import { DIFFERENCES_MAX, differences, joinDifferences, withoutRanges } from '../../src/ranges/differences.ts';
import { failsWith } from '../support/fails-with.ts';

/** Range hashes that differ from zeros where `differs` says so. */
function hashesOf(differs: readonly boolean[]): Uint8Array {
  const hashes = new Uint8Array(differs.length * RANGE_HASH_BYTES);
  differs.forEach((yes, range) => (hashes[range * RANGE_HASH_BYTES + 31] = yes ? 1 : 0));
  return hashes;
}

test('neighbours are one, and the volume cuts its last range', () => {
  const ours = hashesOf([true, true, false, true]);
  const found = differences(ours, new Uint8Array(ours.length), { firstRange: 2, volumeBytes: 5 * RANGE_BYTES + 512 });
  assert.deepEqual(found, [
    { offset: 2 * RANGE_BYTES, lengthBytes: 2 * RANGE_BYTES },
    { offset: 5 * RANGE_BYTES, lengthBytes: 512 },
  ]);
  assert.deepEqual(differences(ours, ours, { firstRange: 0, volumeBytes: 4 * RANGE_BYTES }), []);
});

test('lists of other lengths are not compared', () => {
  const compare = (): unknown =>
    differences(new Uint8Array(32), new Uint8Array(64), { firstRange: 0, volumeBytes: RANGE_BYTES });
  assert.throws(compare, failsWith('MESSAGE_INVALID'));
});

test('whatever is found piece by piece, all of it is covered by as many ranges as there is room for', () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { minLength: 1, maxLength: 1200 }),
      fc.integer({ min: 1, max: 300 }),
      (differ, step) => {
        const volumeBytes = differ.length * RANGE_BYTES - 512;
        let joined: ReturnType<typeof joinDifferences> = [];
        for (let first = 0; first < differ.length; first += step) {
          const ours = hashesOf(differ.slice(first, first + step));
          joined = joinDifferences(
            joined,
            differences(ours, new Uint8Array(ours.length), { firstRange: first, volumeBytes }),
          );
        }
        assert.ok(joined.length <= DIFFERENCES_MAX);
        differ.forEach((yes, range) => {
          const at = range * RANGE_BYTES;
          const covered = joined.some(({ offset, lengthBytes }) => at >= offset && at < offset + lengthBytes);
          if (yes) assert.ok(covered, `range ${range} is forgotten`);
          else if (differ.filter(Boolean).length <= DIFFERENCES_MAX) assert.ok(!covered, `range ${range} is too much`);
        });
        joined.slice(1).forEach(({ offset }, at) => {
          const before = joined[at];
          assert.ok(before && before.offset + before.lengthBytes < offset);
        });
      },
    ),
    { numRuns: 60 },
  );
});

test('what is taken away from ranges is exactly what both have, as long as there is room for what is left', () => {
  const spans = fc
    .uniqueArray(fc.integer({ min: 0, max: 60 }), { maxLength: 20 })
    .map((edges) => edges.sort((a, b) => a - b))
    .map((edges) =>
      edges.flatMap((offset, at) => {
        const end = edges[at + 1];
        return at % 2 === 0 && end !== undefined ? [{ offset, lengthBytes: end - offset }] : [];
      }),
    );
  const has = (ranges: readonly { offset: number; lengthBytes: number }[], at: number): boolean =>
    ranges.some(({ offset, lengthBytes }) => at >= offset && at < offset + lengthBytes);
  fc.assert(
    fc.property(spans, spans, (ranges, taken) => {
      const left = withoutRanges(ranges, taken);
      for (let at = 0; at < 61; at += 1) assert.equal(has(left, at), has(ranges, at) && !has(taken, at), `at ${at}`);
    }),
  );
});

test('what would be left in more ranges than there is room for is left whole', () => {
  const ranges = [{ offset: 0, lengthBytes: 4 * DIFFERENCES_MAX }];
  const everyOther = (count: number): { offset: number; lengthBytes: number }[] =>
    Array.from({ length: count }, (_, at) => ({ offset: 2 * at, lengthBytes: 1 }));
  assert.deepEqual(withoutRanges(ranges, everyOther(2 * DIFFERENCES_MAX)), ranges);
  assert.equal(withoutRanges(ranges, everyOther(DIFFERENCES_MAX)).length, DIFFERENCES_MAX);
});
