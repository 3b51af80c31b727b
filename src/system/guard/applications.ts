/** What a guard runs, put together on this machine: the applications as they are configured, and what else was left running. */
import type { Clock } from '../../kernel/clock.ts';
import type { GuardedApplication } from '../../ports/guarded-application.ts';
import type { Run } from '../../ports/run.ts';
import { CommandApplication, controlGroupName } from './command-application.ts';
import { ContainerApplication } from './container-application.ts';
import { checkContainer } from './containers.ts';
import { controlGroupFolder } from './control-groups.ts';
import type { GuardFiles } from './files.ts';
import { isThere } from './handle.ts';
import type { Handle } from './handle.ts';
import type { HandledApplication } from './handled-application.ts';
import { Handles } from './handles.ts';
import type { KilledByTimer } from './timer-stop.ts';
import { UnitApplication } from './unit-application.ts';
import { checkUnit } from './units.ts';

/** One application, by what it is on this machine. */
export type RunHere = { readonly name: string } & Run;

export interface ApplicationsHereOptions {
  readonly files: GuardFiles;
  readonly runs: readonly RunHere[];
  readonly clock: Clock;
  /** How long stopping in order may take. */
  readonly stopMs: number;
  readonly needsControlGroups: boolean;
}

export interface ApplicationsHere {
  readonly applications: readonly GuardedApplication[];
  /** What an earlier guard has left running that is not run like that any more. */
  readonly leftovers: readonly GuardedApplication[];
  /** All that could ever have to be killed. */
  readonly kills: () => KilledByTimer;
}

/** Errors: DOCUMENT_INVALID; NOT_FOUND and REFUSED for what something else would start, with what to do; UNAVAILABLE. */
export async function applicationsHere(options: ApplicationsHereOptions): Promise<ApplicationsHere> {
  const { files, runs } = options;
  const units = runs.flatMap((run) => (run.kind === 'unit' ? [run.unit] : []));
  for (const run of runs) {
    if (run.kind === 'unit') await checkUnit(run.unit, units);
    if (run.kind === 'container') await checkContainer({ tool: run.tool, name: run.container });
  }
  const handles = await Handles.open(files);
  const applications = runs.map((run) => applicationOf(run, handles, options));
  const known = new Set<Handle>(applications.map(({ handle }) => handle));
  const left: Handle[] = [];
  for (const handle of handles.all) if (!known.has(handle) && (await isThere(handle))) left.push(handle);
  await handles.keepOnly((handle) => known.has(handle) || left.includes(handle));
  return {
    applications,
    leftovers: left.map((handle) => applicationOf(runOf(handle), handles, options)),
    kills: () => killsOf([...runs, ...left.map(runOf)], handles.all, files),
  };
}

function applicationOf(run: RunHere, handles: Handles, options: ApplicationsHereOptions): HandledApplication {
  const { files, clock, stopMs, needsControlGroups: needsControlGroup } = options;
  const { name } = run;
  switch (run.kind) {
    case 'command':
      return new CommandApplication({ files, handles, name, command: run.command, clock, needsControlGroup });
    case 'unit':
      return new UnitApplication({ handles, name, unit: run.unit });
    case 'container':
      return new ContainerApplication({ handles, name, container: { tool: run.tool, name: run.container }, stopMs });
  }
}

/** How it would be configured; a leftover's command is never run again. */
function runOf({ name, unit, container }: Handle): RunHere {
  if (unit !== undefined) return { name, kind: 'unit', unit };
  if (container !== undefined) return { name, kind: 'container', container: container.name, tool: container.tool };
  return { name, kind: 'command', command: '' };
}

function killsOf(runs: readonly RunHere[], handles: readonly Handle[], files: GuardFiles): KilledByTimer {
  const folders = [
    ...runs.map(({ kind, name }) =>
      kind === 'command' ? controlGroupFolder(controlGroupName(files.folder, name)) : undefined,
    ),
    ...handles.map(({ controlGroup }) => controlGroup),
  ];
  return {
    controlGroups: [...new Set(folders.filter((folder) => folder !== undefined))],
    units: runs.flatMap((run) => (run.kind === 'unit' ? [run.unit] : [])),
    containers: runs.flatMap((run) => (run.kind === 'container' ? [{ tool: run.tool, name: run.container }] : [])),
  };
}
