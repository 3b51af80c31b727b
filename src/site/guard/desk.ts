/**
 * A guard's desk: what it runs, and orders for single applications.
 *
 * Invariant: an order starts something only where the guard finds nothing against it (`whyNotStarted`), asked anew at each single
 * start, and never while they are being stopped; one that takes something offline needs nothing.
 */
import type { Clock } from '../../kernel/clock.ts';
import type { GuardDesk, GuardOrder, GuardStatus } from '../../ports/guard-desk.ts';
import { notAllowed } from '../applications/ordered.ts';
import type { OrderedApplications } from '../applications/ordered.ts';
import { isHeld } from '../lease/lease.ts';
import { whyNotStarted } from './core.ts';
import type { GuardState, GuardTimes } from './core.ts';

export interface DeskOptions {
  /** tenant/site/group */
  readonly group: string;
  readonly node: string;
  readonly clock: Clock;
  readonly times: GuardTimes;
  readonly applications: Pick<OrderedApplications, 'status' | 'order'>;
  readonly state: () => GuardState;
}

/** {@link GuardDesk} in the guard's own process. */
export class Desk implements GuardDesk {
  readonly #options: DeskOptions;

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  async status(): Promise<GuardStatus> {
    const { group, node, clock, times, applications, state } = this.#options;
    const { stopMs, killMs } = times;
    const known = await applications.status();
    const { lease, keptTerm, application } = state();
    // Where leases keep, what runs goes on for the whole term: that is not "stopped, no lease", though the lease has run out.
    const isKept = keptTerm > 0 && application === 'running';
    const isNone = !isKept && !isHeld(lease, clock.bootMs());
    return { group, node, term: lease.term, lease: isNone ? 'none' : 'held', stopMs, killMs, applications: known };
  }

  async order(order: GuardOrder): Promise<void> {
    const { applications, clock, times, state } = this.#options;
    const refusal = order.do === 'offline' ? undefined : whyNotStarted(state(), clock.bootMs(), times);
    if (refusal !== undefined) throw notAllowed(order.name, refusal);
    await applications.order(order);
  }
}
