/** Which parts of a volume's image hold data: what a copy has to write. */
import { open } from 'node:fs/promises';
import type { ByteRange } from '../../src/kernel/byte-range.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';

export const BLOCK_BYTES = 4 * KIB;
/** Most bytes of one Put Page. */
export const WRITE_BYTES_MAX = 4 * MIB;

const ZEROS = Buffer.alloc(WRITE_BYTES_MAX);

/** Calls `take` with the whole image, in parts of 4 MiB; a part's bytes are valid until `take` resolves. */
export async function eachPart(
  image: string,
  take: (bytes: Buffer, offset: number) => Promise<void> | void,
): Promise<void> {
  const file = await open(image, 'r');
  try {
    const { size } = await file.stat();
    const part = Buffer.alloc(WRITE_BYTES_MAX);
    for (let offset = 0; offset < size; offset += part.length) {
      const { bytesRead } = await file.read(part, 0, part.length, offset);
      await take(part.subarray(0, bytesRead), offset);
    }
  } finally {
    await file.close();
  }
}

/** The aligned ranges of `unitBytes` (a divisor of 4 MiB) that hold anything but zeros; neighbours joined up to `bytesMax`. */
export async function dataRanges(image: string, unitBytes: number, bytesMax: number): Promise<ByteRange[]> {
  const units: ByteRange[] = [];
  await eachPart(image, (bytes, offset) => {
    for (let at = 0; at < bytes.length; at += unitBytes) {
      const unit = bytes.subarray(at, at + unitBytes);
      if (!isZero(unit)) units.push({ offset: offset + at, lengthBytes: unit.length });
    }
  });
  return joined(units, bytesMax);
}

/** Neighbouring ranges as one, of at most `bytesMax` bytes. */
export function joined(ranges: readonly ByteRange[], bytesMax: number): ByteRange[] {
  const result: ByteRange[] = [];
  for (const range of ranges) {
    const last = result.at(-1);
    const joins = last !== undefined && last.offset + last.lengthBytes === range.offset;
    if (joins && last.lengthBytes + range.lengthBytes <= bytesMax) {
      result[result.length - 1] = { ...last, lengthBytes: last.lengthBytes + range.lengthBytes };
    } else {
      result.push(range);
    }
  }
  return result;
}

export function sumOf(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
}

function isZero(bytes: Buffer): boolean {
  return bytes[0] === 0 && bytes.compare(ZEROS, 0, bytes.length) === 0;
}
