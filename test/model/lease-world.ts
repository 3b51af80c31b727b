/**
 * What the model of leases is about: what may happen and how often, what makes it unsafe, and a state of site, cloud and time.
 */
import type { GroupDocument } from '../../src/documents/group.ts';
import type { GuardFacts } from '../../src/ports/guard-record.ts';
import type { Grant, LeaseMode, LeaseQuestion } from '../../src/protocol/lease.ts';
import { newGuard } from '../../src/site/guard/core.ts';
import type { GuardState } from '../../src/site/guard/core.ts';
import type { Step } from './checker.ts';

/** One step of time: the grain of the service's clock. */
export const TICK_MS = 1000;
export const GROUP = 'acme/berlin/erp';
export const ACTOR = { kind: 'by-hand' as const };
/** No time is near zero, which means never. */
export const FIRST_TICK = 1000;

/** Lengths, in ticks. */
export const STOP = 1;
export const KILL = 1;
export const ANSWER = 1;
/** How long after a failure the monitor has a run begin: what site-model.ts checks. */
export const WINDOW = 2;

export const TIMES = { stopMs: STOP * TICK_MS, killMs: KILL * TICK_MS, answerMs: ANSWER * TICK_MS };

/** What the margin of this model allows to go wrong: one tick of pause, one of drift, and the kill. */
export const PAUSE_ALLOWED = 1;
export const DRIFT_ALLOWED = 1;

/** How long what was started by hand may live beside a guard: it is found, or taken for what was being stopped, and killed. */
export const BY_HAND_MAX = STOP + KILL + PAUSE_ALLOWED + DRIFT_ALLOWED + 1;

/** What may happen, and how often; Infinity for without limit. */
export interface LeaseBounds {
  readonly nodes: number;
  readonly lease: LeaseMode;
  readonly leaseTicks: number;
  /** Whether clocks lose nothing and nodes are never paused. */
  readonly isSteady: boolean;
  /** Guards that die; nodes that reboot; clocks that jump; applications that somebody starts by hand. */
  readonly deaths: number;
  readonly reboots: number;
  readonly jumps: number;
  readonly handStarts: number;
  /** Runs that are undone before their close or aborted after it, the way back included: terms are no more than these and one. */
  readonly aborts: number;
  /** Whether faults may end, so that progress is checked. */
  readonly isCalmed: boolean;
}

/** What makes it unsafe: each of these must show a violation. */
export interface Unsafe {
  /** The margin in ticks, in place of the right one. */
  readonly margin?: number;
  /** How long a node may be paused, and how much its clock may lose in one term, in ticks. */
  readonly pause?: number;
  readonly drift?: number;
  /** Nothing outside the guard stops what runs. */
  readonly noGuard?: boolean;
  /** The control store may be set back to how it began. */
  readonly rollback?: boolean;
  /** A guard that has promised may start once more under a lease that it still has. */
  readonly weakStopped?: boolean;
  /** An abort proves the machines gone, and leaves a later start possible. */
  readonly weakAbort?: boolean;
  /** Where leases keep, the last one's end and its margin end the closing, as if they were strict. */
  readonly keepWaits?: boolean;
  /** Where leases keep, a person's word is taken while a lease may still be held. */
  readonly keepEarly?: boolean;
}

export interface Letter {
  readonly question: LeaseQuestion;
  readonly answer: Grant | undefined;
}

