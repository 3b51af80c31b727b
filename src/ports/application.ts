/**
 * Something that runs under a lease, as a port: a group's application, as the site starts and stops it.
 *
 * Promises an adapter keeps: after `start` resolved, the application counts as running until `gone` resolves, and then
 * nothing of it runs any more; `askToStop` and `kill` may be called at any time and more than once, and do not wait.
 */
export interface Application {
  /** For people, in reports. */
  readonly name: string;
  /** Starts it; it must not be running. Errors: USAGE when it cannot be started at all. */
  start(): Promise<void>;
  /** Asks it to end in order. */
  askToStop(): void;
  /** Ends it at once, with everything it started. */
  kill(): void;
  /** Resolves once it is gone, with how it ended, in words. At once when it does not run. */
  gone(): Promise<string>;
}
