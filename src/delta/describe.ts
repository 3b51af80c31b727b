/** A delta for people, sound or broken: what `leeward inspect delta` shows. */
import { LeewardError } from '../kernel/errors.ts';
import type { DeltaExtent } from './extents.ts';
import { unpackFrame } from './frame.ts';
import type { DeltaFrame } from './frame.ts';
import type { DeltaHead } from './head.ts';
import { AT } from './layout.ts';
import { DELTA_LIMITS } from './limits.ts';
import { problemLine } from './problem.ts';
import { digestOf, openDelta, readWhole } from './delta.ts';

/** Faults that are listed; a delta of noise has as many as it has bytes. */
const PROBLEMS_MAX = 100;

/** All about a delta; JSON-able. */
export interface DeltaDescription {
  /** True when nothing is wrong: `checkDelta` accepts it. */
  readonly valid: boolean;
  /** What is wrong, one line each; at most 100. */
  readonly problems: readonly string[];
  /** Missing where the head cannot be read; of a broken delta, what it says. */
  readonly head?: DeltaHead;
  readonly frames?: readonly Pick<DeltaFrame, 'compression' | 'storedBytes' | 'rawBytes' | 'at'>[];
  readonly extents?: readonly DeltaExtent[];
}

/** Describes `bytes` as a delta, as far as they can be read; never throws for what they hold. */
export function describeDelta(bytes: Uint8Array): DeltaDescription {
  const problems: string[] = [];
  const add = (line: string): void => {
    if (problems.length < PROBLEMS_MAX) problems.push(line);
  };
  const read = readWhole(bytes, (problem) => {
    add(problemLine(problem));
  });
  if (read === undefined) return { valid: false, problems };
  const structureIsSound = problems.length === 0;
  // Of a broken delta too, nothing is decompressed beyond the limits.
  const frames = read.head.literalBytes <= DELTA_LIMITS.literalBytesMax ? read.frames : [];
  for (const frame of frames) {
    if (frame.at + frame.storedBytes <= bytes.length) attempt(() => unpackFrame(bytes, frame), add);
  }
  if (structureIsSound && problems.length === 0) {
    const computed = digestOf(openDelta(bytes));
    if (computed !== read.head.digest) {
      add(problemLine({ field: 'digest', at: AT.digest, problem: `the delta gives ${computed}` }));
    }
  }
  return {
    valid: problems.length === 0,
    problems,
    head: read.head,
    frames: read.frames.map(({ compression, storedBytes, rawBytes, at }) => ({
      compression,
      storedBytes,
      rawBytes,
      at,
    })),
    extents: read.extents,
  };
}

function attempt(what: () => unknown, add: (line: string) => void): void {
  try {
    what();
  } catch (error) {
    if (!(error instanceof LeewardError)) throw error;
    add(error.message.replace(/^delta: /, ''));
  }
}
