/** Adapters that break one promise of their port each. */
import type { BlobPlace } from '../../src/kernel/places.ts';
import type { ReplicaStore } from '../../src/ports/replica-store.ts';
import type { StateStore } from '../../src/ports/state.ts';
import { MemoryEntries } from '../support/memory/entries.ts';
import { override } from './override.ts';
import type { SimulatedQueues } from './queues.ts';

/** Writes land under any sequence number. */
export function unfenced(replicas: ReplicaStore): ReplicaStore {
  const fenceOf = async (place: BlobPlace): Promise<number> => (await replicas.properties(place))?.sequenceNumber ?? 0;
  return override(replicas, {
    writePages: async (place, at) => replicas.writePages(place, { ...at, fence: await fenceOf(place) }),
    clearPages: async (place, at) => replicas.clearPages(place, { ...at, fence: await fenceOf(place) }),
  });
}

/** A snapshot is the blob as it is when it is read. */
export function liveSnapshots(replicas: ReplicaStore): ReplicaStore {
  return override(replicas, {
    read: async (place, { offset, lengthBytes }) => replicas.read(place, { offset, lengthBytes }),
  });
}

/** The last writer wins. */
export function unconditional(state: StateStore): StateStore {
  return override(state, {
    replace: async (name, text, etag, labels) => {
      const { document } = await state.read(name);
      return state.replace(name, text, document?.etag ?? etag, labels);
    },
  });
}

/** A message is gone as soon as somebody took it, whatever becomes of the work. */
export function forgetful(queues: SimulatedQueues): SimulatedQueues {
  return override(queues, {
    work: (queue, hiddenMs) => {
      const message = queues.work(queue, hiddenMs);
      message?.done();
      return message;
    },
  });
}

/** The newest entry of a name wins. */
export class Overwritable extends MemoryEntries {
  override async create(place: BlobPlace, bytes: Uint8Array): Promise<'created' | 'exists'> {
    this.overwrite(place, bytes);
    return 'created';
  }
}
