/**
 * The exact search: is there a plan within given sums? (docs/apply-planner.md, "The last step".)
 *
 * It builds plans from the last segment to the first and drops each that cannot end within the sums any more: the
 * cheapest plan's pass from the left tells what the rest costs at the least. The work is bounded; a search that runs out
 * of it says so.
 */
import type { Cheapest, Prices } from './cheapest.ts';
import type { Sums } from './cost.ts';
import { CHOICES, advance, isSensible } from './moves.ts';
import type { PageLimits, Stand } from './moves.ts';
import { reversed } from './segments.ts';
import type { Segments } from './segments.ts';

/** Partial plans that one search may keep, for one boundary and for all. */
const PARTS_AT_ONCE_MAX = 500;
const PARTS_MAX = 20_000;

interface Part extends Stand {
  readonly after: Part | undefined;
  readonly choice: number;
}

/**
 * All plans, by their choices, that no other beats in both sums and whose sums are at most `most`; none if there is no
 * such plan; undefined when the work was too much to tell. `bound` is exact, and was found for `prices`.
 */
export function plansWithin(
  segments: Segments,
  limits: PageLimits,
  most: Sums,
  { bound, prices }: { readonly bound: Cheapest; readonly prices: Prices },
): readonly Uint8Array[] | undefined {
  const costMax = most.requests * prices.request + most.pages * prices.page;
  const backwards = reversed(segments);
  let parts: Part[] = [{ requests: 0, pages: 0, writeRoom: 0, readRoom: 0, after: undefined, choice: 0 }];
  let kept = 0;
  for (let index = 0; index < segments.count; index += 1) {
    const segment = { kind: backwards.kinds[index] ?? 0, pages: backwards.pages[index] ?? 0 };
    const longer: Part[] = [];
    for (const part of parts) {
      for (const choice of CHOICES[segment.kind] ?? []) {
        if (!isSensible(segment, choice, part, limits)) continue;
        const { requests, pages, writeRoom, readRoom } = part;
        const next = { requests, pages, writeRoom, readRoom, after: part, choice };
        advance(segment.kind, segment.pages, choice, next, limits);
        if (next.requests > most.requests || next.pages > most.pages) continue;
        if (bound.restFrom(segments.count - 1 - index, next) > costMax) continue;
        offer(longer, next);
      }
    }
    parts = longer;
    kept += parts.length;
    if (parts.length > PARTS_AT_ONCE_MAX || kept > PARTS_MAX) return undefined;
  }
  return parts.map((part) => choicesOf(part, segments.count));
}

/** Adds a part unless another one is as good, and removes what it makes useless; a room is worth one request at most. */
function offer(parts: Part[], part: Part): void {
  if (parts.some((other) => isAsGood(other, part))) return;
  let kept = 0;
  for (const other of parts) {
    if (!isAsGood(part, other)) parts[kept++] = other;
  }
  parts.length = kept;
  parts.push(part);
}

function isAsGood(one: Stand, other: Stand): boolean {
  const lacking = (one.writeRoom < other.writeRoom ? 1 : 0) + (one.readRoom < other.readRoom ? 1 : 0);
  return one.pages <= other.pages && one.requests + lacking <= other.requests;
}

function choicesOf(first: Part, count: number): Uint8Array {
  const choices = new Uint8Array(count);
  let part: Part | undefined = first;
  for (let index = 0; index < count && part; index += 1) {
    choices[index] = part.choice;
    part = part.after;
  }
  return choices;
}
