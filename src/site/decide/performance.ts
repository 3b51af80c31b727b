/**
 * Whether an application moves because it performs poorly where it runs. Pure, over the recorded samples.
 *
 * Invariants: only what was measured counts, and only without a break: a good sample, a gap longer than allowed, a boot or
 * another place starts the time anew; so no single slow answer and no sleeping monitor makes a candidate. A candidate moves
 * only where something strictly better is free, and not soon after a move, so that two equal places never take turns.
 */
import { LeewardError } from '../../kernel/errors.ts';
import { inSeconds } from '../../kernel/in-words.ts';
import { elapsedMs } from './moment.ts';
import type { Moment } from './moment.ts';

/** One measurement of the application. */
export interface PerformanceSample {
  /** Where it ran. */
  readonly place: string;
  readonly at: Moment;
  /** How long an answer took; Infinity where none came in time. */
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
  /** Poor for at least so long without a break makes a candidate. */
  readonly poorForMs: number;
  /** Samples further apart than this have a break between them. */
  readonly gapMsMax: number;
  /** After a move nothing moves for so long. */
  readonly coolDownMs: number;
}

/** All that the decision is made from. */
export interface PerformanceHistory {
  readonly limits: PerformanceLimits;
  /** Where the application runs. */
  readonly place: string;
  /** What that place is worth to it, as whoever places applications says: any number, more is better. */
  readonly placeValue: number;
  /** The best place that is free, by the same measure; undefined where none is. */
  readonly bestFree: { readonly place: string; readonly value: number } | undefined;
  /** Oldest first. */
  readonly samples: readonly PerformanceSample[];
  /** When it was last moved; undefined where it never was. */
  readonly movedAt: Moment | undefined;
  readonly now: Moment;
}

export interface PerformanceVerdict {
  /** `candidate`: it has been poor for long enough, but stays. */
  readonly verdict: 'good-enough' | 'candidate' | 'move';
  /** Why, in words. */
  readonly reason: string;
  /** For how long it has been measured to be poor without a break, up to the newest sample. */
  readonly poorMs: number;
}

/** Decides about one application. Errors: USAGE where a place's value or a sample is no number: nothing compares with that. */
export function decidePerformance(history: PerformanceHistory): PerformanceVerdict {
  refuseFaults(history);
  const { limits, place, placeValue, bestFree, movedAt, now } = history;
  const { first, last, brokenBy } = poorRun(history);
  if (first === undefined || last === undefined) return { verdict: 'good-enough', reason: brokenBy, poorMs: 0 };
  const poorMs = elapsedMs(first.at, last.at);
  const measured = `${inWords(last)}; poor for ${inSeconds(poorMs)} without a break`;
  if (poorMs < limits.poorForMs) {
    const reason = `${measured}, which counts from ${inSeconds(limits.poorForMs)} on (before that: ${brokenBy})`;
    return { verdict: 'good-enough', reason, poorMs };
  }
  const stays = (why: string): PerformanceVerdict => ({ verdict: 'candidate', reason: `${measured}; ${why}`, poorMs });
  const sinceMoveMs = movedAt === undefined ? Infinity : elapsedMs(movedAt, now);
  if (sinceMoveMs < limits.coolDownMs) {
    return stays(`it was moved ${inSeconds(sinceMoveMs)} ago, and stays for ${inSeconds(limits.coolDownMs)}`);
  }
  if (bestFree === undefined) return stays('no other place is free');
  const compared = `${bestFree.place} (${bestFree.value}) is free, against ${place} (${placeValue})`;
  if (bestFree.place === place || bestFree.value <= placeValue) return stays(`${compared}: that is no better`);
  return { verdict: 'move', reason: `${measured}; ${compared}`, poorMs };
}

/** The unbroken poor samples up to now: the first and the last of them, and what lies before, in words. */
interface PoorRun {
  readonly first: PerformanceSample | undefined;
  readonly last: PerformanceSample | undefined;
  readonly brokenBy: string;
}

function poorRun({ limits, place, samples, now }: PerformanceHistory): PoorRun {
  let first: PerformanceSample | undefined;
  for (const sample of samples.toReversed()) {
    const brokenBy = whyBroken(sample, first?.at ?? now, { limits, place });
    if (brokenBy !== undefined) return { first, last: first && samples.at(-1), brokenBy };
    first = sample;
  }
  return { first, last: first && samples.at(-1), brokenBy: 'nothing was measured' };
}

/** Why `sample` does not lengthen the poor time that begins at `later`; undefined where it does. */
function whyBroken(
  sample: PerformanceSample,
  later: Moment,
  { limits, place }: Pick<PerformanceHistory, 'limits' | 'place'>,
): string | undefined {
  if (sample.place !== place) return `it ran at ${sample.place}`;
  if (sample.at.bootId !== later.bootId) return 'this node has booted since';
  const gapMs = elapsedMs(sample.at, later);
  if (gapMs > limits.gapMsMax) return `nothing was measured for ${inSeconds(gapMs)}`;
  const isPoor = sample.responseMs > limits.responseMsMax || sample.correctness < limits.correctnessMin;
  return isPoor ? undefined : inWords(sample);
}

function inWords({ responseMs, correctness }: PerformanceSample): string {
  const answer = responseMs === Infinity ? 'no answer in time' : `an answer after ${Math.round(responseMs)} ms`;
  return `${answer}, ${Math.round(correctness * 1000) / 10} % right`;
}

function refuseFaults({ place, placeValue, bestFree, samples }: PerformanceHistory): void {
  const faults = [
    ...(Number.isNaN(placeValue) ? [`the value of ${place}`] : []),
    ...(bestFree !== undefined && Number.isNaN(bestFree.value) ? [`the value of ${bestFree.place}`] : []),
    ...samples
      .filter(({ responseMs, correctness }) => Number.isNaN(responseMs) || Number.isNaN(correctness))
      .map(({ at }) => `the sample of ${new Date(at.wallMs).toISOString()}`),
  ];
  if (faults.length > 0) throw new LeewardError('USAGE', `performance: ${faults.join('; ')}: this is no number`);
}
