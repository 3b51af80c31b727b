/**
 * How long what a guard runs may take to be gone. The margin of a term, the settings of guards and plans and a watchdog's time go
 * by the same numbers: a guard that takes longer than its margin counts would still run something when the cloud starts it.
 */

/** Longest that a guard may let applications take to stop, or to be killed: an hour, since no lease is longer. */
export const STOP_MS_MAX = 3_600_000;

/**
 * What holds where nothing else is said. `stopMs`: stopping everything in order; `killMs`: from a kill until nothing of it runs
 * any more (docs/safety.md, "Assumptions").
 */
export const USUAL_STOP = { stopMs: 10_000, killMs: 2000 } as const;
