/**
 * Reading a whole delta.
 *
 * Invariants: a delta is used only after it was checked whole; no frame is decompressed more than once by a check and the
 * walk that follows it; its literal bytes are held once at most, from the check until that walk has passed them.
 */
import { sha256 } from '../kernel/hash.ts';
import { DigestBuilder } from './digest.ts';
import { outsideOf } from './extents.ts';
import type { DeltaExtent, OutsideReference } from './extents.ts';
import type { DeltaFrame } from './frame.ts';
import { readHead } from './head.ts';
import type { DeltaHead, HeadAndTables } from './head.ts';
import { AT } from './layout.ts';
import { DELTA_LIMITS } from './limits.ts';
import type { DeltaLimits } from './limits.ts';
import { Literals } from './literals.ts';
import { noContent, piecesOf } from './pieces.ts';
import type { DeltaPiece, OutsideContent } from './pieces.ts';
import { refuse } from './problem.ts';
import type { Report } from './problem.ts';

export type { DeltaPiece } from './pieces.ts';

/** A delta whose structure is sound. It refers to the bytes it was opened from, which must not change meanwhile. */
export interface Delta {
  readonly bytes: Uint8Array;
  readonly head: DeltaHead;
  readonly frames: readonly DeltaFrame[];
  readonly extents: readonly DeltaExtent[];
  /** What it refers to outside itself, in the extents' order: none where it holds all that it sets. */
  readonly outside: readonly OutsideReference[];

  /**
   * What the delta sets, in ascending order. A piece never reaches beyond its extent; its offset and length are multiples of
   * 512. Its bytes never change, and cost memory for as long as somebody holds them.
   *
   * The first walk over a delta that was checked takes what the check decompressed, and lets go of it as it passes; any
   * other decompresses anew, and throws DELTA_INVALID at a frame that is damaged. `content` gives what outside references
   * stand for; without it they are refused likewise: such a delta is to be rehydrated first.
   */
  pieces(content?: OutsideContent): Iterable<DeltaPiece>;
}

/**
 * Opens a delta: structure, bounds, limits, the head's CRC and all sizes hold; nothing has been decompressed.
 *
 * Throws DELTA_INVALID with one line that names the field and its offset, for the first fault; VERSION_TOO_NEW if a newer
 * program can read it.
 */
export function openDelta(bytes: Uint8Array, limits: DeltaLimits = DELTA_LIMITS): Delta {
  return deltaOf(bytes, structureOf(bytes, limits));
}

/**
 * Checks a delta whole that holds all that it sets: what {@link openDelta} checks, each frame's CRC and length, the hash of
 * each reference to its own bytes, and the digest, computed anew. What passed may be applied as far as its form goes;
 * whether its place in the chain is right is for others to judge.
 *
 * Throws as {@link openDelta} does, and DELTA_INVALID where it refers to anything outside. Time follows the content. The
 * result holds the literal bytes, at most {@link DeltaLimits}.contentBytesMax besides `bytes`, until its pieces are walked.
 */
export function checkDelta(bytes: Uint8Array, limits: DeltaLimits = DELTA_LIMITS): Delta {
  return checked(bytes, limits, ([reference]) => {
    if (reference !== undefined) noContent(reference);
  });
}

/**
 * Checks of a delta all that can be checked without what it refers to outside: everything that {@link checkDelta} checks,
 * but the digest only where there are no outside references. Throws and costs as that does.
 */
export function checkSent(bytes: Uint8Array, limits: DeltaLimits = DELTA_LIMITS): Delta {
  return checked(bytes, limits, () => undefined);
}

/**
 * Reports what is wrong with the content of a delta of sound structure, as far as its own bytes can show it. All of its
 * `literals` are decompressed afterwards.
 */
export function checkContent(delta: Delta, literals: Literals, report: Report): void {
  checkOwn(delta, literals, report);
  if (delta.outside.length > 0) {
    for (const { literalAt } of delta.frames) literals.from(literalAt);
    return;
  }
  const digest = new DigestBuilder();
  for (const piece of piecesOf(delta, literals, noContent)) {
    if ('zerosBytes' in piece) digest.zeros(piece.offset, piece.zerosBytes);
    else digest.literal(piece.offset, piece.bytes);
  }
  const computed = digest.finish(delta.head);
  if (computed !== delta.head.digest) {
    const problem = `${delta.head.digest} is stated, but the delta gives ${computed}`;
    report({ field: 'digest', at: AT.digest, problem });
  }
}

/** The head and its tables, held against the true length; undefined where a fault leaves nothing to go on with. */
export function readWhole(bytes: Uint8Array, limits: DeltaLimits, report: Report): HeadAndTables | undefined {
  const read = readHead(bytes, limits, report);
  if (read !== undefined && read.head.totalBytes !== bytes.length) {
    const what = bytes.length < read.head.totalBytes ? 'cut short' : 'too long';
    const problem = `${what}: ${read.head.totalBytes} are stated, ${bytes.length} are there`;
    report({ field: 'total bytes', at: AT.totalBytes, problem });
  }
  return read;
}

/** A delta of what was read without any fault from `bytes`; `literals` are what a check of it decompressed. */
export function deltaOf(bytes: Uint8Array, { head, frames, extents }: HeadAndTables, literals?: Literals): Delta {
  let held = literals;
  const delta: Delta = {
    bytes,
    head,
    frames,
    extents,
    outside: outsideOf(extents),
    pieces: (content = noContent) => {
      const taken = held ?? new Literals(delta);
      held = undefined;
      return piecesOf(delta, taken, content, { lettingGo: true });
    },
  };
  return delta;
}

function structureOf(bytes: Uint8Array, limits: DeltaLimits): HeadAndTables {
  return readWhole(bytes, limits, refuse) ?? refuse({ field: 'head', at: 0, problem: 'cannot be read' });
}

function checked(bytes: Uint8Array, limits: DeltaLimits, accept: (outside: Delta['outside']) => void): Delta {
  const structure = structureOf(bytes, limits);
  const literals = new Literals({ bytes, ...structure });
  const delta = deltaOf(bytes, structure, literals);
  accept(delta.outside);
  checkContent(delta, literals, refuse);
  return delta;
}

/** Holds each content that the delta's own literal bytes give against its hash. */
function checkOwn(delta: Delta, literals: Literals, report: Report): void {
  delta.extents.forEach((extent, index) => {
    if (extent.kind !== 'own') return;
    const hash = sha256();
    for (let done = 0; done < extent.lengthBytes;) {
      const bytes = literals.from(extent.at + done, extent.lengthBytes - done);
      hash.update(bytes);
      done += bytes.length;
    }
    const computed = hash.hex();
    if (computed === extent.sha256) return;
    const problem = `${extent.sha256} is stated, but its content gives ${computed}`;
    report({ field: `extent ${index}, content SHA-256`, problem });
  });
}
