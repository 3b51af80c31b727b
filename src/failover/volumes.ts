/** The volumes of a group. */
import type { Plan } from '../documents/plan.ts';
import type { Documents } from '../documents/store.ts';
import { groupId, parseVolume, volumeId } from '../kernel/ids.ts';
import type { GroupRef, VolumeRef } from '../kernel/ids.ts';
import { documents as names } from '../kernel/names.ts';

/** Every volume that the state has of a group, and every one that its plan needs, in the order of their names. */
export async function volumesOfGroup(documents: Documents, group: GroupRef, plan: Plan): Promise<VolumeRef[]> {
  const ids = new Set(plannedVolumes(plan).map(volumeId));
  const prefix = names.volumesOf(group);
  for await (const { name } of documents.list(prefix)) {
    ids.add(`${groupId(group)}/${name.slice(prefix.length, -'.json'.length)}`);
  }
  return [...ids].sort().map(parseVolume);
}

/** The volumes that a plan attaches, each once. */
export function plannedVolumes(plan: Plan): VolumeRef[] {
  const ids = new Set(plan.machines.flatMap((machine) => machine.disks.map((disk) => disk.volume)));
  return [...ids].sort().map(parseVolume);
}
