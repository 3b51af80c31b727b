/**
 * A guard's desk: what it runs, and orders for single applications.
 *
 * Invariant: an order acts only while the guard has its applications running, under a lease that is sure and a stop that is
 * armed; it never begins anything while they are being stopped. What the lease allows is asked at each single start anew.
 */
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError } from '../../kernel/errors.ts';
import type { GuardDesk, GuardOrder, GuardStatus } from '../../ports/guard-desk.ts';
import type { OrderedApplications } from '../applications/ordered.ts';
import type { GuardState, GuardTimes } from './core.ts';

/** Why no single application may be started at `nowBootMs`; undefined where it may. */
export function startRefusal(state: GuardState, nowBootMs: number, times: GuardTimes): string | undefined {
  const { application, closing, lease, promisedTerm, keptTerm, doubtedBootMs, armedBootMs, isWanted } = state;
  const neededBootMs = nowBootMs + times.stopMs + times.killMs;
  if (application !== 'running' || !isWanted) return 'the guard has not started its applications';
  if (closing !== undefined) return `term ${closing.term} is closing`;
  if (lease.term <= promisedTerm) return `nothing starts here in term ${lease.term}: that was promised`;
  if (doubtedBootMs !== undefined) return 'the clocks jumped, and no lease was granted since';
  if (lease.untilBootMs <= neededBootMs) return lease.refusal ?? 'no lease is held';
  if (keptTerm > 0) return lease.term > keptTerm ? `term ${lease.term} has begun` : undefined;
  return armedBootMs <= neededBootMs ? 'no stop is armed' : undefined;
}

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
    const { group, node, clock, applications, state } = this.#options;
    const known = await applications.status();
    const { lease, keptTerm, application } = state();
    // What a lease has let start for the whole term is not "stopped, no lease", though it has run out since.
    const isKept = keptTerm > 0 && application === 'running';
    const isHeld = isKept || lease.untilBootMs > clock.bootMs();
    return { group, node, term: lease.term, lease: isHeld ? 'held' : 'none', applications: known };
  }

  async order(order: GuardOrder): Promise<void> {
    const { applications, clock, times, state } = this.#options;
    const refusal = order.do === 'offline' ? undefined : startRefusal(state(), clock.bootMs(), times);
    if (refusal !== undefined)
      throw new LeewardError('REFUSED', `application ${order.name} is not started: ${refusal}`);
    await applications.order(order);
  }
}
