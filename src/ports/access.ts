/**
 * Short-lived access for a site, as a port: what it may do is add messages to two queues, create journal entries, and,
 * while a generation's base is open, write that upload's page blob.
 */
import type { BlobPlace, ContainerPlace } from '../kernel/places.ts';

export interface AccessIssuer {
  /** A URL with which messages can be added to `queue`, and nothing else, until `expiresAtMs` on the service's clock. */
  queueUrl(queue: string, expiresAtMs: number): Promise<string>;

  /** A URL with which blobs can be created in the container, never overwritten or read. */
  journalUrl(place: ContainerPlace, expiresAtMs: number): Promise<string>;

  /**
   * A URL with which this page blob can be written, and nothing else anywhere. Whoever has it may do with the blob whatever
   * writing is: other bytes, another size, another kind, another sequence number, leases, snapshots. It is worth nothing
   * once the blob's container is gone.
   */
  uploadUrl(place: BlobPlace, expiresAtMs: number): Promise<string>;

  /** Makes the container unless it exists. */
  ensureContainer(place: ContainerPlace): Promise<void>;

  /** Deletes the container with all that is in it, leased or not; gone already is well. */
  removeContainer(place: ContainerPlace): Promise<void>;
}

/** Short-lived access for whoever looks at a replica, such as a tool that compares it with its volume: reading only. */
export interface ReadAccess {
  /** A URL with which this blob can be read, and nothing else, until `expiresAtMs` on the service's clock. */
  readUrl(place: BlobPlace, expiresAtMs: number): Promise<string>;
}
