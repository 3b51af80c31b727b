/**
 * The golden deltas. Those without compression, and every digest, were made by an encoder in another language that was
 * written from docs/delta-format.md alone.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { z } from 'zod';
import { checkDelta, checkSent } from '../../src/delta/delta.ts';
import type { DeltaPiece } from '../../src/delta/delta.ts';
import { describeDelta } from '../../src/delta/describe.ts';
import { rehydrate } from '../../src/delta/rehydrate.ts';
import { DeltaWriter } from '../../src/delta/write.ts';

const GOLDEN = new URL('../golden/delta/', import.meta.url);

const content = {
  offset: z.int(),
  bytes: z
    .array(z.tuple([z.int(), z.int()]))
    .transform((runs) => Buffer.concat(runs.map(([byte, count]) => Buffer.alloc(count, byte)))),
};

const extentSchema = z.union([
  z.strictObject({ offset: z.int(), zerosBytes: z.int() }),
  z.strictObject(content),
  z.strictObject({ ...content, own: z.int() }),
  z.strictObject({ ...content, prior: z.int() }),
  z.strictObject({ ...content, journal: z.strictObject({ entry: z.string(), at: z.int() }) }),
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
  properties: z.string().optional(),
  sourceTimeMs: z.int(),
  extents: z.array(extentSchema),
  digest: z.string(),
});

type Golden = z.infer<typeof goldenSchema>;

function load(name: string): { golden: Golden; bytes: Uint8Array } {
  const golden = goldenSchema.parse(JSON.parse(readFileSync(new URL(`${name}.json`, GOLDEN), 'utf8')));
  return { golden, bytes: new Uint8Array(readFileSync(new URL(`${name}.delta`, GOLDEN))) };
}

/** The delta that our own writer makes of the description. */
function made(golden: Golden): { bytes: Uint8Array; digest: string } {
  const writer = new DeltaWriter(golden, { zstdLevel: golden.zstdLevel ?? 3 });
  for (const extent of golden.extents) {
    if ('zerosBytes' in extent) writer.zeros(extent.offset, extent.zerosBytes);
    else if ('own' in extent) writer.own(extent.offset, extent.own, extent.bytes);
    else if ('prior' in extent) writer.prior(extent.offset, extent.prior, extent.bytes);
    else if ('journal' in extent) writer.journal(extent.offset, extent.journal, extent.bytes);
    else writer.literal(extent.offset, extent.bytes);
  }
  return writer.finish({ marker: golden.marker });
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

test('there are golden deltas of all that the format has', () => {
  assert.ok(names.length >= 18);
  for (const name of ['zstd', 'gzip', 'own', 'prior', 'journal', 'properties', 'base', 'everything']) {
    assert.ok(names.includes(name), name);
  }
});

for (const name of names) {
  test(`golden delta ${name} is read as described`, () => {
    const { golden, bytes } = load(name);
    const sent = checkSent(bytes);
    const { head } = sent;
    const { description, zstdLevel, extents, ...said } = golden;
    for (const [field, value] of Object.entries(said)) {
      assert.deepEqual(new Map(Object.entries(head)).get(field), value, `${description}: ${field}`);
    }
    assert.equal(head.marker === undefined, golden.marker === undefined);
    assert.equal(head.properties, golden.properties);
    assert.deepEqual(describeDelta(bytes).problems, []);

    const contents = new Map(extents.map((extent) => [extent.offset, 'bytes' in extent ? extent.bytes : undefined]));
    const whole = rehydrate(sent, ({ offset }) => contents.get(offset) ?? assert.fail(`nothing at ${offset}`));
    const delta = checkDelta(whole.bytes);
    assert.equal(delta.head.digest, golden.digest);
    assert.deepEqual(pagesOf(delta.pieces()), pagesOf(extents));
    if (sent.outside.length === 0) assert.deepEqual(pagesOf(sent.pieces()), pagesOf(extents));
    else assert.throws(() => checkDelta(bytes), { code: 'DELTA_INVALID', message: /refers to content outside/ });

    // Our own writer refers only to literal bytes that it has got already.
    if (name === 'own-ahead') return;
    const again = made(golden);
    assert.equal(again.digest, golden.digest);
    if (zstdLevel === 0) assert.deepEqual(again.bytes, bytes);
  });
}

test('the same content in other pieces has the same digest', () => {
  for (const [one, other] of [
    ['literal', 'literal-cut'],
    ['zeros-as-extent', 'zeros-as-literal'],
    ['own', 'own-as-literal'],
  ] as const) {
    assert.notDeepEqual(load(one).bytes, load(other).bytes);
    assert.equal(load(one).golden.digest, load(other).golden.digest);
  }
});

test('a delta states the lowest version that knows what it has', () => {
  const first = ['empty', 'literal', 'marker', 'zstd', 'own-as-literal', 'zeros-as-literal'];
  const second = ['base-only', 'gzip', 'journal', 'own', 'prior', 'properties'];
  for (const [version, these] of [
    [1, first],
    [2, second],
  ] as const) {
    for (const name of these) {
      const { head } = checkSent(load(name).bytes);
      assert.deepEqual([head.formatVersion, head.oldestReader], [version, version], name);
    }
  }
});
