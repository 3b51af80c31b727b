/**
 * What a guard must never forget, as a port.
 *
 * Promises an adapter keeps: when `write` resolves the record is on stable storage; after a crash there is the old one or
 * the new one.
 */
export interface GuardFacts {
  /** Newest term in which nothing is ever started here any more; 0 for none. */
  readonly promisedTerm: number;
  /** Newest term that the cloud has named; 0 before the first. */
  readonly seenTerm: number;
  /** Term in which what runs was started under a lease that keeps; 0 for none, and after a reboot. */
  readonly keptTerm: number;
}

export interface GuardRecord {
  /** What was written last; zeros where nothing was. Errors: DOCUMENT_INVALID: a person must look before anything starts. */
  read(): Promise<GuardFacts>;
  write(facts: GuardFacts): Promise<void>;
}
