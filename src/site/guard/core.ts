/**
 * A guard's mind: what it does next about one group's applications on its node (docs/safety.md). Pure; the process around
 * it, and the model checker, carry out what this says and tell it what came of that.
 *
 * Invariants: nothing is started but under a lease that was granted since this boot, in a term that was not promised away,
 * with a stop that is armed outside this process for no later than the lease's end; what runs is asked to stop in time for
 * its stop and its kill to be over before that, and from then on no renewal keeps it; a promise is durable before it is
 * signed, is made only for a closing that was seen, and only while nothing runs. What it finds running at its own start
 * under an armed stop of this boot it takes over; anything else it ends first, and so what it finds later and has not started.
 *
 * A lease that keeps is one for starting: the term is on durable record before anything starts under it, nothing is armed,
 * and what runs goes on without a lease until its term is closed or another begins. A guard that comes back takes it over.
 */
import { whyTooShortToStop } from '../../protocol/lease.ts';
import type { GuardFacts } from '../../ports/guard-record.ts';
import type { LeaseMode } from '../../protocol/lease.ts';
import { answered, asked, isHeld, noLease } from '../lease/lease.ts';
import type { LeaseState } from '../lease/lease.ts';

/** What a closing asks of every guard. */
export interface Closing {
  readonly term: number;
  /** The run that closes: the promise names it. */
  readonly run: string;
}

export interface GuardState {
  readonly lease: LeaseState;
  /** Newest term in which nothing is started here any more, as the guard's durable record says it; 0 for none. */
  readonly promisedTerm: number;
  /** The newest closing that was seen; undefined while its term is open. */
  readonly closing: Closing | undefined;
  /** What the newest lease asks of what runs once it is over: to end, or nothing. */
  readonly mode: LeaseMode;
  /** Term of the lease that keeps, by the guard's durable record of this boot; 0 where what runs ends with its lease. */
  readonly keptTerm: number;
  /** Whether the cloud has taken the promise for {@link closing}. */
  readonly isDelivered: boolean;
  /** When something outside this process kills all of it, on boot time; 0 where nothing is armed. */
  readonly armedBootMs: number;
  readonly application: 'stopped' | 'running' | 'stopping' | 'killed';
  /** While it stops: until when it must be gone, fixed when it was asked to. */
  readonly deadlineBootMs: number;
  /** When the clocks jumped, on boot time, as long as no later question was granted: nothing is trusted then. */
  readonly doubtedBootMs: number | undefined;
}

/** How long things may take. */
export interface GuardTimes {
  /** Stopping in order. */
  readonly stopMs: number;
  /** Killing what is left. */
  readonly killMs: number;
  /** An answer, after the clocks jumped: what runs goes on meanwhile. */
  readonly answerMs: number;
}

/** One thing to do; whatever comes of it is told, and then the next is asked for. */
export type GuardAction =
  /** Make sure that something outside kills everything at this time, and not before. */
  | { readonly do: 'arm'; readonly untilBootMs: number }
  /** Write down, durably and for this boot, that what is started runs on in this term without a lease; 0 for no more. */
  | { readonly do: 'keep'; readonly term: number }
  | { readonly do: 'start' }
  | { readonly do: 'stop'; readonly deadlineBootMs: number; readonly why: string }
  | { readonly do: 'kill' }
  /** Write down, durably, that nothing is started in this term any more. */
  | { readonly do: 'promise'; readonly closing: Closing }
  /** Tell the cloud of the promise that is written. */
  | { readonly do: 'deliver'; readonly closing: Closing }
  /** Nothing before this time, unless something is told earlier. */
  | { readonly do: 'wait'; readonly untilBootMs: number };

/**
 * A guard that has just started, of which the three terms are what its record says. A stop that is armed for
 * what runs tells until when the guard before it had the lease.
 */
export function newGuard(of: {
  readonly group: string;
  readonly promisedTerm: number;
  readonly seenTerm: number;
  readonly keptTerm: number;
  /** What runs already, and until when a stop is armed for it: both 0 or 'stopped' after a boot. */
  readonly found: Pick<GuardState, 'application' | 'armedBootMs'>;
}): GuardState {
  const { group, promisedTerm, seenTerm, keptTerm, found } = of;
  return {
    lease: { ...noLease(group), term: seenTerm, untilBootMs: found.armedBootMs },
    promisedTerm,
    closing: undefined,
    mode: keptTerm > 0 ? 'keep' : 'strict',
    keptTerm,
    isDelivered: false,
    deadlineBootMs: found.armedBootMs,
    doubtedBootMs: undefined,
    ...found,
  };
}

/** The guard's record after a change: the two terms that forbid something only grow; the one that is kept is as it is said. */
export function noted(record: GuardFacts, change: Partial<GuardFacts>): GuardFacts {
  const { promisedTerm = 0, seenTerm = 0, keptTerm = record.keptTerm } = change;
  return {
    promisedTerm: Math.max(record.promisedTerm, promisedTerm),
    seenTerm: Math.max(record.seenTerm, seenTerm),
    keptTerm,
  };
}

