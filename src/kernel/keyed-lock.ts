/**
 * One worker at a time for each key, within this process. It only saves work that would be done twice: between
 * processes, and for safety, the state document and the fence decide.
 */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  /** Whether anybody works under this key, or waits to. */
  isHeld(key: string): boolean {
    return this.#tails.has(key);
  }

  /** Runs `work` after all earlier work of the same key has ended, well or not. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const { promise: tail, resolve: release } = Promise.withResolvers<undefined>();
    const mine = before.then(async () => tail);
    this.#tails.set(key, mine);
    await before;
    try {
      return await work();
    } finally {
      release(undefined);
      if (this.#tails.get(key) === mine) this.#tails.delete(key);
    }
  }
}
