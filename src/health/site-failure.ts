/**
 * The decision on a site's failure for one of its groups: a pure function of the recorded history, so that any past decision
 * can be replayed and explained (docs/safety.md).
 *
 * Invariants
 * - The site is down only when more than half of the *configured* failure domains say so for a whole window, and the monitor
 *   was awake for all of it. So with three domains or more no single witness, broken or lying, moves anything.
 * - Nothing fails over by itself but in automatic mode, or in a plan that takes no answer for a yes; and then only with three
 *   failure domains or the plan's consent to fewer, with its consent to strict leases, with a guard on each node that the site names, and with a lease that
 *   was renewed in this term: where nobody asks for it, nobody stops the applications when it ends. Whatever of this is
 *   missing makes it a report, with the reason.
 * - A person's yes needs none of these, and is told of them; but it is good only while the site is still down by the failure
 *   that the question was about.
 * - What never spoke cannot fall silent. Where something is wrong that is no failure of the site, people are told: an alert.
 */
import { SINGLE_WITNESS_CONSENT, STRICT_LEASE_CONSENT } from '../documents/plan.ts';
import type { Question, SiteHistory } from '../documents/site-failure.ts';
import { inSeconds } from '../kernel/in-words.ts';
import { domainsOf, downByMajoritySinceMs, isSilent, votesOf } from './votes.ts';
import type { DomainVote, Vote } from './votes.ts';

/** So many failure domains can outvote one that is wrong. */
const DOMAINS_FOR_AUTOMATIC_MIN = 3;

export interface SiteVerdict {
  /**
   * `alert`: tell people, nothing moves; `report`: the site is down, and a person has to order what follows; `ask`: the
   * question is asked, or waits for its answer; `fail-over`: the run begins.
   */
  readonly verdict: 'none' | 'alert' | 'report' | 'ask' | 'fail-over';
  /** Why, in words. */
  readonly reason: string;
  /** What each configured witness says, and why. */
  readonly votes: readonly Vote[];
}

type Outcome = Omit<SiteVerdict, 'votes'>;

/** Decides on one group. Pure: the same history gives the same verdict, in the same words. */
export function decideSiteFailure(history: SiteHistory): SiteVerdict {
  const votes = votesOf(history);
  return { ...outcome(history, domainsOf(votes), votes), votes };
}

/** Why the plan's group may not be failed over without a person, a reason each; none where it may. */
export function whyNotByItself(
  history: Pick<SiteHistory, 'witnesses' | 'consents' | 'nodes' | 'guards' | 'renewals' | 'term'>,
): readonly string[] {
  const { witnesses, consents, nodes, guards, renewals, term } = history;
  const domains = new Set(witnesses.map(({ domain }) => domain)).size;
  const unguarded = nodes.filter((node) => !guards.includes(node));
  return [
    ...(domains < DOMAINS_FOR_AUTOMATIC_MIN && !consents.includes(SINGLE_WITNESS_CONSENT)
      ? [
          `${domains} of the ${DOMAINS_FOR_AUTOMATIC_MIN} failure domains are there, and the plan does not consent to fewer`,
        ]
      : []),
    ...(consents.includes(STRICT_LEASE_CONSENT) ? [] : [`the plan does not consent to "${STRICT_LEASE_CONSENT}"`]),
    ...(nodes.length === 0 ? ['the site has not named the nodes that its applications can run on'] : []),
    ...(unguarded.length > 0 ? [`there is no guard on ${unguarded.join(', ')}`] : []),
    ...(renewals === 0
      ? [`the lease was never renewed in term ${term}: nothing at the site is known to stop its applications`]
      : []),
  ];
}

