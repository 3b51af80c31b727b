/**
 * One monitor at work: its check, again and again, and what its results make of it.
 *
 * Invariants: a check that gives no result within its time-out is a failure at that moment, whatever becomes of it; a monitor
 * never has two checks under way, and one whose check cannot be ended fails again at every interval until it has; nothing is
 * made up for after a delay; a result of a check that began before the application was started says nothing about it.
 */
import type { Clock } from '../../kernel/clock.ts';
import { describeError } from '../../kernel/errors.ts';
import type { Check, Prober, ProbeResult } from '../../ports/probe.ts';
import { ResultRing } from './results.ts';
import type { KeptResult } from './results.ts';
import { counted, NOTHING_SEEN } from './thresholds.ts';
import type { MonitorStanding, Thresholds } from './thresholds.ts';

/** What one monitor is to do. */
export interface MonitorPlan {
  readonly name: string;
  readonly check: Check;
  /** From the beginning of one check to the beginning of the next. */
  readonly intervalMs: number;
  /** For one check; at most the interval. */
  readonly timeoutMs: number;
  readonly thresholds: Thresholds;
  /** How many results are kept. */
  readonly keptResults: number;
}

/** How long a check may take to end what it started, after it was told to: killing a process group takes milliseconds. */
const ENDING_MS = 500;

interface Ports {
  readonly prober: Prober;
  readonly clock: Clock;
}

export class Monitor {
  readonly plan: MonitorPlan;
  readonly #ports: Ports;
  readonly #kept: ResultRing;
  #standing = NOTHING_SEEN;
  /** Changes with every start of the application. */
  #start = {};
  /** Until then, failures are those of an application that is still starting, on boot time. */
  #settledBootMs = 0;

  constructor(plan: MonitorPlan, ports: Ports) {
    this.plan = plan;
    this.#ports = ports;
    this.#kept = new ResultRing(plan.keptResults);
  }

  get standing(): MonitorStanding {
    return this.#standing;
  }

  /** Correctness and time of the newest results, oldest first. */
  results(): KeptResult[] {
    return this.#kept.list();
  }

  /** The application was started just now: all that was seen is forgotten, and failures do not count for `startMs`. */
  begunAnew(startMs: number): void {
    this.#start = {};
    this.#standing = NOTHING_SEEN;
    this.#settledBootMs = this.#ports.clock.bootMs() + startMs;
  }

  /**
   * Checks until the signal is aborted; `tell` is called after each result that counted. Returns when nothing of its checks is
   * under way any more, or cannot be ended. Never rejects.
   */
  async run(signal: AbortSignal, tell: (result: ProbeResult) => void): Promise<void> {
    const { clock } = this.#ports;
    let newest = { sinceBootMs: 0, isOver: true, over: Promise.resolve() };
    for (let dueBootMs = clock.bootMs(); !signal.aborted;) {
      if (newest.isOver || (await this.#isSoonOver(newest))) {
        const check = { sinceBootMs: clock.bootMs(), isOver: false, over: Promise.resolve() };
        const start = this.#start;
        check.over = this.#check(signal, (result) => {
          this.#count(result, check.sinceBootMs, start, tell);
        }).then(() => {
          check.isOver = true;
        });
        newest = check;
      } else {
        const responseMs = clock.bootMs() - newest.sinceBootMs;
        const reason = `the check that began ${Math.round(responseMs / 1000)} s ago cannot be ended`;
        this.#count({ isWell: false, responseMs, reason }, clock.bootMs(), this.#start, tell);
      }
      // After a delay the next check begins at once, and none is made up for.
      dueBootMs = Math.max(dueBootMs + this.plan.intervalMs, clock.bootMs());
      await clock.sleep(dueBootMs - clock.bootMs(), signal).catch(() => undefined);
    }
    await this.#isSoonOver(newest);
  }

  /** Whether a check that was told to end, or is about to be, does so. */
  async #isSoonOver(check: { readonly isOver: boolean; readonly over: Promise<void> }): Promise<boolean> {
    const enough = new AbortController();
    const wait = this.#ports.clock.sleep(ENDING_MS, enough.signal).catch(() => undefined);
    await Promise.race([check.over, wait]);
    enough.abort();
    return check.isOver;
  }

  /** One check. Gives its result as soon as it is known; resolves when nothing of it is under way any more. */
  async #check(signal: AbortSignal, give: (result: ProbeResult) => void): Promise<void> {
    const { prober, clock } = this.#ports;
    const { check, timeoutMs } = this.plan;
    const stop = new AbortController();
    const over = new AbortController();
    let isGiven = false;
    const giveOnce = (result: ProbeResult): void => {
      if (!isGiven && !signal.aborted) give(result);
      isGiven = true;
    };
    const leave = (): void => {
      stop.abort(signal.reason);
      over.abort();
    };
    signal.addEventListener('abort', leave, { once: true });
    const deadline = clock.sleep(timeoutMs, over.signal).then(
      () => {
        giveOnce({ isWell: false, responseMs: timeoutMs, reason: `no result within ${timeoutMs} ms` });
        stop.abort(new Error('the time-out of the check is over'));
      },
      () => undefined,
    );
    try {
      giveOnce(await prober.probe(check, { timeoutMs, signal: stop.signal }));
    } catch (error) {
      giveOnce({ isWell: false, responseMs: timeoutMs, reason: `the check went wrong: ${describeError(error)}` });
    }
    over.abort();
    signal.removeEventListener('abort', leave);
    await deadline;
  }

  #count(result: ProbeResult, beganBootMs: number, start: object, tell: (result: ProbeResult) => void): void {
    if (start !== this.#start) return;
    const { isWell, responseMs } = result;
    if (!isWell && beganBootMs < this.#settledBootMs) return;
    this.#kept.add({ beganBootMs, isWell, responseMs });
    this.#standing = counted(this.#standing, result, this.plan.thresholds);
    tell(result);
  }
}
