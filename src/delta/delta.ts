/**
 * Reading a whole delta, one frame at a time.
 *
 * Invariants: a delta is used only after it was checked whole; at most one frame is decompressed at any moment, so that
 * memory follows the largest frame, not the delta.
 */
import { DigestBuilder } from './digest.ts';
import type { DeltaExtent } from './extents.ts';
import { unpackFrame } from './frame.ts';
import { readHead } from './head.ts';
import type { DeltaHead, HeadAndTables } from './head.ts';
import { AT } from './layout.ts';
import { refuse } from './problem.ts';
import type { Report } from './problem.ts';

/** A range with what it becomes: `bytes`, or `zerosBytes` zeros. Offset and length are multiples of 512. */
export type DeltaPiece =
  { readonly offset: number; readonly bytes: Uint8Array } | { readonly offset: number; readonly zerosBytes: number };

/** A delta whose structure is sound. It refers to the bytes it was opened from, which must not change meanwhile. */
export interface Delta {
  readonly head: DeltaHead;
  readonly extents: readonly DeltaExtent[];

  /**
   * What the delta sets, in ascending order. A piece never spans frames, nor reaches beyond its extent; its offset and
   * length are multiples of 512. Its bytes are valid until the next step only. Each walk decompresses anew and throws
   * DELTA_INVALID at a frame that is damaged.
   */
  pieces(): Iterable<DeltaPiece>;
}

/**
 * Opens a delta: structure, bounds, limits, the head's CRC and all sizes hold; nothing has been decompressed.
 *
 * Throws DELTA_INVALID with one line that names the field and its offset, for the first fault; VERSION_TOO_NEW if a newer
 * program can read it.
 */
export function openDelta(bytes: Uint8Array): Delta {
  const read = readWhole(bytes, refuse) ?? refuse({ field: 'head', at: 0, problem: 'cannot be read' });
  return { head: read.head, extents: read.extents, pieces: () => piecesOf(bytes, read) };
}

/**
 * Checks a delta whole: what {@link openDelta} checks, each frame's CRC and length, and the digest, computed anew. What
 * passed may be applied as far as its form goes; whether its place in the chain is right is for others to judge.
 *
 * Throws as {@link openDelta} does. Time follows the literal bytes; memory is one frame's.
 */
export function checkDelta(bytes: Uint8Array): Delta {
  const delta = openDelta(bytes);
  const computed = digestOf(delta);
  if (computed !== delta.head.digest) {
    const problem = `${delta.head.digest} is stated, but the delta gives ${computed}`;
    refuse({ field: 'digest', at: AT.digest, problem });
  }
  return delta;
}

/** The digest as it follows from the delta, not as it states it. */
export function digestOf(delta: Delta): string {
  const digest = new DigestBuilder();
  for (const piece of delta.pieces()) {
    if ('zerosBytes' in piece) digest.zeros(piece.offset, piece.zerosBytes);
    else digest.literal(piece.offset, piece.bytes);
  }
  return digest.finish(delta.head);
}

/** The head and its tables, held against the true length; undefined where a fault leaves nothing to go on with. */
export function readWhole(bytes: Uint8Array, report: Report): HeadAndTables | undefined {
  const read = readHead(bytes, report);
  if (read !== undefined && read.head.totalBytes !== bytes.length) {
    const what = bytes.length < read.head.totalBytes ? 'cut short' : 'too long';
    const problem = `${what}: ${read.head.totalBytes} are stated, ${bytes.length} are there`;
    report({ field: 'total bytes', at: AT.totalBytes, problem });
  }
  return read;
}

function* piecesOf(bytes: Uint8Array, { frames, extents }: HeadAndTables): Generator<DeltaPiece, void> {
  let frameIndex = 0;
  let raw: Uint8Array = new Uint8Array(0);
  let used = 0;
  for (const { kind, offset, lengthBytes } of extents) {
    if (kind === 'zeros') {
      yield { offset, zerosBytes: lengthBytes };
      continue;
    }
    for (let done = 0; done < lengthBytes;) {
      if (used === raw.length) {
        const frame = frames[frameIndex];
        if (frame === undefined) return refuse({ field: 'frame table', problem: 'ends before the extents do' });
        raw = unpackFrame(bytes, frame);
        frameIndex += 1;
        used = 0;
      }
      const take = Math.min(lengthBytes - done, raw.length - used);
      yield { offset: offset + done, bytes: raw.subarray(used, used + take) };
      used += take;
      done += take;
    }
  }
}
