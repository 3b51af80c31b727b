/**
 * The machine's clocks.
 *
 * Boot time on Linux is read from /proc/uptime, the kernel's CLOCK_BOOTTIME, because Node's own monotonic clock stands
 * still while a machine sleeps and a lease must not. Where there is no /proc, Node's monotonic clock serves: it runs
 * through sleep on Windows and macOS (QueryPerformanceCounter, mach_continuous_time).
 *
 * Neither runs while a hypervisor holds a virtual machine still; its real-time clock does, since the host keeps that.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from '../kernel/clock.ts';

/** A longer timer fires at once. Source: Node.js, "Timers": delays above 2^31 − 1 ms are set to 1. */
export const TIMER_MS_MAX = 2 ** 31 - 1;

/** Source: Linux, Documentation/ABI/testing/sysfs-class-rtc: read from the clock itself, in seconds of UTC or of local time. */
const HARDWARE_CLOCK = '/sys/class/rtc/rtc0/since_epoch';

function uptimeMs(): number | undefined {
  try {
    const seconds = Number.parseFloat(readFileSync('/proc/uptime', 'ascii'));
    return Number.isFinite(seconds) ? seconds * 1000 : undefined;
  } catch {
    return undefined;
  }
}

/** This machine's {@link Clock}. Boot time has a resolution of 10 ms on Linux. */
export class SystemClock implements Clock {
  readonly #hasUptime = uptimeMs() !== undefined;

  wallMs(): number {
    return Date.now();
  }

  bootMs(): number {
    if (!this.#hasUptime) return performance.now();
    const ms = uptimeMs();
    // Two clocks must never be mixed: a difference between them would pass for time.
    if (ms === undefined) throw new Error('/proc/uptime could be read before and cannot now');
    return ms;
  }

  hardwareMs(): number | undefined {
    try {
      const seconds = Number.parseInt(readFileSync(HARDWARE_CLOCK, 'ascii'), 10);
      return Number.isFinite(seconds) ? seconds * 1000 : undefined;
    } catch {
      return undefined;
    }
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
