/**
 * One application of the site under the agent's eyes: monitored while its guard means it to run, restarted through that guard,
 * and reported in the heartbeat.
 *
 * Invariants: an attempt is on record before it is made, and so are those that were made before this process began; without a
 * guard that can be asked nothing is restarted and nothing counts as failed; a start that somebody else made clears the
 * attempts, one of ours never does.
 */
import type { Clock } from '../../kernel/clock.ts';
import { CURRENT_VERSION } from '../../kernel/versions.ts';
import type { GuardedStatus } from '../../ports/guard-desk.ts';
import type { KeptTexts } from '../../ports/kept-texts.ts';
import type { Prober } from '../../ports/probe.ts';
import { heartbeatWords } from '../../protocol/heartbeat.ts';
import type { GroupWord } from '../../protocol/heartbeat.ts';
import type { MachineApplication } from '../decide/policies.ts';
import { MonitoredApplication } from '../monitors/application.ts';
import type { ApplicationState } from '../monitors/application-state.ts';
import { applicationPlan } from '../monitors/config.ts';
import type { Verdict } from '../monitors/thresholds.ts';
import { JoinedTurns } from '../work/joined-turns.ts';
import type { ApplicationConfig } from './config.ts';
import type { Meant } from './meant.ts';
import { PerformanceWatch } from './performance-watch.ts';
import { applicationRecordSchema, readRecord, writeRecord } from './records.ts';
import type { ApplicationRecord } from './records.ts';

type ApplicationWord = NonNullable<GroupWord['applications']>[number];

export interface WatchedApplicationOptions {
  readonly group: string;
  readonly name: string;
  readonly config: ApplicationConfig;
  readonly prober: Prober;
  readonly clock: Clock;
  readonly records: KeptTexts;
  /** Restarts it, with what depends on it: see {@link Restarter}. */
  readonly restart: (name: string, signal: AbortSignal) => Promise<void>;
  readonly tell: (line: string) => void;
}

const UNASKED: Meant = { is: 'unasked', reason: 'its guard was not asked yet' };

export class WatchedApplication {
  readonly name: string;
  readonly config: ApplicationConfig;
  readonly #options: WatchedApplicationOptions;
  readonly #monitored: MonitoredApplication;
  readonly #performance: PerformanceWatch | undefined;
  readonly #wasRestarting: boolean;
  readonly #saving = new JoinedTurns(async () => this.#save());
  #meant: Meant = UNASKED;
  #starts: number | undefined;
  /** Restarts by us that are under way: while there are any, a start that is seen is ours, and clears no attempts. */
  #ours = 0;
  #run: { readonly stop: AbortController; readonly over: Promise<void> } | undefined;

  private constructor(options: WatchedApplicationOptions, record: ApplicationRecord | undefined) {
    const { name, config, prober, clock, restart } = options;
    this.name = name;
    this.config = config;
    this.#options = options;
    this.#starts = record?.starts;
    this.#wasRestarting = record?.isRestarting === true;
    const restarter = {
      restart: async (of: string, signal: AbortSignal) => {
        // On record before it is made.
        await this.#saving.ask();
        await restart(of, signal);
      },
    };
    const known = record && stateOf(record);
    this.#monitored = new MonitoredApplication(applicationPlan(name, config), { prober, clock, restarter }, known);
    if (config.performance) this.#performance = new PerformanceWatch({ limits: config.performance, clock });
  }

  /** With the attempts that are on record. Errors: DOCUMENT_INVALID, VERSION_TOO_NEW. */
  static async open(options: WatchedApplicationOptions): Promise<WatchedApplication> {
    const record = await readRecord(options.records, recordName(options), applicationRecordSchema);
    return new WatchedApplication(options, record);
  }

  get meant(): Meant {
    return this.#meant;
  }

  /** What its monitors say of it since it was last started. */
  get verdict(): Verdict {
    return this.#monitored.verdict;
  }

  get state(): ApplicationState {
    return this.#monitored.state;
  }

