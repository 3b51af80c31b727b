/**
 * Whether an application performs poorly where it runs: what its monitors found, as samples for {@link decidePerformance}.
 *
 * Invariants: a result is in one sample only; memory is bounded; what an earlier process measured counts nothing, since a
 * time in which nobody measured breaks the run anyway. The decision weighs what else is free as well; since nobody places a
 * site's applications yet, nothing is free here: a candidate is told, and stays.
 */
import type { Clock } from '../../kernel/clock.ts';
import { PERFORMANCE_SAMPLES_MAX } from '../decide/config.ts';
import type { PerformanceConfig } from '../decide/config.ts';
import { decidePerformance } from '../decide/performance.ts';
import type { PerformanceSample } from '../decide/performance.ts';
import type { KeptResult } from '../monitors/results.ts';

export interface PerformanceWatchOptions {
  readonly limits: PerformanceConfig;
  /** The node that it runs on. */
  readonly place: string;
  readonly clock: Clock;
  readonly bootId: string;
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

  /** Why it is a candidate to move, in words; undefined while it is good enough. */
  get poor(): string | undefined {
    return this.#poor;
  }

  /** Takes a sample, if it is time for one and anything was measured since the last, and decides anew. */
  sample(results: () => ReadonlyMap<string, readonly KeptResult[]>): void {
    const { limits, place, clock, bootId } = this.#options;
    const nowBootMs = clock.bootMs();
    if (nowBootMs - this.#sinceBootMs < limits.everyMs) return;
    const fresh = [...results().values()].flat().filter(({ beganBootMs }) => beganBootMs >= this.#sinceBootMs);
    this.#sinceBootMs = nowBootMs;
    const now = { bootId, bootMs: nowBootMs, wallMs: clock.wallMs() };
    if (fresh.length > 0) {
      this.#samples.push({
        place,
        at: now,
        responseMs: Math.max(...fresh.map(({ responseMs }) => responseMs)),
        correctness: fresh.filter(({ isWell }) => isWell).length / fresh.length,
      });
    }
    this.#samples.splice(0, this.#samples.length - SAMPLES_MAX);
    const verdict = decidePerformance({
      limits,
      place,
      placeValue: 0,
      bestFree: undefined,
      samples: this.#samples,
      movedAt: undefined,
      now,
    });
    this.#poor = verdict.verdict === 'good-enough' ? undefined : verdict.reason;
  }
}
