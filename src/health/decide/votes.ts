/**
 * What each witness says of a site over the window, and what that makes of each failure domain.
 *
 * Invariants: `down` is said only for a whole window, and only by a witness that still speaks. One that saw the site up
 * inside the window votes `up`, whatever it says now, because the window was not a whole one. Silence is no vote, with one
 * exception: missing heartbeats are the heartbeat's vote when canaries got through all that time. "Stopped, no lease"
 * in heartbeats that come counts on the same condition: the door that is shut may be ours. Pure.
 *
 * A domain says `down` only if one of its witnesses does and none says `up`: what fails together can be wrong together, so it
 * counts once, and one in it that sees the site is believed over the others. A silent one in it holds nothing up: else an
 * observer that broke down unnoticed would keep a dead site from ever being failed over.
 */
import type { SiteHistory } from '../../documents/site-failure.ts';
import { inSeconds } from '../../kernel/in-words.ts';
import { silenceAllowedMs } from './spoken.ts';

export interface Vote {
  readonly witness: string;
  readonly domain: string;
  readonly vote: 'up' | 'down' | 'none';
  /** Why, in words. */
  readonly reason: string;
  /** Since when the site is down by this witness; only with `down`. */
  readonly downSinceMs?: number;
}

export interface DomainVote {
  readonly domain: string;
  readonly vote: Vote['vote'];
  /** Since when all of its witnesses that vote say so; only with `down`. */
  readonly downSinceMs?: number;
}

type Ballot = Omit<Vote, 'witness' | 'domain'>;
type Configured = SiteHistory['witnesses'][number];

/** The vote of every configured witness, in the order in which they are configured. */
export function votesOf(history: SiteHistory): readonly Vote[] {
  return history.witnesses.map((witness) => ({
    witness: witness.name,
    domain: witness.domain,
    ...(witness.kind === 'heartbeat' ? heartbeatBallot(history, witness) : spokenBallot(history, witness)),
  }));
}

/** The vote of every failure domain that has a configured witness. */
export function domainsOf(votes: readonly Vote[]): readonly DomainVote[] {
  return [...Map.groupBy(votes, ({ domain }) => domain)].map(([domain, members]) => {
    if (members.some(({ vote }) => vote === 'up')) return { domain, vote: 'up' };
    const sinceMs = members.flatMap(({ downSinceMs = [] }) => downSinceMs);
    return sinceMs.length === 0
      ? { domain, vote: 'none' }
      : { domain, vote: 'down', downSinceMs: Math.max(...sinceMs) };
  });
}

/**
 * Since when more than half of the domains say `down`, in milliseconds on the service's clock; undefined where they do not.
 * It is never put off by domains that join.
 */
export function downByMajoritySinceMs(domains: readonly DomainVote[]): number | undefined {
  const sinceMs = domains.flatMap(({ downSinceMs = [] }) => downSinceMs).toSorted((a, b) => a - b);
  return sinceMs[Math.floor(domains.length / 2)];
}

/** Whether no heartbeat came for the whole window, of a site that has sent some. */
export function isSilent({ lastHeartbeatMs, nowMs, windowMs }: SiteHistory): boolean {
  return lastHeartbeatMs !== null && lastHeartbeatMs <= nowMs - windowMs;
}

/** Why our own doors may have been shut within the window; undefined where every canary got through for all of it. */
export function whyShut({ nowMs, windowMs, canarySinceMs }: SiteHistory): string | undefined {
  if (canarySinceMs === null) return 'the canary does not get through: our own door is shut';
  if (canarySinceMs <= nowMs - windowMs) return undefined;
  return `canaries have got through for ${since(nowMs, canarySinceMs)} only`;
}

function spokenBallot({ nowMs, windowMs }: SiteHistory, { spoken, ...witness }: Configured): Ballot {
  if (spoken === null) return none('it never spoke');
  const { verdict, sinceMs, lastSeenMs, lastUpMs } = spoken;
  const windowStartMs = nowMs - windowMs;
  if (lastUpMs !== null && lastUpMs > windowStartMs) return up(`it saw the site up ${ago(nowMs, lastUpMs)}`);
  // A word dated far ahead was recorded before the clock jumped back: it says nothing of the present either.
  if (Math.abs(nowMs - lastSeenMs) > silenceAllowedMs(witness)) return none(`it last spoke ${ago(nowMs, lastSeenMs)}`);
  if (verdict === 'up') return up(`it saw the site up ${ago(nowMs, lastSeenMs)}`);
  if (verdict === 'none') return none('it cannot tell');
  if (sinceMs > windowStartMs) return none(`it has said down for ${since(nowMs, sinceMs)} only`);
  return down(`it has said down for ${since(nowMs, sinceMs)}`, sinceMs);
}

/** A renewal is a sign of life as a heartbeat is; "stopped, no lease" in the site's own word counts as down. */
function heartbeatBallot(history: SiteHistory, witness: Configured): Ballot {
  const { nowMs, windowMs, lastHeartbeatMs, lastRenewalMs, siteWord } = history;
  const windowStartMs = nowMs - windowMs;
  if (lastRenewalMs !== null && lastRenewalMs > windowStartMs) {
    return up(`the lease was renewed ${ago(nowMs, lastRenewalMs)}`);
  }
  if (lastHeartbeatMs === null) return none('no heartbeat ever came');
  // Only a word that is of the newest heartbeat is the site's present one.
  const stopped = siteWord?.verdict === 'down' && siteWord.lastSeenMs >= lastHeartbeatMs ? siteWord : undefined;
  if (lastHeartbeatMs > windowStartMs && stopped === undefined) {
    return up(`the last heartbeat came ${ago(nowMs, lastHeartbeatMs)}`);
  }
  if (siteWord?.lastUpMs && siteWord.lastUpMs > windowStartMs) {
    return up(`the site said ${ago(nowMs, siteWord.lastUpMs)} that it held the lease`);
  }
  const downSinceMs = Math.max(stopped?.sinceMs ?? lastHeartbeatMs, lastRenewalMs ?? 0);
  const says = stopped && `the site has said "stopped, no lease" for ${since(nowMs, downSinceMs)}`;
  if (says !== undefined && downSinceMs > windowStartMs) return none(`${says} only`);
  const missing = `no heartbeat for ${since(nowMs, lastHeartbeatMs)}`;
  // A door of our own that is shut keeps heartbeats away, and leases from those who ask for them.
  const shut = whyShut(history);
  if (shut !== undefined) return none(`${says ?? missing}, but ${shut}`);
  if (says !== undefined && nowMs - lastHeartbeatMs <= silenceAllowedMs(witness)) return down(says, downSinceMs);
  const silent = `${missing}, while every canary got through`;
  return down(says === undefined ? silent : `${says}; ${silent}`, downSinceMs);
}

function up(reason: string): Ballot {
  return { vote: 'up', reason };
}

function none(reason: string): Ballot {
  return { vote: 'none', reason };
}

function down(reason: string, downSinceMs: number): Ballot {
  return { vote: 'down', reason, downSinceMs };
}

function since(nowMs: number, ms: number): string {
  return inSeconds(Math.max(0, nowMs - ms));
}

function ago(nowMs: number, ms: number): string {
  return `${since(nowMs, ms)} ago`;
}
