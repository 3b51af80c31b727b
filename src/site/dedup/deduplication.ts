/**
 * Deduplication at the site: what the cloud has already is not sent again, but referred to (docs/design.md,
 * "By reference").
 *
 * Invariants: the outbox holds literal deltas only, so that whatever was sent by reference can be sent with all its bytes;
 * a delta gets references once in its life, also over restarts, so that one name in the journal never stands for two
 * contents; what the site remembers is a hint, which the hashes in the delta make harmless: a wrong one costs one ask.
 */
import { openDelta } from '../../delta/delta.ts';
import type { Delta } from '../../delta/delta.ts';
import type { DeltaWriteOptions } from '../../delta/write.ts';
import { DELTA_LIMITS } from '../../delta/limits.ts';
import type { DeltaLimits } from '../../delta/limits.ts';
import type { Clock } from '../../kernel/clock.ts';
import { isLeewardError } from '../../kernel/errors.ts';
import { volumeId } from '../../kernel/ids.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import { journalEntry } from '../../kernel/names.ts';
import type { DeltaForm, JournalEntryName } from '../../kernel/names.ts';
import { DAY_MS } from '../../kernel/units.ts';
import type { ContentIndex, FoundEntry } from '../../ports/content-index.ts';
import { USUAL_JOURNAL_KEPT_MS } from '../../protocol/heartbeat.ts';
import { BLOCK_BYTES } from '../../ranges/blocks.ts';
import { blocksOf, hashAt, hashesOfBlocks, selectBlocks } from './blocks.ts';
import type { DeltaBlocks, NewestState } from './blocks.ts';
import { blockBytesOf, choose, priorRuns } from './choice.ts';
import { hooksOf, match } from './matches.ts';
import type { Candidate, Matches } from './matches.ts';
import { writeReduced } from './reduce.ts';

/** With how hard to compress what stays literal. */
export interface DeduplicationOptions extends Pick<DeltaWriteOptions, 'zstdLevel'> {
  readonly volume: VolumeRef;
  /** The site's own, for all its volumes. */
  readonly index: ContentIndex;
  readonly log: NewestState;
  readonly clock: Clock;
  /** How long the cloud keeps an entry, as it has said (docs/site-protocol.md, `journalKeptMs`); undefined until it has. */
  readonly journalKeptMs: () => number | undefined;
  /** How large a delta may be that is sent now. Default: the format's. */
  readonly limits?: () => DeltaLimits;
}

/** What is taken off that time: a delta that refers to an entry may be long on its way. */
const ON_ITS_WAY_MS = DAY_MS;

/** Entries that a delta is compared with: twice what it can name, since samples only estimate which serve best. 4 MiB. */
const CANDIDATES_MAX = 2 * DELTA_LIMITS.sourcesMax;

export class Deduplication {
  readonly #options: DeduplicationOptions;
  /** What each delta referred to that was sent by reference and may be asked for again. */
  readonly #sources = new Map<number, readonly string[]>();

  constructor(options: DeduplicationOptions) {
    this.#options = options;
  }

