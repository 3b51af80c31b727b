/**
 * A counting semaphore: no more work than this is under way at once, and who waits holds no more than itself.
 *
 * Who waits stands in a line; the lines take turns, so that however long one is, another waits for one of it at a time.
 */
export class Semaphore {
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
