/**
 * A group's applications on one node, as a port: what the guard alone starts and stops.
 *
 * Promises an adapter keeps: whatever was started outlives the process that started it, and is found again by the next
 * one; `gone` resolves only once nothing of it runs any more, and nothing of it can come to run but by another start;
 * `askToStop` and `kill` may be called at any time and more than once, and do not wait.
 */
export interface GuardedGroup {
  /** Takes over what runs of them now, whoever started it. Whether anything does. */
  takeOver(): Promise<boolean>;
  /** Begins to start them, in order, and waits for none; what comes of each is told. Nothing of them may be running. */
  beginStart(): Promise<void>;
  /** Asks them to end in order, by this moment of boot time. */
  askToStop(untilBootMs: number): void;
  /** Ends them at once, with everything they started. */
  kill(): void;
  /**
   * Resolves once they were asked to stop, or killed, and nothing of them runs, with how it ended, in words. What ends by
   * itself is not gone: it stays the guard's, which does not start it again by itself. Once the signal is aborted nobody
   * waits any more, and it rejects.
   */
  gone(signal?: AbortSignal): Promise<string>;
}
