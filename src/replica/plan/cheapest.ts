/**
 * The cheapest plan where a request and a page have a price each, so that one number is to be made small
 * (docs/apply-planner.md, "One price"). One pass over the segments: at each boundary it keeps the few ways of getting
 * there that may still end cheapest.
 *
 * Invariants: no plan at all costs less than what is found; with true rooms it is what the found plan costs, and
 * {@link Cheapest.restFrom} gives the least that the segments before a boundary cost. A pass that would keep more ways than
 * it may ends without an answer, not with a poor one.
 */
import { CHOICES, advance, isSensible, pagesOf, savedByMeeting } from './moves.ts';
import type { Choices, PageLimits, Stand } from './moves.ts';
import type { Segments } from './segments.ts';

/** Prices; whole numbers, so that all sums are exact. Both above zero. */
export interface Prices {
  readonly request: number;
  readonly page: number;
}

export interface Cheapest extends Choices {
  readonly cost: number;
  /**
   * The least cost of a whole plan that comes from the right to the boundary before segment `boundary` as `at` stands
   * there; `at` has its own sums. For true rooms.
   */
  restFrom(boundary: number, at: Stand): number;
}

/**
 * How the room that a request leaves is counted: truly, or as if the request could go on to the next multiple of its
 * longest length, counted from the first segment. Few ways are different then, and no plan costs more than it does.
 */
export type Rooms = 'true' | 'rounded';

/**
 * Ways that all boundaries together may keep: bounds memory, at 21 bytes each. With rounded rooms no delta has more of
 * them: 9 at each of 131,073 boundaries.
 */
const ALL_WAYS_MAX = { true: 600_000, rounded: 1_200_000 } as const;

/** Ways that one boundary may keep: they are compared in pairs. */
const WAYS_AT_ONCE_MAX = 512;

/**
 * Finds it; undefined when it would keep too many ways. With rounded rooms they are 9 at a boundary at most: of a write
 * and a read, each is none, or ends at one of two places. `ways` is where the pass keeps its ways: a pass is large, and
 * the next may take the place of one whose {@link Cheapest.restFrom} is of no more use.
 */
export function cheapest(
  segments: Segments,
  limits: PageLimits,
  prices: Prices,
  rooms: Rooms = 'true',
  ways: Ways = new Ways(segments.count),
): Cheapest | undefined {
  ways.count = 0;
  const starts = new Int32Array(segments.count + 2);
  // One object for very many steps: this is the planner's innermost loop.
  const way: Way = { cost: 0, writeRoom: 0, readRoom: 0, parent: -1, choice: 0 };
  ways.add(way);
  starts[1] = 1;
  const at: Stand = { requests: 0, pages: 0, writeRoom: 0, readRoom: 0 };
  let end = 0;
  for (let index = 0; index < segments.count; index += 1) {
    const segment = { kind: segments.kinds[index] ?? 0, pages: segments.pages[index] ?? 0 };
    const choices = CHOICES[segment.kind] ?? [];
    const start = ways.count;
    end += segment.pages;
    for (let parent = starts[index] ?? 0; parent < start; parent += 1) {
      for (const choice of choices) {
        at.requests = 0;
        at.pages = 0;
        at.writeRoom = ways.writeRooms[parent] ?? 0;
        at.readRoom = ways.readRooms[parent] ?? 0;
        if (!isSensible(segment, choice, at, limits)) continue;
        advance(segment.kind, segment.pages, choice, at, limits);
        way.cost = (ways.costs[parent] ?? 0) + at.requests * prices.request + at.pages * prices.page;
        way.writeRoom = rooms === 'true' ? at.writeRoom : roundedUp(at.writeRoom, end, limits.write);
        way.readRoom = rooms === 'true' ? at.readRoom : roundedUp(at.readRoom, end, limits.read);
        way.parent = parent;
        way.choice = choice;
        ways.offer(start, way, prices.request);
      }
    }
    if (ways.count > ALL_WAYS_MAX[rooms] || ways.count - start > WAYS_AT_ONCE_MAX) return undefined;
    starts[index + 2] = ways.count;
  }
  const best = ways.cheapestFrom(starts[segments.count] ?? 0);
  const choices = ways.choicesTo(best, segments.count);
  const cost = ways.costs[best] ?? 0;
  const pages = pagesOf(segments, choices);
  return {
    choices,
    requests: (cost - pages * prices.page) / prices.request,
    pages,
    cost,
    restFrom: (boundary, right) => {
      let least = Infinity;
      for (let way = starts[boundary] ?? 0; way < (starts[boundary + 1] ?? 0); way += 1) {
        const left = { writeRoom: ways.writeRooms[way] ?? 0, readRoom: ways.readRooms[way] ?? 0 };
        const cost = (ways.costs[way] ?? 0) - prices.request * savedByMeeting(left, right, limits);
        least = Math.min(least, cost);
      }
      return least + right.requests * prices.request + right.pages * prices.page;
    },
  };
}

