/**
 * How lease, margin, window and intervals have to fit together, as inequalities.
 *
 * Invariant: what satisfies them keeps a lease over one lost renewal, stops before its lease is over, lets one or two lost
 * words pass without a verdict, and can reach one. Pure.
 */
import type { Witness } from '../../documents/witness.ts';
import { inSeconds } from '../../kernel/in-words.ts';
import { renewEveryMs, whyTooShortToStop } from '../../protocol/lease.ts';
import { marginMs } from '../term/margin.ts';
import type { MarginAssumptions } from '../term/margin.ts';
import { WORDS_MISSED_MAX } from '../decide/spoken.ts';

export interface Bounds {
  readonly leaseMs: number;
  readonly marginMs: number;
  /** What the margin has to cover. */
  readonly assumptions: MarginAssumptions;
  /** How long a guard lets the applications take to stop in order. */
  readonly stopMs: number;
  /** How long the site must be down by its witnesses before it counts as down. */
  readonly windowMs: number;
  readonly witnesses: readonly Pick<Witness, 'name' | 'everyMs'>[];
  /** The monitor: the longest gap between two ticks that counts as awake. */
  readonly gapMs: number;
  /** How long the monitor may go without having watched a whole window before people are told. */
  readonly alertAfterMs: number;
}

/** Every inequality that does not hold, a line each with its numbers; none where all do. */
export function brokenBounds(bounds: Bounds): readonly string[] {
  const { leaseMs, stopMs, windowMs, gapMs, alertAfterMs, assumptions, witnesses } = bounds;
  const { driftPpm, pauseMs, killMs } = assumptions;
  const renewMs = renewEveryMs(leaseMs);
  const tooShort = whyTooShortToStop({ leaseMs, stopMs, killMs });
  const checks: readonly (readonly [holds: boolean, inequality: string, numbers: string])[] = [
    [
      bounds.marginMs >= marginMs(leaseMs, assumptions),
      'margin ≥ lease × drift + pause + kill',
      `${inSeconds(bounds.marginMs)} ≥ ${inSeconds(leaseMs)} × ${driftPpm} ppm + ${inSeconds(pauseMs)} + ${inSeconds(killMs)}`,
    ],
    [
      // Renewals are signs of life: one that is lost must not make living guards a silence.
      windowMs >= 2 * renewMs,
      'window ≥ 2 × lease/3',
      `${inSeconds(windowMs)} ≥ 2 × ${inSeconds(renewMs)}`,
    ],
    ...witnesses.map(
      ({ name, everyMs }) =>
        [
          windowMs >= WORDS_MISSED_MAX * everyMs,
          `window ≥ ${WORDS_MISSED_MAX} × interval of witness ${name}`,
          `${inSeconds(windowMs)} ≥ ${WORDS_MISSED_MAX} × ${inSeconds(everyMs)}`,
        ] as const,
    ),
    [
      // Else a monitor could sleep through most of a window and count as awake.
      windowMs >= 2 * gapMs,
      "window ≥ 2 × the monitor's gap",
      `${inSeconds(windowMs)} ≥ 2 × ${inSeconds(gapMs)}`,
    ],
    [
      // Else people would be told at every start of a monitor: it has watched no whole window by then.
      alertAfterMs > windowMs,
      "the monitor's alert > window",
      `${inSeconds(alertAfterMs)} > ${inSeconds(windowMs)}`,
    ],
  ];
  // A comparison with NaN is false: such an inequality counts as broken.
  const broken = checks.filter(([holds]) => !holds);
  return [
    ...(tooShort === undefined ? [] : [tooShort]),
    ...broken.map(([, inequality, numbers]) => `${inequality} does not hold: ${numbers}`),
  ];
}
