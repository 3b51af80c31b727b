/** Signals to a whole process group, whose leader is known by its mark. */
import { readdirSync } from 'node:fs';
import { isOver, isRunning, statOf } from './processes.ts';
import type { ProcessMark } from './processes.ts';

/** Sends it to what is left of the group, and nothing where its id was used again by another process. */
export function signalGroup(leader: ProcessMark, signal: NodeJS.Signals): void {
  if (!isGroupThere(leader)) return;
  try {
    process.kill(-leader.pid, signal);
  } catch (error) {
    // Nothing of the group is left: what was asked for.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/**
 * Whether anything of the group lives. Its id is not given to another process while a member of it lives. Source: POSIX,
 * fork(): a process id is unequal to any active process group's. So what has the leader's id and not its mark is a later
 * process, and then nothing of the group is left.
 */
export function isGroupThere(leader: ProcessMark): boolean {
  if (isRunning(leader)) return true;
  return readdirSync('/proc').some((name) => /^\d+$/.test(name) && isMember(Number(name), leader.pid));
}

function isMember(pid: number, group: number): boolean {
  const stat = statOf(pid);
  return stat !== undefined && stat.group === group && pid !== group && !isOver(stat);
}
