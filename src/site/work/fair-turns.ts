/**
 * Turns at something that all volumes of a site share and few may have at a time.
 *
 * Invariants: never more than `count` turns are held; whoever has waited longest has the next one, so that nobody waits
 * longer than for one turn of each who came before, however much one of them still wants.
 */
export class FairTurns {
  readonly #waiting = new Set<() => void>();
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  /** Whether anybody waits: then whoever holds a turn for long should end it and ask again. */
  get isWanted(): boolean {
    return this.#waiting.size > 0;
  }

  /** Resolves when the caller has a turn, which it {@link end}s, once. Rejects with the signal's reason, and has none. */
  async take(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const go = (): void => {
      resolve(undefined);
    };
    const stop = (): void => {
      // One that was given its turn already keeps it.
      if (this.#waiting.delete(go)) reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    this.#waiting.add(go);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /** The turn is over: it goes to whoever waited longest. */
  end(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free += 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }

  /** What `work` gives, in a turn. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.take(signal);
    try {
      return await work();
    } finally {
      this.end();
    }
  }
}
