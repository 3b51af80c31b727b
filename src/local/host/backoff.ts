/**
 * How long a listener waits before it looks at an idle queue again: doubled each time, give or take a fifth, up to the
 * limit; back to the shortest after a message. Source: azure-sdk-for-net, RandomizedExponentialBackoffStrategy.
 */
import { randomInt } from 'node:crypto';

/** The shortest pause. Source: azure-sdk-for-net, QueuePollingIntervals.Minimum. */
export const SHORTEST_PAUSE_MS = 100;

export class Backoff {
  readonly #longestMs: number;
  #doublings = 0;
  /** Reached once, the limit stays until a message comes, whatever chance says. */
  #isLongest = false;

  /** `longestMs` is maxPollingInterval, at least {@link SHORTEST_PAUSE_MS}. */
  constructor(longestMs: number) {
    this.#longestMs = longestMs;
  }

  /** The next pause in milliseconds; `found` says whether anything was found since the last one. */
  next(found: boolean): number {
    if (found) [this.#doublings, this.#isLongest] = [0, false];
    if (this.#isLongest) return this.#longestMs;
    const share = randomInt(800, 1201) / 1000;
    const pauseMs =
      this.#doublings === 0 ? SHORTEST_PAUSE_MS : SHORTEST_PAUSE_MS * (1 + share * 2 ** (this.#doublings - 1));
    this.#isLongest = pauseMs >= this.#longestMs;
    this.#doublings += 1;
    return Math.min(pauseMs, this.#longestMs);
  }
}
