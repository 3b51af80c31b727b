/**
 * A guard's desk, as a port: how agent and command learn what a guard runs, and ask it for single applications.
 *
 * Promises an adapter keeps: nothing that is asked begins anything without the lease, with no stop armed, or while all of it
 * is being stopped; what is taken offline stays so over crashes and reboots until it is started by an order; giving up the
 * wait undoes nothing that was begun.
 */

/** One application of the guard's group on its node. */
export interface GuardedStatus {
  readonly name: string;
  /** `stopped`: nobody wants it stopped, and it does not run; `offline`: people took it offline, and it does not run. */
  readonly state: 'running' | 'stopping' | 'stopped' | 'offline';
  /** When the guard started it, on the node's boot time; undefined while it does not run, and where somebody else did. */
  readonly startedBootMs: number | undefined;
  /** Until when people said that it is offline, on the wall clock; undefined for no end, and where it is not offline. */
  readonly offlineUntilWallMs: number | undefined;
  /** How often the guards of this node have started it, in all. */
  readonly starts: number;
}

export interface GuardStatus {
  /** tenant/site/group */
  readonly group: string;
  readonly node: string;
  /** Newest term that the cloud has named; 0 before the first. */
  readonly term: number;
  /** `held` too where the lease is over and what it has let start is kept. */
  readonly lease: 'held' | 'none';
  /** How long it lets all of it take to stop in order, and killing what is left; undefined where an older guard does not tell. */
  readonly stopMs?: number | undefined;
  readonly killMs?: number | undefined;
  readonly applications: readonly GuardedStatus[];
}

export type GuardOrder =
  /** Stops it and what depends on it, and starts them again. */
  | { readonly do: 'restart'; readonly name: string }
  /** Marks it, durably, and stops it and what depends on it. The end is told and clears nothing. At any time. */
  | { readonly do: 'offline'; readonly name: string; readonly untilWallMs: number | undefined }
  /** Clears its mark, and starts it and what depends on it. */
  | { readonly do: 'start'; readonly name: string };

export interface GuardDesk {
  /** Errors: UNAVAILABLE where no guard answers; MESSAGE_INVALID where what answers is none. */
  status(signal: AbortSignal): Promise<GuardStatus>;
  /**
   * Resolves once it was carried out. Errors: UNAVAILABLE where no guard answers; NOT_FOUND for no application of its group
   * on its node; REFUSED without a lease, while all is being stopped, and where something it depends on does not run;
   * PLATFORM_FAILED where it was tried and not started; UNAVAILABLE where that cannot be tried now, or it does not end.
   */
  order(order: GuardOrder, signal: AbortSignal): Promise<void>;
}
