/** Signals to a whole process group, whose leader is known by its mark. */
import { LeewardError } from '../kernel/errors.ts';
import { kernelNames } from './kernel-text.ts';
import { isOver, isRunning, statOf } from './processes.ts';
import type { ProcessMark } from './processes.ts';

/**
 * Sends it to what is left of the group, and nothing where its id was used again by another process. Errors: DENIED where
 * all that is left is somebody else's, as a set-uid program is; UNAVAILABLE.
 */
export function signalGroup(leader: ProcessMark, signal: NodeJS.Signals): void {
  if (!isGroupThere(leader)) return;
  try {
    process.kill(-leader.pid, signal);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    // Nothing of the group is left: what was asked for.
    if (code === 'ESRCH') return;
    if (code !== 'EPERM') throw error;
    const instead = 'let the guard run as root, or that program as the user of the guard';
    throw new LeewardError('DENIED', `process group ${leader.pid} takes no ${signal} from this user: ${instead}`);
  }
}

/**
 * Whether anything of the group lives. Its id is not given to another process while a member of it lives. Source: POSIX,
 * fork(): a process id is unequal to any active process group's. So what has the leader's id and not its mark is a later
 * process, and then nothing of the group is left.
 * Errors: UNAVAILABLE.
 */
export function isGroupThere(leader: ProcessMark): boolean {
  if (isRunning(leader)) return true;
  return kernelNames('/proc').some((name) => /^\d+$/.test(name) && isMember(Number(name), leader.pid));
}

function isMember(pid: number, group: number): boolean {
  const stat = statOf(pid);
  return stat !== undefined && stat.group === group && pid !== group && !isOver(stat);
}
