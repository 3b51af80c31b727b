/**
 * An application that is one command with everything it starts in turn: a process group in a session of its own, which
 * outlives whoever started it, and a control group wherever one can be made, so that nothing of it gets away.
 *
 * Invariants: its handle is on stable storage before it does anything; it is over only when nothing of it is left.
 */
import { closeSync, openSync } from 'node:fs';
import { createHash } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError, isLeewardError } from '../../kernel/errors.ts';
import type { Look } from '../../ports/guarded-application.ts';
import { signalGroup } from '../process-group.ts';
import { makeControlGroup, moveInto, signalControlGroup } from './control-groups.ts';
import type { GuardFiles } from './files.ts';
import { clearThing, lookAt } from './handle.ts';
import { HandledApplication } from './handled-application.ts';
import type { HandleFile } from './handle-file.ts';
import { startHeld } from './held-process.ts';

/** How often it is looked whether its process group has ended. */
const LOOK_MS = 100;

/** Name of the control group of this application of the guard with this folder. */
export function controlGroupName(folder: string, name: string): string {
  return `leeward-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}-${name}`;
}

export interface CommandOptions {
  readonly files: GuardFiles;
  readonly handles: HandleFile;
  readonly name: string;
  /** For /bin/sh. */
  readonly command: string;
  readonly clock: Clock;
  /** Whether it must not run without one, since what is armed outside kills it by that alone. */
  readonly needsControlGroup: boolean;
}

export class CommandApplication extends HandledApplication {
  readonly #files: GuardFiles;
  readonly #command: string;
  readonly #clock: Clock;
  readonly #needsControlGroup: boolean;

  /** With whatever runs of it already. */
  constructor(of: CommandOptions) {
    super(of.handles, { name: of.name });
    this.#files = of.files;
    this.#command = of.command;
    this.#clock = of.clock;
    this.#needsControlGroup = of.needsControlGroup;
  }

  override async look(): Promise<Look> {
    const { handle } = this;
    const look = await super.look();
    // One that something else is in by now is not removed.
    if (look === 'stopped') clearThing(handle);
    return look;
  }

  async start(signal: AbortSignal): Promise<void> {
    // What may be running must not be started beside itself.
    if ((await this.look()) === 'unknown')
      throw new LeewardError('UNAVAILABLE', `application ${this.name}: it cannot be seen whether it runs`);
    let log: number | undefined;
    try {
      log = openSync(this.#files.path('log'), 'a', 0o600);
      await startHeld({
        command: ['/bin/sh', '-c', this.#command],
        output: log,
        signal,
        record: async (leader) => {
          await this.record({ name: this.name, leader, controlGroup: this.#controlGroupFor(leader.pid) });
        },
      });
    } catch (error) {
      signal.throwIfAborted();
      if (isLeewardError(error)) throw error;
      const needs = `the guard must be able to write to ${this.#files.folder}, and to start processes`;
      throw new LeewardError('PLATFORM_FAILED', `application ${this.name} was not started: ${needs}`, { cause: error });
    } finally {
      if (log !== undefined) closeSync(log);
    }
  }

  askToStop(): void {
    const { leader } = this.handle;
    if (leader === undefined) return;
    void this.#askTheRest(this.handle);
    signalGroup(leader, 'SIGTERM');
  }

  #controlGroupFor(pid: number): string | undefined {
    const controlGroup = makeControlGroup(controlGroupName(this.#files.folder, this.name));
    if (controlGroup !== undefined && moveInto(controlGroup, pid)) return controlGroup;
    if (!this.#needsControlGroup) return undefined;
    throw new LeewardError(
      'PLATFORM_FAILED',
      `application ${this.name}: no control group can be made for it: use --arm process`,
    );
  }

  /** What left the process group is asked only once that is over: it may be for the group to end it. */
  async #askTheRest(handle: typeof this.handle): Promise<void> {
    const { leader, controlGroup } = handle;
    if (leader === undefined || controlGroup === undefined) return;
    while ((await lookAt({ name: this.name, leader })) !== 'stopped') await this.#clock.sleep(LOOK_MS);
    // What was started since is in the same control group, and was not asked to stop.
    if (this.handle !== handle) return;
    try {
      signalControlGroup(controlGroup, 'SIGTERM');
    } catch (error) {
      // Who cannot be asked is killed in the end, as who does not heed it.
      if (!isLeewardError(error)) throw error;
    }
  }
}
