/**
 * One application of a guard, as a port.
 *
 * Promises an adapter keeps: what was started outlives the process that started it, and is found again by the next one and
 * by what stops from outside, from before it does anything; `askToStop` and `kill` may be called at any time and more than
 * once, and do not wait; `kill` ends everything that the application started as far as docs/safety.md says it is seen.
 */
/** Only what is known to be stopped is taken for that. */
export type Look = 'running' | 'stopped' | 'unknown';

export interface GuardedApplication {
  readonly name: string;
  /** `running`, too, while it may come to run by a start that is under way; `unknown` where nobody answers who knows. */
  look(): Promise<Look>;
  /**
   * Resolves once it was started; at once where whoever starts it finds it running. After `signal` was aborted nothing of it
   * begins that had not begun before. Errors: PLATFORM_FAILED when it was tried and not started, with what to do; UNAVAILABLE
   * when what starts it does not answer; the signal's reason.
   */
  start(signal: AbortSignal): Promise<void>;
  /** Asks it to end in order. Errors: DENIED and UNAVAILABLE, where not all of it could be asked. */
  askToStop(): void;
  /** Ends it at once. Errors: DENIED and UNAVAILABLE, where not all of it could be ended: killing again may help. */
  kill(): void;
}
