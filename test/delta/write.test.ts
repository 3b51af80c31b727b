/** Writing deltas and reading them back; what no delta can be is refused while it is made. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkDelta, openDelta } from '../../src/delta/delta.ts';
import type { DeltaPiece } from '../../src/delta/delta.ts';
import { parseHead } from '../../src/delta/head.ts';
import { DELTA_LIMITS } from '../../src/delta/limits.ts';
import { DeltaWriter, FRAME_BYTES, encodeDelta } from '../../src/delta/write.ts';
import type { DeltaStart } from '../../src/delta/write.ts';
import { NO_DIGEST, sha256Hex } from '../../src/kernel/hash.ts';
import { GIB, MIB } from '../../src/kernel/units.ts';
import { refusal } from './refusal.ts';

const PAGES = 64;
const START: DeltaStart = {
  volume: 'acme/berlin/erp/data',
  generation: 1,
  term: 1,
  number: 1,
  volumeBytes: PAGES * 512,
  predecessor: NO_DIGEST,
  sourceTimeMs: 1_793_863_800_000,
};
const SECOND = { ...START, number: 2, predecessor: sha256Hex('the first') };

/** Bytes that do not compress, the same in every run. */
function noise(lengthBytes: number, seed = 'noise'): Buffer {
  return createHash('shake256', { outputLength: lengthBytes }).update(seed).digest();
}

/** What a volume of `volumeBytes`, filled with 0xEE, becomes. */
function applied(volumeBytes: number, pieces: Iterable<DeltaPiece>): Buffer {
  const volume = Buffer.alloc(volumeBytes, 0xee);
  for (const piece of pieces) {
    if ('zerosBytes' in piece) volume.fill(0, piece.offset, piece.offset + piece.zerosBytes);
    else volume.set(piece.bytes, piece.offset);
  }
  return volume;
}

/** Pieces of a small volume, ascending, with and without gaps. */
const pieces = fc
  .array(
    fc.record({
      gap: fc.integer({ min: 0, max: 3 }),
      pages: fc.integer({ min: 1, max: 6 }),
      fill: fc.option(fc.integer({ min: 0, max: 255 })),
    }),
    { maxLength: 12 },
  )
  .map((list) => {
    const made: DeltaPiece[] = [];
    let page = 0;
    for (const { gap, pages, fill } of list) {
      const offset = (page + gap) * 512;
      page += gap + pages;
      if (page > PAGES) break;
      made.push(
        fill === null ? { offset, zerosBytes: pages * 512 } : { offset, bytes: Buffer.alloc(pages * 512, fill) },
      );
    }
    return made;
  });

const start = fc.record({
  volume: fc.constantFrom('a/b/c/d', 'acme/berlin/erp/data', 'acme-1/site-2/group-3/volume-4'),
  generation: fc.integer({ min: 1, max: 99_999_999 }),
  term: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  number: fc.integer({ min: 2, max: 2 ** 32 - 1 }),
  volumeBytes: fc.integer({ min: PAGES, max: DELTA_LIMITS.volumeBytesMax / 512 }).map((count) => count * 512),
  predecessor: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => sha256Hex(bytes)),
  sourceTimeMs: fc.maxSafeNat(),
});

const marker = fc.option(
  fc.record(
    {
      name: fc.stringMatching(/^[A-Za-z0-9._:-]{1,128}$/),
      consistency: fc.constantFrom('crash' as const, 'application' as const),
      timeMs: fc.maxSafeNat(),
    },
    { noNullPrototype: true },
  ),
  { nil: undefined },
);

test('what is written is read back', () => {
  fc.assert(
    fc.property(start, marker, pieces, fc.integer({ min: 0, max: 5 }), (of, mark, extents, zstdLevel) => {
      const { bytes, digest } = encodeDelta({ ...of, marker: mark, extents }, { zstdLevel });
      const delta = checkDelta(bytes);
      const { head } = delta;
      assert.deepEqual({ ...of, marker: mark, digest }, pick(head, [...Object.keys(of), 'marker', 'digest']));
      assert.equal(head.totalBytes, bytes.length);
      assert.equal(head.extentCount, delta.extents.length);
      assert.deepEqual(parseHead(bytes.subarray(0, head.headBytes)), head);
      assert.deepEqual(applied(PAGES * 512, delta.pieces()), applied(PAGES * 512, extents));
    }),
    { numRuns: 200 },
  );
});

