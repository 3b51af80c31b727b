/**
 * One restart that this process makes: of a machine's failed applications, or of the machine in place.
 *
 * Invariants: it is called off when the step's time is over; what could not be carried out is told; one that the end of the
 * process cuts short is never over, for what was begun may still come about.
 */
import type { Clock } from '../../kernel/clock.ts';
import { describeError } from '../../kernel/errors.ts';
import type { MachineControl } from '../../ports/machine-control.ts';
import type { Step } from '../decide/escalation.ts';
import type { WatchedApplication } from './watched-application.ts';
import { during } from './watched-guard.ts';
import type { WatchedGuard } from './watched-guard.ts';

export interface MachineRestartOptions {
  /** The machine's name. */
  readonly name: string;
  readonly guard: WatchedGuard;
  readonly applications: readonly WatchedApplication[];
  readonly control: MachineControl | undefined;
  readonly clock: Clock;
  readonly tell: (line: string) => void;
}

export interface RestartStep {
  readonly step: Exclude<Step, 'fail-over'>;
  /** The decision that it follows. */
  readonly decision: string;
  /** How long it may take. */
  readonly timeoutMs: number;
}

export class MachineRestart {
  readonly decision: string;
  /** Resolves when nothing of it is under way. */
  readonly ended: Promise<void>;
  #state: 'under way' | 'carried out' | 'failed' = 'under way';

  /** Begins. `signal` ends it with the process. */
  constructor(options: MachineRestartOptions, { step, decision, timeoutMs }: RestartStep, signal: AbortSignal) {
    this.decision = decision;
    const work = within(options.clock, timeoutMs, signal, async (limited) => restart(options, step, limited));
    this.ended = work.then(
      () => {
        this.#state = 'carried out';
      },
      (error: unknown) => {
        // The next process waits for what comes of it.
        if (signal.aborted) return;
        options.tell(`machine ${options.name}: ${step}: ${describeError(error)}`);
        this.#state = 'failed';
      },
    );
  }

  /** Whether it was carried out, or could not be. */
  get isOver(): boolean {
    return this.#state !== 'under way';
  }

  get isCarriedOut(): boolean {
    return this.#state === 'carried out';
  }
}

async function restart(
  { applications, guard, control }: MachineRestartOptions,
  step: RestartStep['step'],
  signal: AbortSignal,
): Promise<void> {
  if (step === 'restart-application') {
    const failed = applications.filter(({ state }) => state.state === 'failed').map(({ name }) => name);
    await guard.restart(failed, signal);
  } else {
    await during(applications, async () => control?.restart(signal));
  }
}

/** Does `work` under a signal that is aborted when its time is over, and with `signal`. */
async function within(
  clock: Clock,
  ms: number,
  signal: AbortSignal,
  work: (limited: AbortSignal) => Promise<void>,
): Promise<void> {
  const enough = new AbortController();
  const limited = AbortSignal.any([signal, enough.signal]);
  const late = clock.sleep(ms, limited).then(
    () => {
      enough.abort(new Error('its time is over'));
    },
    () => undefined,
  );
  try {
    await work(limited);
  } finally {
    enough.abort(new Error('it is over'));
    await late;
  }
}
