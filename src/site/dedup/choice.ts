/**
 * Which of a delta's blocks travel as references.
 *
 * The rule: references have to save more bytes on the wire than {@link REQUEST_BYTES} for each request that they cost the
 * cloud, and than {@link REWRITE_SHARE} of the literal bytes that have to be compressed once more because of them. A journal
 * entry is one request however much of it serves; so is each stretch of the volume that is read; references to the delta's own
 * bytes cost none; and a delta with references costs two more than one without, since it is put into the journal twice.
 */
import type { DeltaLimits } from '../../delta/limits.ts';
import type { ContentBlocks } from '../../ports/content-index.ts';
import { BLOCK_BYTES } from '../../ranges/blocks.ts';
import { BLOCK_PAGES, hashAt } from './blocks.ts';
import type { DeltaBlocks } from './blocks.ts';
import type { Matches } from './matches.ts';

/**
 * What a request is worth: it takes a storage account and a function some 20 to 30 ms, in which a line of 10 Mbit/s
 * carries this much.
 */
const REQUEST_BYTES = 32 * 1024;

/**
 * What compressing a byte once more is worth: of 1 MiB it takes the site some 6 ms of a core to unpack, hash and compress,
 * in which the same line carries 8 KiB.
 */
const REWRITE_SHARE = 1 / 128;

/** Requests that a delta costs more whose references lead outside. */
const REQUESTS_MORE = 2;

/** An extent and a reference in a delta's tables: docs/delta-format.md. */
const REFERENCE_BYTES = 72;

/** From where each block's content comes. */
export interface Choice {
  readonly kind: readonly ('literal' | 'own' | 'prior' | 'journal')[];
  /** own: the earlier block, literal, of the same content; prior: a block of the volume; journal: a page of the source. */
  readonly place: Float64Array;
  /** journal: the place in the list of candidates. */
  readonly source: Int32Array;
  /** What has to be saved at least. */
  readonly costBytes: number;
}

/** Whether block `index` is the one right behind the one before, in the volume and in the literal bytes. */
export function isNeighbour({ blockNumbers, pages }: ContentBlocks, index: number): boolean {
  return (
    blockNumbers[index] === (blockNumbers[index - 1] ?? NaN) + 1 &&
    pages[index] === (pages[index - 1] ?? NaN) + BLOCK_PAGES
  );
}

/** Whether `place` of block `index` is right behind that of the one before, `step` on. */
export function goesOn(place: ArrayLike<number>, index: number, step: number): boolean {
  return place[index] === (place[index - 1] ?? NaN) + step;
}

/**
 * Stretches of the volume that may serve: runs of neighbours whose places are neighbours too, long enough to pay for the
 * read. `blockBytes` is what a block takes on the wire.
 */
export function* priorRuns(
  blocks: ContentBlocks,
  prior: Float64Array,
  blockBytes: number,
): Generator<{ readonly from: number; readonly to: number }> {
  for (let from = 0; from < prior.length;) {
    let to = from + 1;
    if (prior[from] !== -1) {
      while (to < prior.length && isNeighbour(blocks, to) && goesOn(prior, to, 1)) to += 1;
      if ((to - from) * blockBytes > REQUEST_BYTES) yield { from, to };
    }
    from = to;
  }
}

/**
 * What pays, undefined for nothing. In `matches` the places in the volume are sure by now. `blockBytes` as in
 * {@link priorRuns}.
 */
export function choose(
  blocks: DeltaBlocks,
  matches: Matches,
  { blockBytes, limits }: { readonly blockBytes: number; readonly limits: DeltaLimits },
): Choice | undefined {
  const count = blocks.keys.length;
  const kind = new Array<Choice['kind'][number]>(count).fill('literal');
  const place = new Float64Array(count).fill(-1);
  const { source } = matches;
  let requests = 0;
  const runs = [...priorRuns(blocks, matches.prior, blockBytes)].sort((a, b) => b.to - b.from - (a.to - a.from));
  // The longest of more than a delta may have; of the rest, what a journal entry has as well may still be referred to.
  for (const { from, to } of runs.slice(0, limits.priorReadsMax)) {
    requests += 1;
    for (let index = from; index < to; index += 1) {
      kind[index] = 'prior';
      place[index] = matches.prior[index] ?? -1;
    }
  }
  const uses = new Map<number, number>();
  source.forEach((candidate, index) => {
    if (candidate !== -1 && kind[index] === 'literal') uses.set(candidate, (uses.get(candidate) ?? 0) + 1);
  });
  const ranked = [...uses].sort(([, a], [, b]) => b - a).slice(0, limits.sourcesMax);
  const paying = new Set(ranked.filter(([, used]) => used * blockBytes > REQUEST_BYTES).map(([one]) => one));
  requests += paying.size;
  source.forEach((candidate, index) => {
    if (kind[index] !== 'literal' || !paying.has(candidate)) return;
    kind[index] = 'journal';
    place[index] = matches.sourcePage[index] ?? -1;
  });
  repeats(blocks, kind, place);
  const rewrittenBytes = kind.reduce((sum, one) => (one === 'literal' ? sum + BLOCK_BYTES : sum), 0);
  const requestsBytes = (requests === 0 ? 1 : requests + REQUESTS_MORE) * REQUEST_BYTES;
  const costBytes = requestsBytes + rewrittenBytes * REWRITE_SHARE;
  const choice = { kind, place, source, costBytes };
  return savedBytes(blocks, choice, blockBytes) > costBytes ? choice : undefined;
}

/** What stays literal travels once. */
function repeats({ keys, hashes }: DeltaBlocks, kind: Choice['kind'][number][], place: Float64Array): void {
  const first = new Map<bigint, number>();
  keys.forEach((key, index) => {
    if (kind[index] !== 'literal') return;
    const earlier = first.get(key);
    if (earlier === undefined) first.set(key, index);
    else if (Buffer.compare(hashAt(hashes, earlier), hashAt(hashes, index)) === 0) {
      kind[index] = 'own';
      place[index] = earlier;
    }
  });
}

/** What all references together save, estimated: every literal byte taken to compress like the others. */
function savedBytes(blocks: ContentBlocks, { kind, place, source }: Choice, blockBytes: number): number {
  let saved = 0;
  kind.forEach((one, index) => {
    if (one === 'literal') return;
    const isMerged =
      kind[index - 1] === one &&
      isNeighbour(blocks, index) &&
      goesOn(place, index, one === 'journal' ? BLOCK_PAGES : 1) &&
      (one !== 'journal' || source[index] === source[index - 1]);
    saved += blockBytes - (isMerged ? 0 : REFERENCE_BYTES);
  });
  return saved;
}

/** What a block of this delta takes on the wire, on average. */
export function blockBytesOf(of: { readonly encodedBytes: number; readonly literalBytes: number }): number {
  return of.literalBytes === 0 ? 0 : (of.encodedBytes / of.literalBytes) * BLOCK_BYTES;
}
