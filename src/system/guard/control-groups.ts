/**
 * Control groups (cgroup v2) of single applications: what a process starts stays in its group, whatever sessions and process
 * groups it makes, and all of it is killed in one step. Source: Linux, Documentation/admin-guide/cgroup-v2.rst.
 *
 * Invariants: a control group is named by its folder; one that is not there holds nothing; what cannot be looked at is
 * never taken for nothing, but is UNAVAILABLE.
 */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LeewardError, describeError } from '../../kernel/errors.ts';
import { isMissing } from '../durable-file.ts';
import { kernelText } from '../kernel-text.ts';

/** Where the unified hierarchy lies; undefined where there is none. Source: proc(5), /proc/PID/mountinfo. */
export function unifiedRoot(): string | undefined {
  const lines = kernelText('/proc/self/mountinfo')?.split('\n');
  const line = lines?.find((one) => / - cgroup2 /.test(one));
  // Octal escapes stand for white space, which no such folder has.
  return line?.split(' ')[4];
}

/** The control group of a process within the unified hierarchy, from its root: "/…"; undefined where there is none. */
export function controlGroupOf(pid: number | 'self'): string | undefined {
  return /^0::(\/.*)$/m.exec(kernelText(`/proc/${pid}/cgroup`) ?? '')?.[1];
}

/**
 * A control group called `name`, made if it is not there: beside the one that this process is in, so that it is in the same
 * slice and outlives it. Undefined where none can be made.
 */
export function makeControlGroup(name: string): string | undefined {
  const folder = controlGroupFolder(name);
  if (folder === undefined) return undefined;
  try {
    if (!existsSync(folder)) mkdirSync(folder);
  } catch {
    return undefined;
  }
  // Before Linux 5.14 a control group cannot be killed as a whole.
  return existsSync(join(folder, 'cgroup.kill')) ? folder : undefined;
}

/** Whether control groups can be made here, and processes moved into them. */
export function hasControlGroups(): boolean {
  const folder = makeControlGroup(`leeward-probe-${process.pid}`);
  if (folder !== undefined) removeControlGroup(folder);
  return folder !== undefined;
}

/** Where {@link makeControlGroup} makes it. */
export function controlGroupFolder(name: string): string | undefined {
  const root = unifiedRoot();
  const own = controlGroupOf('self');
  return root === undefined || own === undefined ? undefined : join(root, dirname(own), name);
}

/** Moves a process there, with what it starts from then on; whether that was allowed. */
export function moveInto(folder: string, pid: number): boolean {
  try {
    writeFileSync(join(folder, 'cgroup.procs'), String(pid));
    return true;
  } catch {
    return false;
  }
}

/** Whether any process is in it, or in one within it. */
export function isPopulated(folder: string): boolean {
  return /^populated 1$/m.test(kernelText(join(folder, 'cgroup.events')) ?? '');
}

/** Sends a signal to each process in it that may be sent any; what starts meanwhile may not get it. */
export function signalControlGroup(folder: string, signal: NodeJS.Signals): void {
  for (const pid of (kernelText(join(folder, 'cgroup.procs')) ?? '').split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), signal);
    } catch {
      // It ended meanwhile, or is somebody else's: that is killed with the control group.
    }
  }
}

/** Kills all that is in it and in those within it, together with what they are just starting. Errors: UNAVAILABLE. */
export function killControlGroup(folder: string): void {
  try {
    writeFileSync(join(folder, 'cgroup.kill'), '1');
  } catch (error) {
    // It is gone, and with it what was in it.
    if (isMissing(error) || !existsSync(folder)) return;
    throw new LeewardError('UNAVAILABLE', `the control group cannot be killed: ${describeError(error)}`);
  }
}

/** Removes one that nothing is in. */
export function removeControlGroup(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Something is in it again, or it is gone.
  }
}
