/**
 * Processes that outlive the command that started them.
 *
 * Invariant: a process is known by its id and the moment of its start, and only one for which both fit is ever sent a
 * signal: ids are used again. Where there is no /proc, the id alone has to do.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { LeewardError } from '../../kernel/errors.ts';

export const processSchema = z.object({
  pid: z.int().positive(),
  /** Boot and clock tick of its start. */
  started: z.string(),
});

/** A process, and no other one that gets its id later. */
export type ProcessMark = z.infer<typeof processSchema>;

const POLL_MS = 20;

/** The process that has the id now; undefined when there is none or only its remains. */
export function markOf(pid: number): ProcessMark | undefined {
  if (!existsSync('/proc/self/stat')) return exists(pid) ? { pid, started: 'unknown' } : undefined;
  try {
    // The name, in parentheses, may hold anything. Source: proc_pid_stat(5), fields 3 (state) and 22 (starttime).
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\)\s/s, '')
      .split(' ');
    const [state = ''] = fields;
    if ('ZXx'.includes(state)) return undefined;
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return { pid, started: `${boot}/${fields[19] ?? ''}` };
  } catch {
    return undefined;
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

export function isRunning(mark: ProcessMark): boolean {
  return markOf(mark.pid)?.started === mark.started;
}

/** What a process of a stack inherits: a setting in the caller's environment must not win over the stack's own. */
const INHERITED = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'TZ'];

/** Starts `node script args`, which appends what it says to `log` and needs nobody from then on. Throws PLATFORM_FAILED. */
export function startDetached(of: {
  script: string;
  args: readonly string[];
  environment?: Readonly<Record<string, string>>;
  log: string;
  folder: string;
}): ProcessMark {
  const log = openSync(of.log, 'a', 0o600);
  try {
    const inherited = INHERITED.map((name) => [name, process.env[name]] as const);
    const child = spawn(process.execPath, [of.script, ...of.args], {
      cwd: of.folder,
      detached: true,
      env: { ...Object.fromEntries(inherited), ...of.environment },
      stdio: ['ignore', log, log],
    });
    // Reported by the missing id; an event that nobody takes would end this process.
    child.once('error', () => undefined);
    child.unref();
    const { pid } = child;
    if (pid === undefined) throw new LeewardError('PLATFORM_FAILED', `cannot start ${of.script} in ${of.folder}`);
    return markOf(pid) ?? { pid, started: 'gone' };
  } finally {
    closeSync(log);
  }
}

/** Sends `signal` and waits until the process is gone: true, or false when it is still there after `limitMs`. */
export async function endProcess(mark: ProcessMark, signal: NodeJS.Signals, limitMs: number): Promise<boolean> {
  if (!isRunning(mark)) return true;
  try {
    process.kill(mark.pid, signal);
  } catch {
    // It ended by itself in the meantime, or is not ours: the next lines tell which.
  }
  for (const begun = performance.now(); performance.now() - begun < limitMs;) {
    if (!isRunning(mark)) return true;
    await sleep(POLL_MS);
  }
  return !isRunning(mark);
}

/** Waits until `file` is there. Returns at once with false when the process ended without it, or after `limitMs`. */
export async function waitForFile(file: string, mark: ProcessMark, limitMs: number): Promise<boolean> {
  for (const begun = performance.now(); performance.now() - begun < limitMs;) {
    // Looked at first: what ended before the look had its chance to write the file.
    const running = isRunning(mark);
    if (existsSync(file)) return running;
    if (!running) return false;
    await sleep(POLL_MS);
  }
  return false;
}
