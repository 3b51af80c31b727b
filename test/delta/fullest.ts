/** The delta that takes a reader most: all content, all extents, as many references as fit, every text as long as may be. */
import assert from 'node:assert/strict';
import { DELTA_LIMITS } from '../../src/delta/limits.ts';
import { DeltaWriter } from '../../src/delta/write.ts';
import { GIB, KIB, MIB } from '../../src/kernel/units.ts';
import { hashOf } from './craft.ts';

/** Names of journal entries, each as long as a name can be. */
export function longNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const number = String(index + 1).padStart(10, '0');
    return `${'g'.repeat(40)}/${'v'.repeat(60)}/99999999/${number}-${hashOf(number)}-literal-9999.delta`;
  });
}

/** Own references and references to sources in turn, the rest literal; zeros up to as many extents as may be. */
export function fullest(): Uint8Array {
  const writer = new DeltaWriter(
    {
      volume: `${'t'.repeat(20)}/${'s'.repeat(20)}/${'g'.repeat(40)}/${'v'.repeat(60)}`,
      generation: 99_999_999,
      term: 2 ** 32 - 1,
      number: 2 ** 32 - 1,
      volumeBytes: GIB,
      predecessor: 'f'.repeat(64),
      sourceTimeMs: Number.MAX_SAFE_INTEGER,
      properties: JSON.stringify({ label: 'x' }).padEnd(4 * KIB),
    },
    { zstdLevel: 1 },
  );
  const page = Buffer.alloc(512, 1);
  const sources = longNames(DELTA_LIMITS.sourcesMax);
  writer.literal(0, Buffer.alloc(10 * MIB, 1));
  let offset = 12 * MIB;
  for (let index = 0; writer.contentBytes < DELTA_LIMITS.contentBytesMax; index += 1, offset += 1024) {
    // Backwards, so that each begins in another frame than the one before.
    if (index % 2 === 0) writer.own(offset, ((index * 7919) % 12_288) * 512, page);
    else writer.journal(offset, { entry: sources[index % 32] ?? '', at: 0 }, page);
  }
  for (; writer.extentCount < DELTA_LIMITS.extentsMax; offset += 1024) writer.zeros(offset, 512);
  const { encodedBytes } = writer;
  const { bytes } = writer.finish({ marker: { name: 'm'.repeat(128), consistency: 'crash', timeMs: 1 } });
  assert.equal(encodedBytes, bytes.length, 'a writer says how large the delta gets');
  return bytes;
}
