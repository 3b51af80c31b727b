/**
 * What is wrong with a delta, and who hears of it. A reader reports each fault to its caller's {@link Report}: one that
 * throws makes the reader stop at the first, one that collects lets `leeward inspect delta` list them all.
 */
import { LeewardError } from '../kernel/errors.ts';

/** One fault. */
export interface DeltaProblem {
  /** Name of the field, as in docs/delta-format.md. */
  readonly field: string;
  /** Offset of the field from the delta's first byte; undefined where the delta is only being made. */
  readonly at?: number | undefined;
  /** What is wrong with it, and what it may be. */
  readonly problem: string;
  /** Set only where a newer program could read the delta. */
  readonly tooNew?: true;
  /** Set only where a limit is exceeded, which may be lower here than the format's. */
  readonly beyondLimit?: true;
  /** What made it fail. */
  readonly cause?: unknown;
}

/** Hears of a fault; either throws or lets the reader go on. */
export type Report = (problem: DeltaProblem) => void;

/** The one line that says it, whatever the delta had where a text was due. */
export function problemLine(problem: DeltaProblem): string {
  const where = problem.at === undefined ? '' : ` (byte ${problem.at})`;
  return `${problem.field}${where}: ${problem.problem}`.replace(/\p{Cc}/gu, '?');
}

/** Throws DELTA_INVALID; VERSION_TOO_NEW where a newer program could read it, LIMIT_EXCEEDED where a limit is exceeded. */
export function refuse(problem: DeltaProblem): never {
  const { tooNew, beyondLimit, cause } = problem;
  throw new LeewardError(
    tooNew === true ? 'VERSION_TOO_NEW' : beyondLimit === true ? 'LIMIT_EXCEEDED' : 'DELTA_INVALID',
    `delta: ${problemLine(problem)}`,
    cause === undefined ? undefined : { cause },
  );
}
