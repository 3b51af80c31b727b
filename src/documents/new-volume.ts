/** The state in which a volume begins: nothing of it is there, and its first generation takes deltas. */
import { CHAIN_START } from '../kernel/chain-point.ts';
import { volumeId } from '../kernel/ids.ts';
import type { VolumeRef } from '../kernel/ids.ts';
import { CONTAINERS, journalContainer, replicaBlob } from '../kernel/names.ts';
import { CURRENT_VERSION } from '../kernel/versions.ts';
import type { Generation, VolumeDocument } from './volume.ts';

/** A generation of which nothing was applied, and that begins from zeros. Replica and journal lie in `account`. */
export function newGeneration(
  volume: VolumeRef,
  of: Pick<Generation, 'generation' | 'volumeBytes' | 'createdAtMs' | 'epoch'> & { readonly account: string },
): Generation {
  const { generation, account, volumeBytes, createdAtMs, epoch } = of;
  return {
    generation,
    replica: { account, container: CONTAINERS.replicas, blob: replicaBlob(volume, generation) },
    journal: { account, container: journalContainer(volume) },
    volumeBytes,
    properties: {},
    createdAtMs,
    epoch,
    applied: { ...CHAIN_START, sourceTimeMs: 0 },
    claim: null,
    tip: CHAIN_START,
    snapshots: [],
    cut: null,
    beyond: 0,
  };
}

/** A volume in its first generation. `source` is the sender's own name of it, where a rule admitted it by that. */
export function newVolume(
  volume: VolumeRef,
  of: { account: string; volumeBytes: number; term: number; createdAtMs: number; source?: string },
): VolumeDocument {
  const { account, volumeBytes, term, createdAtMs, source } = of;
  return {
    version: CURRENT_VERSION,
    volume: volumeId(volume),
    ...(source === undefined ? {} : { source }),
    term,
    current: 1,
    published: null,
    generations: { '1': newGeneration(volume, { generation: 1, account, volumeBytes, createdAtMs, epoch: 1 }) },
    resend: [],
    trouble: null,
  };
}
