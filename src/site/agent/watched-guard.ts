/**
 * One guard of the site under the agent's eyes: what it says of its applications, and the restarts that it is asked for.
 *
 * Invariants: one restart at a time; an application that is restarted with another is not taken for failing, nor its start
 * for somebody else's; a guard that does not answer is asked again, and nothing is concluded from that.
 */
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError, describeError } from '../../kernel/errors.ts';
import { KeyedLock } from '../../kernel/keyed-lock.ts';
import type { GuardDesk, GuardStatus } from '../../ports/guard-desk.ts';
import { restartOrderOf } from '../decide/restart.ts';
import type { Dependent } from '../decide/restart.ts';
import { JoinedTurns } from '../work/joined-turns.ts';
import { meantOf } from './meant.ts';
import type { WatchedApplication } from './watched-application.ts';

/** How long one look at it may take. */
const ASK_MS = 3000;

export interface WatchedGuardOptions {
  /** tenant/site/group */
  readonly group: string;
  readonly node: string;
  /** Gives undefined while no guard of the node is known here: it may run for the first time later than the agent. */
  readonly desk: () => GuardDesk | undefined;
  /** The group's applications on its node: all of them by the first look. */
  readonly applications: readonly WatchedApplication[];
  readonly clock: Clock;
  /** Until when an application's machine, group or site is marked offline. */
  readonly markedUntilWallMs: (application: WatchedApplication) => number | undefined;
}

export class WatchedGuard {
  readonly group: string;
  readonly node: string;
  readonly applications: readonly WatchedApplication[];
  readonly #options: WatchedGuardOptions;
  readonly #restarts = new KeyedLock();
  /** Looks at the guard, one after the other, so that an older answer is never taken for a newer one. */
  readonly #looks = new JoinedTurns(async () => this.#look());
  #signal = new AbortController().signal;
  #status: GuardStatus | { readonly reason: string } = { reason: 'its guard was not asked yet' };

  constructor(options: WatchedGuardOptions) {
    this.group = options.group;
    this.node = options.node;
    this.applications = options.applications;
    this.#options = options;
  }

  get #dependents(): readonly Dependent[] {
    return this.applications.map(({ name, config }) => ({ name, dependsOn: config.dependsOn }));
  }

  /** What it said last; undefined where it could not be asked. */
  get status(): GuardStatus | undefined {
    return 'applications' in this.#status ? this.#status : undefined;
  }

  /** Asks it once, and has its applications heed that; `signal` ends them with the site. Errors: none of ours. */
  async look(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    await this.#looks.ask();
  }

  async #look(): Promise<void> {
    const signal = this.#signal;
    this.#status = await this.#ask(signal);
    for (const application of this.applications) {
      const meant = meantOf(application.name, {
        status: this.#status,
        needs: this.#needsOf(application.name),
        markedUntilWallMs: this.#options.markedUntilWallMs(application),
      });
      application.heed(meant, signal);
    }
  }

  /**
   * Restarts these applications in the order of their dependencies, each with what depends on it. Errors: those of
   * {@link GuardDesk}.order, of the first that could not be; UNAVAILABLE without a guard.
   */
  async restart(names: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#restarts.run(this.node, async () => {
      const done = new Set<string>();
      for (const name of restartOrderOf(this.#dependents, names).start.flat()) {
        if (done.has(name) || !names.includes(name)) continue;
        const along = restartOrderOf(this.#dependents, [name]).start.flat();
        for (const one of along) done.add(one);
        await this.#restartOne(name, along, signal);
      }
    });
  }

  async #restartOne(name: string, along: readonly string[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const desk = this.#options.desk();
    const affected = this.applications.filter((application) => along.includes(application.name));
    await during(affected, async () => {
      if (desk === undefined) throw new LeewardError('UNAVAILABLE', `no guard on ${this.node} is known here`);
      await desk.order({ do: 'restart', name }, signal);
      // The starts that this made are seen while they are still ours.
      await this.#looks.ask();
    });
  }

  async #ask(signal: AbortSignal): Promise<GuardStatus | { readonly reason: string }> {
    const { clock, group, node } = this.#options;
    const desk = this.#options.desk();
    if (desk === undefined) return { reason: `there is no guard of ${group} on ${node} that is known here` };
    const enough = new AbortController();
    const asked = AbortSignal.any([signal, enough.signal]);
    const late = clock.sleep(ASK_MS, asked).then(
      () => ({ reason: `the guard on ${node} cannot be asked: no answer within ${ASK_MS} ms` }),
      () => ({ reason: `the guard on ${node} was not asked: the agent ends` }),
    );
    const answer = desk.status(asked).then(
      (status) => (status.group === group && status.node === node ? status : this.#foreign(status)),
      // Whatever the error is, the guard's earlier answer is not believed any more.
      (error: unknown) => ({ reason: `the guard on ${node} cannot be asked: ${describeError(error)}` }),
    );
    try {
      return await Promise.race([answer, late]);
    } finally {
      enough.abort(new Error('it was asked'));
    }
  }

  #foreign({ group, node }: GuardStatus): { readonly reason: string } {
    return { reason: `the socket that is said to be ${this.node}'s is that of ${group} on ${node}` };
  }

  /** What an application depends on, through others too. */
  #needsOf(name: string): readonly string[] {
    const dependents = this.#dependents;
    const needs = new Set<string>();
    const add = (of: string): void => {
      for (const other of dependents.find((one) => one.name === of)?.dependsOn ?? []) {
        if (needs.has(other)) continue;
        needs.add(other);
        add(other);
      }
    };
    add(name);
    return [...needs];
  }
}

/** Does `work`, in which we stop and start all of these: their starts are ours. */
export async function during(applications: readonly WatchedApplication[], work: () => Promise<void>): Promise<void> {
  const [first, ...others] = applications;
  if (first === undefined) await work();
  else await first.duringOurs(async () => during(others, work));
}