test('a writer never says less than it gives', () => {
  fc.assert(
    fc.property(pieces, marker, (list, mark) => {
      const writer = new DeltaWriter(START);
      for (const piece of list) {
        if ('zerosBytes' in piece) writer.zeros(piece.offset, piece.zerosBytes);
        else writer.literal(piece.offset, piece.bytes);
      }
      const { encodedBytes, literalBytes, extentCount } = writer;
      const { bytes } = writer.finish({ marker: mark });
      const { head } = openDelta(bytes);
      assert.ok(bytes.length <= encodedBytes);
      assert.deepEqual([head.literalBytes, head.extentCount], [literalBytes, extentCount]);
    }),
    { numRuns: 50 },
  );
});

test('neighbours of one kind become one extent', () => {
  const { extents } = openDelta(
    encodeDelta({
      ...START,
      extents: [
        { offset: 0, bytes: Buffer.alloc(512, 1) },
        { offset: 512, bytes: Buffer.alloc(512) },
        { offset: 1024, zerosBytes: 512 },
        { offset: 1536, zerosBytes: 1024 },
        { offset: 3072, zerosBytes: 512 },
      ],
    }).bytes,
  );
  assert.deepEqual(extents, [
    { kind: 'literal', offset: 0, lengthBytes: 1024 },
    { kind: 'zeros', offset: 1024, lengthBytes: 1536 },
    { kind: 'zeros', offset: 3072, lengthBytes: 512 },
  ]);
});

test('a delta of several frames comes out in pieces that never span one', () => {
  const content = noise(2 * FRAME_BYTES + 1024);
  content.fill(7, 4096, FRAME_BYTES);
  const of = { ...START, volumeBytes: 8 * MIB, extents: [{ offset: 512, bytes: content }] };
  const { bytes } = encodeDelta(of);
  const delta = checkDelta(bytes);
  assert.equal(delta.head.frameCount, 3);
  assert.ok(bytes.length < 1.1 * FRAME_BYTES + 4096, 'what compresses is compressed, what does not is not');
  const sizes = [...delta.pieces()].map((piece) => ('zerosBytes' in piece ? 0 : piece.bytes.length));
  assert.deepEqual(sizes, [FRAME_BYTES, FRAME_BYTES, 1024]);
  const volume = Buffer.alloc(8 * MIB, 0xee);
  volume.set(content, 512);
  assert.equal(sha256Hex(applied(8 * MIB, delta.pieces())), sha256Hex(volume));
});

test('noise is stored as it is, however it is to be compressed', () => {
  const content = noise(65_536);
  const { bytes } = encodeDelta({ ...START, volumeBytes: MIB, extents: [{ offset: 0, bytes: content }] });
  assert.equal(bytes.length, openDelta(bytes).head.headBytes + content.length);
});

test('the bytes that were given may be reused at once', () => {
  const block = Buffer.alloc(512, 1);
  const writer = new DeltaWriter(START, { zstdLevel: 0 });
  writer.literal(0, block);
  block.fill(2);
  writer.literal(1024, block);
  block.fill(3);
  const [one, two] = [...checkDelta(writer.finish().bytes).pieces()];
  assert.deepEqual(
    [one, two],
    [
      { offset: 0, bytes: Buffer.alloc(512, 1) },
      { offset: 1024, bytes: Buffer.alloc(512, 2) },
    ].map(({ offset, bytes }) => ({ offset, bytes: new Uint8Array(bytes) })),
  );
});

test('a delta lies where it wants in a larger buffer', () => {
  const { bytes } = encodeDelta({ ...START, extents: [{ offset: 512, bytes: Buffer.alloc(1024, 9) }] });
  const around = Buffer.alloc(bytes.length + 32, 0xff);
  around.set(bytes, 13);
  assert.equal(checkDelta(around.subarray(13, 13 + bytes.length)).head.literalBytes, 1024);
});

/** A writer that is full: all literal bytes and all extents that a delta may have. */
function fullWriter(): DeltaWriter {
  const writer = new DeltaWriter({ ...START, volumeBytes: GIB }, { zstdLevel: 0 });
  const block = noise(MIB);
  for (let at = 0; at < DELTA_LIMITS.contentBytesMax; at += MIB) writer.literal(at * 2, block);
  for (let index = writer.extentCount; index < DELTA_LIMITS.extentsMax; index += 1) {
    writer.zeros(64 * MIB + index * 1024, 512);
  }
  return writer;
}

test('the fullest delta is read', () => {
  const { bytes } = fullWriter().finish({ marker: { name: 'm'.repeat(128), consistency: 'crash', timeMs: 0 } });
  assert.ok(bytes.length <= DELTA_LIMITS.encodedBytesMax);
  assert.equal(checkDelta(bytes).head.extentCount, DELTA_LIMITS.extentsMax);
});

