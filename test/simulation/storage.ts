/** The storage of a simulated world: memory adapters, and queues as the functions host meets them. */
import type { StoragePorts } from '../support/data-path.ts';
import type { MemoryEntries } from '../support/memory/entries.ts';
import type { SimulatedQueues } from './queues.ts';

export interface SimulatedStorage extends StoragePorts {
  readonly entries: MemoryEntries;
  readonly queues: SimulatedQueues;
}
