/**
 * What a guard keeps of its applications over its own end, as a port: how often each was started, and whether it is offline.
 *
 * Promises an adapter keeps: when `write` resolves, what it was given is on stable storage; after a crash there is the old or
 * the new; `startedBootMs` of another boot is not given.
 */
export interface KeptApplication {
  /** How often it was started, in all. */
  readonly starts: number;
  /** When it was started last, on boot time of this boot. */
  readonly startedBootMs?: number | undefined;
  /** People took it offline: only an order to start it clears that. */
  readonly offline?: { readonly untilWallMs?: number | undefined } | undefined;
}

export interface KeptApplications {
  /** By name. Errors: DOCUMENT_INVALID: a person must look before anything starts. */
  read(): Promise<ReadonlyMap<string, KeptApplication>>;
  write(kept: ReadonlyMap<string, KeptApplication>): Promise<void>;
}
