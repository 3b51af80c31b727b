/**
 * Processes that outlive the command that started them.
 *
 * Invariant: a process is known by its mark (`src/system/processes.ts`), and only one that it fits is ever sent a signal.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { LeewardError } from '../../kernel/errors.ts';
import { isRunning, markOf } from '../../system/processes.ts';
import type { ProcessMark } from '../../system/processes.ts';

const POLL_MS = 20;

/**
 * What a process of a stack inherits: a setting in the caller's environment must not win over the stack's own. Where Node
 * keeps what it has compiled is none, and half of what a process needs to start.
 */
const INHERITED = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'TZ', 'NODE_COMPILE_CACHE'];

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
  signalTo(mark, signal);
  for (const begun = performance.now(); performance.now() - begun < limitMs;) {
    if (!isRunning(mark)) return true;
    await sleep(POLL_MS);
  }
  return !isRunning(mark);
}

/** Sends `signal` to the process, if it runs. */
export function signalTo(mark: ProcessMark, signal: NodeJS.Signals): void {
  if (!isRunning(mark)) return;
  try {
    process.kill(mark.pid, signal);
  } catch {
    // It ended by itself in the meantime, or is not ours: whoever asks whether it runs finds out.
  }
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
