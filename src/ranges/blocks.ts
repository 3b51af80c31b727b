/**
 * Hashes of a volume's content, in two steps: blocks, and ranges of blocks (docs/range-format.md, "Hashes").
 *
 * Invariants: an all-zero block or range has an all-zero hash, so that the hashes of what was never written need no
 * reading; the site's block index holds exactly the block hashes, so that it can tell range hashes without the volume.
 */
import { hash } from 'node:crypto';
import { KIB, MIB } from '../kernel/units.ts';

/**
 * Bytes of a block: what file systems and databases write at least. Smaller ones cost index and requests and find little
 * more; larger ones send what did not change.
 */
export const BLOCK_BYTES = 4 * KIB;

/**
 * Bytes of a block's hash: the first half of a SHA-256. A change is missed only where two contents of one block agree in
 * 128 bits, which cannot be brought about on purpose with less than 2^64 work, and by chance not at all.
 */
export const BLOCK_HASH_BYTES = 16;

/** Bytes of a range: one read of the page blob, and 8 bytes of a range list for each MiB of the volume. */
export const RANGE_BYTES = 4 * MIB;

/** Bytes of a range's hash: a whole SHA-256. */
export const RANGE_HASH_BYTES = 32;

/** Zeros are looked for in steps of this before block by block. */
const STEP_BYTES = 64 * KIB;

const ZERO_STEP = Buffer.alloc(STEP_BYTES);
const ZERO_HASHES = Buffer.alloc((RANGE_BYTES / BLOCK_BYTES) * BLOCK_HASH_BYTES);

/**
 * The block hashes of `bytes`, which begin at a block, one after the other. A last block that is short, as a volume's may
 * be, is hashed as it is. The result is the caller's.
 */
export function blockHashes(bytes: Uint8Array): Uint8Array {
  // Of its own memory: Buffer.alloc takes none from a pool.
  const hashes = Buffer.alloc(Math.ceil(bytes.length / BLOCK_BYTES) * BLOCK_HASH_BYTES);
  for (let stepAt = 0; stepAt < bytes.length; stepAt += STEP_BYTES) {
    const step = bytes.subarray(stepAt, stepAt + STEP_BYTES);
    if (isZero(step, ZERO_STEP)) continue;
    for (let at = 0; at < step.length; at += BLOCK_BYTES) {
      const block = step.subarray(at, at + BLOCK_BYTES);
      if (isZero(block, ZERO_STEP)) continue;
      // A string of a character for each byte costs a quarter less than a buffer made for each block.
      const digest = hash('sha256', block, 'binary');
      hashes.write(digest, ((stepAt + at) / BLOCK_BYTES) * BLOCK_HASH_BYTES, BLOCK_HASH_BYTES, 'latin1');
    }
  }
  return new Uint8Array(hashes.buffer, hashes.byteOffset, hashes.length);
}

/** The hash of a range whose blocks have these hashes: at most 1,024 of them, fewer only at the volume's end. */
export function rangeHash(hashes: Uint8Array): Uint8Array {
  if (isZero(hashes, ZERO_HASHES)) return new Uint8Array(RANGE_HASH_BYTES);
  return new Uint8Array(hash('sha256', hashes, 'buffer'));
}

/** How many ranges a volume has; the last one may be short. */
export function rangeCount(volumeBytes: number): number {
  return Math.ceil(volumeBytes / RANGE_BYTES);
}

/** Whether `bytes`, no longer than `zeros`, are zeros. */
function isZero(bytes: Uint8Array, zeros: Buffer): boolean {
  return bytes[0] === 0 && zeros.compare(bytes, 0, bytes.length, 0, bytes.length) === 0;
}
