/**
 * Whether an application performs poorly where it runs: what its monitors found, as samples for {@link whyPoor}. It is told,
 * and nothing follows here.
 *
 * Invariants: a result is in one sample only; memory is bounded; what an earlier process measured counts nothing, since a
 * time in which nobody measured breaks the run anyway.
 */
import type { Clock } from '../../kernel/clock.ts';
import { PERFORMANCE_SAMPLES_MAX } from '../decide/config.ts';
import type { PerformanceConfig } from '../decide/config.ts';
import { whyPoor } from '../decide/performance.ts';
import type { PerformanceSample } from '../decide/performance.ts';
import type { KeptResult } from '../monitors/results.ts';

export interface PerformanceWatchOptions {
  readonly limits: PerformanceConfig;
  readonly clock: Clock;
}

/** More than the longest time has that may be asked for: `PERFORMANCE_SAMPLES_MAX`. */
const SAMPLES_MAX = PERFORMANCE_SAMPLES_MAX + 10;

export class PerformanceWatch {
  readonly #options: PerformanceWatchOptions;
  readonly #samples: PerformanceSample[] = [];
  #sinceBootMs: number;
  #poor: string | undefined;

  constructor(options: PerformanceWatchOptions) {
    this.#options = options;
    this.#sinceBootMs = options.clock.bootMs();
  }

  /** Why it performs poorly, for long enough to count, in words; undefined while it is good enough. */
  get poor(): string | undefined {
    return this.#poor;
  }

  /** Takes a sample, if it is time for one and anything was measured since the last, and decides anew. */
  sample(results: () => ReadonlyMap<string, readonly KeptResult[]>): void {
    const { limits, clock } = this.#options;
    const nowBootMs = clock.bootMs();
    if (nowBootMs - this.#sinceBootMs < limits.everyMs) return;
    const fresh = [...results().values()].flat().filter(({ beganBootMs }) => beganBootMs >= this.#sinceBootMs);
    this.#sinceBootMs = nowBootMs;
    if (fresh.length > 0) {
      this.#samples.push({
        atBootMs: nowBootMs,
        responseMs: Math.max(...fresh.map(({ responseMs }) => responseMs)),
        correctness: fresh.filter(({ isWell }) => isWell).length / fresh.length,
      });
    }
    this.#samples.splice(0, this.#samples.length - SAMPLES_MAX);
    this.#poor = whyPoor({ limits, samples: this.#samples, nowBootMs });
  }
}
