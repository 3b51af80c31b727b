/** Cleaners of snapshots that nobody named: the production one, and one that looks in the wrong order. */
import { Documents } from '../../src/documents/store.ts';
import { currentGeneration, volumeKind } from '../../src/documents/volume.ts';
import type { VolumeRef } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { removeUnnamedSnapshots } from '../../src/replica/apply/snapshots.ts';
import type { StoragePorts } from '../support/data-path.ts';

export type Cleaner = (ports: StoragePorts, volume: VolumeRef) => Promise<void>;

export const productionCleaner: Cleaner = async (ports, volume) => {
  await removeUnnamedSnapshots({ documents: new Documents(ports.state), replicas: ports.replicas }, volume);
};

/** A cleaner that deletes by an old listing: what was taken or named since it read the state goes too. */
export const cleanByOldListing: Cleaner = async ({ state, replicas }, volume) => {
  const { value } = await new Documents(state).need(volumeKind, names.volume(volume));
  const { replica, snapshots } = currentGeneration(value);
  const named = new Set(snapshots.map(({ snapshot }) => snapshot));
  for (const { snapshot } of await replicas.listSnapshots(replica)) {
    if (!named.has(snapshot)) await replicas.deleteSnapshot(replica, snapshot);
  }
};
