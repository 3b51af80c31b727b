/**
 * The literal bytes of a delta, as what references point into.
 *
 * Invariants: no call decompresses a frame more than once, nor one of which it needs nothing; but for the bytes that it
 * returns it holds one frame.
 */
import type { Delta } from './delta.ts';
import { unpackFrame } from './frame.ts';
import { refuse } from './problem.ts';

/** What of a delta has the frames. */
type Framed = Pick<Delta, 'bytes' | 'frames' | 'head'>;

/** A frame's raw bytes, with their position in the literal bytes. */
export interface LiteralBytes {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** A range of literal bytes. */
export interface LiteralRange {
  readonly at: number;
  readonly lengthBytes: number;
}

/**
 * Walks the literal bytes frame by frame; `bytes` are valid until the next step only. Throws DELTA_INVALID at a frame that
 * is damaged.
 */
export function* literalsOf(delta: Framed): Generator<LiteralBytes, void> {
  for (const frame of delta.frames) yield { at: frame.literalAt, bytes: unpackFrame(delta.bytes, frame) };
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
 * Gives the literal bytes from a position on: all of them where they are held, else at least a page. Valid until the next
 * call.
 */
export type LiteralReader = (position: number) => Uint8Array;

/**
 * A reader of the literal bytes: of all of them, held at once, for a delta that refers to its own; else one that holds one
 * frame, for positions that only ascend. Throws DELTA_INVALID at a frame that is damaged, now or when it comes to it.
 */
export function literalReader(delta: Framed & Pick<Delta, 'extents'>): LiteralReader {
  if (!delta.extents.some(({ kind }) => kind === 'own')) return ascending(delta);
  const all = allLiterals(delta);
  return (position) => all.subarray(position);
}

const NONE = new Uint8Array(0);

function ascending(delta: Framed): LiteralReader {
  const frames = literalsOf(delta);
  let { at, bytes }: LiteralBytes = { at: 0, bytes: NONE };
  return (position) => {
    while (position >= at + bytes.length) {
      // Let go of it before the next is there.
      bytes = NONE;
      const { value } = frames.next();
      if (value === undefined) return refuse({ field: 'frame table', problem: 'ends before the extents do' });
      ({ at, bytes } = value);
    }
    return bytes.subarray(position - at);
  };
}

/** A view where one frame holds them uncompressed, else fresh bytes. */
function allLiterals(delta: Framed): Uint8Array {
  const [only] = delta.frames;
  if (only !== undefined && delta.frames.length === 1) return unpackFrame(delta.bytes, only);
  const all = new Uint8Array(delta.head.literalBytes);
  for (const { at, bytes } of literalsOf(delta)) all.set(bytes, at);
  return all;
}
