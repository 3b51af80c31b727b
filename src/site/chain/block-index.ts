/**
 * The block index: what the replica holds, as one short hash for each block of the volume, so that an interval finds
 * what changed without any help from the system.
 *
 * Invariants: an entry is written only from a delta that is durable in the outbox, so that the index never knows more
 * than the chain; what is not known any more has an entry that no block has, and is sent whatever it holds; an all-zero
 * block has an all-zero entry, so that a fresh index is the index of an empty replica, and what lies behind the volume's
 * end is zeros. Bringing the index in step with a delta is idempotent.
 */
import { openDelta } from '../../delta/delta.ts';
import type { DeltaPiece } from '../../delta/delta.ts';
import type { ByteRange } from '../../kernel/byte-range.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { MIB } from '../../kernel/units.ts';
import type { SiteStore } from '../../ports/site-store.ts';
import type { VolumeSource } from '../../ports/volume-source.ts';
import {
  BLOCK_BYTES,
  BLOCK_HASH_BYTES,
  RANGE_BYTES,
  RANGE_HASH_BYTES,
  blockHashes,
  rangeCount,
  rangeHash,
} from '../../ranges/blocks.ts';

/** Bytes of the volume that are read at a time, and with them 4 KiB of the index. */
const CHUNK_BYTES = MIB;
const CHUNK_HASHES_BYTES = (CHUNK_BYTES / BLOCK_BYTES) * BLOCK_HASH_BYTES;

/**
 * The entry of a block of which nobody knows what the replica holds: no content has it, but by a chance of one in 2^128, so
 * whatever the volume holds there counts as changed, zeros too.
 */
const UNKNOWN_BYTE = 0xff;
const UNKNOWN = new Uint8Array(BLOCK_HASH_BYTES).fill(UNKNOWN_BYTE);
const ZEROS = new Uint8Array(BLOCK_HASH_BYTES);

/** What a delta makes of neighbouring blocks. The last one may be short, as a volume's may be. */
export interface BlockRun {
  readonly offset: number;
  readonly lengthBytes: number;
  /** Their hashes, one after the other; undefined where they become zeros. */
  readonly hashes: Uint8Array | undefined;
}

/** A change that was found, and the hashes of what it sets, which are the caller's. */
export type BlockChange = DeltaPiece & Pick<BlockRun, 'hashes'>;

/**
 * What differs between the volume and the index, in ascending order, as ranges of whole blocks (the volume's last one may
 * be short) of at most `rangeBytesMax`. Bytes are valid until the next step only. A chunk is read while the one before is
 * looked at. `rest` is called and awaited before each is begun, and nothing is read meanwhile; what it throws ends it all.
 * Memory: two chunks of each.
 */
export async function* findChanges(
  source: Pick<VolumeSource, 'read'>,
  store: Pick<SiteStore, 'readIndex'>,
  of: { volumeBytes: number; rangeBytesMax: number; rest?: () => Promise<void> },
): AsyncGenerator<BlockChange, void> {
  for await (const { offset, bytes, known } of chunksOf(source, store, of)) {
    const entries = blockHashes(bytes);
    if (Buffer.compare(entries, known) === 0) continue;
    const changed = (at: number): 'zeros' | 'literal' | 'same' => {
      const entry = entries.subarray(at, at + BLOCK_HASH_BYTES);
      if (Buffer.compare(entry, known.subarray(at, at + BLOCK_HASH_BYTES)) === 0) return 'same';
      return Buffer.compare(entry, ZEROS) === 0 ? 'zeros' : 'literal';
    };
    for (let from = 0; from < entries.length;) {
      const kind = changed(from);
      let to = from + BLOCK_HASH_BYTES;
      while (to < entries.length && blocksTo(to - from) < of.rangeBytesMax && changed(to) === kind)
        to += BLOCK_HASH_BYTES;
      const start = blocksTo(from);
      const end = Math.min(blocksTo(to), bytes.length);
      const hashes = entries.subarray(from, to);
      if (kind === 'literal') yield { offset: offset + start, bytes: bytes.subarray(start, end), hashes };
      if (kind === 'zeros') yield { offset: offset + start, zerosBytes: end - start, hashes: undefined };
      from = to;
    }
  }
}

