/**
 * What is done about a machine once something is to be done: its failed applications are restarted, then the machine in
 * place, then its group is failed over elsewhere, then a person is told. Pure, over the history that is stored.
 *
 * Invariants: a step is never taken more often within its window than its limit says; once a step was taken, no milder one is
 * tried again until the machine was well for long enough, so that slow failures escalate too; no step begins while another is
 * under way; what is recorded before a long enough time of being well counts for nothing.
 */
import { inSeconds } from '../../kernel/in-words.ts';
import { elapsedMs } from './moment.ts';
import type { Moment } from './moment.ts';

/** The steps, mildest first. */
export const STEPS = ['restart-application', 'restart-machine', 'fail-over'] as const;

export type Step = (typeof STEPS)[number];

const STEP_WORDS: Readonly<Record<Step, string>> = {
  'restart-application': 'restart of the failed applications',
  'restart-machine': 'restart of the machine in place',
  'fail-over': "failover of the machine's group",
};

/** How often a step may be taken. */
export type StepLimit = {
  /** At most so many within the window; 0 leaves the step out, where nothing here can take it or nobody allows it. */
  readonly countMax: number;
  readonly windowMs: number;
  /** An attempt without an outcome counts as failed after this: whoever made it is gone. */
  readonly timeoutMs: number;
};

export type EscalationLimits = {
  readonly steps: Readonly<Record<Step, StepLimit>>;
  /** Being well for so long resets all counts. */
  readonly lastingMs: number;
};

/** What happened to the machine, oldest first. Attempts count for the machine, whichever of its applications they were for. */
export type EscalationEvent =
  | {
      readonly what: 'attempt';
      readonly step: Step;
      readonly at: Moment;
      /** Written as `pending` before the attempt is made, so that one that kills its maker is counted. */
      readonly outcome: 'pending' | 'succeeded' | 'failed';
    }
  /** All was well from then until then, by a step's success or a person's hand. Written down when it ends. */
  | { readonly what: 'well'; readonly since: Moment; readonly until: Moment };

export interface NextStep {
  /** `wait`: a step is under way. `tell-person`: every step is used up. */
  readonly next: Step | 'wait' | 'tell-person';
  /** Why, in words. */
  readonly reason: string;
  /** When to ask again at the latest, in milliseconds from now: an attempt times out, or a step is within its limit again. */
  readonly againInMs: number | undefined;
  /** How often each step was taken within its window, since it was last well for long enough. */
  readonly counts: Readonly<Record<Step, number>>;
}

type Attempt = Extract<EscalationEvent, { what: 'attempt' }>;

/** The next step about a machine about which `decideMachine` said `act`. */
export function nextStep(history: readonly EscalationEvent[], limits: EscalationLimits, now: Moment): NextStep {
  const attempts = attemptsSinceWell(history, limits.lastingMs);
  const within = (step: Step): Attempt[] => {
    const { windowMs } = limits.steps[step];
    return attempts.filter((attempt) => attempt.step === step && elapsedMs(attempt.at, now) < windowMs);
  };
  const counts = {
    'restart-application': within('restart-application').length,
    'restart-machine': within('restart-machine').length,
    'fail-over': within('fail-over').length,
  };

  const pending = underWay(attempts, limits, now);
  if (pending !== undefined) {
    const reason = `${STEP_WORDS[pending.step]}: under way, for ${inSeconds(pending.leftMs)} more at most`;
    return { next: 'wait', reason, againInMs: pending.leftMs, counts };
  }
  const strongest = STEPS.findLast((step) => attempts.some((attempt) => attempt.step === step)) ?? STEPS[0];
  const passed: string[] = [];
  for (const [index, step] of STEPS.entries()) {
    const { countMax, windowMs } = limits.steps[step];
    const taken = `${counts[step]} of at most ${countMax} within ${inSeconds(windowMs)}`;
    const tell = (why: string): string => [...passed, `${STEP_WORDS[step]}: ${why}`].join('; ');
    if (countMax === 0) passed.push(`${STEP_WORDS[step]}: left out`);
    else if (index < STEPS.indexOf(strongest)) passed.push(`${STEP_WORDS[step]}: a stronger step was taken since`);
    else if (counts[step] >= countMax) passed.push(`${STEP_WORDS[step]}: ${taken}`);
    else return { next: step, reason: tell(`due, ${taken} so far`), againInMs: undefined, counts };
  }
  const reason = [...passed, 'nothing is left to try: a person is told'].join('; ');
  const againInMs = untilAllowedMs(within(strongest), limits.steps[strongest], now);
  return { next: 'tell-person', reason, againInMs, counts };
}

/** The newest attempt, where it has neither an outcome nor timed out, and how long it may go on. */
function underWay(
  attempts: readonly Attempt[],
  limits: EscalationLimits,
  now: Moment,
): { readonly step: Step; readonly leftMs: number } | undefined {
  const newest = attempts.at(-1);
  if (newest?.outcome !== 'pending') return undefined;
  const leftMs = limits.steps[newest.step].timeoutMs - elapsedMs(newest.at, now);
  return leftMs > 0 ? { step: newest.step, leftMs } : undefined;
}

/** How long until a used-up step is within its limit again; undefined where it is left out. */
function untilAllowedMs(taken: readonly Attempt[], { countMax, windowMs }: StepLimit, now: Moment): number | undefined {
  // The newest of those that must leave the window first.
  const last = countMax === 0 ? undefined : taken.at(-countMax);
  return last === undefined ? undefined : windowMs - elapsedMs(last.at, now);
}

function attemptsSinceWell(history: readonly EscalationEvent[], lastingMs: number): Attempt[] {
  const last = history.findLastIndex(
    (event) => event.what === 'well' && elapsedMs(event.since, event.until) >= lastingMs,
  );
  return history.slice(last + 1).filter((event) => event.what === 'attempt');
}
