/**
 * A group's applications on one node, as a port: what the guard alone starts and stops.
 *
 * Promises an adapter keeps: whatever was started outlives the process that started it, and is found again by the next
 * one; `gone` resolves only once nothing of it runs any more; `askToStop` and `kill` may be called at any time and more
 * than once, and do not wait.
 */
export interface GuardedApplications {
  /** Whether anything of them runs now, whoever started it. */
  isRunning(): Promise<boolean>;
  /** Starts them; nothing of them may be running. Errors: USAGE when they cannot be started at all. */
  start(): Promise<void>;
  /** Asks them to end in order. */
  askToStop(): void;
  /** Ends them at once, with everything they started. */
  kill(): void;
  /** Resolves once nothing of them runs, with how it ended, in words. At once when nothing does. */
  gone(): Promise<string>;
}
