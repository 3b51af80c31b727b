/**
 * Where two copies differ: byte ranges of a volume, made of whole ranges of docs/range-format.md.
 *
 * Invariant: a set of them is ascending, without overlap, and never more than its bound: where it would be, the nearest
 * two become one, so that too much is sent and nothing is forgotten.
 */
import type { ByteRange } from '../kernel/byte-range.ts';
import { LeewardError } from '../kernel/errors.ts';
import { RANGE_BYTES, RANGE_HASH_BYTES } from './blocks.ts';

/** Byte ranges that a document and a heartbeat's answer have room for. */
export const DIFFERENCES_MAX = 256;

/**
 * Where the range hashes `ours` and `theirs`, of equal length, differ: neighbours are one. `firstRange` is the range that
 * the first hash stands for; the volume's end cuts its last range. Errors: MESSAGE_INVALID for unequal lengths.
 */
export function differences(
  ours: Uint8Array,
  theirs: Uint8Array,
  of: { readonly firstRange: number; readonly volumeBytes: number },
): ByteRange[] {
  if (ours.length !== theirs.length || ours.length % RANGE_HASH_BYTES !== 0) {
    throw new LeewardError('MESSAGE_INVALID', `range hashes: ${ours.length} bytes against ${theirs.length}`);
  }
  let found: ByteRange[] = [];
  for (let at = 0; at < ours.length; at += RANGE_HASH_BYTES) {
    const end = at + RANGE_HASH_BYTES;
    if (Buffer.compare(ours.subarray(at, end), theirs.subarray(at, end)) === 0) continue;
    const offset = (of.firstRange + at / RANGE_HASH_BYTES) * RANGE_BYTES;
    found = append(found, { offset, lengthBytes: Math.min(RANGE_BYTES, of.volumeBytes - offset) });
  }
  return found;
}

/** Both sets as one; at most {@link DIFFERENCES_MAX} ranges. */
export function joinDifferences(one: readonly ByteRange[], other: readonly ByteRange[]): ByteRange[] {
  let joined: ByteRange[] = [];
  for (const range of [...one, ...other].sort((a, b) => a.offset - b.offset)) joined = append(joined, range);
  while (joined.length > DIFFERENCES_MAX) joined = joinNearest(joined);
  return joined;
}

/**
 * What is left of a set when `taken`, ascending and without overlap, is taken away. Where that would be more than
 * {@link DIFFERENCES_MAX} ranges, all of the set is left.
 */
export function withoutRanges(ranges: readonly ByteRange[], taken: Iterable<ByteRange>): ByteRange[] {
  const left: ByteRange[] = [];
  const others = taken[Symbol.iterator]();
  let other = others.next();
  for (const range of ranges) {
    let { offset } = range;
    const end = endOf(range);
    while (offset < end && left.length <= DIFFERENCES_MAX) {
      const until = other.done === true ? end : Math.min(other.value.offset, end);
      if (until > offset) left.push({ offset, lengthBytes: until - offset });
      if (other.done === true || other.value.offset >= end) break;
      offset = Math.max(offset, endOf(other.value));
      // One that reaches beyond this range may reach into the next.
      if (offset <= end) other = others.next();
    }
  }
  return left.length > DIFFERENCES_MAX ? [...ranges] : left;
}

/** How many bytes of the volume a set has. */
export function bytesOf(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
}

function append(ranges: ByteRange[], next: ByteRange): ByteRange[] {
  const last = ranges.at(-1);
  if (last && endOf(last) >= next.offset) ranges[ranges.length - 1] = span(last, next);
  else ranges.push(next);
  return ranges;
}

function joinNearest(ranges: readonly ByteRange[]): ByteRange[] {
  let nearest = { at: 0, gapBytes: Infinity };
  ranges.forEach((range, at) => {
    const next = ranges[at + 1];
    const gapBytes = next ? next.offset - endOf(range) : Infinity;
    if (gapBytes < nearest.gapBytes) nearest = { at, gapBytes };
  });
  return ranges.flatMap((range, at) => {
    const next = ranges[at + 1];
    if (at === nearest.at && next) return [span(range, next)];
    return at === nearest.at + 1 ? [] : [range];
  });
}

function endOf({ offset, lengthBytes }: ByteRange): number {
  return offset + lengthBytes;
}

function span(first: ByteRange, last: ByteRange): ByteRange {
  return { offset: first.offset, lengthBytes: Math.max(endOf(first), endOf(last)) - first.offset };
}
