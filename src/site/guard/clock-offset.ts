/**
 * How far another clock is ahead of boot time, and by how much that has changed since it was looked at last.
 *
 * Invariant: two clocks are never read at one moment, and a process may be held up between the two reads for seconds. So an
 * offset is known between two bounds, and only what lies outside those of before is a change: a busy node is no jump.
 */
export class ClockOffset {
  readonly #read: () => number | undefined;
  readonly #bootMs: () => number;
  #known: Bounds | undefined;

  /** `read` gives the other clock, in milliseconds; undefined where it cannot be read. */
  constructor(read: () => number | undefined, bootMs: () => number) {
    this.#read = read;
    this.#bootMs = bootMs;
    this.#known = this.#look();
  }

  /** By how many milliseconds the other clock has gone ahead of boot time since the last look, at least; below zero for back. */
  changedMs(): number {
    const [before, now] = [this.#known, this.#look()];
    this.#known = now;
    if (!before || !now) return 0;
    if (now.leastMs > before.mostMs) return now.leastMs - before.mostMs;
    if (now.mostMs < before.leastMs) return now.mostMs - before.leastMs;
    // Both hold, so that a look that took long hides nothing from the next.
    this.#known = { leastMs: Math.max(before.leastMs, now.leastMs), mostMs: Math.min(before.mostMs, now.mostMs) };
    return 0;
  }

  #look(): Bounds | undefined {
    const beforeMs = this.#bootMs();
    const otherMs = this.#read();
    const afterMs = this.#bootMs();
    return otherMs === undefined ? undefined : { leastMs: otherMs - afterMs, mostMs: otherMs - beforeMs };
  }
}

interface Bounds {
  readonly leastMs: number;
  readonly mostMs: number;
}