/** The room of a request that may go on to the next multiple of `most`; once rounded it stays so. None stays none. */
function roundedUp(room: number, end: number, most: number): number {
  return room > 0 ? Math.ceil((end + room) / most) * most - end : 0;
}

interface Way {
  cost: number;
  writeRoom: number;
  readRoom: number;
  parent: number;
  choice: number;
}

/** All ways of all boundaries, as columns that grow. */
export class Ways {
  count = 0;
  costs: Float64Array;
  writeRooms: Int32Array;
  readRooms: Int32Array;
  #parents: Int32Array;
  #choices: Uint8Array;

  /** For a row of so many segments. */
  constructor(segmentCount: number) {
    const size = 4 * (segmentCount + 1);
    this.costs = new Float64Array(size);
    this.writeRooms = new Int32Array(size);
    this.readRooms = new Int32Array(size);
    this.#parents = new Int32Array(size);
    this.#choices = new Uint8Array(size);
  }

  add({ cost, writeRoom, readRoom, parent, choice }: Way): void {
    if (this.count === this.costs.length) this.#grow();
    this.costs[this.count] = cost;
    this.writeRooms[this.count] = writeRoom;
    this.readRooms[this.count] = readRoom;
    this.#parents[this.count] = parent;
    this.#choices[this.count] = choice;
    this.count += 1;
  }

  /**
   * Adds a way unless one from `start` on is as good, and removes what it makes useless. A room is worth one request at
   * most: who has less of it can go on in the same manner and pay one more.
   */
  offer(start: number, way: Readonly<Way>, requestPrice: number): void {
    const { costs, writeRooms, readRooms } = this;
    const { cost, writeRoom, readRoom } = way;
    for (let other = start; other < this.count; other += 1) {
      let needed = costs[other] ?? 0;
      if (needed > cost) continue;
      if ((writeRooms[other] ?? 0) < writeRoom) needed += requestPrice;
      if ((readRooms[other] ?? 0) < readRoom) needed += requestPrice;
      if (needed <= cost) return;
    }
    let kept = start;
    for (let other = start; other < this.count; other += 1) {
      let needed = cost;
      if (writeRoom < (writeRooms[other] ?? 0)) needed += requestPrice;
      if (readRoom < (readRooms[other] ?? 0)) needed += requestPrice;
      if (needed <= (costs[other] ?? 0)) continue;
      if (kept !== other) this.#move(other, kept);
      kept += 1;
    }
    this.count = kept;
    this.add(way);
  }

  cheapestFrom(start: number): number {
    let best = start;
    for (let way = start; way < this.count; way += 1) {
      if ((this.costs[way] ?? 0) < (this.costs[best] ?? 0)) best = way;
    }
    return best;
  }

  choicesTo(way: number, count: number): Uint8Array {
    const choices = new Uint8Array(count);
    for (let index = count - 1, at = way; index >= 0; index -= 1) {
      choices[index] = this.#choices[at] ?? 0;
      at = this.#parents[at] ?? 0;
    }
    return choices;
  }

  #move(from: number, to: number): void {
    this.costs[to] = this.costs[from] ?? 0;
    this.writeRooms[to] = this.writeRooms[from] ?? 0;
    this.readRooms[to] = this.readRooms[from] ?? 0;
    this.#parents[to] = this.#parents[from] ?? 0;
    this.#choices[to] = this.#choices[from] ?? 0;
  }

  #grow(): void {
    const grown = <T extends Float64Array | Int32Array | Uint8Array>(into: T, from: T): T => {
      into.set(from);
      return into;
    };
    const size = this.costs.length * 2;
    this.costs = grown(new Float64Array(size), this.costs);
    this.writeRooms = grown(new Int32Array(size), this.writeRooms);
    this.readRooms = grown(new Int32Array(size), this.readRooms);
    this.#parents = grown(new Int32Array(size), this.#parents);
    this.#choices = grown(new Uint8Array(size), this.#choices);
  }
}
