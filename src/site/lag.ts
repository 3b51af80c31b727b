/**
 * How far a volume's acknowledged state lies behind, as an age: when the newest state was read that the cloud has all of.
 *
 * Invariants: a state counts from the beginning of the interval that read it; nothing is said of what this process did not
 * read itself; memory holds one entry for each delta that is not acknowledged, at most.
 */
export class Lag {
  /** Intervals by the newest delta after them, ascending: when they began, on boot time. */
  #read: { readonly number: number; readonly bootMs: number }[] = [];
  #generation: number | undefined;

  /** An interval that began at `bootMs` is over: everything that it found is in the deltas up to `number`. */
  read(of: { readonly generation: number; readonly number: number; readonly bootMs: number }): void {
    const { generation, number, bootMs } = of;
    if (generation !== this.#generation) this.#read = [];
    this.#generation = generation;
    this.#read = [...this.#read.filter((one) => one.number < number), { number, bootMs }];
  }

  /** The age in milliseconds; undefined where nothing that was read here is acknowledged. */
  ageMs(of: {
    readonly generation: number;
    readonly acknowledgedNumber: number;
    readonly nowBootMs: number;
  }): number | undefined {
    if (of.generation !== this.#generation) return undefined;
    const newest = this.#read.findLast(({ number }) => number <= of.acknowledgedNumber);
    if (newest === undefined) return undefined;
    this.#read = this.#read.filter(({ number }) => number >= newest.number);
    return Math.max(0, of.nowBootMs - newest.bootMs);
  }
}
