/**
 * The block index: what the replica holds, as one short hash for each block of the volume, so that an interval finds
 * what changed without any help from the system.
 *
 * Invariants: an entry is written only from a delta that is durable in the outbox, so that the index never knows more
 * than the chain; an all-zero block has an all-zero entry, so that a fresh index is the index of an empty replica.
 * Bringing the index in step with a delta is idempotent.
 */
import { hash } from 'node:crypto';
import { openDelta } from '../delta/delta.ts';
import type { DeltaPiece } from '../delta/delta.ts';
import { LeewardError } from '../kernel/errors.ts';
import { KIB, MIB } from '../kernel/units.ts';
import type { SiteStore } from '../ports/site-store.ts';
import type { VolumeSource } from '../ports/volume-source.ts';

/**
 * Bytes of a block: what file systems and databases write at least. Smaller ones cost index and requests and find little
 * more; larger ones send what did not change.
 */
export const BLOCK_BYTES = 4 * KIB;

/**
 * Bytes of an entry: the first half of a SHA-256. A change is missed only where two contents of one block agree in 128
 * bits, which cannot be brought about on purpose with less than 2^64 work, and by chance not at all. 1 TiB takes 4 GiB.
 */
const ENTRY_BYTES = 16;

/** Bytes of the volume that are read at a time, and with them 4 KiB of the index. */
const CHUNK_BYTES = MIB;

const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES);

function isZero(block: Uint8Array): boolean {
  return block[0] === 0 && ZERO_BLOCK.compare(block, 0, block.length, 0, block.length) === 0;
}

/** The entries of `bytes`, which begin at a block; its last block may be short. */
function entriesOf(bytes: Uint8Array): Uint8Array {
  const entries = new Uint8Array(Math.ceil(bytes.length / BLOCK_BYTES) * ENTRY_BYTES);
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    const block = bytes.subarray(at, at + BLOCK_BYTES);
    if (isZero(block)) continue;
    entries.set(hash('sha256', block, 'buffer').subarray(0, ENTRY_BYTES), (at / BLOCK_BYTES) * ENTRY_BYTES);
  }
  return entries;
}

/**
 * What differs between the volume and the index, in ascending order, as ranges of whole blocks (the volume's last one may
 * be short) of at most `rangeBytesMax`. Bytes are valid until the next step only. Memory: one chunk of each.
 */
export async function* findChanges(
  source: Pick<VolumeSource, 'read'>,
  store: Pick<SiteStore, 'readIndex'>,
  of: { volumeBytes: number; rangeBytesMax: number },
): AsyncGenerator<DeltaPiece, void> {
  const chunk = new Uint8Array(Math.min(CHUNK_BYTES, of.volumeBytes));
  const known = new Uint8Array((CHUNK_BYTES / BLOCK_BYTES) * ENTRY_BYTES);
  for (let offset = 0; offset < of.volumeBytes; offset += CHUNK_BYTES) {
    const bytes = chunk.subarray(0, Math.min(CHUNK_BYTES, of.volumeBytes - offset));
    await source.read(offset, bytes);
    const entries = entriesOf(bytes);
    await store.readIndex((offset / BLOCK_BYTES) * ENTRY_BYTES, known.subarray(0, entries.length));
    const changed = (at: number): 'zeros' | 'literal' | 'same' => {
      const entry = entries.subarray(at, at + ENTRY_BYTES);
      if (Buffer.compare(entry, known.subarray(at, at + ENTRY_BYTES)) === 0) return 'same';
      return entry.every((byte) => byte === 0) ? 'zeros' : 'literal';
    };
    for (let from = 0; from < entries.length;) {
      const kind = changed(from);
      let to = from + ENTRY_BYTES;
      while (to < entries.length && blocksTo(to - from) < of.rangeBytesMax && changed(to) === kind) to += ENTRY_BYTES;
      const start = blocksTo(from);
      const end = Math.min(blocksTo(to), bytes.length);
      if (kind === 'literal') yield { offset: offset + start, bytes: bytes.subarray(start, end) };
      if (kind === 'zeros') yield { offset: offset + start, zerosBytes: end - start };
      from = to;
    }
  }
}

/** Bytes of the volume that so many bytes of the index stand for. */
function blocksTo(entriesBytes: number): number {
  return (entriesBytes / ENTRY_BYTES) * BLOCK_BYTES;
}

/** Writes into the index what the encoded delta sets, and makes it durable. */
export async function bringInStep(store: SiteStore, encoded: Uint8Array): Promise<void> {
  const delta = openDelta(encoded);
  for (const piece of delta.pieces()) {
    const lengthBytes = 'zerosBytes' in piece ? piece.zerosBytes : piece.bytes.length;
    const end = piece.offset + lengthBytes;
    if (piece.offset % BLOCK_BYTES !== 0 || (end % BLOCK_BYTES !== 0 && end !== delta.head.volumeBytes)) {
      throw new LeewardError(
        'DELTA_INVALID',
        `delta ${delta.head.number}: ${piece.offset} to ${end} are no whole blocks`,
      );
    }
    if (!('zerosBytes' in piece)) {
      await store.writeIndex((piece.offset / BLOCK_BYTES) * ENTRY_BYTES, entriesOf(piece.bytes));
      continue;
    }
    for (let at = piece.offset; at < end; at += CHUNK_BYTES) {
      const blocks = Math.ceil(Math.min(CHUNK_BYTES, end - at) / BLOCK_BYTES);
      await store.writeIndex((at / BLOCK_BYTES) * ENTRY_BYTES, new Uint8Array(blocks * ENTRY_BYTES));
    }
  }
  await store.syncIndex();
}
