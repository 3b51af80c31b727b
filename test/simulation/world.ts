/** What everybody in a simulated world shares: time, chance, storage, and whom to tell what is wrong. */
import type { FaultRates } from './faults.ts';
import { NO_FAULTS } from './faults.ts';
import type { Pace } from './pace.ts';
import type { SeededRandom } from './random.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimulatedStorage } from './storage.ts';

export class World {
  readonly scheduler: Scheduler;
  readonly random: SeededRandom;
  readonly pace: Pace;
  readonly storage: SimulatedStorage;
  /** Lines are made only for somebody who reads them. */
  readonly trace: (line: () => string) => void;
  readonly #rates: Omit<FaultRates, 'stallMsMax'>;
  #areFaults = true;
  #problem: string | undefined;

  constructor(of: Pick<World, 'scheduler' | 'random' | 'pace' | 'storage' | 'trace'>) {
    this.scheduler = of.scheduler;
    this.random = of.random;
    this.pace = of.pace;
    this.storage = of.storage;
    this.trace = of.trace;
    const scale = this.random.pick([0.3, 1, 2]);
    this.#rates = {
      crash: 0.004 * scale,
      failBefore: 0.02 * scale,
      failAfter: 0.02 * scale,
      late: 0.03 * scale,
      twice: 0.03 * scale,
      slow: 0.03 * scale,
      stall: 0.004 * scale,
    };
  }

  get areFaults(): boolean {
    return this.#areFaults;
  }

  /** From now on nothing fails any more. */
  calm(): void {
    this.#areFaults = false;
  }

  /** How likely each fault is now. */
  rates(): FaultRates {
    if (!this.#areFaults) return NO_FAULTS;
    // A stall is a fault as well, and ends with them.
    const leftMs = this.pace.faultsMs - this.scheduler.bootMs();
    return { ...this.#rates, stallMsMax: Math.min(this.pace.stallMsMax, leftMs) };
  }

  /** What is wrong: the first of it counts. */
  readonly report = (problem: string): void => {
    this.#problem ??= problem;
  };

  get problem(): string | undefined {
    return this.#problem;
  }

  /** What a scripted site sees of it. */
  forSites(): {
    readonly scheduler: Scheduler;
    readonly random: SeededRandom;
    readonly pace: Pace;
    readonly queues: SimulatedStorage['queues'];
    readonly entries: SimulatedStorage['entries'];
    readonly report: (problem: string) => void;
    readonly damages: () => boolean;
  } {
    const { scheduler, random, pace, report } = this;
    const { queues, entries } = this.storage;
    return { scheduler, random, pace, queues, entries, report, damages: () => this.#areFaults };
  }

  /** Runs `event` at some moment while there are faults; of the first `part` of that time. */
  once(event: () => void, part = 1): void {
    this.scheduler.after(this.random.between(0, this.pace.faultsMs * part), event);
  }
}
