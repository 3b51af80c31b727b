/** One tick's pass over all sites: what their looks share. */
import type { MonitorDocument } from '../../documents/monitor.ts';
import type { Semaphore } from '../../kernel/semaphore.ts';

export interface Pass {
  /** What the monitor knows of itself, this tick included. */
  readonly monitor: MonitorDocument;
  /** A turn at the store, and one at sites' own addresses. */
  readonly documentsTurn: Semaphore;
  readonly probesTurn: Semaphore;
  /** Does `work`; what it throws is one of the tick's troubles. */
  readonly attempt: <T>(what: string, work: () => Promise<T>) => Promise<T | undefined>;
}
