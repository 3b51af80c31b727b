/** What a process has used, as the kernel counts it. Source: proc(5), /proc/PID/stat, /proc/PID/status, /proc/PID/clear_refs. */
import { readFile, writeFile } from 'node:fs/promises';
import { KIB, MIB } from '../../src/kernel/units.ts';

/** USER_HZ, which is 100 on every architecture that Node runs on. Source: proc(5), "/proc/PID/stat". */
const TICKS_PER_SECOND = 100;

/** CPU seconds of a process so far, its threads included, children not. */
export async function cpuSecondsOf(pid: number): Promise<number> {
  // The name, in parentheses, may hold anything.
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\)\s/s, '').split(' ');
  const [user, system] = [Number(fields[11]), Number(fields[12])];
  if (!Number.isFinite(user + system)) throw new Error(`/proc/${pid}/stat cannot be read`);
  return (user + system) / TICKS_PER_SECOND;
}

export interface MemoryUse {
  readonly residentMiB: number;
  /** The highest since the process started, or since {@link forgetPeak}. */
  readonly peakMiB: number;
}

export async function memoryOf(pid: number): Promise<MemoryUse> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number => {
    const kib = Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]);
    if (!Number.isFinite(kib)) throw new Error(`/proc/${pid}/status has no ${name}`);
    return (kib * KIB) / MIB;
  };
  return { residentMiB: field('VmRSS'), peakMiB: field('VmHWM') };
}

/** From now on the peak is counted anew. */
export async function forgetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5');
}
