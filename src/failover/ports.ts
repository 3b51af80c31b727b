/** What the failover asks of the world. */
import type { Plan } from '../documents/plan.ts';
import type { RunDocument } from '../documents/run.ts';
import type { Documents } from '../documents/store.ts';
import type { ChainPoint } from '../kernel/chain-point.ts';
import type { GroupRef, VolumeRef } from '../kernel/ids.ts';
import type { LeewardError } from '../kernel/errors.ts';
import type { Http } from '../ports/http.ts';
import type { Queues } from '../ports/queue.ts';
import type { RecoveryCloud } from '../ports/recovery-cloud.ts';
import type { ReplicaStore } from '../ports/replica-store.ts';

/**
 * What the failover asks of a volume's replica. Both calls are idempotent, take any worker's turn, and need nothing of
 * the site.
 */
export interface GroupVolumes {
  /**
   * Ends the volume's term `term` by one change of its state: epoch + 1, cut = tip. Gives the cut; a term that this call
   * ended before gives the same one. Errors: REFUSED when the volume is in another term, UNAVAILABLE, CONFLICT.
   */
  endTerm(volume: VolumeRef, term: number): Promise<ChainPoint>;

  /**
   * Applies some of what the chain holds up to the cut, a bounded piece of work. 'drained' once applied = cut. Errors:
   * UNAVAILABLE, CONFLICT, FENCED when another worker is at it; DELTA_INVALID when the chain cannot be applied.
   */
  drain(volume: VolumeRef): Promise<'drained' | 'more'>;
}

/** What starting a run needs; no client of the recovery region among it. */
export interface StartPorts {
  readonly documents: Documents;
  readonly queues: Queues;
}

/** What a run's steps need. */
export interface RunPorts extends StartPorts {
  readonly cloud: RecoveryCloud;
  readonly replicas: ReplicaStore;
  readonly volumes: GroupVolumes;
  readonly http: Http;
  /** Resource id of a storage account, by its name. */
  readonly storageAccountId: (account: string) => string;
}

/** What a step is given. A step performs one bounded piece of its work and never waits. */
export interface StepContext {
  readonly ports: RunPorts;
  readonly group: GroupRef;
  readonly run: RunDocument;
  readonly plan: Plan;
  /** The group's term, which the run was started in. */
  readonly term: number;
  /** The service's time, read just before the step. */
  readonly nowMs: number;
  /** When this step was first tried, on the service's clock. */
  readonly startedAtMs: number;
}

/** What a step may change of the run's document. */
export type RunChanges = Partial<Pick<RunDocument, 'volumes' | 'operations' | 'machines'>>;

/** How one performance of a step ended. Throwing is `failed` without changes. */
export type StepOutcome =
  | { readonly kind: 'done'; readonly detail: string; readonly changes?: RunChanges }
  | { readonly kind: 'again'; readonly afterMs: number; readonly detail: string; readonly changes?: RunChanges }
  | Failed;

/** Failed, and what is to be kept all the same. Whether a retry helps is the error's to say. */
export interface Failed {
  readonly kind: 'failed';
  readonly error: LeewardError;
  readonly changes?: RunChanges;
}

export type Step = (context: StepContext) => Promise<StepOutcome>;
