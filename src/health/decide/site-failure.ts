/**
 * The decision on a site's failure for one of its groups: a pure function of the recorded history, so that any past decision
 * can be replayed and explained (docs/safety.md).
 *
 * Invariants
 * - The site is down only when more than half of the *configured* failure domains say so for a whole window, and the monitor
 *   was awake for all of it. So with three domains or more no single witness, broken or lying, moves anything.
 * - Nothing fails over by itself but in automatic mode, or in a plan that takes no answer for a yes; and then only with three
 *   failure domains or the plan's consent to fewer, with its consent to strict leases, with a guard on each node that the site
 *   names, and with a lease that was renewed in this term: where no guard asks for one, no guard stops the applications when it
 *   ends; nor by a plan that does not fit what it hangs on as things stand, nor while a canary has not got through for the
 *   whole window, since leases end and applications stop by a door of ours that is shut. Whatever of this is missing makes it a
 *   report, with the reason.
 * - A person's yes needs none of these, and is told of them; but it is good only while the site is still down by the failure
 *   that the question was about.
 * - A site that is alive and wants a group failed over, by a decision of its own about a machine, is no failure of the site and
 *   needs no witness; all that a failover by itself needs, it needs too.
 * - What was taken offline on purpose is not moved, for as long as its site said, but no longer than {@link OFFLINE_MS_MAX}
 *   after it last said so: a mark that people forget does not put off the failover for ever.
 * - A witness that never spoke cannot fall silent. Where something is wrong that is no failure of the site, people are told: an
 *   alert.
 */
import { SINGLE_WITNESS_CONSENT, STRICT_LEASE_CONSENT, mayMoveUnasked } from '../../documents/plan.ts';
import type { Question, SiteHistory } from '../../documents/site-failure.ts';
import { sha256Hex } from '../../kernel/hash.ts';
import { inSeconds } from '../../kernel/in-words.ts';
import { OFFLINE_MS_MAX } from '../../protocol/heartbeat.ts';
import { silenceAllowedMs } from './spoken.ts';
import { domainsOf, downByMajoritySinceMs, isSilent, votesOf, whyShut } from './votes.ts';
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
  /**
   * What it is about: the same text for as long as the same failure lasts, another for the next one. Lower-case
   * letters, digits and hyphens; empty with `none`. It is compared, and names things: nothing is read from it.
   */
  readonly about: string;
  /** What sort of failure it is about: a question about another sort says nothing of it. Empty with `none`. */
  readonly kind: string;
  /** Whom it concerns: the group, or the monitor alone, and so every group alike. */
  readonly subject: 'group' | 'monitor';
  /** What each configured witness says, and why. */
  readonly votes: readonly Vote[];
}

type Outcome = Omit<SiteVerdict, 'votes'>;

/** What an outcome is about. */
type Matter = Pick<Outcome, 'about' | 'kind' | 'subject'>;

/** Decides on one group. Pure: the same history gives the same verdict, in the same words. */
export function decideSiteFailure(history: SiteHistory): SiteVerdict {
  const votes = votesOf(history);
  return { ...outcome(history, domainsOf(votes), votes), votes };
}

/** Why the plan's group may not be failed over without a person, a reason each; none where it may. */
export function whyNotByItself(
  history: Pick<SiteHistory, 'witnesses' | 'consents' | 'keep' | 'nodes' | 'guards' | 'renewals' | 'term' | 'unfit'>,
): readonly string[] {
  const { witnesses, consents, keep, nodes, guards, renewals, term, unfit = [] } = history;
  const domains = new Set(witnesses.map(({ domain }) => domain)).size;
  const unguarded = nodes.filter((node) => !guards.includes(node));
  return [
    ...(domains < DOMAINS_FOR_AUTOMATIC_MIN && !consents.includes(SINGLE_WITNESS_CONSENT)
      ? [
          `${domains} of the ${DOMAINS_FOR_AUTOMATIC_MIN} failure domains are there, and the plan does not consent to fewer`,
        ]
      : []),
    ...(consents.includes(STRICT_LEASE_CONSENT) ? [] : [`the plan does not consent to "${STRICT_LEASE_CONSENT}"`]),
    ...(keep ? ['its applications run on when their lease is over, until somebody says that they are stopped'] : []),
    ...(nodes.length === 0 ? ['the site has not named the nodes that its applications can run on'] : []),
    ...(unguarded.length > 0 ? [`there is no guard on ${unguarded.join(', ')}`] : []),
    ...(renewals === 0
      ? [`the lease was never renewed in term ${term}: nothing at the site is known to stop its applications`]
      : []),
    ...unfit,
  ];
}

