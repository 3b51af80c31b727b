/**
 * Runs an application only under its group's lease: the small forerunner of the guard.
 *
 * Invariants: it is started only while a lease is held that leaves time to stop it again; it is asked to stop so early
 * that its stop time ends before the lease does, and killed early enough to be gone by then; once it was asked to stop,
 * no renewal that comes late keeps it.
 *
 * What it does not do yet: nothing outside this process stops the application when this process dies or is held up (no
 * service manager, no watchdog), it promises the cloud nothing (no signed *stopped*), it does not notice a jump of the
 * clocks, and it does not count restarts. Where that matters, failover must not be automatic.
 */
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError } from '../../kernel/errors.ts';
import type { Application } from '../../ports/application.ts';
import { RENEWALS_PER_LEASE } from './lease.ts';
import type { LeaseHolder } from './lease.ts';

/** The longest sleep: a machine that was suspended past its deadline notices within this time after it wakes. */
const LOOK_MS = 250;

export interface LeasedApplicationOptions {
  readonly group: string;
  readonly application: Application;
  readonly holder: Pick<LeaseHolder, 'isHeld' | 'lease'>;
  readonly clock: Clock;
  /** How long the application may take to stop in order. */
  readonly stopMs: number;
  /** How long killing it may take. */
  readonly killMs: number;
}

/** What happened, for people and for the record. Times are boot time. */
export type LeasedEvent =
  | { readonly event: 'started'; readonly atBootMs: number; readonly term: number }
  | { readonly event: 'asked-to-stop'; readonly atBootMs: number; readonly reason: string }
  | { readonly event: 'killed'; readonly atBootMs: number }
  | {
      readonly event: 'gone';
      readonly atBootMs: number;
      /** How it ended, in words. */
      readonly how: string;
      /** Time left until the lease ended; below zero if it was late. */
      readonly beforeDeadlineMs: number;
    };

export class LeasedApplication {
  readonly #options: LeasedApplicationOptions;

  constructor(options: LeasedApplicationOptions) {
    this.#options = options;
  }

  /**
   * Starts the application whenever a lease is held, stops it whenever the lease is running out, until `signal` is aborted;
   * then stops it in order and returns. Returns earlier when the application ends by itself, whoever is to judge that.
   * Errors: USAGE when it cannot be started, or its times do not fit the lease.
   */
  async run(signal: AbortSignal, tell: (event: LeasedEvent) => void): Promise<void> {
    const { group, application, holder, clock } = this.#options;
    while (!signal.aborted) {
      if (!this.#hasTime()) {
        await clock.sleep(LOOK_MS, signal).catch(() => undefined);
        continue;
      }
      this.#checkTimes();
      await application.start();
      tell({ event: 'started', atBootMs: clock.bootMs(), term: holder.lease(group).term });
      if ((await this.#supervise(signal, tell)) === 'by-itself') return;
    }
  }

  /** Refuses a lease that would have to be given up before it is renewed: the application would start and stop for ever. */
  #checkTimes(): void {
    const { application, group, holder, stopMs, killMs } = this.#options;
    const { leaseMs } = holder.lease(group);
    if (leaseMs - leaseMs / RENEWALS_PER_LEASE > stopMs + killMs) return;
    throw new LeewardError(
      'USAGE',
      `${application.name}: ${stopMs} ms to stop and ${killMs} ms to kill do not fit a lease of ${leaseMs} ms, renewed at a third`,
    );
  }

  /** Whether the lease leaves time to stop and kill, and some to run in. */
  #hasTime(): boolean {
    return this.#options.holder.isHeld(this.#options.group) && this.#stopAtBootMs() > this.#options.clock.bootMs();
  }

  #stopAtBootMs(): number {
    const { holder, group, stopMs, killMs } = this.#options;
    return holder.lease(group).untilBootMs - stopMs - killMs;
  }

  async #supervise(signal: AbortSignal, tell: (event: LeasedEvent) => void): Promise<'stopped' | 'by-itself'> {
    const { application, clock, group, holder } = this.#options;
    const end = watch(application);
    while (end.how === undefined && !signal.aborted && this.#hasTime()) {
      await this.#pause(end, this.#stopAtBootMs(), signal);
    }
    const byItself = end.how !== undefined;
    // Fixed now: a renewal that comes after the decision to stop changes nothing about it.
    const deadlineBootMs = holder.lease(group).untilBootMs;
    if (!byItself) {
      const reason = signal.aborted
        ? 'it was told to end'
        : (holder.lease(group).refusal ?? 'the lease was not renewed');
      await this.#stop(end, { deadlineBootMs, reason, tell });
    }
    const atBootMs = clock.bootMs();
    tell({ event: 'gone', atBootMs, how: end.how ?? 'unknown', beforeDeadlineMs: deadlineBootMs - atBootMs });
    return byItself ? 'by-itself' : 'stopped';
  }

  async #stop(
    end: Watch,
    how: { deadlineBootMs: number; reason: string; tell: (event: LeasedEvent) => void },
  ): Promise<void> {
    const { application, clock, stopMs, killMs } = this.#options;
    const askedBootMs = clock.bootMs();
    application.askToStop();
    how.tell({ event: 'asked-to-stop', atBootMs: askedBootMs, reason: how.reason });
    const killAtBootMs = Math.min(askedBootMs + stopMs, how.deadlineBootMs - killMs);
    while (end.how === undefined && clock.bootMs() < killAtBootMs) await this.#pause(end, killAtBootMs);
    if (end.how === undefined) {
      application.kill();
      how.tell({ event: 'killed', atBootMs: clock.bootMs() });
      await end.gone;
    }
  }

  /** Sleeps until `untilBootMs`, or until the application is gone, but never long. */
  async #pause(end: Watch, untilBootMs: number, signal?: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const woken = new AbortController();
    const ms = Math.min(LOOK_MS, Math.max(1, untilBootMs - clock.bootMs()));
    const either = signal ? AbortSignal.any([signal, woken.signal]) : woken.signal;
    await Promise.race([clock.sleep(ms, either).catch(() => undefined), end.gone]);
    woken.abort();
  }
}

interface Watch {
  readonly gone: Promise<void>;
  /** How it ended; undefined while it runs. */
  readonly how: string | undefined;
}

function watch(application: Application): Watch {
  let how: string | undefined;
  const gone = application.gone().then((words) => {
    how = words;
  });
  return {
    gone,
    get how() {
      return how;
    },
  };
}
