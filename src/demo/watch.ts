/**
 * Watches a failover run that nobody here has ordered: its document says what it does.
 *
 * Times are this process's boot time, at which a step was first seen to be over: the run's own record has the storage
 * service's time, in whole seconds.
 */
import { runKind } from '../documents/run.ts';
import type { RunDocument, RunStep } from '../documents/run.ts';
import type { Documents } from '../documents/store.ts';
import { LeewardError } from '../kernel/errors.ts';
import type { Clock } from '../kernel/clock.ts';
import type { GroupRef } from '../kernel/ids.ts';
import { documents as names } from '../kernel/names.ts';

const LOOK_MS = 150;

export interface WatchedRun {
  readonly run: RunDocument;
  readonly startedBootMs: number;
  readonly endedBootMs: number;
  /** When each step was over. */
  readonly stepsBootMs: ReadonlyMap<RunStep, number>;
}

export interface WatchOptions {
  readonly documents: Documents;
  readonly group: GroupRef;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Told once the run is there, and then of each step that is over. */
  readonly tell: (what: { step: RunStep | 'decided'; detail: string }) => void;
}

/** Returns when the run is done. Errors: PLATFORM_FAILED when it failed, UNAVAILABLE when it takes too long. */
export async function watchRun(options: WatchOptions): Promise<WatchedRun> {
  const { clock, signal, tell, timeoutMs } = options;
  const deadlineBootMs = clock.bootMs() + timeoutMs;
  const stepsBootMs = new Map<RunStep, number>();
  let startedBootMs: number | undefined;
  for (;;) {
    const run = await newestRun(options);
    if (run) {
      if (startedBootMs === undefined) tell({ step: 'decided', detail: run.reason });
      startedBootMs ??= clock.bootMs();
      for (const { step, endedAtMs, detail } of run.steps) {
        if (endedAtMs === null || stepsBootMs.has(step)) continue;
        stepsBootMs.set(step, clock.bootMs());
        tell({ step, detail });
      }
      if (run.state === 'done') return { run, startedBootMs, endedBootMs: clock.bootMs(), stepsBootMs };
      if (run.state === 'failed') {
        throw new LeewardError(
          'PLATFORM_FAILED',
          `run ${run.run} failed: ${run.failure?.message ?? 'it does not say why'}`,
        );
      }
    }
    if (clock.bootMs() > deadlineBootMs) throw tooLate(timeoutMs, run);
    await clock.sleep(LOOK_MS, signal);
  }
}

/** The group's newest run; undefined where there was none. */
export async function newestRun({
  documents,
  group,
}: Pick<WatchOptions, 'documents' | 'group'>): Promise<RunDocument | undefined> {
  let newest: string | undefined;
  for await (const { name } of documents.list(names.runsOf(group))) newest = name;
  return newest === undefined ? undefined : (await documents.need(runKind, newest)).value;
}

function tooLate(timeoutMs: number, run: RunDocument | undefined): LeewardError {
  const after = `after ${timeoutMs / 1000} s`;
  if (!run) return new LeewardError('UNAVAILABLE', `no failover had begun ${after}: the monitor's log says why`);
  const last = run.steps.at(-1);
  return new LeewardError('UNAVAILABLE', `run ${run.run} was still at "${run.step}" ${after}: ${last?.detail ?? ''}`);
}
