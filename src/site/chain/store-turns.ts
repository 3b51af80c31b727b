/**
 * Changes of a store, one after the other.
 *
 * Invariants: no two changes overlap; each begins on a store that is whole. Before the first one, and before the one that
 * follows a change that failed, by whatever fault, the store is recovered; while that fails nothing is changed.
 */
export class StoreTurns {
  readonly #recover: () => Promise<void>;
  /** False before the first recovery, while a change is under way, and after one that failed. */
  #isWhole = false;
  #last: Promise<unknown> = Promise.resolve();

  /** `recover` makes the store whole, whatever a change that was broken off left of it. */
  constructor(recover: () => Promise<void>) {
    this.#recover = recover;
  }

  /** What `change` gives, once its turn has come. Errors: its own; those of the recovery, and `change` was not called. */
  async take<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      if (!this.#isWhole) await this.#recover();
      this.#isWhole = false;
      const result = await change();
      this.#isWhole = true;
      return result;
    });
    this.#last = turn.catch(() => undefined);
    return await turn;
  }
}
