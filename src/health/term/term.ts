/**
 * Who may run a group, as changes of its one document (docs/safety.md): renewing, binding a run, closing, promises, and the
 * one decision on the next term. Pure: the model checker runs these very functions.
 *
 * Invariants: writes only go up in (term; open, closing, ended). No lease is granted but in an open term of the site, and
 * none twice for one question: what was recorded and is sent again renews nothing. What closes notes a time after which
 * nothing was granted. Ending for the cloud and winning for the site compete for one write. A run that was undone is never
 * bound again; a promise counts only for the closing that it names. Where leases keep, no time that passes ends a closing:
 * every guard's promise does, or a person's word.
 */
import { lastGrantBoundMs } from '../../documents/group.ts';
import type { GroupDocument } from '../../documents/group.ts';
import type { Actor } from '../../documents/actor.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { inSeconds } from '../../kernel/in-words.ts';
import { NO_NONCE } from '../../protocol/lease.ts';
import type { Grant, LeaseQuestion } from '../../protocol/lease.ts';

/**
 * The service's times have whole seconds, cut off: what is recorded for one moment may have happened almost a second
 * later. Source: RFC 9110, "HTTP-date", which Last-Modified and Date are.
 */
const SERVICE_CLOCK_GRAIN_MS = 1000;

/** Why no lease is granted now; undefined where one is. */
export function whyNoLease({ phase, holder, term }: GroupDocument): string | undefined {
  if (phase === 'open' && holder === 'site') return undefined;
  if (phase === 'open') return `the cloud has term ${term}`;
  if (phase === 'closing') return `term ${term} is closing: no lease is granted in it any more`;
  return `term ${term} has ended; the next one is the ${holder === 'cloud' ? "cloud's" : "site's"}`;
}

/** The nonce that the next question of who asks for `node` has to name: that of the newest that was granted. */
export function lastGranted({ granted }: GroupDocument, node = ''): string {
  // A node may be called as what every object has.
  return (granted && Object.hasOwn(granted, node) ? granted[node] : undefined) ?? NO_NONCE;
}

/** Why a question is granted no lease. */
export interface LeaseRefusal {
  readonly reason: string;
  /** Whether it only names another nonce than it has to: then the next question of who asked may be granted at once. */
  readonly isStale: boolean;
}

/**
 * Why a question is granted no lease; undefined where it is. One that names another nonce than that of the newest that was
 * granted was granted already, came late, or was asked by a guard that does not know that nonce, and asks again.
 */
function whyRefused(
  group: GroupDocument,
  question: LeaseQuestion,
  asker: string | undefined,
): LeaseRefusal | undefined {
  const reason = whyNoLease(group) ?? whyNotFor(group, question, asker);
  if (reason !== undefined) return { reason, isStale: false };
  const { after = NO_NONCE, node } = question;
  if (lastGranted(group, node) === after) return undefined;
  return { reason: 'another question was granted since the one that it names', isStale: true };
}

/** Why a question is granted no lease, whatever the group's state; undefined where it may be. */
function whyNotFor(
  { guards = [] }: GroupDocument,
  { node }: LeaseQuestion,
  asker: string | undefined,
): string | undefined {
  if (asker !== undefined && node !== asker) return `the guard on ${asker} asks for itself alone`;
  if (node === undefined) return guards.length === 0 ? undefined : 'its guards alone are granted leases';
  return guards.some((guard) => guard.node === node) ? undefined : `it has no guard on ${node}`;
}

/** What comes of questions for a lease. */
export interface Renewal {
  /**
   * The group with leases granted: the write of this is what bounds them. Undefined where none is granted: that is no renewal,
   * and a write would only put off the end of a term.
   */
  readonly after: GroupDocument | undefined;
  /** Of the questions that are granted a lease, none. */
  readonly refusals: ReadonlyMap<LeaseQuestion, LeaseRefusal>;
}

/** `asker` is the node whose guard signed the request; undefined where the site's own key did. */
export function renewed(group: GroupDocument, questions: readonly LeaseQuestion[], asker?: string): Renewal {
  const refusals = new Map<LeaseQuestion, LeaseRefusal>();
  const granted: Record<string, string> = {};
  for (const question of questions) {
    const refusal = whyRefused(group, question, asker);
    if (refusal) refusals.set(question, refusal);
    else granted[question.node ?? ''] = question.nonce;
  }
  if (refusals.size === questions.length) return { after: undefined, refusals };
  const after = { ...group, renewals: group.renewals + 1, granted: { ...group.granted, ...granted } };
  return { after, refusals };
}

