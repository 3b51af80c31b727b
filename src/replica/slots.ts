/**
 * How many deltas this process works on at once, whatever the host hands it: each may hold its encoded bytes and a few
 * requests' worth of pages, so that this number bounds the memory of all of them (docs/design.md, invariant 8).
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
