/**
 * What a site remembers of the content that the cloud has, as a port, for all volumes of the site: which entries of its
 * journal hold which blocks, and where in a volume these were.
 *
 * All of it is a hint: whoever uses one has its content checked by hash. Promises an adapter keeps: a call takes effect
 * wholly or not at all; what was added is there at the next start, but for the newest after a power failure; rows are
 * bounded by the adapter's configuration, and the oldest entries are forgotten first. A file that turns out damaged is
 * begun anew, empty.
 */

/** Blocks among an entry's literal bytes; the three have one length, and what is at one place in each belongs together. */
export interface ContentBlocks {
  /** The first eight bytes of each block's SHA-256, as a little-endian signed integer. */
  readonly keys: BigInt64Array<ArrayBuffer>;
  /** Where each stands in the volume, in blocks from its beginning. */
  readonly blockNumbers: Uint32Array<ArrayBuffer>;
  /** Where each stands in the entry's literal bytes, in pages of 512 from their beginning. */
  readonly pages: Uint32Array<ArrayBuffer>;
}

/** A literal entry of the site's journal. */
export interface ContentEntry {
  /** As {@link journalEntry} names it: docs/names.md. */
  readonly name: string;
  /** tenant/site/group/volume */
  readonly volume: string;
  readonly generation: number;
  readonly number: number;
  /** When it was about to be put, on the site's clock: the journal has it since then at the earliest. */
  readonly sentMs: number;
}

/** An entry that holds some of what was looked for. */
export interface FoundEntry extends ContentEntry {
  /** Whether its delta was acknowledged: before that nobody knows that the cloud has it. */
  readonly isAcknowledged: boolean;
  /** How many of the keys that were looked for led to it. */
  readonly hits: number;
}

export interface ContentIndex {
  /**
   * Remembers an entry with its blocks. It is found by `hooks`, some of its keys; a hook that led to another entry leads to
   * this one from now on. Nothing where an entry of this name was added before, forgotten or not.
   */
  add(entry: ContentEntry, blocks: ContentBlocks, hooks: BigInt64Array<ArrayBuffer>): Promise<void>;

  /** The entries that these hooks lead to: those with the most hits first, of equal ones the newest. */
  find(hooks: BigInt64Array<ArrayBuffer>): Promise<readonly FoundEntry[]>;

  /** An entry's blocks, which are the caller's; undefined when it is forgotten. */
  blocks(name: string): Promise<ContentBlocks | undefined>;

  /** The deltas of this generation up to `number` were acknowledged. Idempotent. */
  acknowledge(upTo: Pick<ContentEntry, 'volume' | 'generation' | 'number'>): Promise<void>;

  /** Nothing leads to this entry any more, and {@link blocks} does not know it. Idempotent. */
  forget(name: string): Promise<void>;
}