export interface Node {
  /** Undefined while its process is dead. */
  readonly guard: GuardState | undefined;
  readonly record: GuardFacts;
  /** How far its clock is behind, in ticks; of that, what it has lost in this term. */
  readonly lag: number;
  readonly lost: number;
  /** When what is outside the guard kills, on the node's clock; 0 for never. */
  readonly armedBootMs: number;
  readonly application: 'gone' | 'up' | 'dying';
  /** Whether one in the cloud was started after it: from then on it must write nothing. */
  readonly isReplaced: boolean;
  /** Whether somebody started it past the guard, and for how many ticks that has gone on beside one that was awake. */
  readonly isByHand: boolean;
  readonly byHandTicks: number;
  /** Ticks left until what is killed is surely gone. */
  readonly dying: number;
  /** Ticks left of its pause, and whether it may be paused: not before it was awake for a tick. */
  readonly pause: number;
  readonly mayPause: boolean;
  /** The newest question, and an earlier one that the cloud may still handle. */
  readonly letters: readonly Letter[];
  /** When it asked last, which it does once in a tick, and once more where it is told what its question has to name. */
  readonly askedBootMs: number;
  /** Questions that it ever asked: no nonce is given twice. */
  readonly questions: number;
}

/** How things stay once the faults have ended. */
export interface Calm {
  readonly site: 'well' | 'cut' | 'dead';
  /** Whether the recovery region has room for machines. */
  readonly hasCapacity: boolean;
  readonly sinceTick: number;
}

export const CALMS: readonly Omit<Calm, 'sinceTick'>[] = [
  { site: 'well', hasCapacity: true },
  { site: 'well', hasCapacity: false },
  { site: 'cut', hasCapacity: true },
  { site: 'dead', hasCapacity: true },
];

export interface State {
  readonly tick: number;
  readonly group: GroupDocument;
  readonly writtenTick: number;
  readonly nodes: readonly Node[];
  readonly cloud: {
    readonly application: boolean;
    /** Whether one at the site was started after it. */
    readonly isReplaced: boolean;
    /** Runs that have a resource group: without it nothing of them can start. */
    readonly rooms: readonly string[];
    /** Runs that were begun in this term. */
    readonly begun: number;
    /** The run whose worker has found the wait over, and is about to end the term. */
    readonly waited: string;
    /** The run whose worker is about to start the machine, having seen that it may. */
    readonly starting: string;
  };
  /** What of each may still happen. */
  readonly left: Pick<LeaseBounds, 'deaths' | 'reboots' | 'jumps' | 'handStarts' | 'aborts'> & { rollbacks: number };
  readonly calm: Calm | undefined;
  readonly wrong: string | undefined;
}

/**
 * `fault`: need not happen, and does not once they have ended; `may`: need not happen; `soon`: is done without delay once
 * the faults have ended; `due`: is done before time goes on.
 */
export type Kind = 'fault' | 'may' | 'soon' | 'due';
export type Kinds = Generator<Step<State> & { readonly kind: Kind }>;
export type Become = (
  kind: Kind,
  label: string,
  changed: Partial<Node>,
  rest?: Partial<State>,
) => Step<State> & { kind: Kind };

/** All that a model goes by. */
export interface Rules {
  readonly bounds: LeaseBounds;
  readonly unsafe: Unsafe;
  /** The margin, in ticks. */
  readonly margin: number;
  /** The group as it begins. */
  readonly first: GroupDocument;
}

export const WROTE = 'written at the site and in the cloud: an application that was replaced has written again';

export const GONE = { application: 'gone', dying: 0, isReplaced: false, isByHand: false, byHandTicks: 0 } as const;
/** A node without power. */
export const OFF = {
  application: 'gone',
  dying: 0,
  isReplaced: false,
  armedBootMs: 0,
  letters: [],
  guard: undefined,
} as const;

export function nameOf({ group }: Pick<State, 'group'>, index: number): string {
  return group.guards?.[index]?.node ?? '';
}

export function bootMs({ tick }: Pick<State, 'tick'>, { lag }: Node): number {
  return (tick - lag) * TICK_MS;
}

export function started(
  record: Node['record'],
  { application, armedBootMs }: Pick<Node, 'application' | 'armedBootMs'>,
): GuardState {
  const runs = application !== 'gone';
  const found = { application: runs ? 'running' : 'stopped', armedBootMs: runs ? armedBootMs : 0 } as const;
  return newGuard({ group: GROUP, ...record, found });
}
