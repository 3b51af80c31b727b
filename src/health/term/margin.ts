/**
 * The margin that is added to the last lease before a term ends: what docs/safety.md, "Assumptions", allows to go wrong.
 *
 * Invariant: within those assumptions no application of the old term runs when the margin is over.
 */
import { USUAL_STOP } from '../../protocol/stop-times.ts';

export interface MarginAssumptions {
  /** How much slower a guard's clock may run than the storage service's, in parts per million. */
  readonly driftPpm: number;
  /** Longest pause of a node during which nothing of it runs, not even what stops the applications, in milliseconds. */
  readonly pauseMs: number;
  /** Longest time from a kill at the deadline until nothing of the application runs any more, in milliseconds. */
  readonly killMs: number;
}

/** What holds on machines that are neither overloaded nor virtualised by a host that suspends them. */
export const USUAL_ASSUMPTIONS: MarginAssumptions = { driftPpm: 1000, pauseMs: 5000, killMs: USUAL_STOP.killMs };

/**
 * The margin in milliseconds, for leases of `leaseMs`. That the storage service cuts its times to whole seconds is no part of
 * it: whoever compares two of its times adds that second (SERVICE_CLOCK_GRAIN_MS in term.ts).
 */
export function marginMs(leaseMs: number, of: MarginAssumptions = USUAL_ASSUMPTIONS): number {
  return Math.ceil((leaseMs * of.driftPpm) / 1_000_000) + of.pauseMs + of.killMs;
}
