/** What the monitor asks of the world, and of the failover. */
import type { Actor } from '../../documents/actor.ts';
import type { GroupRef } from '../../kernel/ids.ts';
import type { CanaryPorts } from './canary.ts';

/** What the monitor asks of the failover, as a port: `src/failover` implements it, and the app puts them together. */
export interface FailoverOrders {
  /** Starts a run, or finds the one that this order started before. Errors: REFUSED when the group cannot be moved. */
  startRun(order: {
    group: GroupRef;
    kind: 'unplanned';
    actor: Actor;
    reason: string;
    /** What makes the order this one: the same order meets the same run. */
    order: string;
  }): Promise<{ readonly run: string; readonly state: string }>;
  /** Sends the ticket again of every run that is overdue. Names them, and says which could not be helped, and why. */
  resumeRuns(): Promise<{ readonly resumed: readonly string[]; readonly troubles: readonly string[] }>;
  /** Frees a group that is bound to `run`, if that run has failed. Whether it did. */
  freeOfFailedRun(group: GroupRef, run: string): Promise<boolean>;
}

export interface MonitorPorts extends CanaryPorts {
  readonly failover: FailoverOrders;
  /** A longer gap between two ticks starts the watch anew. */
  readonly gapMs: number;
  /** How often sites are asked to send a heartbeat. */
  readonly everyMs: number;
}