function outcome(history: SiteHistory, domains: readonly DomainVote[], votes: readonly Vote[]): Outcome {
  const { nowMs, windowMs, awakeSinceMs, watchedMs, alertAfterMs } = history;
  const idle = whyNothingToDecide(history);
  if (idle !== undefined) return none(idle);
  const wish = presentWish(history);
  if (wish !== null) {
    const { decision, reason, sinceMs } = wish;
    return ofFailure(history, {
      what: `the site wants it failed over by its decision ${decision}: ${reason}`,
      sinceMs,
      kind: `wish-${sha256Hex(decision).slice(0, 16)}`,
      isWish: true,
    });
  }
  if (awakeSinceMs > nowMs - windowMs) {
    const awake = `the monitor has been awake for ${inSeconds(Math.max(0, nowMs - awakeSinceMs))} only, and the window is ${inSeconds(windowMs)}`;
    const unwatchedMs = nowMs - watchedMs;
    if (unwatchedMs <= alertAfterMs) return none(awake);
    return {
      verdict: 'alert',
      reason: `${awake}; no whole window was watched for ${inSeconds(unwatchedMs)}`,
      ...matter('unwatched', watchedMs),
      subject: 'monitor',
    };
  }
  const downSinceMs = downByMajoritySinceMs(domains);
  const count = domains.filter(({ vote }) => vote === 'down').length;
  const tally = `${count} of ${domains.length} failure domains say that the site is down`;
  const said = votes
    .filter(({ vote }) => vote === 'down')
    .map(({ witness, reason }) => `${witness}: ${reason}`)
    .join('; ');
  if (downSinceMs !== undefined) {
    // Another sort of failure once the site is heard: a run that gave way to a heartbeat was about the silence, not about what
    // the other witnesses go on saying.
    const kind = restsOnHeartbeats(history) ? 'down-silent' : 'down-heard';
    return ofFailure(history, { what: `${tally} (${said})`, sinceMs: downSinceMs, kind, isWish: false });
  }
  // Witnesses count here, not domains: people hear of one that is outvoted within its own domain, too.
  if (said !== '') {
    const firstMs = Math.min(...votes.flatMap(({ downSinceMs: sinceMs = [] }) => sinceMs));
    return { verdict: 'alert', reason: `${tally}, and that is no majority (${said})`, ...matter('some', firstMs) };
  }
  const undecided = heartbeatVote(history);
  if (isSilent(history)) {
    return {
      verdict: 'alert',
      reason: `no heartbeat came for a whole window, which decides nothing: ${undecided?.reason ?? 'it is no witness'}`,
      ...matter('silent', history.lastHeartbeatMs ?? 0),
    };
  }
  const { siteWord } = history;
  if (undecided?.vote === 'none' && siteWord?.verdict === 'down' && siteWord.sinceMs <= nowMs - windowMs) {
    return { verdict: 'alert', reason: undecided.reason, ...matter('stopped', siteWord.sinceMs) };
  }
  return unfitNow(history) ?? none(tally);
}

/** A plan that does not fit is told before it is needed: it was stored under other settings, or its site's times have changed. */
function unfitNow(history: SiteHistory): Outcome | undefined {
  const { unfit = [] } = history;
  if (unfit.length === 0 || !mayMoveUnasked(history)) return undefined;
  const broken = unfit.join('; ');
  return {
    verdict: 'alert',
    reason: `the plan does not fit any more, so that nothing is failed over by itself: ${broken}`,
    ...matter('unfit', sha256Hex(broken).slice(0, 16)),
  };
}

/** What the site itself wants, by a heartbeat that is not too old to be its present word. */
export function presentWish({ wish, lastHeartbeatMs, nowMs, witnesses }: SiteHistory): SiteHistory['wish'] {
  const heartbeat = witnesses.find(({ kind }) => kind === 'heartbeat');
  const isPresent = lastHeartbeatMs !== null && heartbeat && nowMs - lastHeartbeatMs <= silenceAllowedMs(heartbeat);
  return isPresent ? wish : null;
}

/** Whether the heartbeats' own vote is that the site is down: then one that comes after all speaks against it. */
export function restsOnHeartbeats(history: SiteHistory): boolean {
  return heartbeatVote(history)?.vote === 'down';
}

function heartbeatVote(history: SiteHistory): Vote | undefined {
  return votesOf(history).find((_, at) => history.witnesses[at]?.kind === 'heartbeat');
}

function none(reason: string): Outcome {
  return { verdict: 'none', reason, about: '', kind: '', subject: 'group' };
}

