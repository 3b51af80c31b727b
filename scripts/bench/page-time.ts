/**
 * The time that requests to one page blob take under Azure's two figures, simulated: requests and bytes each have their
 * rate, and whichever takes longer is the time. Bytes are counted whichever way they go.
 */
import type { ByteRange } from '../../src/kernel/byte-range.ts';
import { MIB } from '../../src/kernel/units.ts';
import { WRITE_BYTES_MAX, sumOf } from './ranges.ts';

/** Source: Azure, "Scalability and performance targets for Blob storage", targets for a single standard page blob. */
const REQUESTS_PER_S = 500;
const BYTES_PER_S = 60 * MIB;

export interface PageTraffic {
  readonly requests: number;
  readonly bytes: number;
}

export function secondsOf({ requests, bytes }: PageTraffic): number {
  return Math.max(requests / REQUESTS_PER_S, bytes / BYTES_PER_S);
}

/** One request for each run, more where a run is longer than a request may be. */
export function requestForEachRun(runs: readonly ByteRange[]): PageTraffic {
  const requests = runs.reduce((sum, { lengthBytes }) => sum + Math.ceil(lengthBytes / WRITE_BYTES_MAX), 0);
  return { requests, bytes: sumOf(runs) };
}

/**
 * A time in seconds that no plan for `runs` (ascending, apart from each other) is below, whatever it bridges and reads.
 *
 * For any weights w and 1 - w, a plan's time is at least the weighted mean of its two sums' times, and the plan whose
 * weighted mean is least can be found exactly. So that least mean is a bound for every plan; the largest over the weights
 * is taken. Nothing of the planner's own arithmetic is in it, and where it is not exact it is in the planner's disfavour:
 * a write may be of any length here, and so may a read.
 */
export function leastSeconds(runs: readonly ByteRange[]): number {
  let [low, high] = [0, 1];
  // The bound is concave in the weight, so that comparing at the thirds finds its top.
  for (let round = 0; round < 50; round += 1) {
    const [left, right] = [low + (high - low) / 3, high - (high - low) / 3];
    if (leastMean(runs, left) < leastMean(runs, right)) low = left;
    else high = right;
  }
  return leastMean(runs, (low + high) / 2);
}

/**
 * The least weighted mean over all plans. From the first run to the last each run and each gap is written or not, read or
 * not: runs are written, a gap that is written must be read. A request begins wherever a stretch of either begins. What
 * went before matters only by whether it was written and read, so four sums are enough.
 */
function leastMean(runs: readonly ByteRange[], weight: number): number {
  const request = weight / REQUESTS_PER_S;
  const byte = (1 - weight) / BYTES_PER_S;
  let least: Stands = { idle: 0, written: Infinity, read: Infinity, both: Infinity };
  let end: number | undefined;
  for (const { offset, lengthBytes } of runs) {
    if (end !== undefined) {
      const cost = (offset - end) * byte;
      const { idle, written, read, both } = least;
      least = {
        idle: Math.min(idle, written, read, both),
        written: Infinity,
        read: Math.min(idle + request, written + request, read, both) + cost,
        both: Math.min(idle + 2 * request, written + request, read + request, both) + 2 * cost,
      };
    }
    const cost = lengthBytes * byte;
    const { idle, written, read, both } = least;
    least = {
      idle: Infinity,
      written: Math.min(idle + request, written, read + request, both) + cost,
      read: Infinity,
      both: Math.min(idle + 2 * request, written + request, read + request, both) + 2 * cost,
    };
    end = offset + lengthBytes;
  }
  return Math.min(least.idle, least.written, least.read, least.both);
}

/** Least sums so far, by what was done with the last run or gap. */
interface Stands {
  readonly idle: number;
  readonly written: number;
  readonly read: number;
  readonly both: number;
}
