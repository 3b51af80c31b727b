/** A clock that moves only when a test moves it, or when somebody sleeps on it. */
import type { Clock } from '../../../src/kernel/clock.ts';

export class ManualClock implements Clock {
  #nowMs: number;

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  bootMs(): number {
    return this.#nowMs - 1_600_000_000_000;
  }

  /** Returns at once: sleeping is what lets time pass here. */
  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.advance(ms);
  }

  advance(ms: number): void {
    this.#nowMs += ms;
  }
}
