/** Restarting an application as a port: the guard stops and starts in the order of dependencies, and only under a lease. */

export interface Restarter {
  /**
   * Stops and starts the application called `name`, with what depends on it. Resolves once it was started. Errors: UNAVAILABLE
   * when nobody did it in time, REFUSED where it must not run; others where it cannot be started. The signal gives up the wait
   * and undoes nothing.
   */
  restart(name: string, signal: AbortSignal): Promise<void>;
}
