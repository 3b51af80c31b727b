/**
 * How many deltas this process works on at once, whatever the host hands it; messages that wait hold no more than
 * themselves. So this number bounds the memory of all of them (docs/design.md, invariant 8). What one holds at the most,
 * in MiB:
 *
 * - while it is taken in and applied: its encoded bytes (18), its literal bytes (16, none where they are not compressed),
 *   its tables (10), and five writes and two reads (22) where gaps are bridged, or the planner's passes (50) before that;
 * - while it is made whole: its encoded bytes and what it refers to (34 together), and a source or the result (18).
 *
 * What Node has not collected yet comes on top, for all of them together.
 */
export class Slots {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  /** Runs `work` as soon as a slot is free; whoever came first goes first. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }
}
