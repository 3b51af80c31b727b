/**
 * What can be done with one segment, and what it adds to the two sums (docs/apply-planner.md, "A plan is a path").
 *
 * A plan is one choice for each segment: whether it is written, and whether a read covers it. What came before matters
 * in two numbers only: how many pages have room in the write that is open, and in the read that is open. No room is the
 * same as none open.
 *
 * Invariant: every choice that {@link isSensible} leaves out can be replaced by one that costs no more of either sum,
 * from whichever end the segments are looked at.
 */
import type { Sums } from './cost.ts';
import { KIND } from './segments.ts';
import type { Segments } from './segments.ts';

/** Bits of a choice. */
export const WRITTEN = 1;
export const READ = 2;

/** The longest requests in pages. */
export interface PageLimits {
  readonly write: number;
  readonly read: number;
}

/** Choices that a kind of segment has at all; the index is a value of {@link KIND}. */
export const CHOICES: readonly (readonly number[])[] = [
  [WRITTEN, WRITTEN | READ],
  [0, WRITTEN, READ, WRITTEN | READ],
  [0, READ, WRITTEN | READ],
  [0, WRITTEN, READ, WRITTEN | READ],
];

/** A plan: one choice for each segment, with its sums. */
export interface Choices extends Sums {
  readonly choices: Uint8Array;
}

/** Where a path stands between two segments, with its sums. Mutable: one is used for very many steps. */
export interface Stand {
  requests: number;
  pages: number;
  /** Pages that still fit the open write, below the limit; 0 if none is open. */
  writeRoom: number;
  /** The same for the open read. */
  readRoom: number;
}

/**
 * Whether a choice may be part of a best plan. Left out are a write or read that would end inside a gap (it may as well end
 * before it), a read that would end inside what need not be read, and zeros so long that a clear costs fewer bytes and
 * no more requests, even where the room is twice the limit because it is rounded.
 */
export function isSensible(
  segment: { readonly kind: number; readonly pages: number },
  choice: number,
  at: { readonly writeRoom: number; readonly readRoom: number },
  limits: PageLimits,
): boolean {
  const { kind, pages } = segment;
  const isWritten = (choice & WRITTEN) !== 0;
  if (isWritten && kind >= KIND.gap && pages >= at.writeRoom) return false;
  if (isWritten && kind === KIND.zeros && pages >= 3 * limits.write) return false;
  const isNeeded = isWritten && kind === KIND.gap;
  return (choice & READ) === 0 || isNeeded || pages < at.readRoom;
}

/** Moves `at` over a segment by `choice`, sensible or not. */
export function advance(kind: number, pages: number, choice: number, at: Stand, limits: PageLimits): void {
  if ((choice & WRITTEN) !== 0) {
    const more = pages > at.writeRoom ? Math.ceil((pages - at.writeRoom) / limits.write) : 0;
    at.requests += more;
    at.pages += pages;
    at.writeRoom += more * limits.write - pages;
  } else {
    if (kind === KIND.zeros) at.requests += 1;
    at.writeRoom = 0;
  }
  if ((choice & READ) !== 0) {
    const more = pages > at.readRoom ? Math.ceil((pages - at.readRoom) / limits.read) : 0;
    at.requests += more;
    at.pages += pages;
    at.readRoom += more * limits.read - pages;
  } else {
    at.readRoom = 0;
  }
}

/**
 * Requests that are saved where a path from the left meets one from the right: a write that is open on both sides is one
 * request if both parts fit, and so is a read.
 */
export function savedByMeeting(
  left: { readonly writeRoom: number; readonly readRoom: number },
  right: { readonly writeRoom: number; readonly readRoom: number },
  limits: PageLimits,
): number {
  return (
    (left.writeRoom + right.writeRoom >= limits.write ? 1 : 0) + (left.readRoom + right.readRoom >= limits.read ? 1 : 0)
  );
}

/** Where a path stands before each segment and after the last one, as columns of count + 1: plans are long. */
export interface Stands {
  readonly requests: Float64Array;
  readonly pages: Float64Array;
  readonly writeRooms: Float64Array;
  readonly readRooms: Float64Array;
}

/** The stands of a plan. */
export function standsOf(segments: Segments, choices: Uint8Array, limits: PageLimits): Stands {
  const column = (): Float64Array => new Float64Array(segments.count + 1);
  const stands = { requests: column(), pages: column(), writeRooms: column(), readRooms: column() };
  const at: Stand = { requests: 0, pages: 0, writeRoom: 0, readRoom: 0 };
  for (let index = 0; index < segments.count; index += 1) {
    advance(segments.kinds[index] ?? 0, segments.pages[index] ?? 0, choices[index] ?? 0, at, limits);
    stands.requests[index + 1] = at.requests;
    stands.pages[index + 1] = at.pages;
    stands.writeRooms[index + 1] = at.writeRoom;
    stands.readRooms[index + 1] = at.readRoom;
  }
  return stands;
}

/** A plan with its sums. */
export function summed(segments: Segments, choices: Uint8Array, limits: PageLimits): Choices {
  const at: Stand = { requests: 0, pages: 0, writeRoom: 0, readRoom: 0 };
  for (let index = 0; index < segments.count; index += 1) {
    advance(segments.kinds[index] ?? 0, segments.pages[index] ?? 0, choices[index] ?? 0, at, limits);
  }
  return { choices, requests: at.requests, pages: at.pages };
}

/** The pages that are written and read, together. */
export function pagesOf({ count, pages }: Segments, choices: Uint8Array): number {
  let sum = 0;
  for (let index = 0; index < count; index += 1) {
    const choice = choices[index] ?? 0;
    sum += (pages[index] ?? 0) * ((choice & WRITTEN ? 1 : 0) + (choice & READ ? 1 : 0));
  }
  return sum;
}
