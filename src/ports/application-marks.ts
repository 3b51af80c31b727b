/**
 * What a guard keeps of its applications over its own end, as a port.
 *
 * Promises an adapter keeps: when `write` resolves the marks are on stable storage; after a crash there are the old ones or
 * the new ones; `startedBootMs` of another boot is not given.
 */
export interface ApplicationMark {
  /** How often it was started, in all. */
  readonly starts: number;
  /** When it was started last, on boot time of this boot. */
  readonly startedBootMs?: number | undefined;
  /** People took it offline: only an order to start it clears that. */
  readonly offline?: { readonly untilWallMs?: number | undefined } | undefined;
}

export interface ApplicationMarks {
  /** By name. Errors: DOCUMENT_INVALID: a person must look before anything starts. */
  read(): Promise<ReadonlyMap<string, ApplicationMark>>;
  write(marks: ReadonlyMap<string, ApplicationMark>): Promise<void>;
}
