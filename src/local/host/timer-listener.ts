/**
 * Fires one timer function on its schedule, as Azure's host does (azure-webjobs-sdk-extensions, TimerListener).
 *
 * Invariants: one host alone fires it, and one call of it runs at a time; occurrences that come while a
 * call runs are made good by one call right after it; a failed call is not repeated before the next occurrence; an
 * occurrence that came while no host ran is made good once, at the start, for timers that are watched.
 */
import type { BlockBlobClient } from '@azure/storage-blob';
import { describeError } from '../../kernel/errors.ts';
import type { TimerTrigger } from './bindings.ts';
import type { SingletonSettings } from './host-json.ts';
import type { Log } from './log.ts';
import { pause } from './pause.ts';
import { isWatched } from './schedule.ts';
import type { Schedule } from './schedule.ts';
import { underLease } from './singleton.ts';
import { continueStatus, readStatus, statusToJson, writeStatus } from './timer-status.ts';
import type { TimerStatus } from './timer-status.ts';

/** What a timer function gets, in the host's own form; the library turns the names to camel case. */
export interface TimerInfo {
  readonly Schedule: { readonly AdjustForDST: boolean };
  readonly ScheduleStatus: { readonly Last: string; readonly Next: string; readonly LastUpdated: string } | null;
  readonly IsPastDue: boolean;
}

export interface TimerListenerParts {
  readonly name: string;
  readonly trigger: TimerTrigger;
  readonly schedule: Schedule;
  readonly settings: SingletonSettings;
  readonly lockBlob: BlockBlobClient;
  readonly statusBlob: BlockBlobClient;
  /** Runs the function. Does not throw. */
  readonly run: (info: TimerInfo, reason: string) => Promise<void>;
  readonly log: Log;
}

export class TimerListener {
  readonly #parts: TimerListenerParts;
  readonly #watched: boolean;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #startedOnce = false;

  constructor(parts: TimerListenerParts) {
    this.#parts = parts;
    this.#watched = parts.trigger.useMonitor && isWatched(parts.schedule, Date.now());
  }

  /** Begins, in the background: getting the lease may take a while. */
  start(): void {
    const { lockBlob, settings, log, name } = this.#parts;
    const parts = { settings, log, name, stop: this.#stop.signal };
    this.#running = underLease(lockBlob, parts, (signal) => this.#fire(signal));
  }

  /** Resolves when the call under way is done and the lease given back. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** An ordinary timer object, for a call by hand. */
  async info(): Promise<TimerInfo> {
    const status = this.#watched ? await readStatus(this.#parts.statusBlob) : undefined;
    return this.#info(status, false);
  }

  async #fire(signal: AbortSignal): Promise<void> {
    const { trigger } = this.#parts;
    let status = await this.#startStatus(Date.now());
    const pastDue = status.nextMs < Date.now();
    const atOnce = pastDue || (trigger.runOnStartup && !this.#startedOnce);
    if (atOnce && !signal.aborted) {
      this.#startedOnce = true;
      status = await this.#call(status, Date.now(), pastDue ? 'past due' : 'run on startup');
    }
    for (;;) {
      await pause(status.nextMs - Date.now(), signal);
      if (signal.aborted) return;
      // A timer may wake a little early; the occurrence it was set for has come all the same.
      status = await this.#call(status, Math.max(Date.now(), status.nextMs), 'timer fired');
    }
  }

  async #startStatus(nowMs: number): Promise<TimerStatus> {
    const { schedule, statusBlob } = this.#parts;
    if (!this.#watched) return continueStatus(undefined, schedule, nowMs);
    try {
      const old = await readStatus(statusBlob);
      const status = continueStatus(old, schedule, nowMs);
      if (status !== old) await writeStatus(statusBlob, status);
      return status;
    } catch (error) {
      this.#warn(error);
      return continueStatus(undefined, schedule, nowMs);
    }
  }

  async #call(status: TimerStatus, atMs: number, reason: string): Promise<TimerStatus> {
    await this.#parts.run(this.#info(this.#watched ? status : undefined, reason === 'past due'), reason);
    const after: TimerStatus = { lastMs: atMs, nextMs: this.#parts.schedule.next(atMs), updatedMs: atMs };
    if (!this.#watched) return after;
    try {
      await writeStatus(this.#parts.statusBlob, after);
    } catch (error) {
      this.#warn(error);
    }
    return after;
  }

  #info(status: TimerStatus | undefined, isPastDue: boolean): TimerInfo {
    return {
      Schedule: { AdjustForDST: this.#parts.schedule.adjustForDst },
      ScheduleStatus: status ? statusToJson(status) : null,
      IsPastDue: isPastDue,
    };
  }

  #warn(error: unknown): void {
    const text = `${this.#parts.name}: the timer's state cannot be read or kept: ${describeError(error)}`;
    this.#parts.log.write('warning', { category: 'Host.Triggers.Timer' }, text);
  }
}