/** What is told of a question, by the group as it is after the write that granted others or this; undefined: not known. */
export function grantOf(
  group: GroupDocument | undefined,
  { group: id, nonce, node }: LeaseQuestion,
  refusal: LeaseRefusal | undefined,
): Grant {
  const isGranted = refusal === undefined && group !== undefined;
  return {
    group: id,
    nonce,
    granted: isGranted,
    term: group?.term ?? 0,
    leaseMs: isGranted ? group.leaseMs : 0,
    ...(group?.lease && { lease: group.lease }),
    ...(refusal && { reason: refusal.reason }),
    ...(refusal?.isStale === true && group && { after: lastGranted(group, node) }),
    ...(group?.closing && { closing: { term: group.term, run: group.closing.run } }),
  };
}

/** Why a run cannot be bound to the group; undefined where it can, or is. */
export function whyNotBound(
  { run: bound, freed, phase, holder, term }: GroupDocument,
  run: string,
): string | undefined {
  if (bound === run) return undefined;
  if (freed === run) return `run ${run} was undone`;
  if (bound !== null) return `run ${bound} moves it already`;
  if (phase !== 'open') return `term ${term} is ${phase}, so there is nothing to fail over`;
  return holder === 'site' ? undefined : `the cloud has term ${term} already`;
}

/** The group bound to `run`, which {@link whyNotBound} has nothing against. Undefined where it is. */
export function bound(group: GroupDocument, run: string, lastModifiedMs: number): GroupDocument | undefined {
  if (group.run === run) return undefined;
  const quiet = { renewals: group.renewals, sinceMs: lastGrantBoundMs(group, lastModifiedMs) };
  return { ...group, run, quiet };
}

/** The group free of `run`, as long as nothing was closed. Undefined where it is not that run's, or closed. */
export function freed(group: GroupDocument, run: string): GroupDocument | undefined {
  return group.run === run && group.phase === 'open' ? { ...group, run: null, freed: run } : undefined;
}

/**
 * From here on no lease is granted. `lastModifiedMs` is when the version was written that this replaces. Undefined where the
 * run has closed it. Errors: REFUSED where the run does not have the group, or the term is not the site's to close.
 */
export function closed(
  group: GroupDocument,
  by: { readonly run: string; readonly actor: Actor; readonly lastModifiedMs: number },
): GroupDocument | undefined {
  const { run, actor, lastModifiedMs } = by;
  if (group.closing?.run === run) return undefined;
  if (group.run !== run || group.phase !== 'open' || group.holder !== 'site') {
    const state = `term ${group.term} is ${group.phase}, holder ${group.holder}, run ${group.run ?? 'none'}`;
    throw new LeewardError('REFUSED', `${group.group}: ${state}: run ${run} cannot close it`);
  }
  const lastGrantMs = lastGrantBoundMs(group, lastModifiedMs);
  return { ...group, phase: 'closing', closing: { run, actor, lastGrantMs, stopped: [] } };
}

/** A guard's word that it has stopped, and never starts in this term again. */
export interface Promised {
  readonly term: number;
  readonly run: string;
  readonly node: string;
}

/** Notes a promise. Undefined where it is noted, or says nothing of the present closing. */
export function promisedBy(group: GroupDocument, { term, run, node }: Promised): GroupDocument | undefined {
  const { closing } = group;
  if (group.phase !== 'closing' || closing?.run !== run || group.term !== term) return undefined;
  const known = (group.guards ?? []).some((guard) => guard.node === node);
  const stopped = closing.stopped ?? [];
  if (!known || stopped.includes(node)) return undefined;
  return { ...group, closing: { ...closing, stopped: [...stopped, node] } };
}

/**
 * Notes a person's word that nothing of the group runs at the site any more, given at `atMs` on the service's clock.
 * Undefined where one is noted. Errors: REFUSED where `run` does not wait for it: it did not close the group, the term has
 * ended, or leases are strict and the wait ends by itself; and before the last lease is over with its margin, since under
 * it a guard may start again what was seen stopped.
 */
export function confirmedStopped(
  group: GroupDocument,
  run: string,
  by: { readonly actor: Actor; readonly atMs: number },
): GroupDocument | undefined {
  const { closing, phase, lease } = group;
  if (closing?.run !== run || phase !== 'closing') {
    throw new LeewardError('REFUSED', `${group.group}: term ${group.term} is not being closed by run ${run}`);
  }
  if (lease !== 'keep') {
    throw new LeewardError(
      'REFUSED',
      `${group.group}: its leases are strict: the wait for the last one ends by itself`,
    );
  }
  if (closing.confirmed) return undefined;
  const leftMs = lastLeaseEndMs(group, closing.lastGrantMs) - by.atMs;
  if (leftMs > 0) {
    const why = 'a guard may still start them under the lease that it has';
    throw new LeewardError('REFUSED', `${group.group}: ${why}: look again in ${inSeconds(leftMs)}, and confirm then`);
  }
  return { ...group, closing: { ...closing, confirmed: by } };
}

