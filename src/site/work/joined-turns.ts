/**
 * Work that is asked for again and again, each time for the sake of what is newest then.
 *
 * Invariants: it is never done twice at a time; at most one further turn waits, which all who ask meanwhile share: however
 * long a turn takes and however often it is asked for, nothing piles up. Whoever asks is answered by a turn that began
 * after that.
 */
export class JoinedTurns {
  readonly #work: () => Promise<void>;
  /** Ends when all turns so far have ended. */
  #last: Promise<unknown> = Promise.resolve();
  /** The turn that has not begun. */
  #next: Promise<void> | undefined;

  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /** Resolves when that turn has ended. Errors: the work's. */
  async ask(): Promise<void> {
    if (this.#next === undefined) {
      const turn = this.#last.then(async () => {
        this.#next = undefined;
        await this.#work();
      });
      this.#next = turn;
      this.#last = turn.catch(() => undefined);
    }
    await this.#next;
  }
}
