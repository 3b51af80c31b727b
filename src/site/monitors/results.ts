/**
 * A monitor's newest results, for the decision on performance. Memory is bounded: the oldest goes first.
 */

/** One result, as it is kept. */
export interface KeptResult {
  /** When its check began, on boot time. */
  readonly beganBootMs: number;
  readonly isWell: boolean;
  /** How long it took; the whole time-out where nothing came in time. */
  readonly responseMs: number;
}

export class ResultRing {
  readonly #max: number;
  readonly #ring: KeptResult[] = [];
  #next = 0;

  /** Keeps the newest `max`, at least 1. */
  constructor(max: number) {
    this.#max = max;
  }

  add(result: KeptResult): void {
    this.#ring[this.#next] = result;
    this.#next = (this.#next + 1) % this.#max;
  }

  /** All that are kept, oldest first. The caller's own. */
  list(): KeptResult[] {
    return this.#ring.length < this.#max
      ? [...this.#ring]
      : [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
  }
}
