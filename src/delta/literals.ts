/**
 * The literal bytes of a delta, as what references point into.
 *
 * Invariants: no call decompresses a frame more than once, nor one of which it needs nothing; but for the bytes that they
 * return, the functions hold one frame.
 */
import { unpackFrame } from './frame.ts';
import type { HeadAndTables } from './head.ts';
import { refuse } from './problem.ts';

/** What of a delta has the frames. */
type Framed = Pick<HeadAndTables, 'head' | 'frames'> & { readonly bytes: Uint8Array };

/** A range of literal bytes. */
export interface LiteralRange {
  readonly at: number;
  readonly lengthBytes: number;
}

/**
 * Copies of `ranges` of the literal bytes, in the same order: what journal references to this delta resolve to. Throws
 * DELTA_INVALID for a range that reaches past their end, before anything is decompressed, and at a frame that is damaged.
 */
export function literalsAt(delta: Framed, ranges: readonly LiteralRange[]): Uint8Array[] {
  for (const { at, lengthBytes } of ranges) {
    if (at >= 0 && lengthBytes >= 0 && at + lengthBytes <= delta.head.literalBytes) continue;
    const problem = `${lengthBytes} bytes from ${at} reach past the end of the ${delta.head.literalBytes} literal bytes`;
    refuse({ field: 'position', problem });
  }
  const copies = ranges.map(({ lengthBytes }) => new Uint8Array(lengthBytes));
  const waiting = ranges.map((_, index) => index).sort((one, other) => startOf(one) - startOf(other));
  let open: number[] = [];
  let next = 0;
  for (const frame of delta.frames) {
    const end = frame.literalAt + frame.rawBytes;
    for (let index = waiting[next]; index !== undefined && startOf(index) < end; index = waiting[next]) {
      open.push(index);
      next += 1;
    }
    if (open.length === 0) continue;
    const raw = unpackFrame(delta.bytes, frame);
    open = open.filter((index) => {
      const from = startOf(index);
      const start = Math.max(from, frame.literalAt);
      const stop = Math.min(endOf(index), end);
      copies[index]?.set(raw.subarray(start - frame.literalAt, stop - frame.literalAt), start - from);
      return endOf(index) > end;
    });
  }
  return copies;

  function startOf(index: number): number {
    return ranges[index]?.at ?? 0;
  }

  function endOf(index: number): number {
    return startOf(index) + (ranges[index]?.lengthBytes ?? 0);
  }
}

/**
 * Random access to the literal bytes: a frame is decompressed when something in it is first asked for, and held until it is
 * let go.
 */
export class Literals {
  readonly #delta: Framed;
  readonly #held = new Map<number, Uint8Array>();

  constructor(delta: Framed) {
    this.#delta = delta;
  }

  /**
   * The literal bytes from `position` to the end of its frame, or as many as are wanted: at least a page. They never change.
   * Throws DELTA_INVALID where the frame is damaged, or the position lies behind all frames.
   */
  from(position: number, wantedBytes = Infinity): Uint8Array {
    const frame = this.#delta.frames[this.frameAt(position)];
    if (frame === undefined) return refuse({ field: 'frame table', problem: 'ends before the extents do' });
    let held = this.#held.get(frame.index);
    if (held === undefined) {
      held = unpackFrame(this.#delta.bytes, frame);
      this.#held.set(frame.index, held);
    }
    const start = position - frame.literalAt;
    return held.subarray(start, start + wantedBytes);
  }

  /** Forgets a frame's bytes; should they be asked for once more, they are decompressed anew. */
  letGo(frame: number): void {
    this.#held.delete(frame);
  }

  /** Index of the frame that a position lies in, or that of the last one and 1 behind all of them. */
  frameAt(position: number): number {
    const { frames, head } = this.#delta;
    if (position >= head.literalBytes) return frames.length;
    let [low, high] = [0, frames.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((frames[middle]?.literalAt ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
