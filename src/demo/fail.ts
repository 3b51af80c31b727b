/** The acts in which the site falls silent, and the cloud takes over by itself. */
import type { RunStep } from '../documents/run.ts';
import { LeewardError } from '../kernel/errors.ts';
import { MIB } from '../kernel/units.ts';
import type { RecoveryParts } from './report.ts';
import type { Note } from './notes.ts';
import type { ProtectedSite } from './protect.ts';
import type { Stage } from './stage.ts';
import { watchRun } from './watch.ts';
import type { WatchedRun } from './watch.ts';

const FAILOVER_MS = 120_000;
/** A larger volume takes longer to copy and to start from. */
const FAILOVER_BYTES_PER_MS = (16 * MIB) / 1000;

export interface FailedOver extends WatchedRun {
  readonly failureWallMs: number;
  /** The newest file of the application at the failure; null where there is none. */
  readonly lastFile: Note | null;
  readonly endedWallMs: number;
  readonly rtoSeconds: number;
  readonly parts: RecoveryParts;
  /** When the cloud ended the site's term, not later than it did so. */
  readonly termEndedWallMs: number;
  /** Until when the site's lease lasted. */
  readonly leaseUntilWallMs: number;
  /** When the application was gone; undefined where it was not, or where there is none. */
  readonly applicationGoneWallMs: number | undefined;
  /** Rows that the application had written in the end. */
  readonly rowsInTheEnd: number | undefined;
}

/**
 * Cuts the site off, lets an application that waits go on under its lease, and watches what comes of it until the machine
 * in the cloud is healthy.
 */
export async function failAndRecover(stage: Stage, { site, events }: ProtectedSite): Promise<FailedOver> {
  const { clock, progress, ref, signal, storage, volume } = stage;
  const { atWallMs: failureWallMs, lastFile } = await site.tell('cut', signal);
  await site.tell('wake', signal);
  const failureBootMs = clock.bootMs() - (clock.wallMs() - failureWallMs);
  progress.countFrom(failureBootMs);
  progress.line('the link to the cloud is cut; from here on, seconds are counted from the failure');
  if (lastFile) {
    progress.line(
      `the application, which had waited since the last point, goes on under its lease: what it writes after ${lastFile.name} is lost`,
    );
  }
  progress.begin('The cloud notices and takes over, by itself');
  const watched = await watchRun({
    documents: storage.documents,
    group: ref,
    clock,
    signal,
    timeoutMs: FAILOVER_MS + volume.sizeBytes / FAILOVER_BYTES_PER_MS,
    tell: ({ step, detail }) => {
      progress.line(`${step.padEnd(8)} ${detail}`);
    },
  });
  const endedWallMs = clock.wallMs();
  const { leaseUntilWallMs, rows } = await site.tell('aftermath', signal);
  const gone = events.findLast((event) => event.event === 'gone' || event.event === 'started');
  return {
    ...watched,
    failureWallMs,
    lastFile,
    endedWallMs,
    rtoSeconds: (watched.endedBootMs - failureBootMs) / 1000,
    parts: partsOf(watched, failureBootMs),
    // The service's time in whole seconds, cut off: at most a second too early.
    termEndedWallMs: stepOf(watched, 'end').startedAtMs,
    leaseUntilWallMs,
    applicationGoneWallMs: gone?.event === 'gone' ? gone.atWallMs : undefined,
    rowsInTheEnd: rows ?? undefined,
  };
}

function stepOf({ run }: WatchedRun, step: RunStep): WatchedRun['run']['steps'][number] {
  const found = run.steps.find((record) => record.step === step);
  if (found) return found;
  throw new LeewardError('PLATFORM_FAILED', `run ${run.run} is done and has no record of its step "${step}"`);
}

function partsOf(watched: WatchedRun, failureBootMs: number): RecoveryParts {
  let beforeBootMs = failureBootMs;
  const until = (bootMs: number): number => {
    const seconds = (bootMs - beforeBootMs) / 1000;
    beforeBootMs = bootMs;
    return seconds;
  };
  const over = (step: RunStep): number => until(watched.stepsBootMs.get(step) ?? beforeBootMs);
  return {
    silenceNoticed: until(watched.startedBootMs),
    leaseOverAndTermEnded: over('end'),
    drain: over('drain'),
    point: over('point'),
    disk: over('disk'),
    machine: over('machine'),
    health: until(watched.endedBootMs),
  };
}
