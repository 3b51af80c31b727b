/**
 * By what an application is found and killed by a process that did not start it: the next guard, and what stops from outside.
 *
 * Invariants: a handle is on stable storage before what it is for does anything; what cannot be found out counts as running;
 * only what has the handle is ever signalled, never what got a process id, or a name, later.
 */
import { z } from 'zod';
import { isLeewardError } from '../../kernel/errors.ts';
import type { LeewardError } from '../../kernel/errors.ts';
import type { Look } from '../../ports/guarded-application.ts';
import { CONTAINER_TOOLS } from '../../ports/launch.ts';
import { isGroupThere, signalGroup } from '../process-group.ts';
import { isRunning, processSchema } from '../processes.ts';
import { isPopulated, killControlGroup, removeControlGroup } from './control-groups.ts';
import { containerState } from './containers.ts';
import { tellTool } from './tool.ts';
import { unitState } from './units.ts';

export const handleSchema = z.object({
  name: z.string(),
  /** A command: the leader of a process group of its own. */
  leader: processSchema.optional(),
  /** Folder of the control group that all of it is in. */
  controlGroup: z.string().optional(),
  unit: z.string().optional(),
  container: z.object({ tool: z.enum(CONTAINER_TOOLS), name: z.string() }).optional(),
  /** What asks for the start of a unit or a container: as long as it runs, that may still come. */
  starter: processSchema.optional(),
});
export type Handle = z.infer<typeof handleSchema>;

/** Whether it is for the same thing: a guard that is configured otherwise now must not take one for the other. */
export function isSameThing(one: Handle, other: Handle): boolean {
  const { container } = one;
  return (
    one.name === other.name &&
    one.unit === other.unit &&
    container?.tool === other.container?.tool &&
    container?.name === other.container?.name
  );
}

/** Whether anything of it runs, or may come to run by a start that is under way; unknown while that cannot be looked at. */
export async function lookAt(handle: Handle): Promise<Look> {
  try {
    return await found(handle);
  } catch (error) {
    if (isLeewardError(error, 'UNAVAILABLE')) return 'unknown';
    throw error;
  }
}

/** Errors: UNAVAILABLE. */
async function found(handle: Handle): Promise<Look> {
  const { leader, controlGroup, unit, container, starter } = handle;
  if (starter !== undefined && isRunning(starter)) return 'running';
  if (leader !== undefined && isGroupThere(leader)) return 'running';
  if (controlGroup !== undefined && isPopulated(controlGroup)) return 'running';
  if (unit !== undefined) return unitState(unit);
  // Its control group bears its id: where that is known and nothing is in it, the engine need not be asked.
  if (container !== undefined && controlGroup === undefined) return containerState(container);
  return 'stopped';
}

/** The same, where what cannot be found out counts as running. */
export async function isThere(handle: Handle): Promise<boolean> {
  return (await lookAt(handle)) !== 'stopped';
}

/** Kills it, and waits for nothing. Errors: DENIED and UNAVAILABLE, once all that can be done was done. */
export function killThing(handle: Handle): void {
  const { unit, container } = handle;
  // First what needs nobody else to answer.
  const failure = failureOf(() => {
    killProcesses(handle);
  });
  if (unit !== undefined) {
    tellTool('systemctl', ['kill', '--signal=SIGKILL', '--', unit]);
    // Without processes it may still count as active, or wait to be started.
    tellTool('systemctl', ['stop', '--no-block', '--', unit]);
  }
  if (container !== undefined) tellTool(container.tool, ['kill', container.name]);
  if (failure) throw failure;
}

function killProcesses({ leader, controlGroup }: Handle): void {
  const failure = failureOf(() => {
    if (controlGroup !== undefined) killControlGroup(controlGroup);
  });
  try {
    if (leader !== undefined) signalGroup(leader, 'SIGKILL');
  } catch (error) {
    // What was killed by its control group may still be there, as it ends.
    const isKilled = controlGroup !== undefined && !failure;
    if (!isKilled || !isLeewardError(error, 'DENIED')) throw error;
  }
  if (failure) throw failure;
}

function failureOf(work: () => void): LeewardError | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (isLeewardError(error)) return error;
    throw error;
  }
}

/** Removes what is left of one that is over. */
export function clearThing({ controlGroup, leader }: Handle): void {
  // Those of units and containers belong to who made them.
  if (controlGroup !== undefined && leader !== undefined) removeControlGroup(controlGroup);
}
