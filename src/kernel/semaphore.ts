/**
 * A counting semaphore: no more work than this is under way at once, and who waits holds no more than itself.
 *
 * Who waits stands in a line; the lines take turns, so that however long one is, another waits for one of it at a time.
 * Within a line whoever has waited longest is next, so that nobody waits longer than for one turn of each who came before.
 */
export class Semaphore {
  /** Lines in which anybody waits; the one whose turn comes next first. */
  readonly #lines = new Map<string, Set<() => void>>();
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  /**
   * Whether anybody waits, in a line other than `line` where one is named: then whoever holds a slot for long should end
   * its turn and ask again.
   */
  isWanted(line?: string): boolean {
    return this.#lines.size > (line !== undefined && this.#lines.has(line) ? 1 : 0);
  }

  /** Resolves when the caller has a slot, which it {@link end}s, once. Rejects with the signal's reason, and has none. */
  async take(where: Place = {}): Promise<void> {
    const waits = this.#enter(where);
    if (waits) await waits;
  }

  /** The slot goes to whoever is next, or stays free. */
  end(): void {
    const [next] = this.#lines;
    if (!next) {
      this.#free += 1;
      return;
    }
    const [line, waiting] = next;
    const [begin] = waiting;
    this.#lines.delete(line);
    if (begin) waiting.delete(begin);
    if (waiting.size > 0) this.#lines.set(line, waiting);
    begin?.();
  }

  /** What `work` gives, as soon as a slot is free. Rejects with the signal's reason, and `work` was not called. */
  async run<T>(work: () => Promise<T>, where: Place = {}): Promise<T> {
    const waits = this.#enter(where);
    if (waits) await waits;
    try {
      return await work();
    } finally {
      this.end();
    }
  }

  /** Undefined where a slot was free, which is the caller's by then. */
  #enter({ line = '', signal }: Place): Promise<void> | undefined {
    signal?.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return undefined;
    }
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const begin = (): void => {
      // One that was given its slot already keeps it.
      signal?.removeEventListener('abort', leave);
      resolve(undefined);
    };
    const waiting = this.#lines.get(line) ?? new Set();
    const leave = (): void => {
      waiting.delete(begin);
      if (waiting.size === 0) this.#lines.delete(line);
      reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    this.#lines.set(line, waiting.add(begin));
    signal?.addEventListener('abort', leave, { once: true });
    return promise;
  }
}

/** Where somebody waits, and until when. */
interface Place {
  readonly line?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}
