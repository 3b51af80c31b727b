/**
 * How a node's other clocks stand to its boot time, by which leases are counted: what they go apart is a jump of the one, or
 * a standstill of the other. Pure but for the reads.
 *
 * Invariant: two clocks are never read at one moment, and a process may be held up between the two reads for seconds. So how
 * far one is ahead is known between two bounds, and only what lies outside those of before is a change: a busy node is no jump.
 */
import type { Clock } from '../../kernel/clock.ts';

/** How far a clock is ahead of boot time, in milliseconds. */
export interface Ahead {
  readonly leastMs: number;
  readonly mostMs: number;
}

export interface Clocks {
  readonly wall: Ahead;
  /** Undefined where none can be read. */
  readonly hardware: Ahead | undefined;
}

export function clocksOf(clock: Clock): Clocks {
  const beforeMs = clock.bootMs();
  const wallMs = clock.wallMs();
  const hardwareMs = clock.hardwareMs?.();
  const afterMs = clock.bootMs();
  const ahead = (ms: number): Ahead => ({ leastMs: ms - afterMs, mostMs: ms - beforeMs });
  return { wall: ahead(wallMs), hardware: hardwareMs === undefined ? undefined : ahead(hardwareMs) };
}

/** By how much a clock has surely gone ahead of boot time from one look to another, in milliseconds; below zero for back. */
export function apartMs(before: Ahead | undefined, now: Ahead | undefined): number {
  if (!before || !now) return 0;
  if (now.leastMs > before.mostMs) return now.leastMs - before.mostMs;
  return Math.min(0, now.mostMs - before.leastMs);
}

/** The bounds that both looks allow; where those exclude each other the first, so that small changes add up against them. */
export function narrowed(before: Clocks, now: Clocks): Clocks {
  return {
    wall: both(before.wall, now.wall),
    hardware: before.hardware && now.hardware ? both(before.hardware, now.hardware) : now.hardware,
  };
}

function both(before: Ahead, now: Ahead): Ahead {
  if (apartMs(before, now) !== 0) return before;
  return { leastMs: Math.max(before.leastMs, now.leastMs), mostMs: Math.min(before.mostMs, now.mostMs) };
}
