/**
 * point: the recovery point of each volume is chosen, then copied to a blob of the run's own, since a disk is imported
 * from a blob and not from a snapshot.
 *
 * Invariant: the choice is in the run's document before the first copy begins, so that a repeated step copies the same.
 */
import type { RunVolume } from '../../documents/run.ts';
import type { Documents } from '../../documents/store.ts';
import { offeredGeneration, volumeKind } from '../../documents/volume.ts';
import { LeewardError, isLeewardError } from '../../kernel/errors.ts';
import { volumeId } from '../../kernel/ids.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import { CONTAINERS, documents as names, pointBlob } from '../../kernel/names.ts';
import { plannedVolumes } from '../volumes.ts';
import type { Step } from '../ports.ts';

/** How soon a server-side copy is looked at again. */
const COPY_AFTER_MS = 1000;

export const point: Step = async ({ ports, run, plan }) => {
  const chosen = new Map(run.volumes.map((volume) => [volume.volume, volume]));
  const missing = plannedVolumes(plan).filter(({ volume }) => !chosen.has(volumeId(volume)));
  const found: RunVolume[] = [];
  for (const { volume, optional } of missing) {
    const choice = await choose(ports.documents, volume, run.run).catch((error: unknown) => {
      if (optional && isLeewardError(error, 'REFUSED', 'NOT_FOUND')) return undefined;
      throw error;
    });
    if (choice) found.push(choice);
  }
  if (found.length > 0) {
    for (const choice of found) chosen.set(choice.volume, choice);
    return {
      kind: 'again',
      afterMs: 0,
      detail: `chosen: ${[...chosen.values()].map(describe).join(', ')}`,
      changes: { volumes: [...chosen.values()] },
    };
  }
  const copying: string[] = [];
  for (const { volume, snapshot, copy } of run.volumes) {
    if ((await ports.replicas.copySnapshot(snapshot, copy)) === 'copying') copying.push(volume);
  }
  if (copying.length > 0) return { kind: 'again', afterMs: COPY_AFTER_MS, detail: `copying: ${copying.join(', ')}` };
  return { kind: 'done', detail: run.volumes.map(describe).join(', ') };
};

function describe({ volume, marker, number }: RunVolume): string {
  return `${volume} at "${marker}" (delta ${number})`;
}

/** The newest named snapshot of the published generation at or below its cut. */
async function choose(documents: Documents, volume: VolumeRef, run: string): Promise<RunVolume> {
  const { value } = await documents.need(volumeKind, names.volume(volume));
  const generation = offeredGeneration(value);
  if (!generation) throw new LeewardError('REFUSED', `volume ${value.volume} has no whole copy to start from`);
  const cut = (generation.cut ?? generation.applied).number;
  const newest = generation.snapshots
    .filter((snapshot) => snapshot.number <= cut)
    .reduce<(typeof generation.snapshots)[number] | undefined>(
      (best, snapshot) => (best && best.number >= snapshot.number ? best : snapshot),
      undefined,
    );
  if (!newest) throw new LeewardError('REFUSED', `volume ${value.volume} has no recovery point up to delta ${cut}`);
  return {
    volume: value.volume,
    generation: generation.generation,
    marker: newest.marker,
    number: newest.number,
    takenAtMs: newest.takenAtMs,
    snapshot: { ...generation.replica, snapshot: newest.snapshot },
    copy: { account: generation.replica.account, container: CONTAINERS.points, blob: pointBlob(volume, run) },
  };
}
