/**
 * A stop that is armed in a process of its own, `stop-keeper.ts`: see {@link ArmedStop}.
 *
 * Invariant: an arming counts only once that process has said that it took it over, and lives; while one counts, a process
 * that died is replaced.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { extname, join } from 'node:path';
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError, isLeewardError } from '../../kernel/errors.ts';
import { Troubles } from '../../kernel/troubles.ts';
import type { ArmedStop } from '../../ports/armed-stop.ts';
import { bootId, isRunning } from '../processes.ts';
import type { GuardFiles } from './files.ts';

const LOOK_MS = 20;
/** How often it is looked whether that process lives: far more often than a watchdog that it feeds needs it. */
const WATCH_MS = 1000;
/** How long taking over may last, the start of the process included. */
const TAKEN_WITHIN_MS = 15_000;

export class ProcessStop implements ArmedStop {
  readonly #files: GuardFiles;
  readonly #clock: Clock;
  readonly #watchdog: string | undefined;
  /** What this guard has started last. */
  #started: ChildProcess | undefined;

  /** With the device of a watchdog that is to bite when that process is held up, too. */
  constructor(files: GuardFiles, clock: Clock, watchdog?: string) {
    this.#files = files;
    this.#clock = clock;
    this.#watchdog = watchdog;
  }

  async arm(untilBootMs: number): Promise<void> {
    const watchdog = this.#watchdog === undefined ? {} : { watchdog: this.#watchdog };
    await this.#files.write('armed', { boot: bootId(), untilBootMs, ...watchdog });
    await this.#untilTaken(untilBootMs, true);
  }

  async disarm(): Promise<void> {
    await this.#files.write('armed', { boot: bootId(), untilBootMs: 0 });
    if (await this.#isAlive()) await this.#untilTaken(0, false);
  }

  async armedBootMs(): Promise<number> {
    const armed = await this.#files.read('armed');
    return armed?.boot === bootId() && (await this.#hasTaken(armed.untilBootMs)) ? armed.untilBootMs : 0;
  }

  /** Replaces the process when it dies, until the signal is aborted; what keeps it from that is told once, and tried again. */
  async watch(signal: AbortSignal, tell: (line: string) => void): Promise<void> {
    const troubles = new Troubles();
    const what = 'the stop outside';
    while (!signal.aborted) {
      await this.#clock.sleep(WATCH_MS, signal).catch(() => undefined);
      try {
        await this.#replaceIfDead();
        if (troubles.isOver(what)) tell(`${what}: well again`);
      } catch (error) {
        if (!isLeewardError(error)) throw error;
        if (troubles.isNews(what, error.message)) tell(`${what}: ${error.message}`);
      }
    }
  }

  async #replaceIfDead(): Promise<void> {
    const armed = await this.#files.read('armed');
    const isAhead = armed?.boot === bootId() && armed.untilBootMs > this.#clock.bootMs();
    if (isAhead && !(await this.#isAlive())) this.#start();
  }

  async #untilTaken(untilBootMs: number, isNeeded: boolean): Promise<void> {
    const limitBootMs = this.#clock.bootMs() + TAKEN_WITHIN_MS;
    while (!(await this.#hasTaken(untilBootMs))) {
      // Looked at each time: one that has just died may not be known to have ended yet.
      if (isNeeded && !(await this.#isAlive())) this.#start();
      if (this.#clock.bootMs() >= limitBootMs) {
        const why = (await this.#files.read('keeper'))?.problem ?? 'no answer';
        throw new LeewardError('UNAVAILABLE', `nothing outside the guard took over the stop: ${why}`);
      }
      await this.#clock.sleep(LOOK_MS);
    }
  }

  async #hasTaken(untilBootMs: number): Promise<boolean> {
    const said = await this.#files.read('keeper');
    return said?.untilBootMs === untilBootMs && said.problem === undefined && isRunning(said.keeper);
  }

  async #isAlive(): Promise<boolean> {
    const said = await this.#files.read('keeper');
    return said !== undefined && isRunning(said.keeper);
  }

  #start(): void {
    // One that has not said anything yet is on its way: on a slow machine another would only hold it up.
    if (this.#started?.exitCode === null && this.#started.signalCode === null) return;
    // Beside this one, from source as in a bundle.
    const script = join(import.meta.dirname, `stop-keeper${extname(import.meta.filename)}`);
    const child = spawn(process.execPath, [script, this.#files.folder], { detached: true, stdio: 'ignore' });
    // Told by nothing being taken over; an event that nobody takes would end this process.
    child.once('error', () => undefined);
    child.unref();
    if (child.pid !== undefined) this.#started = child;
  }
}
