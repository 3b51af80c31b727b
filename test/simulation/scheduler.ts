/**
 * Virtual time: the only order in which anything happens in a simulation.
 *
 * Invariants: time moves only from event to event; events of one moment run in the order in which they were asked for;
 * the next begins when everything that followed from the one before has come to rest. No real timer is involved, so a
 * run is a function of its seed.
 */
import type { Clock } from '../../src/kernel/clock.ts';

interface Event {
  readonly atMs: number;
  readonly run: () => void;
}

const START_MS = 1_700_000_000_000;

export class Scheduler implements Clock {
  #nowMs = START_MS;
  /** Ascending in time; of one time in the order of asking. */
  readonly #events: Event[] = [];

  wallMs(): number {
    return this.#nowMs;
  }

  bootMs(): number {
    return this.#nowMs - START_MS;
  }

  after(ms: number, run: () => void): void {
    // Whole milliseconds, as a wall clock's.
    const atMs = this.#nowMs + Math.max(0, Math.ceil(ms));
    let index = this.#events.length;
    while (index > 0 && (this.#events[index - 1]?.atMs ?? 0) > atMs) index -= 1;
    this.#events.splice(index, 0, { atMs, run });
  }

  async sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, resolve);
    });
  }

  /** Lets `ms` pass, or less when `until` is met before. */
  async pass(ms: number, until: () => boolean = () => false): Promise<void> {
    const endMs = this.#nowMs + ms;
    while (!until()) {
      const [next] = this.#events;
      if (!next || next.atMs > endMs) {
        this.#nowMs = endMs;
        return;
      }
      this.#events.shift();
      this.#nowMs = next.atMs;
      next.run();
      // All promises that can go on have done so when the loop comes round.
      await new Promise<void>((resolve) => void setImmediate(resolve));
    }
  }
}
