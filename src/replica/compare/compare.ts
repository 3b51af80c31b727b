/**
 * Comparing a page blob with a site's range list, a window of ranges at a time.
 *
 * Invariants: pages that were never written are not read; what is held is one window's hashes and a few ranges' bytes,
 * whatever the volume's size; nothing is written.
 */
import type { ByteRange } from '../../kernel/byte-range.ts';
import { fewAtOnce } from '../../kernel/few-at-once.ts';
import type { BlobPlace } from '../../kernel/places.ts';
import type { ReplicaStore } from '../../ports/replica-store.ts';
import { RANGE_BYTES, RANGE_HASH_BYTES, blockHashes, rangeCount, rangeHash } from '../../ranges/blocks.ts';
import { differences } from '../../ranges/differences.ts';
import type { RangeListReader } from './range-list-reader.ts';

/**
 * Ranges that are compared between two writes of the state, unless the caller says otherwise: 256 MiB, some seconds at a
 * page blob's 60 MiB/s. Any window divides a list's segment.
 */
export const WINDOW_RANGES = 64;

/** Ranges read at once: enough to hide a request's latency, and 16 MiB. */
const READS_AT_ONCE = 4;

/** A page blob, or a snapshot of it, as a copy of a volume of this size. */
export interface Copy {
  readonly place: BlobPlace;
  readonly snapshot?: string;
  readonly volumeBytes: number;
}

export interface Compared {
  /** Where the two differ, within the window. What only the list has differs if it is not zeros. */
  readonly differing: readonly ByteRange[];
  /** The copy's own hashes of the window; fewer where the copy ends. */
  readonly hashes: Uint8Array;
  /** The range after the window. */
  readonly next: number;
  /** Whether neither of the two has anything behind the window. */
  readonly isLast: boolean;
}

/**
 * Compares one window of `ranges`, from range `first` on, a multiple of that. What the copy has behind the list's end does not
 * count: the volume has shrunk. Errors: those of {@link RangeListReader.hashes}; NOT_FOUND when the copy is gone; UNAVAILABLE.
 */
export async function compareWindow(
  replicas: ReplicaStore,
  of: { readonly copy: Copy; readonly list: RangeListReader; readonly first: number; readonly ranges: number },
): Promise<Compared> {
  const { copy, list, first } = of;
  const theirs = await list.hashes(first, of.ranges);
  const hashes = await hashRanges(replicas, copy, { first, count: of.ranges });
  const ours = new Uint8Array(theirs.length);
  ours.set(hashes.subarray(0, theirs.length));
  const next = first + of.ranges;
  return {
    differing: differences(ours, theirs, { firstRange: first, volumeBytes: list.head.volumeBytes }),
    hashes,
    next,
    isLast: next >= Math.max(rangeCount(copy.volumeBytes), list.ranges),
  };
}

/** The hashes of ranges of the copy, from `first` on: `count`, or fewer where the copy ends. */
async function hashRanges(
  replicas: ReplicaStore,
  copy: Copy,
  of: { readonly first: number; readonly count: number },
): Promise<Uint8Array> {
  const count = Math.max(0, Math.min(of.count, rangeCount(copy.volumeBytes) - of.first));
  const hashes = new Uint8Array(count * RANGE_HASH_BYTES);
  if (count === 0) return hashes;
  const written = await dataOfRanges(replicas, copy, { first: of.first, count });
  await fewAtOnce(READS_AT_ONCE, written, async ([range, data]) => {
    const offset = range * RANGE_BYTES;
    const bytes = new Uint8Array(Math.min(RANGE_BYTES, copy.volumeBytes - offset));
    bytes.set(await replicas.read(copy.place, { ...snapshotOf(copy), ...data }), data.offset - offset);
    hashes.set(rangeHash(blockHashes(bytes)), (range - of.first) * RANGE_HASH_BYTES);
  });
  return hashes;
}

/** For each range that holds data, the bytes from the first to the last of it. */
async function dataOfRanges(
  replicas: ReplicaStore,
  copy: Copy,
  of: { readonly first: number; readonly count: number },
): Promise<Map<number, ByteRange>> {
  const offset = of.first * RANGE_BYTES;
  const lengthBytes = Math.min(of.count * RANGE_BYTES, copy.volumeBytes - offset);
  const found = new Map<number, ByteRange>();
  for (const data of await replicas.dataRanges(copy.place, { ...snapshotOf(copy), offset, lengthBytes })) {
    const dataEnd = data.offset + data.lengthBytes;
    for (let at = data.offset; at < dataEnd;) {
      const range = Math.floor(at / RANGE_BYTES);
      const end = Math.min(dataEnd, (range + 1) * RANGE_BYTES);
      const from = found.get(range)?.offset ?? at;
      found.set(range, { offset: from, lengthBytes: end - from });
      at = end;
    }
  }
  return found;
}

function snapshotOf({ snapshot }: Copy): { snapshot?: string } {
  return snapshot === undefined ? {} : { snapshot };
}
