/** The storage of a simulated world: memory adapters, and queues as the functions host meets them. */
import type { StoragePorts } from '../support/data-path.ts';
import type { MemoryEntries } from '../support/memory/entries.ts';
import type { SimulatedPageBlobs } from './page-blobs.ts';
import type { SimulatedQueues } from './queues.ts';

export interface SimulatedStorage extends Required<StoragePorts> {
  readonly entries: MemoryEntries;
  readonly queues: SimulatedQueues;
  /** The page blobs behind `replicas`, for what no port can. */
  readonly blobs: SimulatedPageBlobs;
}
