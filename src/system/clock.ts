/**
 * The machine's clocks.
 *
 * Boot time on Linux is read from /proc/uptime, the kernel's CLOCK_BOOTTIME, because Node's own monotonic clock stands
 * still while a machine sleeps and a lease must not. Where there is no /proc, Node's monotonic clock serves: it runs
 * through sleep on Windows and macOS (QueryPerformanceCounter, mach_continuous_time).
 *
 * Neither runs while a hypervisor holds a virtual machine still; its real-time clock does, since the host keeps that.
 */
import { openSync, readSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from '../kernel/clock.ts';

/** A longer timer fires at once. Source: Node.js, "Timers": delays above 2^31 − 1 ms are set to 1. */
export const TIMER_MS_MAX = 2 ** 31 - 1;

/** Source: Linux, Documentation/ABI/testing/sysfs-class-rtc: read from the clock itself, in seconds of UTC or of local time. */
const HARDWARE_CLOCK = '/sys/class/rtc/rtc0/since_epoch';

/** A file that the kernel writes anew for each reading. Kept open, it can be read where this process may open no more. */
class KernelFile {
  readonly #path: string;
  readonly #bytes = Buffer.alloc(64);
  #file: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** The number that it begins with; undefined where there is none. */
  number(): number | undefined {
    try {
      this.#file ??= openSync(this.#path, 'r');
      const lengthBytes = readSync(this.#file, this.#bytes, 0, this.#bytes.length, 0);
      const value = Number.parseFloat(this.#bytes.toString('ascii', 0, lengthBytes));
      return Number.isFinite(value) ? value : undefined;
    } catch {
      return undefined;
    }
  }
}

// Of the process, whatever number of clocks it makes.
const uptime = new KernelFile('/proc/uptime');
const hardwareClock = new KernelFile(HARDWARE_CLOCK);

function inMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}

/** This machine's {@link Clock}. Boot time has a resolution of 10 ms on Linux. */
export class SystemClock implements Clock {
  readonly #hasUptime = uptime.number() !== undefined;

  wallMs(): number {
    return Date.now();
  }

  bootMs(): number {
    if (!this.#hasUptime) return performance.now();
    const ms = inMs(uptime.number());
    // Two clocks must never be mixed: a difference between them would pass for time.
    if (ms === undefined) throw new Error('/proc/uptime could be read before and cannot now');
    return ms;
  }

  hardwareMs(): number | undefined {
    return inMs(hardwareClock.number());
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    try {
      signal?.throwIfAborted();
      for (let left = ms; left > 0; left -= TIMER_MS_MAX) {
        await wait(Math.min(left, TIMER_MS_MAX), undefined, signal ? { signal } : {});
      }
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    }
  }
}
