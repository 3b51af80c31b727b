/**
 * The apply planner: which requests write a delta in the least time (docs/apply-planner.md).
 *
 * Invariants: requests ascend and never touch the same page; none is longer than its limit; what is written beyond the
 * runs are gaps between them, with the bytes that they have; where these are not known to be zeros, a read brings them.
 * The plan follows from the runs and the figures alone, without their bytes.
 */
import type { ByteRange } from '../../kernel/byte-range.ts';
import { PAGE_BYTES } from '../../kernel/units.ts';
import { bestChoices } from './best.ts';
import type { Task } from './best.ts';
import { PAGE_BLOB_COSTS, PAGE_BLOB_LIMITS, timeOf } from './cost.ts';
import type { ApplyCosts, ApplyLimits } from './cost.ts';
import { READ, WRITTEN } from './moves.ts';
import { KIND, segmentsOf } from './segments.ts';
import type { PageRun, Segments } from './segments.ts';

/** One request that changes pages. A write's `gaps` are the ranges in it whose bytes come from the reads. */
export type PlanStep =
  | ({ readonly kind: 'write'; readonly gaps: readonly ByteRange[] } & ByteRange)
  | ({ readonly kind: 'clear' } & ByteRange);

export interface ApplyPlan {
  /** In ascending order. */
  readonly steps: readonly PlanStep[];
  /** In ascending order, and none overlaps another. Together they cover the gaps of all writes. */
  readonly reads: readonly ByteRange[];
  /** Time by the cost figures, in seconds. */
  readonly timeS: number;
  /** No plan takes less than this; equal to `timeS` where the plan is known to be the best. */
  readonly lowerBoundS: number;
  /** All requests, reads included. */
  readonly requests: number;
  /** All bytes, written and read. */
  readonly bytes: number;
}

export interface PlanOptions {
  /** From here on, in bytes, the blob is known to hold zeros: 0 for a fresh blob. Without it nothing is known. */
  readonly zerosFrom?: number;
  readonly costs?: ApplyCosts;
  readonly limits?: ApplyLimits;
}

/**
 * Plans the requests for `runs`: all that is to change, in ascending order and without overlaps. Takes time and memory
 * that follow their number, with a bound for the largest delta.
 */
export function planApply(runs: Iterable<PageRun>, options: PlanOptions = {}): ApplyPlan {
  const task = taskOf(runs, options);
  const best = bestChoices(task);
  return {
    steps: stepsOf(task, best.choices),
    reads: stretches(task.segments, (index) => ((best.choices[index] ?? 0) & READ) !== 0).flatMap((stretch) =>
      parted(stretch, task.limits.read * PAGE_BYTES),
    ),
    timeS: timeOf(best, task.costs),
    lowerBoundS: best.lowerBoundS,
    requests: best.requests,
    bytes: best.pages * PAGE_BYTES,
  };
}

function taskOf(runs: Iterable<PageRun>, options: PlanOptions): Task {
  const { zerosFrom = Infinity, costs = PAGE_BLOB_COSTS, limits = PAGE_BLOB_LIMITS } = options;
  return {
    segments: segmentsOf(runs, zerosFrom),
    costs,
    limits: { write: limits.writeBytesMax / PAGE_BYTES, read: limits.readBytesMax / PAGE_BYTES },
  };
}

function stepsOf({ segments, limits }: Task, choices: Uint8Array): PlanStep[] {
  const isWritten = (index: number): boolean => ((choices[index] ?? 0) & WRITTEN) !== 0;
  const writes = stretches(segments, isWritten).flatMap((stretch) => parted(stretch, limits.write * PAGE_BYTES));
  const gaps = stretches(segments, (index) => isWritten(index) && segments.kinds[index] === KIND.gap);
  const clears = stretches(segments, (index) => !isWritten(index) && segments.kinds[index] === KIND.zeros);
  let next = 0;
  const withGaps = writes.map((write): PlanStep => {
    const mine: ByteRange[] = [];
    const end = write.offset + write.lengthBytes;
    for (let gap = gaps[next]; gap && gap.offset < end; gap = gaps[next]) {
      const [offset, gapEnd] = [Math.max(gap.offset, write.offset), gap.offset + gap.lengthBytes];
      mine.push({ offset, lengthBytes: Math.min(gapEnd, end) - offset });
      if (gapEnd > end) break;
      next += 1;
    }
    return { kind: 'write', ...write, gaps: mine };
  });
  return [...withGaps, ...clears.map((clear): PlanStep => ({ kind: 'clear', ...clear }))].sort(
    (one, other) => one.offset - other.offset,
  );
}

/** Maximal ranges of segments that are `chosen`. */
function stretches(segments: Segments, chosen: (index: number) => boolean): ByteRange[] {
  const found: { offset: number; lengthBytes: number }[] = [];
  let isOpen = false;
  for (let index = 0; index < segments.count; index += 1) {
    const wasOpen = isOpen;
    isOpen = chosen(index);
    if (!isOpen) continue;
    const lengthBytes = (segments.pages[index] ?? 0) * PAGE_BYTES;
    const last = found.at(-1);
    if (wasOpen && last) last.lengthBytes += lengthBytes;
    else found.push({ offset: segments.offsets[index] ?? 0, lengthBytes });
  }
  return found;
}

/** A range in parts of at most `most` bytes. */
function parted({ offset, lengthBytes }: ByteRange, most: number): ByteRange[] {
  return Array.from({ length: Math.ceil(lengthBytes / most) }, (_, index) => ({
    offset: offset + index * most,
    lengthBytes: Math.min(most, lengthBytes - index * most),
  }));
}
