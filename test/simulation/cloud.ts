/**
 * The cloud's side of a simulated world: processes of the production engine that die and are started again, each with a
 * functions host that takes messages in any order, a sweep, a cleaner and an upkeep. And whatever a function does for a
 * request over HTTP, or a person orders, each in a process of its own.
 */
import { LeewardError, describeError, isLeewardError } from '../../src/kernel/errors.ts';
import { QUEUES } from '../../src/kernel/names.ts';
import type { VolumeRef } from '../../src/kernel/ids.ts';
import { MIB, PAGE_BYTES } from '../../src/kernel/units.ts';
import { PAGE_BLOB_COSTS, PAGE_BLOB_LIMITS } from '../../src/replica/plan/cost.ts';
import { runUpkeep } from '../../src/replica/rounds/upkeep.ts';
import { Worker } from '../support/data-path.ts';
import type { StoragePorts, WorkerOptions } from '../support/data-path.ts';
import type { Broken } from './broken.ts';
import { productionCleaner } from './cleaner.ts';
import { Mortal, faulty } from './faults.ts';
import type { InWork } from './queues.ts';
import { envelopeOf } from './trace.ts';
import type { World } from './world.ts';

/** How long the host hides a message in work. Source: seen of the Functions host. */
const HIDDEN_MS = 600_000;
/** Messages that one process works on at once. */
const AT_ONCE = 4;
/** How many workers a deadly message kills: it is poison then. */
const KILLS = 5;

export const SNAPSHOTS_KEPT = 3;
/** So that a delta of a few pages takes several requests: by Azure's figures all of it would be one. */
const FIGURES = [
  {
    costs: { requestsPerS: 60_000, bytesPerS: 60 * MIB },
    limits: { writeBytesMax: 2 * PAGE_BYTES, readBytesMax: PAGE_BYTES },
  },
  { costs: { requestsPerS: 60_000, bytesPerS: 60 * MIB }, limits: PAGE_BLOB_LIMITS },
  { costs: PAGE_BLOB_COSTS, limits: { writeBytesMax: 7 * PAGE_BYTES, readBytesMax: 5 * PAGE_BYTES } },
];

/** Errors for which the host tries a message again, and which are nobody's fault. */
const PASSING = ['UNAVAILABLE', 'CONFLICT'] as const;

export interface CloudOptions {
  readonly broken: Broken | undefined;
  /** How long upkeep keeps what is applied; undefined where there is none. */
  readonly keptMs: number | undefined;
  /** A message was set aside. */
  readonly setAside: (text: string, reason: string) => void;
  /** Volumes with snapshots to be cleaned. */
  readonly cleanable: () => readonly VolumeRef[];
}

export class Cloud {
  readonly #world: World;
  readonly #options: CloudOptions;
  readonly #workerOptions: WorkerOptions;
  readonly #kills = new Map<string, number>();
  /** While nothing is taken from the queue. */
  #hostsRest: Promise<undefined> | undefined;

  constructor(world: World, options: CloudOptions) {
    this.#world = world;
    this.#options = options;
    const figures = world.random.pick(FIGURES);
    // A window of one range, so that a comparison of a small volume takes several.
    this.#workerOptions = { claimMs: 4000, snapshotsKept: SNAPSHOTS_KEPT, budgetMs: 20_000, windowRanges: 1, figures };
  }

