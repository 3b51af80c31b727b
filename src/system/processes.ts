/**
 * Processes of this machine as the kernel tells of them, and by their marks: an id and the moment of its start.
 *
 * Invariant: only one for which both fit is ever taken for the process that is meant: ids are used again. Where there is no
 * /proc, the id alone has to do.
 */
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { kernelText } from './kernel-text.ts';

export const processSchema = z.object({
  pid: z.int().positive(),
  /** Boot and clock tick of its start. */
  started: z.string(),
});

/** A process, and no other one that gets its id later. */
export type ProcessMark = z.infer<typeof processSchema>;

/** What the kernel says of a process. */
export interface ProcessStat {
  /** One letter. */
  readonly state: string;
  /** Its process group, by its leader's id. */
  readonly group: number;
  /** When it started, in clock ticks since the boot. */
  readonly started: string;
}

/**
 * Undefined for no process, and where there is no /proc. Errors: UNAVAILABLE when it cannot be looked at, here and in
 * whatever asks this. Source: proc_pid_stat(5), fields 3 (state), 5 (pgrp), 22 (starttime).
 */
export function statOf(pid: number): ProcessStat | undefined {
  // The name, in parentheses, may hold anything.
  const fields = kernelText(`/proc/${pid}/stat`)
    ?.replace(/^.*\)\s/s, '')
    .split(' ');
  return fields && { state: fields[0] ?? '', group: Number(fields[2]), started: fields[19] ?? '' };
}

/** Whether only its remains are there, for which nobody has waited. Source: proc_pid_stat(5): Z is a zombie, X and x are dead. */
export function isOver({ state }: ProcessStat): boolean {
  return 'ZXx'.includes(state);
}

/** Which boot of this machine it is. Throws where the kernel does not tell. Source: Linux, random(4), boot_id. */
export function bootId(): string {
  return (knownBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'ascii').trim());
}

/** No process sees another boot. */
let knownBootId: string | undefined;

/** Whether anything has the id, remains included. */
export function exists(pid: number): boolean {
  // Zero and below would mean whole groups.
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives and is somebody else's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Boot and clock tick of the start; undefined where the kernel does not tell the boot. */
export function startOf({ started }: ProcessStat): string | undefined {
  try {
    return `${bootId()}/${started}`;
  } catch {
    return undefined;
  }
}

/** The process that has the id now; undefined when there is none or only its remains. */
export function markOf(pid: number): ProcessMark | undefined {
  if (!existsSync('/proc/self/stat')) return exists(pid) ? { pid, started: 'unknown' } : undefined;
  const stat = statOf(pid);
  const started = stat && !isOver(stat) ? startOf(stat) : undefined;
  return started === undefined ? undefined : { pid, started };
}

export function isRunning(mark: ProcessMark): boolean {
  return markOf(mark.pid)?.started === mark.started;
}