/** A part of the volume, and what the index knows of its blocks. */
interface Chunk {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly known: Uint8Array;
}

/** All of the volume in ascending order. Each chunk is valid until the next step only, during which the next is read. */
async function* chunksOf(
  source: Pick<VolumeSource, 'read'>,
  store: Pick<SiteStore, 'readIndex'>,
  { volumeBytes, rest }: { volumeBytes: number; rest?: () => Promise<void> },
): AsyncGenerator<Chunk, void> {
  const room = (): Omit<Chunk, 'offset'> => ({
    bytes: new Uint8Array(Math.min(CHUNK_BYTES, volumeBytes)),
    known: new Uint8Array(CHUNK_HASHES_BYTES),
  });
  const rooms = [room(), room()];
  const readAt = async (offset: number): Promise<Chunk | undefined> => {
    const { bytes, known } = rooms[(offset / CHUNK_BYTES) % 2] ?? room();
    const lengthBytes = Math.min(CHUNK_BYTES, volumeBytes - offset);
    if (lengthBytes <= 0) return undefined;
    const chunk = {
      offset,
      bytes: bytes.subarray(0, lengthBytes),
      known: known.subarray(0, Math.ceil(lengthBytes / BLOCK_BYTES) * BLOCK_HASH_BYTES),
    };
    await source.read(offset, chunk.bytes);
    await readHashes(store, offset, chunk.known);
    return chunk;
  };
  let ahead = readAt(0);
  try {
    for (let chunk = await ahead; chunk; chunk = await ahead) {
      await rest?.();
      ahead = readAt(chunk.offset + CHUNK_BYTES);
      // Whoever asks for it hears of its failure, or nobody does any more.
      ahead.catch(() => undefined);
      yield chunk;
    }
  } finally {
    await ahead.catch(() => undefined);
  }
}

/** Bytes of the volume that so many bytes of the index stand for. */
function blocksTo(entriesBytes: number): number {
  return (entriesBytes / BLOCK_HASH_BYTES) * BLOCK_BYTES;
}

/**
 * What an encoded delta sets, as the index takes it: what {@link findChanges} said of it, computed again. Errors:
 * DELTA_INVALID for one that sets parts of blocks, or is damaged.
 */
export function* runsOf(encoded: Uint8Array): Generator<BlockRun, void> {
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
    yield { offset: piece.offset, lengthBytes, hashes: 'zerosBytes' in piece ? undefined : blockHashes(piece.bytes) };
  }
}

/**
 * Takes what a delta sets into the index, and makes that durable: first its size, then its runs of blocks, in ascending
 * order. `beforeBytes` is the volume's size after the delta before. Doing it again, also after a part of it was lost,
 * gives the same.
 */
export async function bringInStep(
  store: Pick<SiteStore, 'readIndex' | 'writeIndex' | 'cutIndex' | 'syncIndex'>,
  runs: Iterable<BlockRun>,
  size: { readonly beforeBytes: number; readonly volumeBytes: number },
): Promise<void> {
  if (size.volumeBytes < size.beforeBytes) await cutAt(store, size.volumeBytes);
  let neighbours: Uint8Array[] = [];
  let [start, end] = [0, 0];
  const writeNeighbours = async (): Promise<void> => {
    if (neighbours.length > 0) await noteHashes(store, { offset: start, hashes: Buffer.concat(neighbours) });
    neighbours = [];
  };
  for (const { offset, lengthBytes, hashes } of runs) {
    if (hashes && offset === end && neighbours.length > 0) neighbours.push(hashes);
    else {
      await writeNeighbours();
      start = offset;
      if (hashes) neighbours.push(hashes);
      else await writeZeros(store, { offset, lengthBytes });
    }
    end = offset + lengthBytes;
  }
  await writeNeighbours();
  await store.syncIndex();
}

async function writeZeros(store: Pick<SiteStore, 'writeIndex'>, { offset, lengthBytes }: ByteRange): Promise<void> {
  for (let done = 0; done < lengthBytes; done += CHUNK_BYTES) {
    const blocks = Math.ceil(Math.min(CHUNK_BYTES, lengthBytes - done) / BLOCK_BYTES);
    await noteHashes(store, { offset: offset + done, hashes: new Uint8Array(blocks * BLOCK_HASH_BYTES) });
  }
}

