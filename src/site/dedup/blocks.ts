/**
 * The blocks of a delta, as deduplication knows them: whole blocks of the volume among its literal bytes, each with its
 * hash. All-zero ones are left out: they compress to nothing.
 */
import type { Delta } from '../../delta/delta.ts';
import { literalsAt } from '../../delta/literals.ts';
import { PAGE_BYTES } from '../../kernel/units.ts';
import type { ContentBlocks } from '../../ports/content-index.ts';
import type { SiteStore } from '../../ports/site-store.ts';
import { BLOCK_BYTES, BLOCK_HASH_BYTES, blockHashes } from '../../ranges/blocks.ts';
import { readHashes } from '../chain/block-index.ts';

/** Pages of a block. */
export const BLOCK_PAGES = BLOCK_BYTES / PAGE_BYTES;

/** Blocks in ascending order, of the volume and of the literal bytes alike. */
export interface DeltaBlocks extends ContentBlocks {
  /** Their hashes, one after the other. */
  readonly hashes: Uint8Array;
}

/** The block index as far as it is read here. */
export type BlockIndex = Pick<SiteStore, 'readIndex'>;

/** The volume's log as far as it is needed here. */
export interface NewestState {
  /** Hashes of the literal blocks of the delta with this digest, a short last one too, where they are remembered. */
  literalHashes(digest: string): Uint8Array | undefined;
  /** Whether this process has stored the delta of that number: nobody knows how an older one was sent. */
  isOwn(number: number): boolean;
  /** What `use` gives, or undefined when another delta is the newest. */
  atNewest<T>(digest: string, use: (index: BlockIndex) => Promise<T>): Promise<T | undefined>;
}

/**
 * The blocks of a delta from the outbox. The log remembers the hashes of the last ones; of the newest one the block index has
 * them; of others they are computed, which holds their literal bytes for a while. Errors: DELTA_INVALID when the outbox's file
 * is damaged.
 */
export async function blocksOf(delta: Delta, log: NewestState): Promise<DeltaBlocks> {
  const { blockNumbers, pages } = placesOf(delta);
  const hashes =
    log.literalHashes(delta.head.digest)?.subarray(0, blockNumbers.length * BLOCK_HASH_BYTES) ??
    (await log.atNewest(delta.head.digest, async (index) => hashesOfBlocks(index, blockNumbers))) ??
    computeHashes(delta, pages);
  return withoutZeros({ blockNumbers, pages, hashes });
}

/** The entries of the block index of these blocks, in ascending order. */
export async function hashesOfBlocks(index: BlockIndex, blockNumbers: ArrayLike<number>): Promise<Uint8Array> {
  const hashes = new Uint8Array(blockNumbers.length * BLOCK_HASH_BYTES);
  for (let from = 0; from < blockNumbers.length;) {
    const first = blockNumbers[from] ?? 0;
    let to = from + 1;
    while (to < blockNumbers.length && blockNumbers[to] === first + to - from) to += 1;
    await readHashes(index, first * BLOCK_BYTES, hashes.subarray(from * BLOCK_HASH_BYTES, to * BLOCK_HASH_BYTES));
    from = to;
  }
  return hashes;
}

/** The chosen ones of `blocks`. */
export function selectBlocks(blocks: DeltaBlocks, isChosen: (index: number) => boolean): DeltaBlocks {
  const chosen = Uint32Array.from(blocks.keys.keys()).filter(isChosen);
  if (chosen.length === blocks.keys.length) return blocks;
  const keys = new BigInt64Array(chosen.length);
  const hashes = new Uint8Array(chosen.length * BLOCK_HASH_BYTES);
  chosen.forEach((index, at) => {
    keys[at] = blocks.keys[index] ?? 0n;
    hashes.set(hashAt(blocks.hashes, index), at * BLOCK_HASH_BYTES);
  });
  const blockNumbers = chosen.map((index) => blocks.blockNumbers[index] ?? 0);
  return { keys, blockNumbers, pages: chosen.map((index) => blocks.pages[index] ?? 0), hashes };
}

/** One of several hashes that lie one after the other. */
export function hashAt(hashes: Uint8Array, index: number): Uint8Array {
  return hashes.subarray(index * BLOCK_HASH_BYTES, (index + 1) * BLOCK_HASH_BYTES);
}

function placesOf(delta: Delta): Pick<ContentBlocks, 'blockNumbers' | 'pages'> {
  const [blockNumbers, pages]: [number[], number[]] = [[], []];
  let at = 0;
  for (const { kind, offset, lengthBytes } of delta.extents) {
    if (kind !== 'literal') continue;
    const [first, end] = [Math.ceil(offset / BLOCK_BYTES), Math.floor((offset + lengthBytes) / BLOCK_BYTES)];
    for (let block = first; block < end; block += 1) {
      blockNumbers.push(block);
      pages.push((at + block * BLOCK_BYTES - offset) / PAGE_BYTES);
    }
    at += lengthBytes;
  }
  return { blockNumbers: Uint32Array.from(blockNumbers), pages: Uint32Array.from(pages) };
}

function computeHashes(delta: Delta, pages: Uint32Array): Uint8Array {
  const literals = literalBytesOf(delta);
  const hashes = new Uint8Array(pages.length * BLOCK_HASH_BYTES);
  pages.forEach((page, index) => {
    const at = page * PAGE_BYTES;
    hashes.set(blockHashes(literals.subarray(at, at + BLOCK_BYTES)), index * BLOCK_HASH_BYTES);
  });
  return hashes;
}

/** All literal bytes of a delta: at most what its limits allow. Errors: DELTA_INVALID. */
export function literalBytesOf(delta: Delta): Uint8Array {
  const [all] = literalsAt(delta, [{ at: 0, lengthBytes: delta.head.literalBytes }]);
  return all ?? new Uint8Array(0);
}

function withoutZeros(blocks: Pick<DeltaBlocks, 'blockNumbers' | 'pages' | 'hashes'>): DeltaBlocks {
  const { hashes } = blocks;
  const view = new DataView(hashes.buffer, hashes.byteOffset, hashes.length);
  const keys = BigInt64Array.from(blocks.pages, (_, index) => view.getBigInt64(index * BLOCK_HASH_BYTES, true));
  const isZero = (index: number): boolean => hashAt(hashes, index).every((byte) => byte === 0);
  return keys.includes(0n) ? selectBlocks({ ...blocks, keys }, (index) => !isZero(index)) : { ...blocks, keys };
}