function outcome(history: SiteHistory, domains: readonly DomainVote[], votes: readonly Vote[]): Outcome {
  const { nowMs, windowMs, awakeSinceMs, watchedMs, alertAfterMs } = history;
  const idle = whyNothingToDecide(history);
  if (idle !== undefined) return { verdict: 'none', reason: idle };
  if (awakeSinceMs > nowMs - windowMs) {
    const awake = `the monitor has been awake for ${inSeconds(Math.max(0, nowMs - awakeSinceMs))} only, and the window is ${inSeconds(windowMs)}`;
    const unwatchedMs = nowMs - watchedMs;
    if (unwatchedMs <= alertAfterMs) return { verdict: 'none', reason: awake };
    return { verdict: 'alert', reason: `${awake}; no whole window was watched for ${inSeconds(unwatchedMs)}` };
  }
  const downSinceMs = downByMajoritySinceMs(domains);
  const count = domains.filter(({ vote }) => vote === 'down').length;
  const tally = `${count} of ${domains.length} failure domains say that the site is down`;
  const said = votes
    .filter(({ vote }) => vote === 'down')
    .map(({ witness, reason }) => `${witness}: ${reason}`)
    .join('; ');
  if (downSinceMs !== undefined) return ofDownSite(history, downSinceMs, `${tally} (${said})`);
  // By the votes, not by the domains: one that is outvoted within its own domain has something to tell all the same.
  if (said !== '') return { verdict: 'alert', reason: `${tally}, and that is no majority (${said})` };
  if (isSilent(history)) {
    const heartbeat = votes.find((_, at) => history.witnesses[at]?.kind === 'heartbeat');
    return {
      verdict: 'alert',
      reason: `no heartbeat came for a whole window, which decides nothing: ${heartbeat?.reason ?? 'it is no witness'}`,
    };
  }
  return { verdict: 'none', reason: tally };
}

function whyNothingToDecide({ phase, holder, run, term, lastHeartbeatMs }: SiteHistory): string | undefined {
  if (phase !== 'open') return `term ${term} is ${phase}`;
  if (holder !== 'site') return `the cloud has term ${term}`;
  if (run !== null) return `run ${run} moves the group already`;
  return lastHeartbeatMs === null ? 'no heartbeat ever came: there is nothing to lose yet' : undefined;
}

function ofDownSite(history: SiteHistory, downSinceMs: number, down: string): Outcome {
  switch (history.mode) {
    case 'report':
      return { verdict: 'report', reason: `${down}; the plan only reports: a person decides` };
    case 'automatic':
      return byItself(history, `${down}; the plan is automatic`);
    case 'ask':
      return asking(history, downSinceMs, down);
  }
}

function byItself(history: SiteHistory, why: string): Outcome {
  const against = whyNotByItself(history);
  if (against.length === 0) return { verdict: 'fail-over', reason: why };
  return { verdict: 'report', reason: `${why}, but ${against.join('; ')}: a person decides` };
}

function asking(history: SiteHistory, downSinceMs: number, down: string): Outcome {
  const { nowMs, noAnswer } = history;
  const question = presentQuestion(history.question, downSinceMs);
  const against = whyNotByItself(history)
    .map((reason) => `; to be known: ${reason}`)
    .join('');
  if (question === undefined) return { verdict: 'ask', reason: `${down}; the plan asks a person first${against}` };
  if (question.answer?.is === 'yes')
    return { verdict: 'fail-over', reason: `${down}; ${question.answer.by} said yes${against}` };
  if (question.answer?.is === 'no') return { verdict: 'report', reason: `${down}; ${question.answer.by} said no` };
  if (nowMs < question.untilMs) {
    return {
      verdict: 'ask',
      reason: `${down}; a person may answer for another ${inSeconds(question.untilMs - nowMs)}${against}`,
    };
  }
  if (noAnswer === 'no') return { verdict: 'report', reason: `${down}; nobody answered in time, which means no` };
  return byItself(history, `${down}; nobody answered in time, which the plan takes for a yes`);
}

/** A question of an earlier failure says nothing of this one; nor does a yes that came too late. A late no still is one. */
function presentQuestion(question: Question | null, downSinceMs: number): Question | undefined {
  if (question === null || question.askedAtMs < downSinceMs) return undefined;
  const { answer, untilMs } = question;
  return answer?.is === 'yes' && answer.atMs > untilMs ? { ...question, answer: null } : question;
}
