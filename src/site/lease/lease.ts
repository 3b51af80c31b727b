/**
 * Leases as their holder counts them (docs/site-protocol.md, "Lease").
 *
 * Invariants: a lease is counted from the moment its nonce was given, on boot time, never from when the answer came; an
 * answer counts only with the nonce that was given last; a refusal takes nothing away, because the cloud waits for what
 * it granted; an answer of an older term than was ever seen grants nothing: the cloud's store was set back. All of it is
 * in memory: whoever starts anew holds nothing.
 */
import type { Clock, Random } from '../../kernel/clock.ts';
import type { CloudLink } from '../../ports/cloud-link.ts';
import type { Heartbeat } from '../../protocol/heartbeat.ts';
import type { LeaseAnswer, LeaseRequest } from '../../protocol/lease.ts';
import { sign } from '../../protocol/signed.ts';
import type { SigningKey } from '../../protocol/signed.ts';

/** One group's lease, as a value. */
export interface LeaseState {
  readonly group: string;
  /** Newest term that any answer named; 0 before the first. */
  readonly term: number;
  /** Until when it is held, on boot time; 0 for never. */
  readonly untilBootMs: number;
  /** Length of the newest lease; 0 before the first. */
  readonly leaseMs: number;
  /** The question that waits for its answer. */
  readonly asked: { readonly nonce: string; readonly givenBootMs: number } | undefined;
  /** Why the newest answer granted nothing; undefined if it did. */
  readonly refusal: string | undefined;
}

/** Before anything was asked. */
export function noLease(group: string): LeaseState {
  return { group, term: 0, untilBootMs: 0, leaseMs: 0, asked: undefined, refusal: undefined };
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
      ...(over ? { untilBootMs: 0 } : {}),
    };
  }
  if (answer.term < state.term) {
    return { ...heard, refusal: `term ${answer.term} was granted after term ${state.term} was seen: a store set back` };
  }
  // From when the nonce was given. An earlier, longer promise stays one: the cloud waits for it.
  const untilBootMs = question.givenBootMs + answer.leaseMs;
  return {
    ...heard,
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

/** A lease is renewed at a third of its length, so that two requests may fail before the third is late. */
export const RENEWALS_PER_LEASE = 3;
/** While none is held, and after a request that failed. */
const RETRY_MS = 1000;

export interface LeaseHolderOptions {
  readonly key: SigningKey;
  readonly clock: Clock;
  readonly random: Random;
  readonly link: Pick<CloudLink, 'lease'>;
  /** tenant/site/group, each. */
  readonly groups: readonly string[];
  /** The node whose guard it asks for; leases of groups that have guards are granted to those alone. */
  readonly node?: string;
}

/** Asks for the leases of a site's groups, all in one request, and says what is held. */
export class LeaseHolder {
  readonly #options: LeaseHolderOptions;
  readonly #states: Map<string, LeaseState>;

  constructor(options: LeaseHolderOptions) {
    this.#options = options;
    this.#states = new Map(options.groups.map((group) => [group, noLease(group)]));
  }

  /** The lease as it stands; never one of a group that is not asked for. */
  lease(group: string): LeaseState {
    return this.#states.get(group) ?? noLease(group);
  }

  isHeld(group: string): boolean {
    return isHeld(this.lease(group), this.#options.clock.bootMs());
  }

  /** What a heartbeat says of the leases. */
  report(): Heartbeat['groups'] {
    return [...this.#states.values()].map(({ group, term }) => ({
      group,
      term,
      lease: this.isHeld(group) ? ('held' as const) : ('none' as const),
    }));
  }

  /** Asks once, for all groups. Errors: those of {@link CloudLink}.lease; nothing that is held is lost by them. */
  async renew(): Promise<void> {
    const { clock, random, key, link, node } = this.#options;
    const groups: LeaseRequest['groups'] = [];
    for (const [group, state] of this.#states) {
      const nonce = Buffer.from(random.bytes(16)).toString('hex');
      // The clock is read before the question leaves, or the lease would be counted too long.
      this.#states.set(group, asked(state, { nonce, givenBootMs: clock.bootMs() }));
      groups.push({ group, nonce, ...(node !== undefined && { node }) });
    }
    if (groups.length === 0) return;
    const answer = await link.lease(sign(key, 'lease', { groups } satisfies LeaseRequest));
    for (const one of answer.groups) {
      const state = this.#states.get(one.group);
      if (state) this.#states.set(one.group, answered(state, one));
    }
  }

  /** Renews for ever, until `signal` is aborted; without groups there is nothing to do. A failure is told to `report`, and the next request follows soon. */
  async run(signal: AbortSignal, report: (error: unknown) => void): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted && this.#states.size > 0) {
      const sound = await this.renew().then(
        () => true,
        (error: unknown) => {
          report(error);
          return false;
        },
      );
      const shortestMs = Math.min(...[...this.#states.values()].map((state) => state.leaseMs || Infinity));
      const renewMs = Math.floor(shortestMs / RENEWALS_PER_LEASE);
      const all = [...this.#states.keys()].every((group) => this.isHeld(group));
      await clock.sleep(sound && all ? renewMs : Math.min(RETRY_MS, renewMs), signal).catch(() => undefined);
    }
  }
}
