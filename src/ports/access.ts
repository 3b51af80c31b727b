/** Short-lived access for a site, as a port: what it may do is add messages to two queues and create journal entries. */
import type { BlobPlace, ContainerPlace } from '../kernel/places.ts';

export interface AccessIssuer {
  /** A URL with which messages can be added to `queue`, and nothing else, until `expiresAtMs` on the service's clock. */
  queueUrl(queue: string, expiresAtMs: number): Promise<string>;

  /** A URL with which blobs can be created in the container, never overwritten or read. */
  journalUrl(place: ContainerPlace, expiresAtMs: number): Promise<string>;

  /** Makes the container unless it exists. */
  ensureContainer(place: ContainerPlace): Promise<void>;
}

/** Short-lived access for whoever looks at a replica, such as a tool that compares it with its volume: reading only. */
export interface ReadAccess {
  /** A URL with which this blob can be read, and nothing else, until `expiresAtMs` on the service's clock. */
  readUrl(place: BlobPlace, expiresAtMs: number): Promise<string>;
}
