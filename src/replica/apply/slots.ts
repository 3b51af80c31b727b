/**
 * How many deltas this process works on at once, whatever the host hands it; messages that wait hold no more than
 * themselves. So this number bounds the memory of all of them (docs/design.md, invariant 8). What one holds at the most,
 * in MiB:
 *
 * - while it is taken in and applied: its encoded bytes (18), its literal bytes (16, none where they are not compressed),
 *   its tables (3), and five writes and two reads (22) where gaps are bridged, or the planner's passes (55) before that: 92;
 * - while it is made whole: its encoded bytes and what it refers to (34 together), and a source, the result or four reads
 *   of the replica (18): 52.
 *
 * What Node has not collected yet comes on top, for all of them together.
 *
 * Who waits stands in a line; the lines take turns, so that however long one is, another waits for one of it at a time.
 */
export class Slots {
  /** Lines in which anybody waits; the one whose turn comes next first. */
  readonly #lines = new Map<string, (() => void)[]>();
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  /** Whether anybody waits, in a line other than `line` where one is named. */
  isWanted(line?: string): boolean {
    return this.#lines.size > (line !== undefined && this.#lines.has(line) ? 1 : 0);
  }

  /** Runs `work` as soon as a slot is free; who came first to a line goes first of it. */
  async run<T>(work: () => Promise<T>, line = ''): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#lines.set(line, [...(this.#lines.get(line) ?? []), resolve]));
    try {
      return await work();
    } finally {
      this.#pass();
    }
  }

  /** Gives a slot to whoever is next, or keeps it free. */
  #pass(): void {
    const [next] = this.#lines;
    if (!next) {
      this.#free += 1;
      return;
    }
    const [line, [begin, ...others]] = next;
    this.#lines.delete(line);
    if (others.length > 0) this.#lines.set(line, others);
    begin?.();
  }
}
