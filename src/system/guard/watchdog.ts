/**
 * A watchdog of the machine, by its device: unless it is fed, it resets the machine.
 *
 * Opening it starts it, each write feeds it, and a `V` before it is closed lets it go, unless the kernel was built or told not
 * to; closed without one, as by the death of whoever had it open, it goes on and bites. Its time can be set only by a control
 * request, which `wdctl` makes and plain files cannot. Source: Linux, Documentation/watchdog/watchdog-api.rst and
 * Documentation/ABI/testing/sysfs-class-watchdog.
 *
 * Invariant: it is fed only so long that it bites {@link GRACE_MS} after the end that is armed, at the latest.
 */
import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { LeewardError } from '../../kernel/errors.ts';
import { USUAL_STOP } from '../../protocol/stop-times.ts';
import { toolSays } from './tool.ts';

/** What it is set to: short beside a lease, long beside any pause of a node that is still called healthy. */
const TIMEOUT_SECONDS = 10;
/** How long after the armed end it may bite: what the margin counts for a kill. */
const GRACE_MS = USUAL_STOP.killMs;
const FEED_MS = 1000;

/** Where the kernel tells of watchdogs. */
const SYSFS = '/sys/class/watchdog';

/**
 * Sets its time, where that can be done now: not while it is open. Errors: USAGE for a device that is none; REFUSED where it
 * cannot be let go, or its time is too long.
 */
export async function prepareWatchdog(device: string): Promise<void> {
  if (!existsSync(device) || factOf(device, 'identity') === undefined) {
    throw new LeewardError('USAGE', `${device} is no watchdog that the kernel tells of: load its driver, or softdog`);
  }
  if (factOf(device, 'nowayout') === '1') {
    throw new LeewardError(
      'REFUSED',
      `the watchdog ${device} cannot be let go (nowayout): an orderly stop would end in a reset`,
    );
  }
  if (factOf(device, 'state') === 'active') return;
  await toolSays('wdctl', ['--settimeout', String(TIMEOUT_SECONDS), device]);
  const seconds = Number(factOf(device, 'timeout'));
  if (!(seconds <= 2 * TIMEOUT_SECONDS)) {
    throw new LeewardError('REFUSED', `the watchdog ${device} does not take ${TIMEOUT_SECONDS} seconds as its time`);
  }
}

function factOf(device: string, name: string): string | undefined {
  try {
    return readFileSync(join(SYSFS, basename(device), name), 'ascii').trim();
  } catch {
    return undefined;
  }
}

export class Watchdog {
  /** How long after it was fed last it bites. */
  readonly timeoutMs: number;
  readonly #file: number;
  #fedBootMs = -Infinity;

  /** Takes it. Throws where somebody else has it, such as systemd by RuntimeWatchdogSec. */
  constructor(device: string) {
    const seconds = Number(factOf(device, 'timeout') ?? TIMEOUT_SECONDS);
    this.timeoutMs = seconds * 1000;
    this.#file = openSync(device, 'w');
  }

  /** Whether it could never be fed under a lease with so much time left. */
  isTooSlowFor(leftMs: number): boolean {
    return leftMs + GRACE_MS <= this.timeoutMs + 2 * FEED_MS;
  }

  feed({ nowBootMs, untilBootMs }: { nowBootMs: number; untilBootMs: number }): void {
    if (nowBootMs - this.#fedBootMs < FEED_MS || nowBootMs + this.timeoutMs > untilBootMs + GRACE_MS) return;
    this.#fedBootMs = nowBootMs;
    writeSync(this.#file, '\0');
  }

  letGo(): void {
    writeSync(this.#file, 'V');
    closeSync(this.#file);
  }
}
