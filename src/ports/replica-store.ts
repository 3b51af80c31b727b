/**
 * Replicas as a port: page blobs with sequence numbers and snapshots.
 *
 * Promises an adapter keeps: a request with `fence` takes effect only while the blob's sequence number equals it, at the
 * moment it takes effect, however late that is; a sequence number never goes down, but by
 * {@link ReplicaStore}.resetSequenceNumber; a snapshot is the blob's content at one moment. A write whose answer was
 * lost may take effect once more, later: that is what the fence is for.
 */
import type { ByteRange } from '../kernel/byte-range.ts';
import type { ByteParts } from '../kernel/byte-parts.ts';
import type { BlobPlace } from '../kernel/places.ts';

/** Largest Put Page. Source: Azure Storage REST, "Put Page": up to 4 MiB. */
export const WRITE_BYTES_MAX = 4 * 1024 * 1024;

export interface ReplicaProperties {
  readonly sizeBytes: number;
  readonly etag: string;
  readonly sequenceNumber: number;
}

/** A snapshot as listed. `number` is the delta's that {@link ReplicaStore.snapshot} was given. */
export interface ListedSnapshot {
  readonly snapshot: string;
  readonly number: number | undefined;
}

export interface ReplicaStore {
  /** Creates an empty blob of `sizeBytes` (a multiple of 512), sequence number 0. An existing one stays as it is. */
  create(place: BlobPlace, sizeBytes: number): Promise<void>;

  /** Undefined if there is no such blob. */
  properties(place: BlobPlace): Promise<ReplicaProperties | undefined>;

  /** Raises the sequence number to `fence` unless it is higher already (`max`). Idempotent. Errors: NOT_FOUND. */
  raiseSequenceNumber(place: BlobPlace, fence: number): Promise<void>;

  /**
   * Writes whole pages: `offset` and the length are multiples of 512, at most {@link WRITE_BYTES_MAX}; parts may have any
   * length. The bytes must not change until the call has ended. Idempotent under its fence. Gives the blob's ETag as this
   * write left it. Errors: FENCED when the sequence number differs; FENCED or CONFLICT when that is so because the blob was
   * shrunk, and the range lies behind its end; UNAVAILABLE with an unknown effect.
   */
  writePages(
    place: BlobPlace,
    at: { offset: number; bytes: Uint8Array | ByteParts; fence: number },
  ): Promise<{ etag: string }>;

  /** Clears pages to zeros, any length. Otherwise as {@link writePages}. */
  clearPages(place: BlobPlace, at: { offset: number; lengthBytes: number; fence: number }): Promise<{ etag: string }>;

  /**
   * Gives the blob another size, a multiple of 512, if its ETag is still `etag`; what is added is zeros. It takes no fence:
   * any write changes the ETag, so that a late resize cannot land after one. Errors: CONFLICT, UNAVAILABLE with an
   * unknown effect.
   */
  resize(place: BlobPlace, to: { sizeBytes: number; etag: string }): Promise<void>;

  /**
   * Takes a snapshot if the blob's ETag is still `etag`, labelled with the delta's number; without an `etag`, of whatever
   * the blob holds at that moment. Errors: CONFLICT, NOT_FOUND.
   */
  snapshot(place: BlobPlace, at: { etag?: string; number: number }): Promise<string>;

  /** All snapshots of the blob, oldest first. */
  listSnapshots(place: BlobPlace): Promise<readonly ListedSnapshot[]>;

  /** Deletes one snapshot; gone already is well. */
  deleteSnapshot(place: BlobPlace, snapshot: string): Promise<void>;

  /**
   * Reads `lengthBytes` at `offset`, of the blob or of a snapshot: all of them, or an error. Errors: NOT_FOUND, UNAVAILABLE,
   * also where the range reaches past the end.
   */
  read(place: BlobPlace, at: { offset: number; lengthBytes: number; snapshot?: string }): Promise<Uint8Array>;

  /**
   * Starts, or finds again, the server-side copy of a snapshot into a page blob of the same account that did not exist.
   * Idempotent. 'done' once the copy is whole. Errors: NOT_FOUND, PLATFORM_FAILED when the copy failed or was aborted.
   */
  copySnapshot(from: BlobPlace & { snapshot: string }, to: BlobPlace): Promise<'copying' | 'done'>;

  /**
   * Where the blob, or a snapshot of it, may hold anything but zeros, between `offset` and `offset + lengthBytes`: byte
   * ranges that ascend and do not overlap; neighbours may touch. What lies behind the blob's end holds nothing. The answer
   * grows with what is asked for: 256 MiB at a time are plenty. Errors: NOT_FOUND.
   */
  dataRanges(
    place: BlobPlace,
    at: { offset: number; lengthBytes: number; snapshot?: string },
  ): Promise<readonly ByteRange[]>;

  /**
   * Sets the sequence number to 0 if the blob's ETag is still `etag`. Only for a copy that no state document offers yet:
   * it came with whatever number its source had. Errors: CONFLICT, NOT_FOUND.
   */
  resetSequenceNumber(place: BlobPlace, at: { etag: string }): Promise<void>;

  /** Deletes the blob with all its snapshots; gone already is well. */
  remove(place: BlobPlace): Promise<void>;

  /** The address that Azure imports a disk from; without credentials. */
  url(place: BlobPlace): string;
}
