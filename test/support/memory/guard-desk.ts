/** A guard's desk in memory: what it runs, and what it was asked for. */
import { LeewardError } from '../../../src/kernel/errors.ts';
import type { GuardDesk, GuardOrder, GuardStatus, GuardedStatus } from '../../../src/ports/guard-desk.ts';
import { restartOrderOf } from '../../../src/site/decide/restart.ts';
import type { Dependent } from '../../../src/site/decide/restart.ts';

export class MemoryDesk implements GuardDesk {
  readonly #of: Pick<GuardStatus, 'group' | 'node'>;
  readonly #dependents: readonly Dependent[];
  readonly #applications: Map<string, GuardedStatus>;
  /** Restarts that were ordered, by application, in their order. */
  readonly restarts: string[] = [];
  isThere = true;
  lease: GuardStatus['lease'] = 'held';
  /** What it tells of its times. */
  times: Pick<GuardStatus, 'stopMs' | 'killMs'> = {};

  constructor(of: Pick<GuardStatus, 'group' | 'node'>, dependents: readonly Dependent[]) {
    this.#of = of;
    this.#dependents = dependents;
    this.#applications = new Map(
      dependents.map(({ name }) => [
        name,
        { name, state: 'running', startedBootMs: 0, offlineUntilWallMs: undefined, starts: 1 },
      ]),
    );
  }

  async status(): Promise<GuardStatus> {
    this.#answer();
    return { ...this.#of, term: 1, lease: this.lease, ...this.times, applications: [...this.#applications.values()] };
  }

  async order(order: GuardOrder): Promise<void> {
    this.#answer();
    const { name } = order;
    if (order.do === 'offline') {
      this.set(name, { state: 'offline', offlineUntilWallMs: order.untilWallMs, startedBootMs: undefined });
      return;
    }
    if (this.lease === 'none') throw new LeewardError('REFUSED', 'no lease is held');
    if (order.do === 'restart') this.restarts.push(name);
    for (const one of restartOrderOf(this.#dependents, [name]).start.flat()) {
      const starts = (this.#applications.get(one)?.starts ?? 0) + 1;
      this.set(one, { state: 'running', starts, offlineUntilWallMs: undefined });
    }
  }

  set(name: string, change: Partial<GuardedStatus>): void {
    const before = this.#applications.get(name);
    if (before) this.#applications.set(name, { ...before, ...change });
  }

  #answer(): void {
    if (!this.isThere) throw new LeewardError('UNAVAILABLE', 'no guard answers');
  }
}
