/**
 * What makes leases unsafe, each with the bounds within which the model checker finds it: the smallest that show it, so
 * that it is found in seconds.
 */
import type { LeaseBounds, Unsafe } from './lease-model.ts';

/** What is checked where nothing is broken: every history within it is safe. */
export const SAFE_BOUNDS: LeaseBounds = { nodes: 1, ticks: 9, questions: 1, deaths: 1, reboots: 0, aborts: 1 };

const SMALL: LeaseBounds = { nodes: 1, ticks: 9, questions: 1, deaths: 0, reboots: 0, aborts: 0 };

export interface UnsafeCase {
  readonly bounds: LeaseBounds;
  readonly unsafe: Unsafe;
}

export const UNSAFE = {
  margin: { bounds: SMALL, unsafe: { margin: 0 } },
  drift: { bounds: SMALL, unsafe: { drift: 6 } },
  pause: { bounds: SMALL, unsafe: { pause: 6 } },
  'no-guard': { bounds: { ...SMALL, deaths: 1 }, unsafe: { noGuard: true } },
  rollback: { bounds: SMALL, unsafe: { rollback: true } },
  'weak-stopped': { bounds: { ...SMALL, ticks: 4, questions: 2 }, unsafe: { weakStopped: true } },
  'weak-abort': { bounds: { ...SMALL, aborts: 1 }, unsafe: { weakAbort: true } },
} as const satisfies Record<string, UnsafeCase>;

export type UnsafeName = keyof typeof UNSAFE;