  /** What the decision about its machine takes of it; undefined where nothing can be said of it. */
  weighed(): (MachineApplication & { readonly found: string }) | undefined {
    const { name, config } = this;
    const { priority } = config;
    switch (this.#meant.is) {
      case 'unasked':
      case 'no-lease':
        return undefined;
      case 'offline':
        return { name, priority, state: 'offline', found: this.#meant.reason };
      case 'meant': {
        const { state } = this;
        const found = 'reason' in state ? state.reason : '';
        return { name, priority, state: state.state === 'failed' ? 'failed' : 'running', found };
      }
    }
  }

  /** What the heartbeat says of it. */
  word(): ApplicationWord {
    const { name, config } = this;
    const { node, priority } = config;
    const { monitors } = this.#monitored.report();
    const responseMs = Math.max(-1, ...monitors.map((monitor) => monitor.responseMs ?? -1));
    const is = { name, node, priority, ...(responseMs >= 0 && { responseMs: Math.round(responseMs) }) };
    const meant = this.#meant;
    switch (meant.is) {
      case 'unasked':
        return { name, node, priority, state: 'stopped', reason: heartbeatWords(meant.reason) };
      case 'no-lease': {
        const reason = meant.isRunning ? 'no lease is held: it runs on under one that keeps' : 'no lease is held';
        return { name, node, priority, state: meant.isRunning ? 'running' : 'stopped', reason };
      }
      case 'offline': {
        const { untilWallMs, reason } = meant;
        const until = untilWallMs === undefined ? {} : { offlineUntilMs: Math.floor(untilWallMs) };
        return { name, node, priority, state: 'offline', reason: heartbeatWords(reason), ...until };
      }
      case 'meant': {
        const { state } = this;
        const attempts = state.state === 'offline' || state.attemptsMade === 0 ? 0 : state.attemptsMade;
        const why = 'reason' in state ? whyOf(state) : undefined;
        const poor = state.state === 'running' ? this.#performance?.poor : undefined;
        return {
          ...is,
          state: state.state,
          ...(attempts > 0 && { attemptsMade: attempts }),
          ...(why !== undefined && { reason: heartbeatWords(why) }),
          ...(poor !== undefined && { poor: heartbeatWords(poor) }),
        };
      }
    }
  }

  /**
   * What its guard says now. Monitors begin once it is meant to run, and end once it is not; `signal` ends them with the
   * site.
   */
  heed(meant: Meant, signal: AbortSignal): void {
    const before = this.#meant;
    this.#meant = meant;
    if (meant.is === 'offline' && meant.isItself && this.state.state !== 'offline') {
      this.#monitored.takeOffline();
    }
    if (meant.is === 'meant') {
      this.#countStarts(meant.guarded);
      if (before.is !== 'meant') this.#settle(meant.guarded);
      this.#begin(signal);
      this.#performance?.sample(() => this.#monitored.results());
    } else this.#run?.stop.abort();
  }

  /** Takes the starts that were made meanwhile for ours: an attempt was under way when the record was last written. */
  adoptStarts(): void {
    this.#starts = undefined;
  }

  /** Whether an attempt was under way when its record was last written. */
  get wasRestarting(): boolean {
    return this.#wasRestarting;
  }

  /** Does `work`, in which we stop and start it, with another application or with its machine: its starts are ours. */
  async duringOurs(work: () => Promise<void>): Promise<void> {
    this.#ours += 1;
    this.#monitored.settle(Infinity);
    try {
      await work();
    } finally {
      this.#ours -= 1;
      this.#monitored.settle(this.config.restarts.startMs);
    }
  }

  /** Resolves when nothing of it is under way any more, after the signal was aborted. */
  async ended(): Promise<void> {
    await this.#run?.over;
    await this.#saving.ask();
  }

  #begin(signal: AbortSignal): void {
    if (this.#run || signal.aborted) return;
    const stop = new AbortController();
    const over = this.#monitored
      .run(AbortSignal.any([signal, stop.signal]), () => {
        this.#changed();
      })
      .finally(() => (this.#run = undefined));
    this.#run = { stop, over };
  }

  /** Leaves it what is left of its time to start: the time since it was started has passed of that. */
  #settle({ startedBootMs }: GuardedStatus): void {
    const { startMs } = this.config.restarts;
    const passedMs = startedBootMs === undefined ? 0 : this.#options.clock.bootMs() - startedBootMs;
    if (passedMs < startMs) this.#monitored.settle(Math.min(startMs, startMs - passedMs));
  }

  #countStarts({ starts }: GuardedStatus): void {
    const before = this.#starts;
    if (before === starts) return;
    this.#starts = starts;
    const isAnothers = before !== undefined && starts > before && this.#ours === 0;
    // A mark that is gone was cleared by a start, whatever was counted.
    if (isAnothers || this.state.state === 'offline') this.#monitored.started();
    this.#changed();
  }

  #changed(): void {
    // An attempt waits for the record and fails with it; here a failure is only told.
    this.#saving.ask().catch((error: unknown) => {
      this.#options.tell(`${this.name}: ${error instanceof Error ? error.message : 'its record was not written'}`);
    });
  }

  async #save(): Promise<void> {
    const { state } = this;
    if (state.state === 'offline') return;
    const record: ApplicationRecord = {
      version: CURRENT_VERSION,
      state: state.state,
      attemptsMade: state.attemptsMade,
      attemptsAllowed: this.config.restarts.attempts,
      isRestarting: state.state === 'failing' && state.isRestarting,
      reason: 'reason' in state ? state.reason : '',
      ...(this.#starts !== undefined && { starts: this.#starts }),
    };
    await writeRecord(this.#options.records, recordName(this.#options), applicationRecordSchema, record);
  }
}

function recordName({ group, name }: Pick<WatchedApplicationOptions, 'group' | 'name'>): string {
  return `application.${group}.${name}`;
}

function stateOf(record: ApplicationRecord): ApplicationState {
  const { state, attemptsMade, attemptsAllowed, isRestarting, reason } = record;
  switch (state) {
    case 'running':
      return { state, attemptsMade, wellSinceBootMs: undefined };
    case 'failing':
      return { state, attemptsMade, attemptsAllowed, isRestarting, isDue: false, reason, problem: undefined };
    case 'failed':
      return { state, attemptsMade, reason, problem: undefined };
  }
}

function whyOf({ reason, problem }: { readonly reason: string; readonly problem: string | undefined }): string {
  return problem === undefined ? reason : `${reason}; restart: ${problem}`;
}
