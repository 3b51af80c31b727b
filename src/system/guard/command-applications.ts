/**
 * Applications that are one command with everything it starts in turn: a process group in a session of its own, which
 * outlives whoever started it.
 *
 * Invariants: its leader's mark is on stable storage before it does anything, so that the next guard, and what stops it
 * from outside, find it; it is over only when nothing of the group is left.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError } from '../../kernel/errors.ts';
import type { GuardedApplications } from '../../ports/guarded-applications.ts';
import { isGroupThere, signalGroup } from '../process-group.ts';
import { markOf } from '../processes.ts';
import type { ProcessMark } from '../processes.ts';
import type { GuardFiles } from './files.ts';

/** How often it is looked whether anything is left. */
const LOOK_MS = 50;

/** Waits for a line, which comes once the leader is on record, and becomes the command; without one it ends. */
const HELD = 'read -r line <&3 && exec 3<&- && exec "$@"';

export class CommandApplications implements GuardedApplications {
  readonly #files: GuardFiles;
  readonly #command: readonly [string, ...string[]];
  readonly #clock: Clock;
  #leader: ProcessMark | undefined;

  private constructor(files: GuardFiles, command: readonly [string, ...string[]], clock: Clock) {
    this.#files = files;
    this.#command = command;
    this.#clock = clock;
  }

  /** With whatever runs already. Errors: DOCUMENT_INVALID. */
  static async open(
    files: GuardFiles,
    command: readonly [string, ...string[]],
    clock: Clock,
  ): Promise<CommandApplications> {
    const applications = new CommandApplications(files, command, clock);
    applications.#leader = (await files.read('running'))?.leader;
    return applications;
  }

  async isRunning(): Promise<boolean> {
    return this.#leader !== undefined && isGroupThere(this.#leader);
  }

  async start(): Promise<void> {
    let log: number | undefined;
    try {
      log = openSync(this.#files.path('log'), 'a', 0o600);
      const child = spawn('/bin/sh', ['-c', HELD, 'held', ...this.#command], {
        detached: true,
        stdio: ['ignore', log, log, 'pipe'],
      });
      await once(child, 'spawn');
      const leader = child.pid === undefined ? undefined : markOf(child.pid);
      const line = child.stdio[3];
      if (!leader || !line || !('end' in line)) throw new Error('it ended at once');
      // It only ever carries one line; however the command ends, that is told by its group.
      line.on('error', () => undefined);
      await this.#files.write('running', { leader });
      this.#leader = leader;
      line.end('go\n');
      child.unref();
    } catch (error) {
      throw new LeewardError('USAGE', `${this.#command.join(' ')} cannot be started`, { cause: error });
    } finally {
      if (log !== undefined) closeSync(log);
    }
  }

  askToStop(): void {
    if (this.#leader) signalGroup(this.#leader, 'SIGTERM');
  }

  kill(): void {
    if (this.#leader) signalGroup(this.#leader, 'SIGKILL');
  }

  async gone(): Promise<string> {
    while (await this.isRunning()) await this.#clock.sleep(LOOK_MS);
    return 'nothing of it is left';
  }
}
