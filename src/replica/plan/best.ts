/**
 * The plan of least time: the larger of two sums made small (docs/apply-planner.md, "From prices to time").
 *
 * Invariants: the plan is never slower than one request for each run; no plan is faster than the lower bound that comes
 * with it; where both are equal it is the best there is. The work is bounded for any delta.
 */
import { PAGE_BYTES } from '../../kernel/units.ts';
import { Ways, cheapest } from './cheapest.ts';
import type { Cheapest, Prices, Rooms } from './cheapest.ts';
import { isRequestBound, timeOf } from './cost.ts';
import type { ApplyCosts, Sums } from './cost.ts';
import { WRITTEN, savedByMeeting, standsOf, summed } from './moves.ts';
import type { Choices, PageLimits } from './moves.ts';
import { plansWithin } from './search.ts';
import { KIND, reversed } from './segments.ts';
import type { Segments } from './segments.ts';

/** What there is to plan, and by which figures. */
export interface Task {
  readonly segments: Segments;
  readonly limits: PageLimits;
  readonly costs: ApplyCosts;
}

/** The plan, and the time that none is below. */
export interface Best extends Choices {
  readonly lowerBoundS: number;
}

/**
 * Ways that all passes for an edge together may keep before no further one begins: bounds the time that a hostile delta
 * takes. With rounded rooms, where a way is found quickly, these are ten passes at least.
 */
const WAYS_MAX = { rounded: 12_000_000, true: 600_000 } as const;

/** One request for each run and no gap written: the fewest bytes that a plan can have. */
function naiveChoices({ segments, limits }: Task): Choices {
  return summed(
    segments,
    segments.kinds.map((kind) => (kind === KIND.literal ? WRITTEN : 0)),
    limits,
  );
}

/** The best plan that the allowed work finds. */
export function bestChoices(task: Task): Best {
  const { costs } = task;
  const naive = naiveChoices(task);
  if (!isRequestBound(naive, costs)) return { ...naive, lowerBoundS: timeOf(naive, costs) };
  // Where a request costs what its pages cost is where to begin; rounded rooms bring near, true ones to the end.
  const even = costs.bytesPerS / PAGE_BYTES / costs.requestsPerS;
  const near = edgeOf(task, { ratio: even, tilt: 2, rooms: 'rounded' });
  const edge = edgeOf(task, { ratio: near.ratio, tilt: 1.05, rooms: 'true' });
  const best = fastest(costs, [naive, ...plansOf(task, near), ...plansOf(task, edge)]);
  const timeS = timeOf(best, costs);
  const lowerBoundS = Math.min(timeS, Math.max(near.lowerBoundS, edge.lowerBoundS));
  const faster = edge.proof && anyFaster(task, timeS, edge.proof);
  if (!faster) return { ...best, lowerBoundS };
  const optimum = fastest(costs, [best, ...faster]);
  return { ...optimum, lowerBoundS: timeOf(optimum, costs) };
}

/** A cheapest plan with its prices: each plan costs as much or more. */
interface Proof {
  readonly bound: Cheapest;
  readonly prices: Prices;
}

/** Two plans between which the best one lies: one waits for its requests, the other for its bytes. */
interface Edge {
  readonly fewerBytes: Choices | undefined;
  readonly fewerRequests: Choices | undefined;
  readonly lowerBoundS: number;
  /** With true rooms. */
  readonly proof: Proof | undefined;
  /** The last prices: pages that a request costs. */
  readonly ratio: number;
}

/**
 * Finds prices under which the cheapest plan waits for its requests, or its bytes, by and by for either; then draws the
 * two plans together: by prices under which they cost the same, the cheapest plan either is cheaper than both and takes
 * the place of the one on its side, or the two are as near as prices bring them.
 */
function edgeOf(
  { segments, limits, costs }: Task,
  { ratio, tilt, rooms }: { readonly ratio: number; readonly tilt: number; readonly rooms: Rooms },
): Edge {
  let prices = pricesOf(ratio);
  let fewerBytes: Choices | undefined;
  let fewerRequests: Choices | undefined;
  let lowerBoundS = 0;
  let proof: Proof | undefined;
  let factor = tilt;
  // The pass that proves is kept, and each other one takes the place of the one before.
  let [proving, free] = [new Ways(segments.count), new Ways(segments.count)];
  for (let ways = 0; ways < WAYS_MAX[rooms];) {
    const found = cheapest(segments, limits, prices, rooms, free);
    if (!found) break;
    ways += free.count;
    const perS = prices.request * costs.requestsPerS + (prices.page * costs.bytesPerS) / PAGE_BYTES;
    lowerBoundS = Math.max(lowerBoundS, found.cost / perS);
    // With rounded rooms nothing is searched, and a pass is large: it is not to be held beside the next.
    if (rooms === 'true') {
      proof = { bound: found, prices };
      [proving, free] = [free, proving];
    }
    const isLast = fewerBytes && fewerRequests && found.cost >= costOf(fewerBytes, prices);
    if (isLast) break;
    const waitsForRequests = isRequestBound(found, costs);
    const { choices, requests, pages } = found;
    if (waitsForRequests) fewerBytes = { choices, requests, pages };
    else fewerRequests = { choices, requests, pages };
    if (fewerBytes && fewerRequests) {
      prices = {
        request: fewerRequests.pages - fewerBytes.pages,
        page: fewerBytes.requests - fewerRequests.requests,
      };
      if (!(prices.page > 0)) break;
    } else {
      const ratioBefore = prices.request / prices.page;
      prices = pricesOf(waitsForRequests ? ratioBefore * factor : ratioBefore / factor);
      if (prices.request / prices.page === ratioBefore) break;
      factor *= factor;
    }
  }
  return { fewerBytes, fewerRequests, lowerBoundS, proof, ratio: prices.request / prices.page };
}

