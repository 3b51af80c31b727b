/** The volumes of a group. */
import type { Plan, PlannedMachine } from '../documents/plan.ts';
import type { RunDocument } from '../documents/run.ts';
import type { Documents } from '../documents/store.ts';
import { parseVolume, volumeId } from '../kernel/ids.ts';
import type { GroupRef, VolumeRef } from '../kernel/ids.ts';
import { documents as names, parseVolumeDocument } from '../kernel/names.ts';

/** Every volume that the state has of a group, and every one that its plan needs, in the order of their names. */
export async function volumesOfGroup(documents: Documents, group: GroupRef, plan: Plan): Promise<VolumeRef[]> {
  const ids = new Set(plannedVolumes(plan).map(({ volume }) => volumeId(volume)));
  for await (const { name } of documents.list(names.volumesOf(group))) {
    const volume = parseVolumeDocument(name);
    if (volume !== undefined) ids.add(volume);
  }
  return [...ids].sort().map(parseVolume);
}

/** The volumes that a plan attaches, each once; `optional` where no machine insists on it. */
export function plannedVolumes(plan: Plan): { readonly volume: VolumeRef; readonly optional: boolean }[] {
  const disks = plan.machines.flatMap((machine) => machine.disks);
  const ids = [...new Set(disks.map((disk) => disk.volume))].sort();
  return ids.map((id) => ({
    volume: parseVolume(id),
    optional: disks.every((disk) => disk.volume !== id || disk.optional === true),
  }));
}

/** The disks that a machine of this run gets: one that it may do without is missing where no point was chosen for it. */
export function attachedDisks(machine: PlannedMachine, run: RunDocument): PlannedMachine['disks'] {
  return machine.disks.filter(
    (disk) => disk.optional !== true || run.volumes.some(({ volume }) => volume === disk.volume),
  );
}
