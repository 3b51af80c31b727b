/**
 * What the site says of an application, from what its monitors say: the state, and how it changes. Pure.
 *
 * Invariants: an application is reported as failed only after its restart attempts were made and did not help; an attempt
 * counts from when it begins, so that one that hangs or is refused is one too; attempts are forgotten only after the
 * application was well for a while, so that one that fails again after each restart comes to its end; what is offline on
 * purpose stays so, whatever its monitors say and whatever the time is, until its next start.
 */
import type { Verdict } from './thresholds.ts';

interface Attempts {
  /** Restarts that were made and are not forgotten. */
  readonly attemptsMade: number;
}

interface Trouble extends Attempts {
  /** What the monitors found, in words. */
  readonly reason: string;
  /** Why the newest attempt came to nothing; undefined where it was restarted. */
  readonly problem: string | undefined;
}

export interface Running extends Attempts {
  readonly state: 'running';
  /** Since when it has been well without a break, on boot time; undefined until its monitors have said so. */
  readonly wellSinceBootMs: number | undefined;
}

export interface Failing extends Trouble {
  readonly state: 'failing';
  readonly attemptsAllowed: number;
  /** Whether an attempt is under way. */
  readonly isRestarting: boolean;
  /** Whether the monitors have called it failed since the last attempt: time for the next one. */
  readonly isDue: boolean;
}

export interface Failed extends Trouble {
  readonly state: 'failed';
}

export interface Offline {
  readonly state: 'offline';
}

export type ApplicationState = Running | Failing | Failed | Offline;

export interface RestartLimits {
  /** Restarts before it is reported as failed. 0 for none. */
  readonly attempts: number;
  /** After being well for so long without a break, earlier attempts are forgotten, in milliseconds. */
  readonly steadyMs: number;
}

/** An application that was just started, or of which nothing is known yet. */
export const STARTED: Running = { state: 'running', attemptsMade: 0, wellSinceBootMs: undefined };

/** People took it offline on purpose. Until when is its guard's to tell: that clears nothing. */
export const OFFLINE: Offline = { state: 'offline' };

/** The monitors said something: after every result, changed or not. */
export function monitorsSaid(
  state: ApplicationState,
  said: { readonly verdict: Verdict; readonly reason: string; readonly nowBootMs: number },
  limits: RestartLimits,
): ApplicationState {
  if (state.state === 'offline') return state;
  // What was seen while it was being stopped and started says nothing.
  if (state.state === 'failing' && state.isRestarting) return state;
  switch (said.verdict) {
    case 'unknown':
      return state.state === 'running' ? { ...state, wellSinceBootMs: undefined } : state;
    case 'well':
      return well(state, said.nowBootMs, limits);
    case 'failed':
      return failed(state, said.reason, limits);
  }
}

function well(state: Running | Failing | Failed, nowBootMs: number, { steadyMs }: RestartLimits): Running {
  const wellSinceBootMs = (state.state === 'running' ? state.wellSinceBootMs : undefined) ?? nowBootMs;
  const attemptsMade = nowBootMs - wellSinceBootMs >= steadyMs ? 0 : state.attemptsMade;
  return { state: 'running', attemptsMade, wellSinceBootMs };
}

function failed(state: Running | Failing | Failed, reason: string, { attempts }: RestartLimits): Failing | Failed {
  const { attemptsMade } = state;
  const trouble = { attemptsMade, reason, problem: state.state === 'running' ? undefined : state.problem };
  return attemptsMade >= attempts
    ? { state: 'failed', ...trouble }
    : { state: 'failing', ...trouble, attemptsAllowed: attempts, isRestarting: false, isDue: true };
}

/** Whether a restart is to be attempted now. */
export function isRestartDue(state: ApplicationState): boolean {
  return state.state === 'failing' && state.isDue && !state.isRestarting;
}

/** An attempt begins: it counts. Anything else but a failing application stays as it is. */
export function restartBegun(state: ApplicationState): ApplicationState {
  if (!isRestartDue(state) || state.state !== 'failing') return state;
  return { ...state, attemptsMade: state.attemptsMade + 1, isRestarting: true, isDue: false };
}

/**
 * An attempt has ended. It stays failing until its monitors, which begin anew, say how it is; `problem` tells why it was not
 * restarted, where it was not.
 */
export function restartEnded(state: ApplicationState, problem: string | undefined): ApplicationState {
  if (state.state !== 'failing' || !state.isRestarting) return state;
  return { ...state, isRestarting: false, problem };
}

/** Somebody started it: the only thing that clears the mark. An attempt of our own is none of that. */
export function startedAgain(state: ApplicationState): ApplicationState {
  return state.state === 'failing' && state.isRestarting ? state : STARTED;
}