/** Whole prices in this ratio, as near as is of use; beyond the ends, the nearest. */
function pricesOf(ratio: number): Prices {
  return { request: Math.round(Math.min(Math.max(ratio, 1 / 64), 2 ** 24) * 64), page: 64 };
}

/**
 * An edge's two plans by their true sums, and the better of the plans that follow one of them up to a boundary and the
 * other one from there, either way round: the boundary moves a plan from the one's sums to the other's in small steps.
 */
function plansOf({ segments, limits, costs }: Task, { fewerBytes, fewerRequests }: Edge): Choices[] {
  const ends = [fewerBytes, fewerRequests].flatMap((end) => (end ? [summed(segments, end.choices, limits)] : []));
  const [one, other] = ends;
  if (!one || !other) return ends;
  const crossed = [
    [one, other],
    [other, one],
  ].flatMap(([first, second]) => {
    if (!first || !second) return [];
    const lefts = standsOf(segments, first.choices, limits);
    const rights = standsOf(reversed(segments), second.choices.toReversed(), limits);
    const left = { writeRoom: 0, readRoom: 0 };
    const right = { writeRoom: 0, readRoom: 0 };
    const sums = { requests: 0, pages: 0 };
    let best = 0;
    let bestS = Infinity;
    for (let boundary = 0; boundary <= segments.count; boundary += 1) {
      const mirrored = segments.count - boundary;
      left.writeRoom = lefts.writeRooms[boundary] ?? 0;
      left.readRoom = lefts.readRooms[boundary] ?? 0;
      right.writeRoom = rights.writeRooms[mirrored] ?? 0;
      right.readRoom = rights.readRooms[mirrored] ?? 0;
      const requests = (lefts.requests[boundary] ?? 0) + (rights.requests[mirrored] ?? 0);
      sums.requests = requests - savedByMeeting(left, right, limits);
      sums.pages = (lefts.pages[boundary] ?? 0) + (rights.pages[mirrored] ?? 0);
      const timeS = timeOf(sums, costs);
      if (timeS < bestS) [best, bestS] = [boundary, timeS];
    }
    const choices = Uint8Array.from(first.choices);
    choices.set(second.choices.subarray(best), best);
    return [summed(segments, choices, limits)];
  });
  return [...ends, ...crossed];
}

/** Plans faster than `timeS`, the fastest among them; none if there is none; undefined when that took too much work. */
function anyFaster({ segments, limits, costs }: Task, timeS: number, proof: Proof): readonly Choices[] | undefined {
  const unit = unitOf(segments);
  const most: Sums = {
    requests: mostBelow(timeS, 1, (requests) => timeOf({ requests, pages: 0 }, costs)),
    pages: mostBelow(timeS, unit, (pages) => timeOf({ requests: 0, pages }, costs)),
  };
  if (proof.bound.cost > costOf(most, proof.prices)) return [];
  return plansWithin(segments, limits, most, proof)?.map((choices) => summed(segments, choices, limits));
}

/** The largest multiple of `unit` whose time is below `timeS`. */
function mostBelow(timeS: number, unit: number, time: (value: number) => number): number {
  let value = Math.floor(timeS / time(unit)) * unit;
  while (time(value + unit) < timeS) value += unit;
  while (value > 0 && time(value) >= timeS) value -= unit;
  return value;
}

function fastest(costs: ApplyCosts, plans: readonly Choices[]): Choices {
  return plans.reduce((best, plan) => (timeOf(plan, costs) < timeOf(best, costs) ? plan : best));
}

function costOf({ requests, pages }: Sums, prices: Prices): number {
  return requests * prices.request + pages * prices.page;
}

function unitOf({ pages }: Segments): number {
  let unit = 0;
  for (const length of pages) unit = greatestCommonDivisor(unit, length);
  return unit;
}

function greatestCommonDivisor(one: number, other: number): number {
  return other === 0 ? one : greatestCommonDivisor(other, one % other);
}
