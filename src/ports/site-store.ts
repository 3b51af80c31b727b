/**
 * What a replicator keeps at the site, as a port, for one volume: its state, its outbox of deltas, its block index.
 *
 * Promises an adapter keeps: `writeState` and `putDelta` are on stable storage when they resolve, and are there wholly
 * or not at all after a crash. The index is a plain array of bytes that `syncIndex` makes durable; without it, any
 * part of what was written since may be lost or not.
 */
export interface SiteStore {
  /** Undefined before the first write. */
  readState(): Promise<string | undefined>;
  writeState(text: string): Promise<void>;

  putDelta(number: number, bytes: Uint8Array): Promise<void>;
  /** Undefined if it is not in the outbox. */
  readDelta(number: number): Promise<Uint8Array | undefined>;
  /** Numbers in the outbox with their sizes, ascending. */
  listDeltas(): Promise<readonly { readonly number: number; readonly sizeBytes: number }[]>;
  removeDelta(number: number): Promise<void>;

  /** Bytes at `offset`; what was never written reads as zeros. */
  readIndex(offset: number, into: Uint8Array): Promise<void>;
  writeIndex(offset: number, bytes: Uint8Array): Promise<void>;
  syncIndex(): Promise<void>;
  /** Forgets the index from the byte `offset` on: what lies there reads as zeros, until it is written again. */
  cutIndex(offset: number): Promise<void>;
}
