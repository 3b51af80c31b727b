/**
 * The state store as a port: small JSON documents under ETags.
 *
 * Promises an adapter keeps: a write takes effect wholly or not at all; `create` and `replace` never overwrite what
 * they were not shown; a read that starts after a write was acknowledged sees it or something newer; times are the
 * storage service's own, never this instance's.
 */
import { MIB } from '../kernel/units.ts';

/**
 * Largest document, in bytes of its UTF-8. Whatever is stored can be read again and held in memory, so that this bounds
 * what is written as well. The fullest heartbeat with what is remembered beside it has less.
 */
export const DOCUMENT_BYTES_MAX = 8 * MIB;

/** A document as stored. */
export interface StoredDocument {
  readonly text: string;
  readonly etag: string;
  /** When the service took this write, on the service's clock. */
  readonly lastModifiedMs: number;
}

/** A document's answer, or the answer that there is none, with the service's time of answering. */
export interface ReadAnswer {
  readonly document: StoredDocument | undefined;
  readonly serviceNowMs: number;
}

export interface WriteAnswer {
  readonly etag: string;
  readonly lastModifiedMs: number;
}

/** Short labels kept beside a document, so that one listing answers what needs work without reading each. */
export type Labels = Readonly<Record<string, string>>;

export interface StateStore {
  /** Reads the newest version. Errors: DOCUMENT_INVALID above {@link DOCUMENT_BYTES_MAX}; UNAVAILABLE, DENIED. */
  read(name: string): Promise<ReadAnswer>;

  /**
   * Creates a document that must not exist. Errors: CONFLICT if it does — which may be this very call's earlier attempt
   * that took effect unseen, so the caller reads and decides again; UNAVAILABLE, whose effect is unknown; DOCUMENT_INVALID
   * above {@link DOCUMENT_BYTES_MAX}, and nothing is written.
   */
  create(name: string, text: string, labels?: Labels): Promise<WriteAnswer>;

  /** Replaces the version that `etag` names. Errors as for {@link create}; CONFLICT when it is another by now. */
  replace(name: string, text: string, etag: string, labels?: Labels): Promise<WriteAnswer>;

  /** Removes a document, whatever its version; one that is not there is removed already. Errors: UNAVAILABLE, DENIED. */
  remove(name: string): Promise<void>;

  /** Names and labels under a prefix, in the order of names. A document made meanwhile may be missing. */
  list(prefix: string): AsyncIterable<{ readonly name: string; readonly labels: Labels }>;
}
