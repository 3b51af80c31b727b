/**
 * A stop that is armed in a process of its own, `stop-keeper.ts`: see {@link ArmedStop}.
 *
 * Invariant: an arming counts only once that process has said that it took it over, and lives.
 */
import { spawn } from 'node:child_process';
import { extname, join } from 'node:path';
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError } from '../../kernel/errors.ts';
import type { ArmedStop } from '../../ports/armed-stop.ts';
import { bootId, isRunning } from '../processes.ts';
import type { GuardFiles } from './files.ts';

const LOOK_MS = 20;
/** How long taking over may last, the start of the process included. */
const TAKEN_WITHIN_MS = 5000;

export class KeeperStop implements ArmedStop {
  readonly #files: GuardFiles;
  readonly #clock: Clock;

  constructor(files: GuardFiles, clock: Clock) {
    this.#files = files;
    this.#clock = clock;
  }

  async arm(untilBootMs: number): Promise<void> {
    await this.#files.write('armed', { boot: bootId(), untilBootMs });
    const limitBootMs = this.#clock.bootMs() + TAKEN_WITHIN_MS;
    if (!(await this.#isAlive())) this.#start();
    while (!(await this.#hasTaken(untilBootMs))) {
      if (this.#clock.bootMs() >= limitBootMs) {
        throw new LeewardError('UNAVAILABLE', `nothing outside the guard took over the stop in ${this.#files.folder}`);
      }
      await this.#clock.sleep(LOOK_MS);
    }
  }

  async armedBootMs(): Promise<number> {
    const armed = await this.#files.read('armed');
    return armed?.boot === bootId() && (await this.#hasTaken(armed.untilBootMs)) ? armed.untilBootMs : 0;
  }

  async #hasTaken(untilBootMs: number): Promise<boolean> {
    const said = await this.#files.read('keeper');
    return said?.untilBootMs === untilBootMs && isRunning(said.keeper);
  }

  async #isAlive(): Promise<boolean> {
    const said = await this.#files.read('keeper');
    return said !== undefined && isRunning(said.keeper);
  }

  #start(): void {
    // Beside this one, from source as in a bundle.
    const script = join(import.meta.dirname, `stop-keeper${extname(import.meta.filename)}`);
    const child = spawn(process.execPath, [script, this.#files.folder], { detached: true, stdio: 'ignore' });
    // Told by nothing being taken over; an event that nobody takes would end this process.
    child.once('error', () => undefined);
    child.unref();
  }
}
