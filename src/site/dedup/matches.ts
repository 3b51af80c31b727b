/**
 * Where the content of a delta's blocks lies already, as far as the site's memory tells.
 *
 * Entries are found by samples of their blocks, and then compared block by block, so that what is looked up and kept
 * follows a fraction of the blocks (M. Lillibridge et al., "Sparse Indexing", FAST 2009).
 */
import type { ContentBlocks, FoundEntry } from '../../ports/content-index.ts';
import { BLOCK_HASH_BYTES } from '../../ranges/blocks.ts';
import type { DeltaBlocks } from './blocks.ts';

/**
 * One block in so many is a sample, by its hash. 96 KiB in common, less than which never pays, hold one with a probability
 * of 0.96, and 256 KiB with one of 0.9998.
 */
const SAMPLED_ONE_IN = 8;

/** An entry that holds some of a delta's content. */
export interface Candidate {
  readonly entry: FoundEntry;
  /** Whether its literal bytes can be referred to. */
  readonly isLive: boolean;
  /** Whether it was one of this volume's, so that the volume may hold its blocks still. */
  readonly isOwnVolume: boolean;
  readonly blocks: ContentBlocks;
}

/** For each block of the delta, where its content may be; -1 for nowhere. */
export interface Matches {
  /** The place in the list of candidates of the first live one that has it. */
  readonly source: Int32Array;
  /** Its position in that one's literal bytes, in pages. */
  readonly sourcePage: Float64Array;
  /** The block of the volume that had it once. */
  readonly prior: Float64Array;
}

/** The keys by which a delta's blocks lead to entries, and an entry is found. */
export function hooksOf({ keys, hashes }: DeltaBlocks): BigInt64Array<ArrayBuffer> {
  const hooks: bigint[] = [];
  for (let index = 0; index < keys.length; index += 1) {
    if ((hashes[index * BLOCK_HASH_BYTES] ?? 0) % SAMPLED_ONE_IN === 0) hooks.push(keys[index] ?? 0n);
  }
  return BigInt64Array.from(hooks);
}

/** Compares the delta's blocks with those of the candidates, of which the first that has a block serves. */
export function match(blocks: DeltaBlocks, candidates: readonly Candidate[]): Matches {
  const count = blocks.keys.length;
  const source = new Int32Array(count).fill(-1);
  const sourcePage = new Float64Array(count).fill(-1);
  const prior = new Float64Array(count).fill(-1);
  const { first, next } = chainsOf(candidates.length > 0 ? blocks.keys : new BigInt64Array(0));
  // The candidate that was last seen to have a chain's content: a chain is walked once for each.
  const seen = new Int32Array(count).fill(-1);
  candidates.forEach(({ isLive, isOwnVolume, blocks: held }, index) => {
    held.keys.forEach((key, at) => {
      const begin = first.get(key);
      if (begin === undefined || seen[begin] === index) return;
      seen[begin] = index;
      for (let block = begin; block >= 0; block = next[block] ?? -1) {
        if (isOwnVolume && prior[block] === -1) prior[block] = held.blockNumbers[at] ?? -1;
        if (!isLive || source[block] !== -1) continue;
        source[block] = index;
        sourcePage[block] = held.pages[at] ?? -1;
      }
    });
  });
  return { source, sourcePage, prior };
}

/** Blocks of one key hang together: the first of each, and the next of the same after each, -1 for none. */
function chainsOf(keys: BigInt64Array): { first: Map<bigint, number>; next: Int32Array } {
  const first = new Map<bigint, number>();
  const next = new Int32Array(keys.length).fill(-1);
  for (let index = keys.length - 1; index >= 0; index -= 1) {
    const key = keys[index] ?? 0n;
    next[index] = first.get(key) ?? -1;
    first.set(key, index);
  }
  return { first, next };
}
