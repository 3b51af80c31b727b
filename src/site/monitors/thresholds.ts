/**
 * When a monitor's results make it failed, and well again. Pure.
 *
 * Invariants: no single result decides where the threshold is above one; what was decided stays until the opposite has
 * come that often in a row; nothing is believed before enough was seen.
 */

export interface Thresholds {
  /** So many failures in a row make it failed. At least 1. */
  readonly failures: number;
  /** So many successes in a row make it well again. At least 1. */
  readonly successes: number;
}

export type Verdict = 'unknown' | 'well' | 'failed';

/** What a monitor's results make of it so far. */
export interface MonitorStanding {
  readonly verdict: Verdict;
  readonly failuresInRow: number;
  readonly successesInRow: number;
  /** The newest result in words; empty before the first. */
  readonly reason: string;
}

/** Nothing was seen yet, or nothing since the application was started. */
export const NOTHING_SEEN: MonitorStanding = { verdict: 'unknown', failuresInRow: 0, successesInRow: 0, reason: '' };

/** The standing after one more result. */
export function counted(
  standing: MonitorStanding,
  result: { readonly isWell: boolean; readonly reason: string },
  thresholds: Thresholds,
): MonitorStanding {
  const { isWell, reason } = result;
  const failuresInRow = isWell ? 0 : standing.failuresInRow + 1;
  const successesInRow = isWell ? standing.successesInRow + 1 : 0;
  if (failuresInRow >= thresholds.failures) return { verdict: 'failed', failuresInRow, successesInRow, reason };
  if (successesInRow >= thresholds.successes) return { verdict: 'well', failuresInRow, successesInRow, reason };
  return { verdict: standing.verdict, failuresInRow, successesInRow, reason };
}

/**
 * What an application's monitors say together: failed if any has failed, well once all are. The reason names the monitors
 * that have failed.
 */
export function together(standings: ReadonlyMap<string, MonitorStanding>): { verdict: Verdict; reason: string } {
  const all = [...standings];
  const failed = all.filter(([, { verdict }]) => verdict === 'failed');
  if (failed.length > 0) {
    return { verdict: 'failed', reason: failed.map(([name, { reason }]) => `${name}: ${reason}`).join('; ') };
  }
  const isWell = all.every(([, { verdict }]) => verdict === 'well');
  return isWell
    ? { verdict: 'well', reason: 'all monitors are well' }
    : { verdict: 'unknown', reason: 'not seen enough' };
}
