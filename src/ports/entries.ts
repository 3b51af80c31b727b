/**
 * Immutable entries as a port: the journals of the sites, and what was set aside. Block blobs that are created and
 * never overwritten; retention alone removes them.
 *
 * Promises an adapter keeps: `create` never replaces an existing entry, and an entry is there wholly or not at all.
 */
import type { BlobPlace, ContainerPlace } from '../kernel/places.ts';

export interface ListedEntry {
  readonly name: string;
  readonly sizeBytes: number;
  /** When it was created, on the service's clock. */
  readonly createdAtMs: number;
}

export interface EntryStore {
  /** 'exists' when the name was taken: perhaps by an earlier attempt of this call. Errors: UNAVAILABLE, DENIED. */
  create(place: BlobPlace, bytes: Uint8Array): Promise<'created' | 'exists'>;

  /** The whole entry; undefined if there is none. Errors: DELTA_INVALID if it is longer than `bytesMax`. */
  read(place: BlobPlace, bytesMax: number): Promise<Uint8Array | undefined>;

  /**
   * Part of an entry: fewer bytes where it ends before, none behind its end; undefined if there is no entry. Errors:
   * UNAVAILABLE, DENIED.
   */
  readPart(place: BlobPlace, at: { offset: number; lengthBytes: number }): Promise<Uint8Array | undefined>;

  /** Deletes an entry; gone already is well. Whoever has the name's credential may create it anew. */
  remove(place: BlobPlace): Promise<void>;

  /** Entries under a prefix, in the order of names. One made meanwhile may be missing. */
  list(place: ContainerPlace, prefix: string): AsyncIterable<ListedEntry>;
}
