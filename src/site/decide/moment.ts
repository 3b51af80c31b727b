/**
 * When something was, for decisions that outlive a boot.
 *
 * Invariants: within one boot the time that passed is taken from boot time alone, so that a wall clock that was set changes no
 * decision. Across boots there is only the wall clock to ask; whatever it says, what was before this boot is no younger than
 * the boot, and no time that passed is below zero.
 */

/** One moment, as the node that decides saw it. Stored with what happened then. */
export type Moment = {
  /** Which boot `bootMs` counts from. */
  readonly bootId: string;
  /** Milliseconds since that boot; runs through sleep, is never set. */
  readonly bootMs: number;
  /** Milliseconds since 1970-01-01T00:00:00Z, as the node believed. */
  readonly wallMs: number;
};

/** Milliseconds from one moment to a later one, zero or more. Across boots it is as right as the wall clock was. */
export function elapsedMs(from: Moment, to: Moment): number {
  if (from.bootId === to.bootId) return Math.max(0, to.bootMs - from.bootMs);
  return Math.max(to.bootMs, to.wallMs - from.wallMs);
}
