/**
 * A delta's range of the volume as a row of segments: what is changed, and the gaps between.
 *
 * Invariants: segments follow each other without a hole from the first changed page to the last; no two neighbours are
 * of one kind, so that each is as long as it can be; lengths are whole pages.
 */
import { PAGE_BYTES } from '../../kernel/units.ts';

/** A range that a delta sets. Offset and length in bytes, multiples of 512. */
export interface PageRun {
  readonly kind: 'literal' | 'zeros';
  readonly offset: number;
  readonly lengthBytes: number;
}

/**
 * What a segment demands: `literal` is written; `zeros` are written or cleared; a `gap` stays, or is written with the
 * bytes it has, which must be read; a `zeroGap` is known to be zeros, and stays or is written without a read.
 */
export const KIND = { literal: 0, zeros: 1, gap: 2, zeroGap: 3 } as const;

/** The segments, as columns: deltas have up to 16,384 extents. */
export interface Segments {
  readonly count: number;
  /** Values of {@link KIND}. */
  readonly kinds: Uint8Array;
  readonly offsets: Float64Array;
  /** Lengths in pages. */
  readonly pages: Float64Array;
}

/**
 * The segments of `runs`, which ascend and do not overlap. From `zerosFrom` on, in bytes, the blob is known to hold
 * zeros: zeros set there are a gap like any other.
 */
export function segmentsOf(runs: Iterable<PageRun>, zerosFrom: number): Segments {
  const kinds: number[] = [];
  const offsets: number[] = [];
  const pages: number[] = [];
  let end = 0;
  const append = (kind: number, to: number): void => {
    if (to === end) return;
    const last = kinds.length - 1;
    if (kinds[last] === kind) {
      pages[last] = (to - (offsets[last] ?? 0)) / PAGE_BYTES;
    } else {
      kinds.push(kind);
      offsets.push(end);
      pages.push((to - end) / PAGE_BYTES);
    }
    end = to;
  };
  const appendParted = (before: number, after: number, to: number): void => {
    if (end < zerosFrom) append(before, Math.min(to, zerosFrom));
    append(after, to);
  };
  for (const { kind, offset, lengthBytes } of runs) {
    const isDropped = kind === 'zeros' && offset >= zerosFrom;
    if (kinds.length === 0) {
      if (isDropped) continue;
      end = offset;
    }
    appendParted(KIND.gap, KIND.zeroGap, offset);
    if (kind === 'zeros') appendParted(KIND.zeros, KIND.zeroGap, offset + lengthBytes);
    else append(KIND.literal, offset + lengthBytes);
  }
  // A zero gap at the end is none: nothing is written after it.
  if (kinds.at(-1) === KIND.zeroGap) kinds.pop();
  const count = kinds.length;
  return {
    count,
    kinds: Uint8Array.from(kinds),
    offsets: Float64Array.from(offsets.slice(0, count)),
    pages: Float64Array.from(pages.slice(0, count)),
  };
}

/** The same segments from the other end, for what looks at them backwards. Their offsets are of no use then. */
export function reversed({ count, kinds, offsets, pages }: Segments): Segments {
  return { count, kinds: kinds.toReversed(), offsets: offsets.toReversed(), pages: pages.toReversed() };
}
