/**
 * The least time of all plans, by trying them all, page by page. It shares no thought with the planner: any set of pages
 * may be written and any set read, as long as the delta's demands are met; a stretch of pages takes as many requests as
 * it needs.
 */
import { timeOf } from '../../../src/replica/plan/cost.ts';
import type { ApplyCosts } from '../../../src/replica/plan/cost.ts';
import type { PageLimits } from '../../../src/replica/plan/moves.ts';

/** What a page is to a delta. */
export type PageKind = 'literal' | 'zeros' | 'gap' | 'zeroGap';

interface Sums {
  readonly requests: number;
  readonly pages: number;
}

/** The time of the fastest plan for these pages, in seconds. */
export function bruteForceTimeS(pages: readonly PageKind[], limits: PageLimits, costs: ApplyCosts): number {
  const all = 2 ** pages.length;
  const mask = (kind: PageKind): number =>
    pages.reduce((sum, page, index) => sum + (page === kind ? 2 ** index : 0), 0);
  const [literal, zeros, gap, zeroGap] = [mask('literal'), mask('zeros'), mask('gap'), mask('zeroGap')];
  const reads = Array.from({ length: all }, (_, set) => requestsFor(set, pages.length, limits.read));
  const readsFor = new Map<number, readonly Sums[]>();
  let bestS = Infinity;
  for (let written = 0; written < all; written += 1) {
    if ((written & literal) !== literal) continue;
    const writes = requestsFor(written, pages.length, limits.write);
    const clears = clearsFor(zeros & ~written, zeroGap & ~written, pages.length);
    const needed = written & gap;
    const options = readsFor.get(needed) ?? supersets(needed, all, reads);
    readsFor.set(needed, options);
    for (const read of options) {
      const sums = { requests: writes.requests + clears + read.requests, pages: writes.pages + read.pages };
      bestS = Math.min(bestS, timeOf(sums, costs));
    }
  }
  return bestS;
}

/** Requests of at most `most` pages that cover just this set. */
function requestsFor(set: number, count: number, most: number): Sums {
  let [requests, pages, length] = [0, 0, 0];
  for (let index = 0; index < count; index += 1) {
    if ((set & (2 ** index)) === 0) {
      length = 0;
      continue;
    }
    if (length % most === 0) requests += 1;
    length += 1;
    pages += 1;
  }
  return { requests, pages };
}

/** Clears of any length for `zeros`; they may cover pages of `free` too. */
function clearsFor(zeros: number, free: number, count: number): number {
  let [clears, isOpen] = [0, false];
  for (let index = 0; index < count; index += 1) {
    if ((zeros & (2 ** index)) !== 0) {
      if (!isOpen) clears += 1;
      isOpen = true;
    } else if ((free & (2 ** index)) === 0) {
      isOpen = false;
    }
  }
  return clears;
}

/** The sums of all sets that have `needed`, without those that another one beats. */
function supersets(needed: number, all: number, reads: readonly Sums[]): readonly Sums[] {
  const fewestPages = new Map<number, number>();
  for (let set = 0; set < all; set += 1) {
    const sums = reads[set];
    if ((set & needed) !== needed || !sums) continue;
    fewestPages.set(sums.requests, Math.min(sums.pages, fewestPages.get(sums.requests) ?? Infinity));
  }
  return [...fewestPages].map(([requests, pages]) => ({ requests, pages }));
}
