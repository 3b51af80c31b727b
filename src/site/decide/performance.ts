/**
 * Whether an application performs poorly where it runs, and has for long enough to count. Pure, over what one process measured,
 * and so within one boot. It makes the application a candidate to move; nothing here knows where to.
 *
 * Invariant: only what was measured counts, and only without a break: a good sample, or a gap longer than allowed, starts the
 * time anew. So no single slow answer and no sleeping monitor makes an application poor.
 */
import { inSeconds } from '../../kernel/in-words.ts';

/** One measurement of the application. */
export interface PerformanceSample {
  readonly atBootMs: number;
  /** How long the slowest answer took. */
  readonly responseMs: number;
  /** The share of the answers that were right, 0 to 1. */
  readonly correctness: number;
}

/** What is good enough, and for how long it may be worse. */
export interface PerformanceLimits {
  /** An answer that takes longer than this is poor. */
  readonly responseMsMax: number;
  /** A share of right answers below this is poor. */
  readonly correctnessMin: number;
  /** Poor for at least so long without a break counts. */
  readonly poorForMs: number;
  /** Samples further apart than this have a break between them. */
  readonly gapMsMax: number;
}

export interface PerformanceHistory {
  readonly limits: PerformanceLimits;
  /** Oldest first. */
  readonly samples: readonly PerformanceSample[];
  readonly nowBootMs: number;
}

/** Why the application performs poorly, in words; undefined while it is good enough, or not poor for long enough. */
export function whyPoor({ limits, samples, nowBootMs }: PerformanceHistory): string | undefined {
  const breakAt = samples.findLastIndex((sample, at) => {
    const gapMs = (samples[at + 1]?.atBootMs ?? nowBootMs) - sample.atBootMs;
    return gapMs > limits.gapMsMax || !isPoor(sample, limits);
  });
  const [first] = samples.slice(breakAt + 1);
  const last = samples.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const poorMs = last.atBootMs - first.atBootMs;
  if (poorMs < limits.poorForMs) return undefined;
  const measured = `an answer after ${Math.round(last.responseMs)} ms, ${Math.round(last.correctness * 1000) / 10} % right`;
  return `${measured}; poor for ${inSeconds(poorMs)} without a break`;
}

function isPoor({ responseMs, correctness }: PerformanceSample, limits: PerformanceLimits): boolean {
  return responseMs > limits.responseMsMax || correctness < limits.correctnessMin;
}
