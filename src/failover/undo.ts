/**
 * Undoes a run that failed before its close: the group is free again, and nothing of the run is left in the region.
 *
 * Invariants: freeing comes first and competes with the close for the group's document, so that a run is either undone
 * or goes on, never both; the resource group, which holds all that the run made, is deleted whole.
 */
import type { RunDocument } from '../documents/run.ts';
import type { GroupRef } from '../kernel/ids.ts';
import { freeGroup } from './binding.ts';
import { runResourceGroup } from './names.ts';
import { driveOperations } from './operations.ts';
import type { RunPorts, StepOutcome } from './ports.ts';

/** One bounded piece of the undoing. 'closed' when the close took effect meanwhile, so that the run must go on. */
export async function undoRun(ports: RunPorts, group: GroupRef, run: RunDocument): Promise<StepOutcome | 'closed'> {
  if ((await freeGroup(ports.documents, group, run.run)) === 'closed') return 'closed';
  const name = runResourceGroup(group, run.run);
  return await driveOperations(ports.cloud, run, {
    wanted: [{ key: 'undo', what: `removal of ${name}`, start: () => ports.cloud.startRemoval(name) }],
    done: 'undone: the group is free, and nothing is left in the recovery region',
  });
}