  /**
   * What to send of the delta `encoded` of the outbox, once in the life of this process: with references where that pays.
   * Remembers its content for the deltas to come. Of one that a process before this one has stored nobody knows what was
   * sent: it is all of it, under a name that stands for nothing else. Errors: UNAVAILABLE when the index cannot be kept.
   */
  async prepare(encoded: Uint8Array): Promise<Outgoing> {
    const plain: Outgoing = { bytes: encoded, form: 'literal-1' };
    try {
      const delta = openDelta(encoded);
      if (!this.#options.log.isOwn(delta.head.number)) return { ...plain, form: 'literal-2' };
      const blocks = await blocksOf(delta, this.#options.log);
      const candidates = await this.#candidates(blocks);
      const found = { blocks, candidates, matches: match(blocks, candidates) };
      const reduced = await this.#reduce(delta, found);
      await this.#remember(delta, found, reduced);
      if (!reduced) return plain;
      this.#sources.set(delta.head.number, reduced.sources);
      return { bytes: reduced.bytes, form: reduced.isSelfContained ? 'literal-1' : 'refs-1' };
    } catch (error) {
      // The outbox's file is damaged: the cloud will say so of what is sent, and what is to be done is said then.
      if (isLeewardError(error, 'DELTA_INVALID')) return plain;
      throw error;
    }
  }

  /** The cloud has all deltas of the generation up to `number`: they can be referred to. */
  async noteAcknowledged(upTo: { readonly generation: number; readonly number: number }): Promise<void> {
    const { volume, index } = this.#options;
    await index.acknowledge({ volume: volumeId(volume), ...upTo });
  }

  /**
   * The cloud asks for a delta with all its bytes: neither what that one referred to is trusted any more, nor that there is
   * an entry that holds its content as it was remembered.
   */
  async noteAsked(of: Omit<JournalEntryName, 'form'>): Promise<void> {
    const { index, volume } = this.#options;
    for (const name of this.#sources.get(of.number) ?? []) await index.forget(name);
    this.#sources.delete(of.number);
    await index.forget(nameOf(volume, of));
  }

  /** Nothing up to `number` will be asked for again. */
  noteReleased(number: number): void {
    for (const sent of this.#sources.keys()) if (sent <= number) this.#sources.delete(sent);
  }

  async #candidates(blocks: DeltaBlocks): Promise<Candidate[]> {
    const { index, volume } = this.#options;
    const candidates: Candidate[] = [];
    for (const entry of await index.find(hooksOf(blocks))) {
      if (candidates.length === CANDIDATES_MAX) break;
      const isLive = this.#ageMs(entry) < this.#referableMs();
      const isOwnVolume = entry.volume === volumeId(volume);
      if (!isLive && !isOwnVolume) continue;
      const held = await index.blocks(entry.name);
      if (held) candidates.push({ entry, isLive, isOwnVolume, blocks: held });
    }
    return candidates;
  }

  /** Remembers what no entry has, or only one whose time is half over. */
  async #remember(delta: Delta, { blocks, candidates, matches }: Found, reduced: Reduced | undefined): Promise<void> {
    const { index, volume, clock } = this.#options;
    const { generation, number } = delta.head;
    const isFresh = candidates.map(({ entry }) => this.#ageMs(entry) < this.#referableMs() / 2);
    // A delta that refers to others gets its literal bytes back in the cloud, and then has them where the stored one has.
    const pages = reduced?.isSelfContained === true ? reduced.writtenPages : blocks.pages;
    const added = selectBlocks({ ...blocks, pages: Uint32Array.from(pages) }, (at) => {
      return isFresh[matches.source[at] ?? -1] !== true && pages[at] !== -1;
    });
    const entry = { name: nameOf(volume, delta.head), volume: volumeId(volume), generation, number };
    await index.add({ ...entry, sentMs: clock.wallMs() }, added, hooksOf(added));
  }

  /** The delta with references, if that pays. */
  async #reduce(delta: Delta, { blocks, candidates, matches }: Found): Promise<Reduced | undefined> {
    // The most extents that references can add: each block's own, and what is left of its literal one.
    const limits = this.#options.limits?.() ?? DELTA_LIMITS;
    if (delta.extents.length + 2 * blocks.keys.length > limits.extentsMax) return undefined;
    const { literalBytes, totalBytes } = delta.head;
    const blockBytes = blockBytesOf({ encodedBytes: totalBytes, literalBytes });
    const prior = await this.#surePrior(delta, blocks, { prior: matches.prior, blockBytes });
    const choice = choose(blocks, { ...matches, prior }, { blockBytes, limits });
    if (!choice) return undefined;
    const sources = candidates.map(({ entry }) => entry.name);
    const packing = { ...this.#options, limits };
    const written = writtenWithin(() => writeReduced({ delta, blocks, choice, sources, packing }));
    if (!written) return undefined;
    const { bytes, writtenPages } = written;
    if (totalBytes - bytes.length <= choice.costBytes) return undefined;
    const { outside } = openDelta(bytes);
    const used = new Set(outside.flatMap((one) => (one.kind === 'journal' ? [one.source] : [])));
    return { bytes, sources: [...used], writtenPages, isSelfContained: outside.length === 0 };
  }

  /**
   * The places in the volume that have their content for sure in the state before this delta: it is the newest, so that
   * the block index tells all that it does not set itself.
   */
  async #surePrior(
    delta: Delta,
    blocks: DeltaBlocks,
    { prior, blockBytes }: { prior: Float64Array; blockBytes: number },
  ): Promise<Float64Array> {
    const sure = new Float64Array(prior.length).fill(-1);
    const isUntouched = untouchedBy(delta);
    const open = prior.map((block) => (block !== -1 && isUntouched(block) ? block : -1));
    const runs = [...priorRuns(blocks, open, blockBytes)];
    if (runs.length === 0) return sure;
    await this.#options.log.atNewest(delta.head.digest, async (index) => {
      for (const { from, to } of runs) {
        const hashes = await hashesOfBlocks(index, open.subarray(from, to));
        for (let at = from; at < to; at += 1) {
          const isThere = Buffer.compare(hashAt(hashes, at - from), hashAt(blocks.hashes, at)) === 0;
          if (isThere) sure[at] = open[at] ?? -1;
        }
      }
    });
    return sure;
  }

