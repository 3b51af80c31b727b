/** Adapters that break one promise of their port each. */
import type { BlobPlace } from '../../src/kernel/places.ts';
import type { ReplicaStore } from '../../src/ports/replica-store.ts';
import type { StateStore } from '../../src/ports/state.ts';
import type { Containers } from '../support/data-path.ts';
import { MemoryEntries } from '../support/memory/entries.ts';
import { override } from './override.ts';
import type { SimulatedQueues } from './queues.ts';
import type { Scheduler } from './scheduler.ts';

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

/** A copy takes the blob as it is, whatever snapshot it was told. */
export function copyOfLive(replicas: ReplicaStore): ReplicaStore {
  return override(replicas, {
    copySnapshot: async ({ account, container, blob }, to) => {
      const from = { account, container, blob };
      const snapshot = await replicas.snapshot(from, { number: 0 });
      const state = await replicas.copySnapshot({ ...from, snapshot }, to);
      await replicas.deleteSnapshot(from, snapshot);
      return state;
    },
  });
}

/** A copy is said to be done, and its pages come later. */
export function copyNotDone(replicas: ReplicaStore, scheduler: Scheduler): ReplicaStore {
  return override(replicas, {
    copySnapshot: async ({ snapshot, ...from }, to) => {
      if (await replicas.properties(to)) return 'done';
      const sizeBytes = (await replicas.properties(from))?.sizeBytes ?? 0;
      for (const range of await replicas.dataRanges(from, { offset: 0, lengthBytes: sizeBytes, snapshot })) {
        const bytes = await replicas.read(from, { ...range, snapshot });
        scheduler.after(COPY_MS, () => void land(replicas, to, { offset: range.offset, bytes }));
      }
      await replicas.create(to, sizeBytes);
      return 'done';
    },
  });
}

const COPY_MS = 6000;

async function land(
  replicas: ReplicaStore,
  to: BlobPlace,
  pages: { readonly offset: number; readonly bytes: Uint8Array },
): Promise<void> {
  const found = await replicas.properties(to);
  if (found) await replicas.writePages(to, { ...pages, fence: found.sequenceNumber });
}

/** A credential ends some day by itself. */
export function credentialStays(access: Containers): Containers {
  return override(access, { removeContainer: async () => undefined });
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
