/**
 * The golden deltas. Those without compression, and every digest, were made by an encoder in another language that was
 * written from docs/delta-format.md alone.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { z } from 'zod';
import { checkDelta } from '../../src/delta/delta.ts';
import type { DeltaPiece } from '../../src/delta/delta.ts';
import { describeDelta } from '../../src/delta/describe.ts';
import { encodeDelta } from '../../src/delta/write.ts';

const GOLDEN = new URL('../golden/delta/', import.meta.url);

const pieceSchema = z.union([
  z.object({ offset: z.int(), zerosBytes: z.int() }),
  z
    .object({ offset: z.int(), bytes: z.array(z.tuple([z.int(), z.int()])) })
    .transform(({ offset, bytes }) => ({ offset, bytes: Buffer.concat(bytes.map(([b, n]) => Buffer.alloc(n, b))) })),
]);

const goldenSchema = z.strictObject({
  description: z.string(),
  zstdLevel: z.literal(0).optional(),
  volume: z.string(),
  generation: z.int(),
  term: z.int(),
  number: z.int(),
  volumeBytes: z.int(),
  predecessor: z.string(),
  marker: z
    .strictObject({ name: z.string(), consistency: z.enum(['crash', 'application']), timeMs: z.int() })
    .optional(),
  sourceTimeMs: z.int(),
  extents: z.array(pieceSchema),
  digest: z.string(),
});

function load(name: string): { golden: z.infer<typeof goldenSchema>; bytes: Uint8Array } {
  const golden = goldenSchema.parse(JSON.parse(readFileSync(new URL(`${name}.json`, GOLDEN), 'utf8')));
  return { golden, bytes: new Uint8Array(readFileSync(new URL(`${name}.delta`, GOLDEN))) };
}

/** The pages that pieces set, by offset: the same for whatever way they are cut. */
function pagesOf(pieces: Iterable<DeltaPiece>): Map<number, string> {
  const pages = new Map<number, string>();
  for (const piece of pieces) {
    const bytes = 'zerosBytes' in piece ? Buffer.alloc(piece.zerosBytes) : Buffer.from(piece.bytes);
    for (let at = 0; at < bytes.length; at += 512) {
      pages.set(piece.offset + at, bytes.subarray(at, at + 512).toString('hex'));
    }
  }
  return pages;
}

const names = readdirSync(GOLDEN)
  .filter((name) => name.endsWith('.json'))
  .map((name) => name.slice(0, -'.json'.length));

test('there are golden deltas, with and without compression', () => {
  assert.ok(names.length >= 7);
  assert.ok(names.includes('zstd'));
});

for (const name of names) {
  test(`golden delta ${name} is read as described`, () => {
    const { golden, bytes } = load(name);
    const delta = checkDelta(bytes);
    const { head } = delta;
    const { description, zstdLevel, extents, ...said } = golden;
    for (const [field, value] of Object.entries(said)) {
      assert.deepEqual(new Map(Object.entries(head)).get(field), value, `${description}: ${field}`);
    }
    assert.equal(head.marker === undefined, golden.marker === undefined);
    assert.deepEqual(pagesOf(delta.pieces()), pagesOf(extents));
    assert.deepEqual(describeDelta(bytes).problems, []);

    const made = encodeDelta(golden, { zstdLevel: zstdLevel ?? 3 });
    assert.equal(made.digest, golden.digest);
    if (zstdLevel === 0) assert.deepEqual(made.bytes, bytes);
  });
}

test('the same content in other pieces has the same digest', () => {
  for (const [one, other] of [
    ['literal', 'literal-cut'],
    ['zeros-as-extent', 'zeros-as-literal'],
  ] as const) {
    assert.notDeepEqual(load(one).bytes, load(other).bytes);
    assert.equal(load(one).golden.digest, load(other).golden.digest);
  }
});
