/**
 * A run's record after one performance of its step. Pure.
 *
 * Invariants: a step is recorded as ended only when its outcome says so; `attempts` counts tries, and waiting for a long
 * operation is part of a try; before the close a failure that no retry can cure ends the run by way of its undoing,
 * after it nothing ends the run but success, for a group must not stay stopped everywhere.
 */
import { RUN_STEPS } from '../documents/run.ts';
import type { RunDocument } from '../documents/run.ts';
import { describeError } from '../kernel/errors.ts';
import type { StepOutcome } from './ports.ts';

/** Longest and first delay of the next try after a failure; it doubles in between. */
const RETRY_MS_MAX = 60_000;
const RETRY_MS_MIN = 2000;

/** The next state of the run, and when its ticket is to be worked on. */
export interface Progress {
  readonly run: RunDocument;
  readonly delayMs: number;
}

type Times = { readonly startedAtMs: number; readonly nowMs: number };

/** The run after its step was performed. `startedAtMs` is when this performance began, both on the service's clock. */
export function afterStep(run: RunDocument, outcome: StepOutcome, times: Times): Progress {
  const changed = { ...run, ...outcome.changes };
  switch (outcome.kind) {
    case 'done': {
      const noted = note(changed, times, { detail: outcome.detail, ended: true, failed: false });
      const next = RUN_STEPS[RUN_STEPS.indexOf(run.step) + 1];
      // The tokens were for this step's operations only.
      const cleared = { ...noted, operations: {} };
      if (next === undefined) return ended(cleared, 'done', times);
      return onward({ ...cleared, step: next }, 0, times);
    }
    case 'again': {
      const noted = note(changed, times, { detail: outcome.detail, ended: false, failed: false });
      return onward(noted, outcome.afterMs, times);
    }
    case 'failed': {
      const noted = note(changed, times, { detail: describeError(outcome.error), ended: false, failed: true });
      if (!canBeUndone(run) || outcome.error.retryHelps) return onward(noted, retryDelayMs(noted), times);
      const { code, message } = outcome.error;
      return onward({ ...noted, operations: {}, failure: { code, message } }, 0, times);
    }
  }
}

/** The run after a piece of its undoing; `closed` when its close took effect after all. */
export function afterUndo(run: RunDocument, outcome: StepOutcome | 'closed', times: Times): Progress {
  if (outcome === 'closed') return onward({ ...run, failure: null }, 0, times);
  const changed = { ...run, ...outcome.changes };
  switch (outcome.kind) {
    case 'done':
      return ended({ ...changed, operations: {} }, 'failed', times);
    case 'again':
      return onward(changed, outcome.afterMs, times);
    case 'failed': {
      const detail = `undoing: ${describeError(outcome.error)}`;
      const noted = note(changed, times, { detail, ended: false, failed: true });
      return onward(noted, retryDelayMs(noted), times);
    }
  }
}

function canBeUndone(run: RunDocument): boolean {
  return run.step === 'reserve' || run.step === 'close';
}

function onward(run: RunDocument, delayMs: number, { nowMs }: Times): Progress {
  const whole = Math.ceil(delayMs);
  return { run: { ...run, ticket: run.ticket + 1, ticketDueMs: nowMs + whole }, delayMs: whole };
}

function ended(run: RunDocument, state: 'done' | 'failed', { nowMs }: Times): Progress {
  return { run: { ...run, state, ticket: run.ticket + 1, ticketDueMs: nowMs, endedAtMs: nowMs }, delayMs: 0 };
}

function note(run: RunDocument, times: Times, what: { detail: string; ended: boolean; failed: boolean }): RunDocument {
  const before = run.steps.find((record) => record.step === run.step);
  const record = {
    ...(before ?? { step: run.step, startedAtMs: times.startedAtMs, attempts: 1 }),
    endedAtMs: what.ended ? times.nowMs : null,
    detail: what.detail,
  };
  const counted = what.failed ? { ...record, attempts: record.attempts + 1 } : record;
  return { ...run, steps: [...run.steps.filter((other) => other.step !== run.step), counted] };
}

/** `attempts` counts the try that comes next, too. */
function retryDelayMs(run: RunDocument): number {
  const attempts = run.steps.find((record) => record.step === run.step)?.attempts ?? 2;
  return Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(attempts - 2, 10));
}
