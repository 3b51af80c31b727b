/**
 * Processes by their marks: an id and the moment of its start.
 *
 * Invariant: only one for which both fit is ever taken for the process that is meant: ids are used again. Where there is no
 * /proc, the id alone has to do.
 */
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';

export const processSchema = z.object({
  pid: z.int().positive(),
  /** Boot and clock tick of its start. */
  started: z.string(),
});

/** A process, and no other one that gets its id later. */
export type ProcessMark = z.infer<typeof processSchema>;

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
