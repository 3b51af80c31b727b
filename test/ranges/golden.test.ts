/** The golden range lists: made by a program in another language that was written from docs/range-format.md alone. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { z } from 'zod';
import { baseDigestNext, baseDigestStart } from '../../src/ranges/base-digest.ts';
import { RANGE_BYTES, RANGE_HASH_BYTES, blockHashes, rangeHash } from '../../src/ranges/blocks.ts';
import { encodeRangeList } from '../../src/ranges/list.ts';
import { parseRangeList } from '../support/range-lists.ts';

const GOLDEN = new URL('../golden/ranges/', import.meta.url);

const goldenSchema = z.strictObject({
  description: z.string(),
  volume: z.string(),
  generation: z.int(),
  number: z.int(),
  digest: z.string(),
  volumeBytes: z.int(),
  /** Offset, byte, count. */
  content: z.array(z.tuple([z.int(), z.int(), z.int()])),
  rangeHashes: z.array(z.string()),
  baseDigest: z.string(),
});

const names = readdirSync(GOLDEN)
  .filter((name) => name.endsWith('.json'))
  .map((name) => name.slice(0, -'.json'.length));

test('there are golden range lists', () => {
  assert.deepEqual(names, ['empty', 'small']);
});

for (const name of names) {
  test(`golden range list ${name} is read, made and reckoned as described`, () => {
    const golden = goldenSchema.parse(JSON.parse(readFileSync(new URL(`${name}.json`, GOLDEN), 'utf8')));
    const bytes = new Uint8Array(readFileSync(new URL(`${name}.ranges`, GOLDEN)));
    const { description, content, rangeHashes, baseDigest, ...head } = golden;

    const volume = new Uint8Array(golden.volumeBytes);
    for (const [offset, byte, count] of content) volume.fill(byte, offset, offset + count);
    const hashes = new Uint8Array(rangeHashes.length * RANGE_HASH_BYTES);
    rangeHashes.forEach((text, range) => {
      const part = volume.subarray(range * RANGE_BYTES, (range + 1) * RANGE_BYTES);
      const hash = rangeHash(blockHashes(part));
      assert.equal(Buffer.from(hash).toString('hex'), text, description);
      hashes.set(hash, range * RANGE_HASH_BYTES);
    });

    assert.deepEqual(parseRangeList(bytes), { ...head, hashes });
    assert.deepEqual(encodeRangeList({ ...head, hashes }), bytes);
    let digest = baseDigestStart(head);
    for (const hash of rangeHashes) digest = baseDigestNext(digest, Buffer.from(hash, 'hex'));
    assert.equal(digest, baseDigest);
  });
}