function whyNothingToDecide(history: SiteHistory): string | undefined {
  const { phase, holder, run, term, lastHeartbeatMs, offlineUntilMs, nowMs } = history;
  if (phase !== 'open') return `term ${term} is ${phase}`;
  if (holder !== 'site') return `the cloud has term ${term}`;
  if (run !== null) return `run ${run} moves the group already`;
  if (lastHeartbeatMs === null) return 'no heartbeat ever came: there is nothing to lose yet';
  if (offlineUntilMs === null) return undefined;
  const untilMs = Math.min(offlineUntilMs, lastHeartbeatMs + OFFLINE_MS_MAX);
  return nowMs < untilMs ? `it is offline on purpose until ${new Date(untilMs).toISOString()}` : undefined;
}

/** What speaks for a failover. */
interface Failure {
  /** In words. */
  readonly what: string;
  readonly sinceMs: number;
  /** What sort of failure: a question about another sort says nothing of it. */
  readonly kind: string;
  readonly isWish: boolean;
}

/** What a failure is about. Two of one kind are the same failure only where their `mark` is the same. */
function matter(kind: string, mark: number | string): Matter {
  return { about: `${kind}-${mark}`, kind, subject: 'group' };
}

/** A wish that the site took back and has again is another failure, so that a run that was undone is followed by another. */
function matterOf({ kind, sinceMs }: Failure): Matter {
  return matter(kind, sinceMs);
}

function ofFailure(history: SiteHistory, failure: Failure): Outcome {
  const { what } = failure;
  switch (history.mode) {
    case 'report':
      return { verdict: 'report', reason: `${what}; the plan only reports: a person decides`, ...matterOf(failure) };
    case 'automatic':
      return byItself(history, failure, `${what}; the plan is automatic`);
    case 'ask':
      return asking(history, failure);
  }
}

/** Why no failover may begin now, a reason each. A wish is the site's own word: no shut door of ours can be to blame for it. */
function whyNotNow(history: SiteHistory, { isWish }: Failure): readonly string[] {
  const shut = isWish ? undefined : whyShut(history);
  const blamed = shut === undefined ? [] : [`${shut}, so that strict leases may have ended by our own fault`];
  return [...whyNotByItself(history), ...blamed];
}

function byItself(history: SiteHistory, failure: Failure, why: string): Outcome {
  const against = whyNotNow(history, failure);
  const about = matterOf(failure);
  if (against.length === 0) return { verdict: 'fail-over', reason: why, ...about };
  return { verdict: 'report', reason: `${why}, but ${against.join('; ')}: a person decides`, ...about };
}

function asking(history: SiteHistory, failure: Failure): Outcome {
  const { what } = failure;
  const about = matterOf(failure);
  const { nowMs, noAnswer } = history;
  const question = presentQuestion(history.question, failure);
  const against = whyNotNow(history, failure)
    .map((reason) => `; to be known: ${reason}`)
    .join('');
  if (question === undefined)
    return { verdict: 'ask', reason: `${what}; the plan asks a person first${against}`, ...about };
  if (question.answer?.is === 'yes')
    return { verdict: 'fail-over', reason: `${what}; ${question.answer.by} said yes${against}`, ...about };
  if (question.answer?.is === 'no')
    return { verdict: 'report', reason: `${what}; ${question.answer.by} said no`, ...about };
  if (nowMs < question.untilMs) {
    return {
      verdict: 'ask',
      reason: `${what}; a person may answer for another ${inSeconds(question.untilMs - nowMs)}${against}`,
      ...about,
      // People were asked already: the verdict goes on being about what that question is about.
      about: question.about,
    };
  }
  if (noAnswer === 'no')
    return { verdict: 'report', reason: `${what}; nobody answered in time, which means no`, ...about };
  return byItself(history, failure, `${what}; nobody answered in time, which the plan takes for a yes`);
}

/**
 * A question of an earlier failure, or of one of another sort, says nothing of this one; nor does a yes that came too late. A
 * late no still is one. What the site wants by the same decision is the same, though a heartbeat in between did not say so.
 */
function presentQuestion(question: Question | null, failure: Failure): Question | undefined {
  const { about, kind } = matterOf(failure);
  // A question that was stored before questions had a kind counts where it is about this very failure.
  if (question === null || (question.kind === undefined ? question.about !== about : question.kind !== kind))
    return undefined;
  if (!failure.isWish && question.askedAtMs < failure.sinceMs) return undefined;
  const { answer, untilMs } = question;
  return answer?.is === 'yes' && answer.atMs > untilMs ? { ...question, answer: null } : question;
}