/** The lease was asked for, with a nonce that was given at `givenBootMs`. */
export function guardAsked(state: GuardState, question: { nonce: string; givenBootMs: number }): GuardState {
  return { ...state, lease: asked(state.lease, question) };
}

/** An answer to the newest question came; `closing` is the term's closing, where the answer names one. */
export function guardAnswered(
  state: GuardState,
  answer: Parameters<typeof answered>[1],
  closing: Closing | undefined,
): GuardState {
  const { doubtedBootMs } = state;
  const isLater = (state.lease.asked?.givenBootMs ?? 0) >= (doubtedBootMs ?? 0);
  // What was granted before the doubt ends by a clock that stood still meanwhile, as far as anybody knows: it counts no more.
  const isTrustedAgain = doubtedBootMs !== undefined && isLater && answer.granted;
  const before = isTrustedAgain ? { ...state.lease, untilBootMs: 0 } : state.lease;
  const lease = answered(before, answer);
  if (lease === before) return state;
  const isSame = closing !== undefined && closing.term === state.closing?.term && closing.run === state.closing.run;
  // An older store's closing asks for nothing: what it says is behind what was seen.
  const seen = closing !== undefined && closing.term < lease.term ? undefined : closing;
  return {
    ...state,
    lease,
    mode: lease.refusal === undefined ? (answer.lease ?? 'strict') : state.mode,
    doubtedBootMs: isTrustedAgain && lease.refusal === undefined ? undefined : doubtedBootMs,
    closing: seen,
    isDelivered: isSame && state.isDelivered,
  };
}

/** The clocks jumped: nothing that was granted before is trusted any more, and a refusal does not change that. */
export function clocksJumped(state: GuardState, nowBootMs: number): GuardState {
  return { ...state, doubtedBootMs: state.doubtedBootMs ?? nowBootMs };
}

/** What to do at `nowBootMs`. */
export function nextAction(state: GuardState, nowBootMs: number, times: GuardTimes): GuardAction {
  switch (state.application) {
    case 'running':
      return whileRunning(state, nowBootMs, times);
    case 'stopping': {
      const killAtBootMs = state.deadlineBootMs - times.killMs;
      return nowBootMs >= killAtBootMs ? { do: 'kill' } : { do: 'wait', untilBootMs: killAtBootMs };
    }
    case 'killed':
      return { do: 'wait', untilBootMs: Infinity };
    case 'stopped':
      return whileStopped(state, nowBootMs, times);
  }
}

function whileRunning(state: GuardState, nowBootMs: number, times: GuardTimes): GuardAction {
  const { lease, armedBootMs, doubtedBootMs, keptTerm } = state;
  const why = (reason: string): GuardAction => stop(state, nowBootMs, times, reason);
  const termIsOver = whyTermIsOver(state);
  if (termIsOver !== undefined) return why(termIsOver);
  if (keptTerm > 0) {
    if (lease.term > keptTerm) return why(`term ${lease.term} has begun: this was started in term ${keptTerm}`);
    return { do: 'wait', untilBootMs: Infinity };
  }
  // No longer than what is armed outside, whatever was granted.
  const leaseStopBootMs = Math.min(lease.untilBootMs, armedBootMs) - times.stopMs - times.killMs;
  const doubtStopBootMs = doubtedBootMs === undefined ? Infinity : doubtedBootMs + times.answerMs;
  if (nowBootMs >= leaseStopBootMs) return why(lease.refusal ?? 'the lease was not renewed');
  if (nowBootMs >= doubtStopBootMs) return why(DOUBTED);
  if (doubtedBootMs === undefined && lease.untilBootMs > armedBootMs) return arm(lease);
  return { do: 'wait', untilBootMs: Math.min(leaseStopBootMs, doubtStopBootMs) };
}

function arm({ untilBootMs }: LeaseState): GuardAction {
  return { do: 'arm', untilBootMs };
}

/**
 * Asks to stop so that it is gone by what is armed, and never later than its own time to stop allows. What runs with
 * nothing armed is given no time, unless its lease keeps.
 */
function stop(state: GuardState, nowBootMs: number, times: GuardTimes, why: string): GuardAction {
  const wholeBootMs = nowBootMs + times.stopMs + times.killMs;
  if (state.keptTerm > 0) return { do: 'stop', deadlineBootMs: wholeBootMs, why };
  const limitBootMs = state.armedBootMs === 0 ? nowBootMs : state.armedBootMs;
  return { do: 'stop', deadlineBootMs: Math.min(wholeBootMs, limitBootMs), why };
}

