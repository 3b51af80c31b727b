import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { checkDelta, openDelta } from '../../src/delta/delta.ts';
import { DELTA_LIMITS } from '../../src/delta/limits.ts';
import type { DeltaLimits } from '../../src/delta/limits.ts';
import { DeltaWriter, encodeDelta } from '../../src/delta/write.ts';
import type { DeltaStart } from '../../src/delta/write.ts';
import { NO_DIGEST } from '../../src/kernel/hash.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';

const START: DeltaStart = {
  volume: 'acme/berlin/erp/data',
  generation: 1,
  term: 1,
  number: 1,
  volumeBytes: 64 * MIB,
  predecessor: NO_DIGEST,
  sourceTimeMs: 1_700_000_000_000,
};

test('what would be too dense for its reader is stored less compressed, and no more of it than needed', () => {
  const repeated = (count: number) => [{ offset: 0, bytes: new Uint8Array(count * MIB).fill(7) }];
  for (const ratioMax of [1, 20, 1000, 16_000]) {
    const limits = { ...DELTA_LIMITS, ratioMax };
    for (const extents of [repeated(1), repeated(12), [...repeated(3), { offset: 3 * MIB, bytes: randomBytes(MIB) }]]) {
      const { bytes } = encodeDelta({ ...START, extents }, { limits });
      const { head } = checkDelta(bytes, limits);
      assert.ok(head.literalBytes <= ratioMax * bytes.length, `${head.literalBytes} to ${bytes.length}`);
      const leastBytes = head.literalBytes / ratioMax;
      // A random MiB besides, a frame that is stored as it is, and the tables.
      if (ratioMax > 1) assert.ok(bytes.length <= leastBytes + 2 * MIB + 4 * KIB, `${bytes.length} bytes`);
    }
  }
  assert.throws(
    () => openDelta(encodeDelta({ ...START, extents: repeated(12) }).bytes, { ...DELTA_LIMITS, ratioMax: 20 }),
    {
      code: 'LIMIT_EXCEEDED',
    },
  );
});

test('a writer refuses what its reader would', () => {
  const writer = (limits: Partial<DeltaLimits>) => new DeltaWriter(START, { limits: { ...DELTA_LIMITS, ...limits } });
  const beyond = (limit: string) => ({ code: 'LIMIT_EXCEEDED', message: new RegExp(limit) });
  assert.throws(() => {
    writer({ contentBytesMax: MIB }).literal(0, randomBytes(MIB + 512));
  }, beyond('contentBytesMax'));
  const few = writer({ extentsMax: 1 });
  few.zeros(0, 512);
  assert.throws(() => {
    few.zeros(1024, 512);
  }, beyond('extentsMax'));
  const large = writer({ encodedBytesMax: MIB });
  large.literal(0, randomBytes(MIB));
  assert.throws(() => large.finish(), beyond('encodedBytesMax'));
  const framed = writer({ framesMax: 1 });
  framed.literal(0, randomBytes(MIB + 512));
  assert.throws(() => framed.finish(), beyond('framesMax'));
  assert.throws(() => writer({ volumeBytesMax: MIB }), beyond('volumeBytesMax'));
});