/**
 * How long until nothing of the site runs for sure, in milliseconds: until every guard has promised, or the last lease that
 * can have been granted is over with its margin. Zero for now. Where leases keep, time alone ends nothing: Infinity, until
 * every guard has promised or a person has confirmed. Errors: REFUSED where `run` did not close the group.
 */
export function untilStoppedMs(group: GroupDocument, run: string, serviceNowMs: number): number {
  const { closing, guards = [], earlierGrantMs, lease } = group;
  if (closing?.run !== run) {
    throw new LeewardError('REFUSED', `run ${run} did not close its group: the control store may be rolled back`);
  }
  const stopped = closing.stopped ?? [];
  const haveAll = guards.length > 0 && guards.every(({ node }) => stopped.includes(node));
  if (closing.confirmed) return 0;
  if (lease === 'keep' && !haveAll) return Infinity;
  // Whoever had a lease before these were the guards has promised nothing.
  const lastGrantMs = haveAll ? (earlierGrantMs ?? -Infinity) : closing.lastGrantMs;
  return Math.max(0, lastLeaseEndMs(group, lastGrantMs) - serviceNowMs);
}

/** When a lease that was granted by `lastGrantMs` is over, its margin included. */
function lastLeaseEndMs({ leaseMs, marginMs }: GroupDocument, lastGrantMs: number): number {
  return lastGrantMs + SERVICE_CLOCK_GRAIN_MS + leaseMs + marginMs;
}

/**
 * The group with these guards in place of its own, in a version that was written at `lastModifiedMs`. Undefined where it has
 * them. Errors: REFUSED while the group is being moved, and where leases keep and a guard is taken away: what it started may
 * run on, and nobody would wait for its promise.
 */
export function withGuards(
  group: GroupDocument,
  nodes: readonly string[],
  lastModifiedMs: number,
): GroupDocument | undefined {
  const before = (group.guards ?? []).map(({ node }) => node);
  if (before.length === nodes.length && nodes.every((node) => before.includes(node))) return undefined;
  if (group.phase !== 'open' || group.run !== null) {
    throw new LeewardError('REFUSED', `${group.group} is being moved: its guards cannot be changed now`);
  }
  const missing = before.filter((node) => !nodes.includes(node));
  if (group.lease === 'keep' && missing.length > 0) {
    const why = `its leases keep, so that what the guard on ${missing.join(', ')} started may run on`;
    throw new LeewardError('REFUSED', `${group.group}: ${why}: no guard of it can be removed`);
  }
  const earlierGrantMs = Math.max(group.earlierGrantMs ?? 0, lastGrantBoundMs(group, lastModifiedMs));
  return { ...group, guards: nodes.map((node) => ({ node })), earlierGrantMs };
}

/** The term has ended, and the next one is the cloud's. Undefined where that is so. Errors: REFUSED, the site won it. */
export function endedForCloud(group: GroupDocument, run: string): GroupDocument | undefined {
  if (group.closing?.run !== run) {
    throw new LeewardError('REFUSED', `run ${run} did not close ${group.group}: it cannot end term ${group.term}`);
  }
  if (group.phase === 'closing') return { ...group, phase: 'ended', holder: 'cloud' };
  if (group.holder === 'cloud') return undefined;
  throw new LeewardError('REFUSED', `the site has won the term after ${group.term} of ${group.group}`);
}

/**
 * The term has ended, and the next one is the site's: an abort's one decision. Undefined where that is so. Errors: REFUSED
 * where the cloud has won it, or `run` did not close the group.
 */
export function wonBySite(group: GroupDocument, run: string): GroupDocument | undefined {
  if (group.closing?.run !== run) throw new LeewardError('REFUSED', `run ${run} did not close ${group.group}`);
  if (group.phase === 'closing') return { ...group, phase: 'ended', holder: 'site' };
  if (group.holder === 'site') return undefined;
  throw new LeewardError('REFUSED', `the cloud has won the term after ${group.term} of ${group.group}`);
}

/**
 * The site's next term, open, after a run that closed the one before was aborted. To be called only once no start of the
 * run is possible any more and its machines are proven gone; where the cloud had won the term, this write takes it back.
 * Undefined where it is open already. Errors: REFUSED where this run has not ended the term.
 */
export function openedForSite(group: GroupDocument, run: string): GroupDocument | undefined {
  if (group.freed === run && group.phase === 'open') return undefined;
  if (group.phase !== 'ended' || group.closing?.run !== run) {
    throw new LeewardError(
      'REFUSED',
      `${group.group}: term ${group.term} is ${group.phase}: run ${run} has not ended it`,
    );
  }
  const fresh = {
    phase: 'open',
    holder: 'site',
    renewals: 0,
    run: null,
    freed: run,
    closing: null,
    quiet: undefined,
  } as const;
  return { ...group, ...fresh, term: group.term + 1 };
}
