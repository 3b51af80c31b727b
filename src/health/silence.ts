/**
 * The decision on silence: a pure function of the recorded history, so that any past decision can be replayed and
 * explained.
 *
 * Invariants: silence counts only while somebody was there to hear it: the monitor was awake, and every canary got
 * through by the public route, for the whole window. A lease renewal is a sign of life as a heartbeat is, so that a dead
 * agent beside living guards is no silence. What never spoke cannot fall silent. Only a plan in automatic mode, whose
 * schema holds its consents, fails over, and only a group whose lease was renewed in this term: where nobody asks for the
 * lease, nobody at the site stops the applications when it ends. Anything else is a report.
 */
import type { SilenceHistory } from '../documents/monitor.ts';
import { inSeconds } from '../kernel/in-words.ts';

export interface Verdict {
  readonly verdict: 'none' | 'report' | 'fail-over';
  /** Why, in words. */
  readonly reason: string;
}

/** Decides on one group. Pure: the same history gives the same verdict, in the same words. */
export function decideSilence(history: SilenceHistory): Verdict {
  const because = whyNone(history);
  if (because !== undefined) return { verdict: 'none', reason: because };
  const heard = Math.max(history.lastHeartbeatMs ?? 0, history.lastRenewalMs ?? 0);
  const silent = `nothing was heard of the site for ${inSeconds(history.nowMs - heard)} (the plan allows ${inSeconds(history.silenceMs)}), while the monitor was awake and every canary got through`;
  if (history.mode === 'automatic' && history.renewals === 0) {
    const why = `the lease was never renewed in term ${history.term}: nothing at the site is known to stop its applications, so a person decides`;
    return { verdict: 'report', reason: `${silent}; ${why}` };
  }
  if (history.mode === 'automatic') return { verdict: 'fail-over', reason: `${silent}; the plan is automatic` };
  return { verdict: 'report', reason: `${silent}; the plan's mode is ${history.mode}: a person decides` };
}

function whyNone(history: SilenceHistory): string | undefined {
  const { nowMs, silenceMs } = history;
  if (history.phase !== 'open') return `term ${history.term} is ${history.phase}`;
  if (history.holder !== 'site') return `the cloud has term ${history.term}`;
  if (history.run !== null) return `run ${history.run} moves the group already`;
  if (history.lastHeartbeatMs === null) return 'no heartbeat ever came: there is nothing to lose yet';
  const windowStartMs = nowMs - silenceMs;
  const since = (ms: number): string => inSeconds(Math.max(0, nowMs - ms));
  if (history.lastHeartbeatMs > windowStartMs) return `the last heartbeat came ${since(history.lastHeartbeatMs)} ago`;
  if (history.lastRenewalMs !== null && history.lastRenewalMs > windowStartMs) {
    return `no heartbeat for ${since(history.lastHeartbeatMs)}, but the lease was renewed ${since(history.lastRenewalMs)} ago`;
  }
  const unheard = `no heartbeat for ${since(history.lastHeartbeatMs)}, but`;
  if (history.awakeSinceMs > windowStartMs) {
    return `${unheard} the monitor has been awake for ${since(history.awakeSinceMs)} only`;
  }
  if (history.canarySinceMs > nowMs) return `${unheard} the canary does not get through either: the route is down`;
  if (history.canarySinceMs > windowStartMs) {
    return `${unheard} canaries have got through for ${since(history.canarySinceMs)} only`;
  }
  return undefined;
}