  /** Another process, which is started again whenever it dies. */
  start(): void {
    const { scheduler, random, pace } = this.#world;
    const process = new Mortal(scheduler, () => {
      scheduler.after(random.between(500, 15_000), () => {
        this.start();
      });
    });
    const worker = this.worker(process);
    void this.#host(worker, process);
    this.#every(
      process,
      () => pace.sweepMs + random.between(0, pace.sweepMs / 4),
      'sweep',
      async () => {
        for (const { what, reason } of (await worker.sweep()).failed) this.#judgeFailure('sweep', what, reason);
      },
    );
    this.#every(
      process,
      () => random.between(0, pace.cleanMsMax),
      'cleaning',
      async () => {
        const volumes = this.#options.cleanable();
        if (volumes.length > 0) await this.clean(worker.ports, random.pick(volumes));
      },
    );
    const { keptMs } = this.#options;
    if (keptMs === undefined) return;
    this.#every(
      process,
      () => random.between(0, 2 * pace.sweepMs),
      'upkeep',
      async () => {
        await this.upkeep(worker, keptMs);
      },
    );
  }

  /** A worker that is whoever's `process` is. */
  worker(process: Mortal): Worker {
    const { scheduler, storage } = this.#world;
    const clock = {
      wallMs: () => scheduler.wallMs(),
      bootMs: () => scheduler.bootMs(),
      sleep: async (ms: number) => process.sleep(ms),
    };
    const ports = faulty(storage, this.#world, process);
    return new Worker({ ...ports, ...this.#options.broken?.worker?.(ports), clock }, this.#workerOptions);
  }

  /** Runs `order` as a process of its own, again until it comes to its end; what it may end with besides is not repeated. */
  async until(what: string, order: (worker: Worker) => Promise<unknown>): Promise<void> {
    for (;;) {
      const worker = this.worker(new Mortal(this.#world.scheduler));
      const ending = order(worker).then(
        () => true,
        (error: unknown) => {
          if (isLeewardError(error, 'REFUSED')) return true;
          this.passing(what, error);
          return false;
        },
      );
      // A dead one never answers.
      const isOver = await Promise.race([ending, this.#world.scheduler.sleep(60_000).then(() => false)]);
      if (isOver) return;
    }
  }

  /** Keeps all hosts from taking messages until the function that is returned is called. */
  rest(): () => void {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#hostsRest = promise;
    return () => {
      this.#hostsRest = undefined;
      resolve(undefined);
    };
  }

  /** Removes snapshots that nobody named. */
  async clean(ports: StoragePorts, volume: VolumeRef): Promise<void> {
    await (this.#options.broken?.cleaner ?? productionCleaner)(ports, volume);
  }

  async upkeep({ documents, ports }: Pick<Worker, 'documents' | 'ports'>, keptMs: number): Promise<void> {
    const { replicas, entries, access } = ports;
    if (!access) throw new Error('a world without containers');
    const run = this.#options.broken?.upkeep ?? runUpkeep;
    for (const { what, reason } of (await run({ documents, replicas, entries, access }, { keptMs })).failed) {
      this.#judgeFailure('upkeep', what, reason);
    }
  }

  /** An error that is neither storage's nor somebody else's doing is a fault of the program. */
  passing(where: string, error: unknown): void {
    if (isLeewardError(error, ...PASSING)) return;
    const code = error instanceof LeewardError ? error.code : 'not ours';
    this.#world.report(`${where} ended with ${code}: ${describeError(error)}`);
  }

  #judgeFailure(where: string, what: string, reason: string): void {
    // Of two upkeeps at once, one finds the blob gone that the other has removed.
    const isRemoved = where === 'upkeep' && reason.startsWith('there is no page blob');
    const expected = isRemoved || /no answer|changed meanwhile|no sound entry/.test(reason);
    if (!expected) this.#world.report(`${where} of ${what}: ${reason}`);
  }

  #every(process: Mortal, waitMs: () => number, what: string, work: () => Promise<void>): void {
    const go = async (): Promise<void> => {
      for (;;) {
        await process.sleep(waitMs());
        await work().catch((error: unknown) => {
          this.passing(what, error);
        });
      }
    };
    void go();
  }

  /** The functions host of one process: several messages at once, in any order. */
  async #host(worker: Worker, process: Mortal): Promise<void> {
    const { random, storage } = this.#world;
    const { queues } = storage;
    let inWork = 0;
    for (;;) {
      await process.sleep(random.between(200, 1500));
      await this.#hostsRest;
      while (inWork < AT_ONCE && !process.isDead) {
        const message = queues.work(QUEUES.deltas, HIDDEN_MS) ?? queues.work(QUEUES.bulk, HIDDEN_MS);
        if (!message) {
          await queues.change();
          break;
        }
        inWork += 1;
        void this.#work(worker, process, message).then(() => (inWork -= 1));
      }
    }
  }

  /** A function's whole life with one message. It never ends when its process dies. */
  async #work(worker: Worker, process: Mortal, message: InWork): Promise<void> {
    const { random, scheduler } = this.#world;
    const isDeadly = this.#isDeadly(message);
    if (isDeadly && random.chance(0.5)) {
      scheduler.after(random.between(1, 2000), () => {
        process.die();
      });
    }
    const isDone = await this.#function(worker, message.text);
    // All may be done by now, but nobody will say so to the queue.
    if (isDeadly) process.die();
    await process.sleep(0);
    // An answer may be lost: then the message comes again although all is done.
    if (isDone && !(this.#world.areFaults && random.chance(0.05))) message.done();
    else message.failed(random.between(1000, 10_000));
  }

  /** Whether this message kills its taker: five times, and then it is poison, and harmless when it comes back. */
  #isDeadly({ text, attempts }: InWork): boolean {
    const { areFaults, random, pace } = this.#world;
    const killed = this.#kills.get(text) ?? 0;
    const begins = attempts === 1 && killed === 0 && areFaults && random.chance(pace.deadly);
    if (killed === KILLS || (killed === 0 && !begins)) return false;
    this.#kills.set(text, killed + 1);
    this.#world.trace(() => `deadly ${envelopeOf(text)} for the ${killed + 1}. time`);
    return true;
  }

  async #function(worker: Worker, text: string): Promise<boolean> {
    try {
      const outcome = await worker.receive(text);
      this.#world.trace(() => `${outcome.outcome} ${envelopeOf(text)} ${'reason' in outcome ? outcome.reason : ''}`);
      if (outcome.outcome === 'set-aside') this.#options.setAside(text, outcome.reason);
      return true;
    } catch (error) {
      this.#world.trace(() => `failed ${envelopeOf(text)} ${describeError(error)}`);
      this.passing('ingest', error);
      return false;
    }
  }
}
