/** The acts in which the site fails, and the cloud takes over by itself. */
import type { RunStep } from '../documents/run.ts';
import { LeewardError } from '../kernel/errors.ts';
import { MIB } from '../kernel/units.ts';
import type { RecoveryParts } from './report.ts';
import type { Site } from './site.ts';
import type { Stage } from './stage.ts';
import { allowFreezing } from './stillness.ts';
import { watchRun } from './watch.ts';
import type { WatchedRun } from './watch.ts';

const FAILOVER_MS = 120_000;
/** A larger volume takes longer to copy and to start from. */
const FAILOVER_BYTES_PER_MS = (16 * MIB) / 1000;
const LOOK_MS = 50;

export interface FailedOver extends WatchedRun {
  readonly failureWallMs: number;
  readonly endedWallMs: number;
  readonly rtoSeconds: number;
  readonly parts: RecoveryParts;
  /** When the cloud ended the site's term, not later than it did so. */
  readonly termEndedWallMs: number;
  /** When the application was gone; undefined where it never was. */
  readonly applicationGoneWallMs: number | undefined;
}

/** Lets the site fail as the scenario says, and watches what comes of it until the machine in the cloud is healthy. */
export async function failAndRecover(stage: Stage, site: Site): Promise<FailedOver> {
  const { clock, progress, ref, signal, storage, volume } = stage;
  const failureWallMs = clock.wallMs();
  const failureBootMs = clock.bootMs();
  progress.countFrom(failureBootMs);
  await fail(stage, site);
  progress.begin('The cloud notices and takes over, by itself');
  const over = new AbortController();
  const gone = whenApplicationGone(stage, site, over.signal);
  const watched = await watchRun({
    documents: storage.documents,
    group: ref,
    clock,
    signal,
    timeoutMs: FAILOVER_MS + volume.sizeBytes / FAILOVER_BYTES_PER_MS,
    tell: ({ step, detail }) => {
      progress.line(`${step.padEnd(8)} ${detail}`);
    },
  }).finally(() => {
    over.abort();
  });
  return {
    ...watched,
    failureWallMs,
    endedWallMs: clock.wallMs(),
    rtoSeconds: (watched.endedBootMs - failureBootMs) / 1000,
    parts: partsOf(watched, failureBootMs),
    // The service's time in whole seconds, cut off: at most a second too early.
    termEndedWallMs: stepOf(watched, 'end').startedAtMs,
    applicationGoneWallMs: await gone,
  };
}

async function fail({ progress, scenario }: Stage, site: Site): Promise<void> {
  if (scenario === 'power-cut') {
    const killed = site.cutPower();
    progress.line(
      `agent, guard and application are killed at once (SIGKILL, ${killed} processes), as a power cut would`,
    );
  } else {
    site.line.cut();
    if (site.opened) await allowFreezing(site.control);
    site.signalAgent('SIGCONT');
    progress.line('the line to the cloud is cut, both ways; agent, guard and application go on');
  }
  progress.line('from here on, seconds are counted from the failure');
}

/** When nothing of the application ran any more; undefined where it still does when `signal` is aborted. */
async function whenApplicationGone(
  { clock, progress, scenario }: Stage,
  site: Site,
  signal: AbortSignal,
): Promise<number | undefined> {
  while (await site.isApplicationRunning()) {
    if (signal.aborted) return undefined;
    await clock.sleep(LOOK_MS, signal).catch(() => undefined);
  }
  const goneWallMs = clock.wallMs();
  if (scenario === 'partition') {
    const ending = (await site.guardLines()).filter(({ guard }) => guard === 'stopping' || guard === 'gone');
    for (const { line } of ending.slice(-2)) {
      progress.line(`the guard: ${line}`);
    }
  }
  return goneWallMs;
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
