/** The data path over memory adapters: storage that workers share, and workers with an engine, an ingest and a sweep each. */
import { judgedQueues } from '../../src/app/poison.ts';
import type { DeltaLimits } from '../../src/delta/limits.ts';
import { Documents } from '../../src/documents/store.ts';
import { currentGeneration, volumeKind } from '../../src/documents/volume.ts';
import type { Generation, VolumeDocument } from '../../src/documents/volume.ts';
import { QUEUES } from '../../src/kernel/names.ts';
import type { Clock } from '../../src/kernel/clock.ts';
import type { AccessIssuer } from '../../src/ports/access.ts';
import type { EntryStore } from '../../src/ports/entries.ts';
import type { Queues } from '../../src/ports/queue.ts';
import type { ReplicaStore } from '../../src/ports/replica-store.ts';
import type { StateStore } from '../../src/ports/state.ts';
import { Chores } from '../../src/replica/generation/chores.ts';
import type { Figures } from '../../src/replica/apply/apply.ts';
import { ReplicaEngine } from '../../src/replica/apply/engine.ts';
import { Ingest } from '../../src/replica/intake/ingest.ts';
import type { IngestOutcome } from '../../src/replica/intake/ingest.ts';
import { SiteKeys } from '../../src/replica/intake/site-keys.ts';
import type { JudgedQueue } from '../../src/replica/rounds/poison.ts';
import { Sweep } from '../../src/replica/rounds/sweep.ts';
import type { SweepReport } from '../../src/replica/rounds/sweep.ts';
import { ManualClock } from './memory/clock.ts';
import { MemoryAccess } from './memory/access.ts';
import { MemoryEntries } from './memory/entries.ts';
import { intercept } from './memory/intercept.ts';
import type { PortCall } from './memory/intercept.ts';
import { MemoryQueues } from './memory/queues.ts';
import { MemoryReplicaStore } from './memory/replica-store.ts';
import { MemoryState } from './memory/state.ts';
import { ACCOUNT, KEY_SECRET } from './site-fixture.ts';
import type { SiteFixture } from './site-fixture.ts';

export interface StoragePorts {
  readonly state: StateStore;
  readonly replicas: ReplicaStore;
  readonly entries: EntryStore;
  readonly queues: Queues;
  /** Containers of uploads. Left out where nothing is ever uploaded. */
  readonly access?: Containers;
}

/** What the data path asks of the access port. */
export type Containers = Pick<AccessIssuer, 'ensureContainer' | 'removeContainer'>;

const NO_UPLOADS: Containers = {
  ensureContainer: async () => undefined,
  removeContainer: async () => undefined,
};

export interface WorkerOptions {
  readonly claimMs?: number;
  readonly snapshotsKept?: number;
  readonly budgetMs?: number;
  /** Figures for the planner, so that a few pages give it something to choose. */
  readonly figures?: Figures;
  readonly volumesAtOnce?: number;
  readonly limits?: DeltaLimits;
  readonly windowRanges?: number;
}

/** Which port a call went to, with the call. */
export type Around = (call: PortCall & { readonly port: keyof StoragePorts }) => Promise<unknown>;

/** One process: its own engine, lock and memory; the storage is everybody's. */
export class Worker {
  readonly ports: StoragePorts;
  readonly documents: Documents;
  readonly engine: ReplicaEngine;
  readonly chores: Chores;
  readonly ingest: Ingest;
  readonly sweeper: Sweep;
  readonly #queues: readonly JudgedQueue[];

  constructor(ports: StoragePorts & { readonly clock: Clock }, options: WorkerOptions = {}) {
    const { replicas, entries, queues, clock, access = NO_UPLOADS } = ports;
    this.ports = ports;
    this.documents = new Documents(ports.state);
    const shared = { documents: this.documents, replicas, entries, queues, clock, access };
    this.engine = new ReplicaEngine(shared, {
      claimMs: 20_000,
      snapshotsKept: 24,
      budgetMs: 120_000,
      volumesAtOnce: 4,
      ...options,
    });
    const keys = new SiteKeys(shared, KEY_SECRET);
    this.chores = new Chores(shared, { budgetMs: 120_000, ...options });
    this.ingest = new Ingest({ ...shared, keys, engine: this.engine, chores: this.chores, account: ACCOUNT });
    this.sweeper = new Sweep({ ...shared, engine: this.engine, chores: this.chores });
    this.#queues = judgedQueues({ keySecret: KEY_SECRET, entries, account: ACCOUNT, clock }, this.ingest);
  }

  async receive(message: unknown): Promise<IngestOutcome> {
    return this.ingest.receive(message, QUEUES.deltas);
  }

  async sweep(): Promise<SweepReport> {
    return this.sweeper.run(this.#queues);
  }
}

/** Storage in memory, with all that tests look at. */
export class MemoryStorage {
  readonly clock = new ManualClock();
  readonly state = new MemoryState(this.clock);
  readonly replicas = new MemoryReplicaStore();
  readonly entries = new MemoryEntries(this.clock);
  readonly queues = new MemoryQueues(this.clock);
  readonly access = new MemoryAccess(this.replicas);
  readonly documents = new Documents(this.state);

  /** Another process over this storage. Every one of its calls goes through `around`. */
  worker(options: WorkerOptions = {}, around?: Around): Worker {
    if (!around) return new Worker(this, options);
    const wrap = <T extends object>(port: keyof StoragePorts, adapter: T): T =>
      intercept(adapter, async (call) => around({ ...call, port }));
    const ports = {
      state: wrap('state', this.state),
      replicas: wrap('replicas', this.replicas),
      entries: wrap('entries', this.entries),
      queues: wrap('queues', this.queues),
      access: wrap('access', this.access),
    };
    return new Worker({ ...ports, clock: this.clock }, options);
  }

  async volume(site: SiteFixture): Promise<VolumeDocument> {
    return (await this.documents.need(volumeKind, site.documentName)).value;
  }

  async generation(site: SiteFixture): Promise<Generation> {
    return currentGeneration(await this.volume(site));
  }
}
