/**
 * Leases as their holder counts them (docs/site-protocol.md, "Lease").
 *
 * Invariants: a lease is counted from the moment its nonce was given, on boot time, never from when the answer came; an
 * answer counts only with the nonce that was given last; a refusal takes nothing away, because the cloud waits for what
 * it granted; an answer of an older term than was ever seen grants nothing: the cloud's store was set back. All of it is
 * in memory: whoever starts anew holds nothing.
 */
import { NO_NONCE } from '../../protocol/lease.ts';
import type { LeaseAnswer } from '../../protocol/lease.ts';

/** One group's lease, as a value. */
export interface LeaseState {
  readonly group: string;
  /** Newest term that any answer named; 0 before the first. */
  readonly term: number;
  /** Until when it is held, on boot time; 0 for never. */
  readonly untilBootMs: number;
  /** Length of the newest lease; 0 before the first. */
  readonly leaseMs: number;
  /** The nonce that the next question has to name: that of the newest that was granted, as far as is known. */
  readonly after: string;
  /** The question that waits for its answer. */
  readonly asked: { readonly nonce: string; readonly givenBootMs: number } | undefined;
  /** Why the newest answer granted nothing; undefined if it did. */
  readonly refusal: string | undefined;
}

/** Before anything was asked. */
export function noLease(group: string): LeaseState {
  return { group, term: 0, untilBootMs: 0, leaseMs: 0, after: NO_NONCE, asked: undefined, refusal: undefined };
}

/** A nonce was given at `givenBootMs`. Any earlier one counts no more. */
export function asked(state: LeaseState, question: { nonce: string; givenBootMs: number }): LeaseState {
  return { ...state, asked: question };
}

/** An answer came. The state is unchanged by one that does not answer the newest question. */
export function answered(state: LeaseState, answer: LeaseAnswer['groups'][number]): LeaseState {
  const question = state.asked;
  if (answer.group !== state.group || question?.nonce !== answer.nonce) return state;
  const heard = { ...state, asked: undefined };
  if (!answer.granted) {
    // A later term begins only after everything granted in this one is over.
    const over = answer.term > state.term;
    return {
      ...heard,
      term: Math.max(state.term, answer.term),
      refusal: answer.reason ?? 'no reason given',
      after: answer.after ?? state.after,
      ...(over ? { untilBootMs: 0 } : {}),
    };
  }
  const granted = { ...heard, after: question.nonce };
  if (answer.term < state.term) {
    return {
      ...granted,
      refusal: `term ${answer.term} was granted after term ${state.term} was seen: a store set back`,
    };
  }
  // From when the nonce was given. An earlier, longer promise stays one: the cloud waits for it.
  const untilBootMs = question.givenBootMs + answer.leaseMs;
  return {
    ...granted,
    term: answer.term,
    leaseMs: answer.leaseMs,
    untilBootMs: answer.term === state.term ? Math.max(state.untilBootMs, untilBootMs) : untilBootMs,
    refusal: undefined,
  };
}

/** Whether it is held at `nowBootMs`. */
export function isHeld(state: LeaseState, nowBootMs: number): boolean {
  return nowBootMs < state.untilBootMs;
}