  /** How long after it was sent an entry is referred to: the cloud counts from when it was put, which is not before. */
  #referableMs(): number {
    return (this.#options.journalKeptMs() ?? USUAL_JOURNAL_KEPT_MS) - ON_ITS_WAY_MS;
  }

  #ageMs({ sentMs, isAcknowledged }: FoundEntry): number {
    return isAcknowledged ? this.#options.clock.wallMs() - sentMs : Infinity;
  }
}

/** What is sent of a delta, and the form of its entry: docs/names.md. */
export interface Outgoing {
  readonly bytes: Uint8Array;
  readonly form: DeltaForm;
}

interface Reduced {
  readonly bytes: Uint8Array;
  /** Names of the entries that it refers to. */
  readonly sources: readonly string[];
  /** Where each block that stayed literal stands in its own literal bytes, in pages; -1 for the others. */
  readonly writtenPages: Int32Array;
  /** Whether it refers to nothing but its own bytes: then it is a literal entry as it is. */
  readonly isSelfContained: boolean;
}

interface Found {
  readonly blocks: DeltaBlocks;
  readonly candidates: readonly Candidate[];
  readonly matches: Matches;
}

/** What was written; undefined where the cloud's limits are lower than what the delta alone takes: it goes as it is. */
function writtenWithin<T>(write: () => T): T | undefined {
  try {
    return write();
  } catch (error) {
    if (!isLeewardError(error, 'LIMIT_EXCEEDED')) throw error;
    return undefined;
  }
}

/** The entry that the cloud keeps the delta in, or makes of one with references. */
function nameOf(volume: VolumeRef, of: { generation: number; number: number; digest: string }): string {
  return journalEntry(volume, { generation: of.generation, number: of.number, digest: of.digest, form: 'literal-1' });
}

/** Tells of a block of the volume whether it lies in the volume, and wholly outside of what the delta sets. */
function untouchedBy({ extents, head }: Delta): (block: number) => boolean {
  return (block) => {
    const [offset, end] = [block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES];
    let [low, high] = [0, extents.length];
    // The first extent that ends behind the block's beginning.
    while (low < high) {
      const middle = (low + high) >>> 1;
      const extent = extents[middle];
      if (extent && extent.offset + extent.lengthBytes <= offset) low = middle + 1;
      else high = middle;
    }
    return end <= head.volumeBytes && (extents[low]?.offset ?? Infinity) >= end;
  };
}
