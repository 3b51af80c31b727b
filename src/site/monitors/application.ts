/**
 * An application under its monitors: they run side by side, and what they say together decides on restarts and on the state
 * that the site reports.
 *
 * Invariants: no monitor waits for another, nor for a restart; one restart at a time; what monitors see while it is
 * restarted counts neither for the state nor for performance; a restart that hangs is given up after its time.
 */
import type { Clock } from '../../kernel/clock.ts';
import { describeError } from '../../kernel/errors.ts';
import type { Prober } from '../../ports/probe.ts';
import type { Restarter } from '../../ports/restart.ts';
import {
  OFFLINE,
  isRestartDue,
  monitorsSaid,
  restartBegun,
  restartEnded,
  STARTED,
  startedAgain,
} from './application-state.ts';
import type { ApplicationState, RestartLimits } from './application-state.ts';
import { Monitor } from './monitor.ts';
import type { MonitorPlan } from './monitor.ts';
import type { KeptResult } from './results.ts';
import { together } from './thresholds.ts';
import type { Verdict } from './thresholds.ts';

export interface ApplicationPlan {
  readonly name: string;
  readonly monitors: readonly MonitorPlan[];
  readonly restarts: RestartLimits & {
    /** For one restart. */
    readonly timeoutMs: number;
    /** How long after a start failures are those of an application that is still starting. */
    readonly startMs: number;
  };
}

/** What there is to report of an application. */
export interface ApplicationReport {
  readonly name: string;
  readonly state: ApplicationState;
  readonly monitors: readonly {
    readonly name: string;
    readonly verdict: Verdict;
    /** The newest result in words. */
    readonly reason: string;
    /** Of the newest result that counted; undefined before the first. */
    readonly responseMs: number | undefined;
  }[];
}

interface Ports {
  readonly prober: Prober;
  readonly restarter: Restarter;
  readonly clock: Clock;
}

export class MonitoredApplication {
  readonly #plan: ApplicationPlan;
  readonly #ports: Ports;
  readonly #monitors: readonly Monitor[];
  #state: ApplicationState;
  #restart: AbortController | undefined;

  /** `state` is what was known of it before this program started: an offline mark outlives it. */
  constructor(plan: ApplicationPlan, ports: Ports, state: ApplicationState = STARTED) {
    this.#plan = plan;
    this.#ports = ports;
    this.#monitors = plan.monitors.map((monitor) => new Monitor(monitor, ports));
    this.#state = state;
    if (state.state === 'offline') this.#begunAnew(Infinity);
    if (state.state === 'failing' && state.isRestarting) {
      // Whoever made that attempt has gone; whether it helped, the monitors say once it had its time.
      this.#state = restartEnded(state, 'the agent ended meanwhile');
      this.#begunAnew(plan.restarts.startMs);
    }
  }

  get state(): ApplicationState {
    return this.#state;
  }

  /** What its monitors say together, of what they saw since it was last started. */
  get verdict(): Verdict {
    return this.#together().verdict;
  }

  report(): ApplicationReport {
    const monitors = this.#monitors.map((monitor) => {
      const { verdict, reason } = monitor.standing;
      return { name: monitor.plan.name, verdict, reason, responseMs: monitor.results().at(-1)?.responseMs };
    });
    return { name: this.#plan.name, state: this.#state, monitors };
  }

  /** The newest results of each monitor, oldest first: for the decision on performance. */
  results(): ReadonlyMap<string, KeptResult[]> {
    return new Map(this.#monitors.map((monitor) => [monitor.plan.name, monitor.results()]));
  }

  /** People take it offline. Whoever calls stops it. A restart under way is given up. */
  takeOffline(): void {
    this.#state = OFFLINE;
    this.#restart?.abort(new Error('it was taken offline'));
    this.#begunAnew(Infinity);
  }

  /** The guard started it, not asked by {@link Restarter}. */
  started(): void {
    const next = startedAgain(this.#state);
    if (next === this.#state) return;
    this.#state = next;
    this.#begunAnew(this.#plan.restarts.startMs);
  }

  /**
   * It is being stopped or started with another, or with its machine: what was seen is forgotten, and failures do not count for
   * `forMs`. Its state and its attempts stay.
   */
  settle(forMs: number): void {
    if (this.#state.state !== 'offline' && this.#restart === undefined) this.#begunAnew(forMs);
  }

  /**
   * Monitors until the signal is aborted, for as long as the application is meant to run here; `tell` is called with every
   * change of the state. Never rejects, unless `tell` throws.
   */
  async run(signal: AbortSignal, tell: (state: ApplicationState) => void): Promise<void> {
    let restart = Promise.resolve();
    const become = (next: ApplicationState): void => {
      const before = this.#state;
      this.#state = next;
      if (isNews(before, next)) tell(next);
    };
    const judge = (): void => {
      const said = { ...this.#together(), nowBootMs: this.#ports.clock.bootMs() };
      become(monitorsSaid(this.#state, said, this.#plan.restarts));
      if (signal.aborted || this.#restart !== undefined || !isRestartDue(this.#state)) return;
      become(restartBegun(this.#state));
      restart = this.#restartOnce(signal).then((problem) => {
        if (this.#state.state !== 'offline') this.#begunAnew(problem === undefined ? this.#plan.restarts.startMs : 0);
        become(restartEnded(this.#state, problem));
      });
    };
    await Promise.all(this.#monitors.map(async (monitor) => monitor.run(signal, judge)));
    await restart;
  }

  /** One attempt. What kept it from being restarted, in words; undefined where it was. */
  async #restartOnce(signal: AbortSignal): Promise<string | undefined> {
    const { restarter, clock } = this.#ports;
    const { timeoutMs } = this.#plan.restarts;
    const giveUp = new AbortController();
    const leave = (): void => {
      giveUp.abort(signal.reason);
    };
    signal.addEventListener('abort', leave, { once: true });
    this.#restart = giveUp;
    this.#begunAnew(Infinity);
    try {
      const done = restarter.restart(this.#plan.name, giveUp.signal).then(
        () => undefined,
        (error: unknown) => describeError(error),
      );
      const late = clock.sleep(timeoutMs, giveUp.signal).then(
        () => `not done within ${timeoutMs} ms`,
        (error: unknown) => describeError(error),
      );
      return await Promise.race([done, late]);
    } finally {
      giveUp.abort(new Error('the restart is over'));
      signal.removeEventListener('abort', leave);
      this.#restart = undefined;
    }
  }

  #together(): ReturnType<typeof together> {
    return together(new Map(this.#monitors.map(({ plan, standing }) => [plan.name, standing])));
  }

  #begunAnew(startMs: number): void {
    for (const monitor of this.#monitors) monitor.begunAnew(startMs);
  }
}

/** Anything of it but how long it has been well, and when the next attempt is due. */
function isNews(before: ApplicationState, after: ApplicationState): boolean {
  const label = (state: ApplicationState): string => {
    const attempts = state.state === 'offline' ? 0 : state.attemptsMade;
    const why = 'reason' in state ? [state.reason, state.problem] : [];
    return JSON.stringify([state.state, attempts, state.state === 'failing' && state.isRestarting, ...why]);
  };
  return label(before) !== label(after);
}
