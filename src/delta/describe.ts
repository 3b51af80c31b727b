/** A delta for people, sound or broken: what `leeward inspect delta` shows. */
import { LeewardError } from '../kernel/errors.ts';
import { checkContent, deltaOf, readWhole } from './delta.ts';
import type { DeltaExtent } from './extents.ts';
import { outsideOf } from './extents.ts';
import { unpackFrame } from './frame.ts';
import type { DeltaFrame } from './frame.ts';
import type { DeltaHead } from './head.ts';
import { DELTA_LIMITS } from './limits.ts';
import { Literals } from './literals.ts';
import { problemLine } from './problem.ts';
import type { Report } from './problem.ts';
import { readProperties } from './properties.ts';
import type { VolumeProperties } from './properties.ts';

/** Faults that are listed; a delta of noise has as many as it has bytes. */
const PROBLEMS_MAX = 100;

/** All about a delta; JSON-able. */
export interface DeltaDescription {
  /** True when nothing is wrong: `checkSent` accepts it. */
  readonly valid: boolean;
  /** What is wrong, one line each; at most 100. */
  readonly problems: readonly string[];
  /** References whose content is elsewhere: without it nobody can tell whether the digest is right. */
  readonly outsideCount?: number;
  /** Missing where the head cannot be read; of a broken delta, what it says. */
  readonly head?: DeltaHead;
  /** What the head's properties say. */
  readonly properties?: VolumeProperties;
  readonly frames?: readonly Pick<DeltaFrame, 'compression' | 'storedBytes' | 'rawBytes' | 'at' | 'literalAt'>[];
  readonly extents?: readonly DeltaExtent[];
  /** Journal entries that extents refer to. */
  readonly sources?: readonly string[];
}

/** Describes `bytes` as a delta, as far as they can be read; never throws for what they hold. */
export function describeDelta(bytes: Uint8Array): DeltaDescription {
  const problems: string[] = [];
  const add = (line: string): void => {
    if (problems.length < PROBLEMS_MAX) problems.push(line);
  };
  const report: Report = (problem) => {
    add(problemLine(problem));
  };
  const read = readWhole(bytes, DELTA_LIMITS, report);
  if (read === undefined) return { valid: false, problems };
  const structureIsSound = problems.length === 0;
  const { head, extents, sources } = read;
  // Of a broken delta too, nothing is decompressed beyond the limits.
  const frames = head.literalBytes <= DELTA_LIMITS.contentBytesMax ? read.frames : [];
  for (const frame of frames) {
    if (frame.at + frame.storedBytes <= bytes.length) attempt(() => unpackFrame(bytes, frame), add);
  }
  if (structureIsSound && problems.length === 0) {
    checkContent(deltaOf(bytes, read), new Literals({ bytes, ...read }), report);
  }
  const properties = propertiesOf(head);
  return {
    valid: problems.length === 0,
    problems,
    outsideCount: outsideOf(extents).length,
    head,
    ...(properties === undefined ? {} : { properties }),
    frames: read.frames.map(({ compression, storedBytes, rawBytes, at, literalAt }) => ({
      compression,
      storedBytes,
      rawBytes,
      at,
      literalAt,
    })),
    extents,
    sources,
  };
}

function propertiesOf({ properties }: DeltaHead): VolumeProperties | undefined {
  let read: VolumeProperties | undefined;
  if (properties !== undefined)
    attempt(
      () => (read = readProperties(properties)),
      () => undefined,
    );
  return read;
}

function attempt(what: () => unknown, add: (line: string) => void): void {
  try {
    what();
  } catch (error) {
    if (!(error instanceof LeewardError)) throw error;
    add(error.message.replace(/^delta: /, ''));
  }
}