function whileStopped(state: GuardState, nowBootMs: number, times: GuardTimes): GuardAction {
  const { lease, closing, promisedTerm, armedBootMs, isDelivered, mode, keptTerm } = state;
  const wait: GuardAction = { do: 'wait', untilBootMs: Infinity };
  if (closing !== undefined && closing.term > promisedTerm) return { do: 'promise', closing };
  if (closing !== undefined && !isDelivered) return { do: 'deliver', closing };
  if (whyLeaseStartsNothing(state, nowBootMs, times) !== undefined) return wait;
  const keepTerm = mode === 'keep' ? lease.term : 0;
  if (keptTerm !== keepTerm) return { do: 'keep', term: keepTerm };
  if (mode === 'strict' && armedBootMs !== lease.untilBootMs) return arm(lease);
  // All of it is started by single starts, each of which is asked for once this guard has begun.
  const begun = told(state, { event: 'started' });
  return whyNotStarted(begun, nowBootMs, times) === undefined ? { do: 'start' } : wait;
}

const DOUBTED = 'the clocks jumped, and no lease was granted since';

/** Why nothing of it runs in this term, whatever lease is held. */
function whyTermIsOver({ lease, closing, promisedTerm }: GuardState): string | undefined {
  if (closing !== undefined) return `term ${closing.term} is closing`;
  return lease.term <= promisedTerm ? `nothing runs here in term ${lease.term}: that was promised` : undefined;
}

/** Why the lease, such as it is, allows no start. */
function whyLeaseStartsNothing(state: GuardState, nowBootMs: number, times: GuardTimes): string | undefined {
  const { lease, doubtedBootMs } = state;
  if (!isHeld(lease, nowBootMs)) return lease.refusal ?? 'no lease is held';
  const termIsOver = whyTermIsOver(state);
  if (termIsOver !== undefined) return termIsOver;
  if (doubtedBootMs !== undefined) return DOUBTED;
  if (isHeld(lease, nowBootMs + times.stopMs + times.killMs)) return undefined;
  return whyTimesDoNotFit(lease, times) ?? lease.refusal ?? 'too little of the lease is left to stop it again';
}

/**
 * Why leases of the length that was granted last are too short for these times, with what to do; undefined where they are not,
 * and before the first. Nothing starts under one that is, or it is stopped again before each renewal.
 */
export function whyTimesDoNotFit({ leaseMs }: LeaseState, { stopMs, killMs }: GuardTimes): string | undefined {
  const tooShort = leaseMs > 0 ? whyTooShortToStop({ leaseMs, stopMs, killMs }) : undefined;
  if (tooShort === undefined) return undefined;
  return `${tooShort}: shorten stopMs or killMs in leeward.yaml (--stop, --kill), or register the group with a longer lease`;
}

/**
 * Why no application may be started at `nowBootMs`, in words; undefined where one may. Asked at each single start, at that very
 * moment, of those with which the guard begins and of those that are ordered alike.
 */
export function whyNotStarted(state: GuardState, nowBootMs: number, times: GuardTimes): string | undefined {
  const { application, lease, keptTerm, armedBootMs } = state;
  const leaseStartsNothing = whyLeaseStartsNothing(state, nowBootMs, times);
  if (leaseStartsNothing !== undefined) return leaseStartsNothing;
  if (application !== 'running') return 'the guard has not started its applications';
  if (keptTerm > 0) return lease.term > keptTerm ? `term ${lease.term} has begun` : undefined;
  return armedBootMs <= nowBootMs + times.stopMs + times.killMs ? 'no stop is armed' : undefined;
}

/** What came of an action, or happened by itself. */
export type GuardEvent =
  | { readonly event: 'armed'; readonly untilBootMs: number }
  | { readonly event: 'kept'; readonly term: number }
  | { readonly event: 'started' }
  | { readonly event: 'asked-to-stop'; readonly deadlineBootMs: number }
  | { readonly event: 'killed' }
  /** Nothing of the applications is left, whoever ended them. */
  | { readonly event: 'gone' }
  /** Something of them runs that this guard has not started: somebody started it by hand. It is ended. */
  | { readonly event: 'found' }
  | { readonly event: 'promised'; readonly term: number }
  | { readonly event: 'delivered'; readonly closing: Closing };

export function told(state: GuardState, event: GuardEvent): GuardState {
  switch (event.event) {
    case 'armed':
      return { ...state, armedBootMs: event.untilBootMs };
    case 'kept':
      return { ...state, keptTerm: event.term };
    case 'started':
      return { ...state, application: 'running' };
    case 'asked-to-stop':
      return { ...state, application: 'stopping', deadlineBootMs: event.deadlineBootMs };
    case 'killed':
      return { ...state, application: 'killed' };
    case 'gone':
      return { ...state, application: 'stopped', armedBootMs: 0 };
    case 'found':
      return { ...state, application: 'running', armedBootMs: 0, keptTerm: 0 };
    case 'promised':
      return { ...state, promisedTerm: Math.max(state.promisedTerm, event.term) };
    case 'delivered':
      return { ...state, isDelivered: event.closing.term === state.closing?.term };
  }
}
