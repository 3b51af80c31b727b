/**
 * A stored decision about a machine told in words, with a timeline of the steps that were taken before it.
 *
 * Invariants: what is told comes from the decision's own history, replayed by the functions that decided; where this program
 * decides otherwise than the one that stored it, that is said. Pure.
 */
import { inSeconds } from '../../kernel/in-words.ts';
import type { MachineDecision } from './decision.ts';
import { nextStep } from './escalation.ts';
import { elapsedMs } from './moment.ts';
import { decideMachine } from './policies.ts';

export interface Explained {
  /** Sentences. */
  readonly words: readonly string[];
  /** Moments, oldest first, the decision last: when by the wall clock, how long before the decision, and what. */
  readonly timeline: readonly { readonly atMs: number; readonly beforeMs: number; readonly what: string }[];
}

const STATES = { running: 'running', failed: 'failed, its restarts used up', offline: 'offline on purpose' } as const;

/** The decision in words: verdict, reasons, every application, and whether it is replayed alike. */
export function explainMachine(decision: MachineDecision): Explained {
  const { history, escalation } = decision;
  const verdict = decideMachine(history);
  const next = verdict.verdict === 'act' ? nextStep(escalation.events, escalation.limits, escalation.now) : undefined;
  const isSame =
    verdict.verdict === decision.verdict &&
    verdict.reason === decision.reason &&
    next?.next === decision.next &&
    next?.reason === decision.nextReason;
  const would = `${verdict.verdict}${next ? `, ${next.next}` : ''}, because ${verdict.reason}`;
  return {
    words: [
      `Decision ${decision.decision} on machine ${decision.machine} of ${decision.group}: ${decision.next ?? decision.verdict}.`,
      `Policy ${history.policy}: ${decision.reason}.`,
      ...(decision.nextReason === undefined ? [] : [`Steps: ${decision.nextReason}.`]),
      ...history.applications.map(({ name, priority, state, found }) => {
        const why = found === undefined || found === '' ? '' : `, for ${found}`;
        return `Application ${name} (priority ${priority}): ${STATES[state]}${why}.`;
      }),
      ...history.offline.map(
        ({ what, name, untilWallMs }) => `The ${what} ${name} was marked offline until ${utc(untilWallMs)}.`,
      ),
      isSame
        ? 'Replayed from its history, the decision is the same.'
        : `Replayed by this program it would be: ${would}.`,
    ],
    timeline: timelineOf(decision),
  };
}

function timelineOf({ escalation, verdict, next }: MachineDecision): Explained['timeline'] {
  const { events, now } = escalation;
  const past = events.map((event) => {
    const at = event.what === 'attempt' ? event.at : event.until;
    const what =
      event.what === 'attempt'
        ? `${event.step}: ${event.outcome}`
        : `all was well, for ${inSeconds(elapsedMs(event.since, event.until))}`;
    return { atMs: at.wallMs, beforeMs: elapsedMs(at, now), what };
  });
  const decided = { atMs: now.wallMs, beforeMs: 0, what: `decided: ${next ?? verdict}` };
  return [...past.toSorted((a, b) => b.beforeMs - a.beforeMs), decided];
}

function utc(ms: number): string {
  return new Date(ms).toISOString();
}
