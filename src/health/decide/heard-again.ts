/**
 * Whether what a decision rests on still holds when its run is about to close the group.
 *
 * Invariants: only a sign of life speaks against it: a renewal, a heartbeat, a wish that the site has no more. A monitor that
 * slept in the meantime is no such sign, or a dead site might never be failed over. A decision that rests on the other
 * witnesses, with the site heard all along, is not taken back because it is heard once more. Pure.
 */
import type { SiteHistory } from '../../documents/site-failure.ts';
import type { HeartbeatDocument } from '../../documents/site.ts';
import type { Held } from '../../documents/store.ts';
import { presentWish, restsOnHeartbeats } from './site-failure.ts';

/** Why the heartbeats speak against a decision that was made of `history`; undefined where they do not. */
export function whyNotAnyMore(
  history: SiteHistory,
  group: string,
  heartbeat: Pick<Held<HeartbeatDocument>, 'value' | 'lastModifiedMs'> | undefined,
): string | undefined {
  if (heartbeat === undefined || heartbeat.lastModifiedMs <= (history.lastHeartbeatMs ?? 0)) return undefined;
  const said = heartbeat.value.said?.find((one) => one.group === group);
  const wish = presentWish(history);
  if (wish !== null) {
    return said?.wish?.decision === wish.decision ? undefined : 'the site does not want it failed over any more';
  }
  if (!restsOnHeartbeats(history)) return undefined;
  const saysStoppedStill = history.siteWord?.verdict === 'down' && said?.word.verdict === 'down';
  return saysStoppedStill ? undefined : 'the site was heard again since the decision';
}

/** Whether a renewal of the lease since the decision speaks against it. */
export function isEndedByRenewal(history: SiteHistory): boolean {
  return presentWish(history) === null && restsOnHeartbeats(history);
}
