/**
 * A process that is on record before it does anything: it leads a session of its own, waits for a line, and becomes its
 * command; when whoever started it dies before that, it ends.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { LeewardError } from '../../kernel/errors.ts';
import { markOf } from '../processes.ts';
import type { ProcessMark } from '../processes.ts';

/** Waits for a line, which comes once the process is on record, and becomes the command; without one it ends. */
const HELD = 'read -r line <&3 && exec 3<&- && exec "$@"';

export interface HeldStart {
  readonly command: readonly [string, ...string[]];
  /** For stdout and stderr. */
  readonly output: number | 'ignore';
  /** Puts it on record, with whatever else must be so before it begins. */
  readonly record: (mark: ProcessMark) => Promise<void>;
  /** Aborted by then, it never begins. */
  readonly signal: AbortSignal;
}

/** Resolves once it may go. Errors: UNAVAILABLE when it cannot be started now; those of `record`; the signal's reason. */
export async function startHeld({ command, output, record, signal }: HeldStart): Promise<ChildProcess> {
  const child = spawn('/bin/sh', ['-c', HELD, 'held', ...command], {
    detached: true,
    stdio: ['ignore', output, output, 'pipe'],
  });
  try {
    await once(child, 'spawn');
  } catch (error) {
    const what = `${command.join(' ')}: this machine starts no process: free memory and processes on it`;
    throw new LeewardError('UNAVAILABLE', what, { cause: error });
  }
  const line = child.stdio[3];
  const ended = new LeewardError(
    'UNAVAILABLE',
    `${command.join(' ')} was ended before it began: have it started again`,
  );
  if (!line || !('end' in line)) throw ended;
  // It only ever carries one line; however the process ends, that is seen otherwise.
  line.on('error', () => undefined);
  try {
    const mark = child.pid === undefined ? undefined : markOf(child.pid);
    if (!mark) throw ended;
    await record(mark);
    signal.throwIfAborted();
  } catch (error) {
    line.end();
    throw error;
  }
  line.end('go\n');
  child.unref();
  return child;
}
