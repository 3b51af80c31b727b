/**
 * Whether an application is meant to run now, by what its guard says and what people marked. Pure.
 *
 * Invariants: only an application that is meant to run is monitored, restarted and counted as failed: not one whose guard
 * cannot be asked or has no lease, nor one that people stopped, be it itself or something that it depends on.
 */
import type { GuardStatus, GuardedStatus } from '../../ports/guard-desk.ts';

export type Meant =
  | { readonly is: 'meant'; readonly guarded: GuardedStatus }
  /** No guard can be asked about it. */
  | { readonly is: 'unasked'; readonly reason: string }
  /** The guard holds no lease; under one that keeps, the application may run on all the same. */
  | { readonly is: 'no-lease'; readonly isRunning: boolean }
  /** Offline on purpose: itself, something that it depends on, or its machine, group or site. */
  | {
      readonly is: 'offline';
      readonly reason: string;
      readonly untilWallMs: number | undefined;
      /** Whether it is marked itself, which only its next start clears. */
      readonly isItself: boolean;
    };

/** What is known of an application's surroundings. */
export interface Surroundings {
  /** What its guard said last; or why it could not be asked. */
  readonly status: GuardStatus | { readonly reason: string };
  /** The applications that it depends on, through others too. */
  readonly needs: readonly string[];
  /** Until when its machine, its group or its site is offline. */
  readonly markedUntilWallMs: number | undefined;
}

export function meantOf(name: string, { status, needs, markedUntilWallMs }: Surroundings): Meant {
  if (!('applications' in status)) return { is: 'unasked', reason: status.reason };
  const of = (application: string): GuardedStatus | undefined =>
    status.applications.find((one) => one.name === application);
  const guarded = of(name);
  if (guarded === undefined) return { is: 'unasked', reason: 'its guard does not know it: restart the guard' };
  if (guarded.state === 'offline') {
    const untilWallMs = guarded.offlineUntilWallMs;
    return { is: 'offline', reason: 'taken offline on purpose', untilWallMs, isItself: true };
  }
  const needed = needs.map(of).find((one) => one?.state === 'offline');
  if (needed !== undefined) {
    const reason = `${needed.name}, which it depends on, is offline on purpose`;
    return { is: 'offline', reason, untilWallMs: needed.offlineUntilWallMs, isItself: false };
  }
  if (markedUntilWallMs !== undefined) {
    const reason = 'what it is part of is offline on purpose';
    return { is: 'offline', reason, untilWallMs: markedUntilWallMs, isItself: false };
  }
  if (status.lease === 'none') return { is: 'no-lease', isRunning: guarded.state === 'running' };
  return { is: 'meant', guarded };
}
