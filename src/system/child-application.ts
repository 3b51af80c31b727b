/**
 * An application that is a child process with everything it starts in turn: a process group of its own, which SIGTERM
 * asks to end and SIGKILL ends.
 *
 * Invariant: `gone` resolves only after the rest of the group, too, was sent SIGKILL. The group outlives this process
 * if nobody stops it: a lease holder that dies does not stop its application (src/site/lease/leased-application.ts).
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { LeewardError } from '../kernel/errors.ts';
import type { Application } from '../ports/application.ts';
import { signalGroupOf } from './process-group.ts';

/** How to start it. */
export interface ChildCommand {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly folder?: string;
}

export class ChildApplication implements Application {
  readonly name: string;
  readonly #command: ChildCommand;
  #child: ChildProcess | undefined;
  #gone: Promise<string> = Promise.resolve('never started');

  constructor(command: ChildCommand) {
    this.name = command.name;
    this.#command = command;
  }

  async start(): Promise<void> {
    const { command, args, folder } = this.#command;
    const child = spawn(command, args, {
      // Makes it the leader of its own group; its output goes to ours, on stderr, since stdout is data.
      detached: true,
      stdio: ['ignore', 2, 2],
      ...(folder === undefined ? {} : { cwd: folder }),
    });
    this.#gone = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        signalAll(child, 'SIGKILL');
        this.#child = undefined;
        resolve(signal === null ? `exit code ${code ?? 0}` : `signal ${signal}`);
      });
    });
    try {
      await once(child, 'spawn');
    } catch (error) {
      this.#gone = Promise.resolve('never started');
      throw new LeewardError('USAGE', `application ${this.name} cannot be started`, { cause: error });
    }
    this.#child = child;
  }

  askToStop(): void {
    if (this.#child) signalAll(this.#child, 'SIGTERM');
  }

  kill(): void {
    if (this.#child) signalAll(this.#child, 'SIGKILL');
  }

  async gone(): Promise<string> {
    return await this.#gone;
  }
}

function signalAll(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid !== undefined) signalGroupOf(child.pid, signal);
}
