/**
 * Adapters that break one promise of their port, to show that the simulator can fail. A simulator that finds nothing
 * wrong with these proves nothing about the others.
 */
import type { BlobPlace } from '../../src/kernel/places.ts';
import type { ReplicaStore } from '../../src/ports/replica-store.ts';
import type { StateStore } from '../../src/ports/state.ts';
import { MemoryReplicaStore } from '../support/memory/replica-store.ts';
import { MemoryState } from '../support/memory/state.ts';

/** Writes land under any sequence number. */
class UnfencedReplicas extends MemoryReplicaStore {
  override async writePages(place: BlobPlace, at: Parameters<ReplicaStore['writePages']>[1]): Promise<void> {
    return super.writePages(place, { ...at, fence: await this.#fence(place) });
  }

  override async clearPages(place: BlobPlace, at: Parameters<ReplicaStore['clearPages']>[1]): Promise<void> {
    return super.clearPages(place, { ...at, fence: await this.#fence(place) });
  }

  async #fence(place: BlobPlace): Promise<number> {
    return (await super.properties(place))?.sequenceNumber ?? 0;
  }
}

/** A snapshot is the blob as it is when it is read. */
class LiveSnapshots extends MemoryReplicaStore {
  override async read(place: BlobPlace, at: { offset: number; lengthBytes: number }): Promise<Uint8Array> {
    return super.read(place, { offset: at.offset, lengthBytes: at.lengthBytes });
  }
}

/** The last writer wins. */
class UnconditionalState extends MemoryState {
  override async replace(
    ...[name, text, , labels]: Parameters<StateStore['replace']>
  ): ReturnType<StateStore['replace']> {
    const { document } = await super.read(name);
    return super.replace(name, text, document?.etag ?? '', labels);
  }
}

/** What `--broken` can name. */
export const BROKEN = {
  'sequence-numbers': { replicas: UnfencedReplicas, state: MemoryState },
  etags: { replicas: MemoryReplicaStore, state: UnconditionalState },
  snapshots: { replicas: LiveSnapshots, state: MemoryState },
} as const;

export type BrokenName = keyof typeof BROKEN;

export function isBrokenName(name: string): name is BrokenName {
  return Object.hasOwn(BROKEN, name);
}
