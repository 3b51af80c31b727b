/**
 * The cleaner of snapshots that nobody named.
 *
 * Invariants: a snapshot that the state does not name does not exist for anybody, and only costs. It is deleted only if
 * its number is at or below `applied` in a state that was read after the snapshots were listed: an older reading could
 * miss the name that a worker was about to give.
 */
import type { Documents } from '../../documents/store.ts';
import { volumeKind } from '../../documents/volume.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import type { ReplicaStore } from '../../ports/replica-store.ts';

/**
 * Deletes what is unnamed in a generation: the current one, or the one that is given. Returns how many. Can be repeated and
 * interrupted.
 */
export async function removeUnnamedSnapshots(
  ports: { readonly documents: Documents; readonly replicas: ReplicaStore },
  volume: VolumeRef,
  which?: number,
): Promise<number> {
  const { value: first } = await ports.documents.need(volumeKind, names.volume(volume));
  const before = first.generations[String(which ?? first.current)];
  // Before its first delta a generation may have no blob, and has no snapshots.
  if (!before || before.applied.number === 0) return 0;
  const listed = await ports.replicas.listSnapshots(before.replica);
  if (listed.length === before.snapshots.length) return 0;
  const { value } = await ports.documents.need(volumeKind, names.volume(volume));
  const after = value.generations[String(which ?? value.current)];
  if (after?.generation !== before.generation) return 0;
  const named = new Set(after.snapshots.map(({ snapshot }) => snapshot));
  let removed = 0;
  for (const { snapshot, number } of listed) {
    if (named.has(snapshot) || number === undefined || number > after.applied.number) continue;
    await ports.replicas.deleteSnapshot(before.replica, snapshot);
    removed += 1;
  }
  return removed;
}