test('a fuller one is not made', () => {
  const page = new Uint8Array(512);
  const tooLong = refusal(/contentBytesMax/);
  const tooMany = refusal(/extentsMax/);
  assert.throws(() => {
    fullWriter().literal(GIB - 512, page);
  }, tooLong);
  assert.throws(() => {
    fullWriter().zeros(GIB - 512, 512);
  }, tooMany);
});

test('the largest volume can be zeroed by one extent', () => {
  const volumeBytes = DELTA_LIMITS.volumeBytesMax;
  const { bytes } = encodeDelta({ ...START, volumeBytes, extents: [{ offset: 0, zerosBytes: volumeBytes }] });
  assert.deepEqual([...checkDelta(bytes).pieces()], [{ offset: 0, zerosBytes: volumeBytes }]);
});

test('what no delta can be is not made', () => {
  const mark = { name: 'm', consistency: 'crash' as const, timeMs: 1 };
  const page = new Uint8Array(512);
  const cases: [change: Partial<Parameters<typeof encodeDelta>[0]>, message: RegExp][] = [
    [{ volume: 'acme/berlin/erp' }, /volume id/],
    [{ volume: 'Acme/berlin/erp/data' }, /volume id/],
    [{ generation: 0 }, /generation: 0 is not 1 to/],
    [{ generation: 100_000_000 }, /generation: 100000000 is not 1 to 99999999/],
    [{ term: 1.5 }, /term/],
    [{ number: Number.NaN }, /number/],
    [{ volumeBytes: 1000 }, /volume bytes/],
    [{ volumeBytes: -512 }, /volume bytes/],
    [{ volumeBytes: 8192 * GIB }, /volumeBytesMax/],
    [{ predecessor: NO_DIGEST }, /predecessor: number 2 needs one/],
    [{ predecessor: 'F'.repeat(64) }, /predecessor/],
    [{ sourceTimeMs: -1 }, /source time/],
    [{ sourceTimeMs: 2 ** 53 }, /source time/],
    [{ marker: { ...mark, name: '' } }, /marker name/],
    [{ marker: { ...mark, name: 'a b' } }, /marker name/],
    [{ marker: { ...mark, name: 'm'.repeat(129) } }, /marker name/],
    [{ marker: { ...mark, timeMs: 0.5 } }, /marker time/],
    [{ extents: [{ offset: 1, bytes: page }] }, /extent 0, offset: 1 is no multiple/],
    [{ extents: [{ offset: -512, bytes: page }] }, /extent 0, offset/],
    [{ extents: [{ offset: 0, bytes: page.subarray(1) }] }, /extent 0, length: 511/],
    [{ extents: [{ offset: 0, bytes: page.subarray(512) }] }, /extent 0, length: 0/],
    [{ extents: [{ offset: 0, zerosBytes: 0 }] }, /extent 0, length: 0/],
    [{ extents: [{ offset: PAGES * 512, bytes: page }] }, /past the volume's end/],
    [{ extents: [{ offset: 0, zerosBytes: (PAGES + 1) * 512 }] }, /past the volume's end/],
    [
      {
        extents: [
          { offset: 512, bytes: page },
          { offset: 512, zerosBytes: 512 },
        ],
      },
      /extent 1, offset: 512 overlaps/,
    ],
    [
      {
        extents: [
          { offset: 512, bytes: page },
          { offset: 0, bytes: page },
        ],
      },
      /extent 1, offset: 0 overlaps or precedes/,
    ],
  ];
  encodeDelta({ ...SECOND, extents: [] });
  for (const [change, message] of cases) {
    assert.throws(() => encodeDelta({ ...SECOND, extents: [], ...change }), refusal(message));
  }
  assert.throws(() => new DeltaWriter(START, { zstdLevel: 23 }), { code: 'USAGE' });
});

test('a finished writer takes nothing more', () => {
  const writer = new DeltaWriter(START);
  writer.finish();
  for (const use of [
    () => writer.finish(),
    () => {
      writer.zeros(0, 512);
    },
    () => {
      writer.literal(0, new Uint8Array(512));
    },
  ]) {
    assert.throws(use, { code: 'DELTA_INVALID', message: /finished already/ });
  }
});

function pick(from: object, fields: readonly string[]): Record<string, unknown> {
  const all = new Map(Object.entries(from));
  return Object.fromEntries(fields.map((field) => [field, all.get(field)]));
}
