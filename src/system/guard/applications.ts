/** What a guard runs, put together on this machine: the applications as they are configured, and what else was left running. */
import type { Clock } from '../../kernel/clock.ts';
import { isLeewardError } from '../../kernel/errors.ts';
import type { GuardedApplication } from '../../ports/guarded-application.ts';
import type { Launch } from '../../ports/launch.ts';
import { bootId } from '../processes.ts';
import { CommandApplication, controlGroupName } from './command-application.ts';
import { ContainerApplication } from './container-application.ts';
import { checkContainer } from './containers.ts';
import { controlGroupFolder } from './control-groups.ts';
import type { GuardFiles } from './files.ts';
import { isThere } from './handle.ts';
import type { Handle } from './handle.ts';
import type { HandledApplication } from './handled-application.ts';
import { HandleFile } from './handle-file.ts';
import type { KilledByTimer } from './timer-stop.ts';
import { UnitApplication } from './unit-application.ts';
import { checkUnit } from './units.ts';

/** One application, by what it is on this machine. */
export type LaunchHere = { readonly name: string } & Launch;

export interface ApplicationsHereOptions {
  readonly files: GuardFiles;
  readonly launches: readonly LaunchHere[];
  readonly clock: Clock;
  /** How long stopping in order may take. */
  readonly stopMs: number;
  readonly needsControlGroups: boolean;
  /** Whether a stop is armed for what runs, since the last boot. */
  readonly isArmed: () => Promise<boolean>;
}

export interface ApplicationsHere {
  readonly applications: readonly GuardedApplication[];
  /** What an earlier guard has left running that is not run like that any more. */
  readonly leftovers: readonly GuardedApplication[];
  /** All that could ever have to be killed. */
  readonly kills: () => KilledByTimer;
}

/**
 * Errors: DOCUMENT_INVALID; NOT_FOUND and REFUSED for what something else would start, with what to do; UNAVAILABLE. What is
 * refused and runs past a guard that was here before is asked to stop.
 */
export async function applicationsHere(options: ApplicationsHereOptions): Promise<ApplicationsHere> {
  const { files, launches } = options;
  const units = launches.flatMap((launch) => (launch.kind === 'unit' ? [launch.unit] : []));
  const handles = await HandleFile.open(files);
  for (const launch of launches) {
    try {
      if (launch.kind === 'unit') await checkUnit(launch.unit, units);
      if (launch.kind === 'container') await checkContainer({ tool: launch.tool, name: launch.container });
    } catch (error) {
      const isRefused = isLeewardError(error, 'REFUSED');
      if (isRefused && (await isPastGuard(options))) applicationOf(launch, handles, options).askToStop();
      throw error;
    }
  }
  const applications = launches.map((launch) => applicationOf(launch, handles, options));
  const known = new Set<Handle>(applications.map(({ handle }) => handle));
  const left: Handle[] = [];
  for (const handle of handles.all) if (!known.has(handle) && (await isThere(handle))) left.push(handle);
  await handles.keepOnly((handle) => known.has(handle) || left.includes(handle));
  return {
    applications,
    leftovers: left.map((handle) => applicationOf(launchOf(handle), handles, options)),
    kills: () => killsOf([...launches, ...left.map(launchOf)], handles.all, files),
  };
}

/**
 * Whether what runs now does so past the guard: there was one here before, and neither is a stop armed since the last boot nor
 * does a lease keep what was started since. Such a thing, which came up with the boot, would write beside the cloud.
 */
async function isPastGuard({ files, isArmed }: ApplicationsHereOptions): Promise<boolean> {
  const record = await files.read('record');
  return record !== undefined && record.kept?.boot !== bootId() && !(await isArmed());
}

function applicationOf(launch: LaunchHere, handles: HandleFile, options: ApplicationsHereOptions): HandledApplication {
  const { files, clock, stopMs, needsControlGroups: needsControlGroup } = options;
  const { name } = launch;
  switch (launch.kind) {
    case 'command':
      return new CommandApplication({ files, handles, name, command: launch.command, clock, needsControlGroup });
    case 'unit':
      return new UnitApplication({ handles, name, unit: launch.unit });
    case 'container':
      return new ContainerApplication({
        handles,
        name,
        container: { tool: launch.tool, name: launch.container },
        stopMs,
      });
  }
}

/** How it would be configured; a leftover's command is never run again. */
function launchOf({ name, unit, container }: Handle): LaunchHere {
  if (unit !== undefined) return { name, kind: 'unit', unit };
  if (container !== undefined) return { name, kind: 'container', container: container.name, tool: container.tool };
  return { name, kind: 'command', command: '' };
}

function killsOf(launches: readonly LaunchHere[], handles: readonly Handle[], files: GuardFiles): KilledByTimer {
  const folders = [
    ...launches.map(({ kind, name }) =>
      kind === 'command' ? controlGroupFolder(controlGroupName(files.folder, name)) : undefined,
    ),
    ...handles.map(({ controlGroup }) => controlGroup),
  ];
  return {
    controlGroups: [...new Set(folders.filter((folder) => folder !== undefined))],
    units: launches.flatMap((launch) => (launch.kind === 'unit' ? [launch.unit] : [])),
    containers: launches.flatMap((launch) =>
      launch.kind === 'container' ? [{ tool: launch.tool, name: launch.container }] : [],
    ),
  };
}
