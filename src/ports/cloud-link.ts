/**
 * The cloud as the site sees it, as a port: the two HTTP requests, the queue, the journal and the upload of pages of
 * docs/site-protocol.md.
 * No call is retried here; the replicator sends again what is not acknowledged.
 */
import type { HeartbeatAnswer } from '../protocol/heartbeat.ts';
import type { LeaseAnswer } from '../protocol/lease.ts';
import type { SignedMessage } from '../protocol/signed.ts';

export interface CloudLink {
  /** Errors: UNAVAILABLE, SIGNATURE_INVALID or MESSAGE_INVALID as the cloud said, with its reason. */
  heartbeat(message: SignedMessage): Promise<HeartbeatAnswer>;
  lease(message: SignedMessage): Promise<LeaseAnswer>;
  /** Puts a journal entry by a SAS URL of the container. An entry that is there already is well. */
  putEntry(containerUrl: string, name: string, bytes: Uint8Array): Promise<void>;
  /**
   * Writes whole pages, at most 4 MiB of them, into a page blob by a SAS URL of it; `offset` is a multiple of 512. What
   * stood there is replaced; doing it again does no harm.
   */
  putPages(blobUrl: string, offset: number, bytes: Uint8Array): Promise<void>;
  /** Adds a message, which never expires, by a SAS URL of the queue. */
  sendMessage(queueUrl: string, text: string): Promise<void>;
}