/**
 * Makes the blocks of these byte ranges unknown, as far as the volume of `volumeBytes` has them, and that durable: the next
 * interval sends them, whatever they hold. Doing it again does no harm.
 */
export async function forgetBlocks(
  store: Pick<SiteStore, 'writeIndex' | 'syncIndex'>,
  ranges: readonly ByteRange[],
  volumeBytes: number,
): Promise<void> {
  const unknown = new Uint8Array(CHUNK_HASHES_BYTES).fill(UNKNOWN_BYTE);
  for (const { offset, lengthBytes } of ranges) {
    const end = Math.ceil(Math.min(offset + lengthBytes, volumeBytes) / BLOCK_BYTES) * BLOCK_HASH_BYTES;
    for (let at = Math.floor(offset / BLOCK_BYTES) * BLOCK_HASH_BYTES; at < end; at += unknown.length) {
      await store.writeIndex(at, unknown.subarray(0, end - at));
    }
  }
  await store.syncIndex();
}

/**
 * The hashes of the volume's ranges as the index has them, and whether every block is known: an unknown one makes its
 * range's hash one that no content has. Memory: the hashes, 8 bytes for each MiB of the volume.
 */
export async function rangeHashesOf(
  store: Pick<SiteStore, 'readIndex'>,
  volumeBytes: number,
): Promise<{ readonly hashes: Uint8Array; readonly allKnown: boolean }> {
  const hashes = new Uint8Array(rangeCount(volumeBytes) * RANGE_HASH_BYTES);
  const entries = Buffer.alloc((RANGE_BYTES / BLOCK_BYTES) * BLOCK_HASH_BYTES);
  let allKnown = true;
  for (let range = 0; range * RANGE_BYTES < volumeBytes; range += 1) {
    const blocks = Math.ceil(Math.min(RANGE_BYTES, volumeBytes - range * RANGE_BYTES) / BLOCK_BYTES);
    const known = entries.subarray(0, blocks * BLOCK_HASH_BYTES);
    await store.readIndex(range * entries.length, known);
    hashes.set(rangeHash(known), range * RANGE_HASH_BYTES);
    allKnown &&= !known.includes(Buffer.from(UNKNOWN));
  }
  return { hashes, allKnown };
}

/** Writes the hashes of blocks, the first of which begins at `offset`. Not durable before the store's `syncIndex`. */
export async function noteHashes(
  store: Pick<SiteStore, 'writeIndex'>,
  at: { readonly offset: number; readonly hashes: Uint8Array },
): Promise<void> {
  await store.writeIndex((at.offset / BLOCK_BYTES) * BLOCK_HASH_BYTES, at.hashes);
}

/** Fills `into` with the hashes of blocks, the first of which begins at `offset`. */
export async function readHashes(store: Pick<SiteStore, 'readIndex'>, offset: number, into: Uint8Array): Promise<void> {
  await store.readIndex((offset / BLOCK_BYTES) * BLOCK_HASH_BYTES, into);
}

/** Forgets what lies behind the volume's end. Not durable before the store's `syncIndex`. */
export async function cutBehind(store: Pick<SiteStore, 'cutIndex'>, volumeBytes: number): Promise<void> {
  await store.cutIndex(Math.ceil(volumeBytes / BLOCK_BYTES) * BLOCK_HASH_BYTES);
}

/**
 * What lies behind the end is zeros when the volume grows again. Of a block that the end cuts, the hash that is known was
 * that of more bytes; growing again would give it the old length with other bytes.
 */
async function cutAt(
  store: Pick<SiteStore, 'readIndex' | 'writeIndex' | 'cutIndex'>,
  sizeBytes: number,
): Promise<void> {
  await cutBehind(store, sizeBytes);
  if (sizeBytes % BLOCK_BYTES === 0) return;
  const at = Math.floor(sizeBytes / BLOCK_BYTES) * BLOCK_HASH_BYTES;
  const entry = new Uint8Array(BLOCK_HASH_BYTES);
  await store.readIndex(at, entry);
  if (entry.some((byte) => byte !== 0)) await store.writeIndex(at, UNKNOWN);
}
