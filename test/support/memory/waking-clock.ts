/**
 * A clock for tests of things that go on side by side: whoever sleeps on it sleeps, and time passes only when nothing else
 * goes on, to the moment at which the next one wakes.
 */
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../../src/kernel/clock.ts';
import type { ManualClock } from './clock.ts';

/** Turns of the event loop after which nothing goes on that does not sleep: in memory everything follows from one. */
const TURNS = 3;

export class WakingClock implements Clock {
  hardwareMs?: () => number | undefined;
  readonly #clock: ManualClock;
  readonly #sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>();

  /** Moves `clock`, on which nobody else may sleep. */
  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  wallMs(): number {
    return this.#clock.wallMs();
  }

  bootMs(): number {
    return this.#clock.bootMs();
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const sleeper = {
      atMs: this.bootMs() + Math.max(0, ms),
      wake: () => {
        resolve(undefined);
      },
    };
    this.#sleepers.add(sleeper);
    const stop = (): void => {
      reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    signal?.addEventListener('abort', stop, { once: true });
    try {
      await promise;
    } finally {
      this.#sleepers.delete(sleeper);
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Lets time pass until `work` has come to its end. Fails where nobody would ever wake before that. */
  async passUntil<T>(work: Promise<T>): Promise<T> {
    const open = new Set([work]);
    const end = (): void => {
      open.clear();
    };
    work.then(end, end);
    for (;;) {
      for (let turn = 0; turn < TURNS; turn += 1) await setImmediate();
      if (open.size === 0) return await work;
      const [next] = [...this.#sleepers].sort((a, b) => a.atMs - b.atMs);
      if (!next) throw new Error('everybody waits, and nobody sleeps');
      this.#clock.advance(Math.max(0, next.atMs - this.bootMs()));
      this.#sleepers.delete(next);
      next.wake();
    }
  }
}
