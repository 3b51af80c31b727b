/** The contracts of the storage ports, on the adapters in memory: what tests stand on must keep the same promises. */
import { describe } from 'node:test';
import { ManualClock } from '../support/memory/clock.ts';
import { MemoryEntries } from '../support/memory/entries.ts';
import { MemoryQueues } from '../support/memory/queues.ts';
import { MemoryReplicaStore } from '../support/memory/replica-store.ts';
import { MemoryState } from '../support/memory/state.ts';
import { entryStoreContract } from './entry-store.ts';
import { queuesContract } from './queues.ts';
import { replicaStoreContract } from './replica-store.ts';
import { stateStoreContract } from './state-store.ts';
import { freshName as fresh } from './subject.ts';

describe('in memory', () => {
  const clock = new ManualClock();
  const [state, replicas, entries] = [new MemoryState(clock), new MemoryReplicaStore(), new MemoryEntries(clock)];
  const queues = new MemoryQueues(clock);
  stateStoreContract({ open: () => state, fresh });
  replicaStoreContract({ open: () => replicas, fresh, account: () => 'memory' });
  entryStoreContract({
    open: () => entries,
    fresh,
    container: () => ({ account: 'memory', container: 'journal' }),
    pass: async (ms) => clock.sleep(ms),
  });
  queuesContract({ open: () => queues, fresh, queue: async () => fresh('queue'), pass: async (ms) => clock.sleep(ms) });
});
