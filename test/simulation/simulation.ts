/**
 * One seeded run: sites, workers and the end of a term over storage that fails in every way its ports allow, then calm,
 * then the reckoning.
 *
 * Invariant: everything follows from the seed. What is wrong is told in one line; the same seed tells it again.
 */
import { z } from 'zod';
import { Documents } from '../../src/documents/store.ts';
import { currentGeneration, hasWork, volumeSchema } from '../../src/documents/volume.ts';
import { LeewardError, describeError, isLeewardError } from '../../src/kernel/errors.ts';
import { QUEUES } from '../../src/kernel/names.ts';
import { KIB, MIB, PAGE_BYTES } from '../../src/kernel/units.ts';
import type { StateStore } from '../../src/ports/state.ts';
import { signedMessageSchema } from '../../src/protocol/signed.ts';
import { PAGE_BLOB_COSTS, PAGE_BLOB_LIMITS } from '../../src/replica/plan/cost.ts';
import { Worker } from '../support/data-path.ts';
import type { WorkerOptions } from '../support/data-path.ts';
import { MemoryEntries } from '../support/memory/entries.ts';
import { intercept } from '../support/memory/intercept.ts';
import { MemoryReplicaStore } from '../support/memory/replica-store.ts';
import { MemoryState } from '../support/memory/state.ts';
import { SiteFixture } from '../support/site-fixture.ts';
import { BROKEN } from './broken.ts';
import type { Broken, BrokenName } from './broken.ts';
import { productionCleaner } from './cleaner.ts';
import { Mortal, NO_FAULTS, faulty } from './faults.ts';
import type { FaultRates } from './faults.ts';
import { BRISK, SLOW } from './pace.ts';
import type { Pace } from './pace.ts';
import { SimulatedQueues } from './queues.ts';
import type { InWork } from './queues.ts';
import { SeededRandom } from './random.ts';
import { Sources } from './referring.ts';
import { Scheduler } from './scheduler.ts';
import { SiteActor } from './site.ts';
import type { SimulatedStorage } from './storage.ts';
import { walk } from './walk.ts';
import { VolumeWatch } from './watch.ts';

/** How long the host hides a message in work. Source: seen of the Functions host. */
const HIDDEN_MS = 600_000;
/** Messages that one process works on at once. */
const AT_ONCE = 4;
/** How many workers a deadly message kills: it is poison then. */
const KILLS = 5;

const SNAPSHOTS_KEPT = 3;
/** So that a delta of a few pages takes several requests: by Azure's figures all of it would be one. */
const FIGURES = [
  {
    costs: { requestsPerS: 60_000, bytesPerS: 60 * MIB },
    limits: { writeBytesMax: 2 * PAGE_BYTES, readBytesMax: PAGE_BYTES },
  },
  { costs: { requestsPerS: 60_000, bytesPerS: 60 * MIB }, limits: PAGE_BLOB_LIMITS },
  { costs: PAGE_BLOB_COSTS, limits: { writeBytesMax: 7 * PAGE_BYTES, readBytesMax: 5 * PAGE_BYTES } },
];
const WORKER: WorkerOptions = { claimMs: 4000, snapshotsKept: SNAPSHOTS_KEPT, budgetMs: 20_000 };

/** Errors for which the host tries a message again, and which are nobody's fault. */
const PASSING = ['UNAVAILABLE', 'CONFLICT'] as const;

export interface SimulationOptions {
  readonly broken?: BrokenName | undefined;
  /** Is told everything that happens, for a look at a seed that failed. */
  readonly trace?: ((line: string) => void) | undefined;
}

/** Runs the seed; undefined when all that must hold held, else the first that did not. */
export async function simulate(seed: number, options: SimulationOptions = {}): Promise<string | undefined> {
  const fault = options.broken && BROKEN[options.broken].walk;
  return fault ? walk(seed, fault) : new Simulation(seed, options).run();
}

class Simulation {
  readonly #scheduler = new Scheduler();
  readonly #random: SeededRandom;
  readonly #pace: Pace;
  readonly #broken: Broken | undefined;
  readonly #storage: SimulatedStorage;
  readonly #sites: SiteActor[] = [];
  readonly #sources: Sources;
  readonly #watches = new Map<string, VolumeWatch>();
  readonly #kills = new Map<string, number>();
  readonly #rates: FaultRates;
  readonly #figures: (typeof FIGURES)[number];
  /** Lines are made only for somebody who reads them. */
  readonly #trace: (line: () => string) => void;
  #areFaults = true;
  /** While nothing is taken from the queue. */
  #hostsRest: Promise<void> | undefined;
  #problem: string | undefined;

  constructor(seed: number, { broken, trace }: SimulationOptions) {
    this.#trace = (line) => trace?.(`${this.#scheduler.bootMs()} ${line()}`);
    this.#random = new SeededRandom(seed);
    this.#sources = new Sources(this.#random);
    this.#pace = this.#random.chance(0.2) ? SLOW : BRISK;
    this.#broken = broken && BROKEN[broken];
    const sound: SimulatedStorage = {
      state: new MemoryState(this.#scheduler),
      replicas: new MemoryReplicaStore(),
      entries: new MemoryEntries(),
      queues: new SimulatedQueues(this.#scheduler, this.#random),
    };
    const storage = { ...sound, ...this.#broken?.storage?.(sound) };
    this.#storage = { ...storage, state: this.#watched(storage.state) };
    this.#figures = this.#random.pick(FIGURES);
    const scale = this.#random.pick([0.3, 1, 2]);
    this.#rates = {
      crash: 0.004 * scale,
      failBefore: 0.02 * scale,
      failAfter: 0.02 * scale,
      late: 0.03 * scale,
      twice: 0.03 * scale,
      slow: 0.03 * scale,
      stall: 0.004 * scale,
      stallMsMax: this.#pace.stallMsMax,
    };
  }

  async run(): Promise<string | undefined> {
    const random = this.#random;
    const volumes = random.pick([1, 1, 1, 2, 2, 3, 5]);
    for (let index = 0; index < volumes; index += 1) await this.#addVolume(`data-${index}`);
    for (let index = random.between(1, 3); index > 0; index -= 1) this.#startWorker();
    const { faultsMs, restWithinMs } = this.#pace;
    const until = (): boolean => this.#problem !== undefined;
    await this.#scheduler.pass(faultsMs, until);
    this.#areFaults = false;
    await this.#sweepHome(until);
    await this.#scheduler.pass(restWithinMs, () => until() || this.#isAtRest());
    if (this.#problem !== undefined) return this.#problem;
    if (!this.#isAtRest()) return `not at rest ${restWithinMs} ms after the last fault: ${this.#restless()}`;
    await this.#reckon();
    return this.#problem;
  }

  /** What lies up to the tip needs no message: sweeps alone bring it home. */
  async #sweepHome(until: () => boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#hostsRest = promise;
    const { sweptWithinMs } = this.#pace;
    const tips = [...this.#watches.values()].map((watch) => ({ watch, tip: currentGeneration(watch.last).tip.number }));
    await this.#scheduler.pass(sweptWithinMs, until);
    for (const { watch, tip } of tips) {
      const { volume } = watch.last;
      const isHome = currentGeneration(watch.last).applied.number >= tip;
      if (!isHome) this.#report(`${volume}: not at its tip ${tip} ${sweptWithinMs} ms after the last fault`);
    }
    this.#hostsRest = undefined;
    resolve(undefined);
  }

  /** The state store, with the watch of a volume told of each change as it takes effect. */
  #watched(state: StateStore): StateStore {
    return intercept(state, async ({ method, args: [name, text], proceed }) => {
      const answer = await proceed();
      if (method === 'read' || typeof name !== 'string' || typeof text !== 'string') return answer;
      this.#trace(() => `${method} ${name} ${summary(text)}`);
      await this.#watches.get(name)?.changed(text);
      return answer;
    });
  }

  async #addVolume(volume: string): Promise<void> {
    const { scheduler, random, storage } = { scheduler: this.#scheduler, random: this.#random, storage: this.#storage };
    const fixture = new SiteFixture({
      volume: { tenant: 'acme', site: 'berlin', group: 'erp', volume },
      volumeBytes: 16 * KIB,
    });
    const report = (problem: string): void => {
      this.#report(problem);
    };
    const watch = new VolumeWatch(fixture, { replicas: storage.replicas, report, snapshotsKept: SNAPSHOTS_KEPT });
    this.#watches.set(fixture.documentName, watch);
    await fixture.register(new Documents(storage.state));
    const siteWorld = {
      ...{ scheduler, random, pace: this.#pace, report },
      ...{ queues: storage.queues, entries: storage.entries, damages: () => this.#areFaults },
      sources: this.#sources,
    };
    const site = new SiteActor(fixture, siteWorld, watch, random.between(3, 12));
    this.#sites.push(site);
    site.start();
    const { faultsMs } = this.#pace;
    if (random.chance(0.25)) scheduler.after(random.between(0, faultsMs), () => (site.isGone = true));
    if (random.chance(0.3)) scheduler.after(random.between(0, faultsMs), () => void this.#endTerm(site));
    if (random.chance(0.15)) {
      scheduler.after(random.between(0, faultsMs / 2), () => {
        const fork = fixture.forkAt(random.between(0, fixture.last));
        watch.writers.push(fork);
        const second = new SiteActor(fork, siteWorld, watch, random.between(1, 4));
        this.#sites.push(second);
        second.start();
        // It has nothing of what came before it, and cannot give it should the first be gone.
        scheduler.after(faultsMs - scheduler.bootMs(), () => (second.isGone = true));
      });
    }
  }

  #startWorker(): void {
    const process = new Mortal(this.#scheduler, () => {
      this.#scheduler.after(this.#random.between(500, 15_000), () => {
        this.#startWorker();
      });
    });
    const worker = this.#worker(process);
    void this.#host(worker, process);
    void this.#sweeps(worker, process);
    void this.#cleanings(worker, process);
  }

  #worker(process: Mortal): Worker {
    const world = { scheduler: this.#scheduler, random: this.#random, rates: () => this.#ratesNow() };
    const clock = {
      wallMs: () => this.#scheduler.wallMs(),
      bootMs: () => this.#scheduler.bootMs(),
      sleep: async (ms: number) => process.sleep(ms),
    };
    const ports = faulty(this.#storage, world, process);
    return new Worker({ ...ports, ...this.#broken?.worker?.(ports), clock }, { ...WORKER, figures: this.#figures });
  }

  /** The functions host of one process: several messages at once, in any order. */
  async #host(worker: Worker, process: Mortal): Promise<void> {
    const { queues } = this.#storage;
    let inWork = 0;
    for (;;) {
      await process.sleep(this.#random.between(200, 1500));
      await this.#hostsRest;
      while (inWork < AT_ONCE && !process.isDead) {
        const message = queues.work(QUEUES.deltas, HIDDEN_MS);
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
    const isDeadly = this.#isDeadly(message);
    if (isDeadly && this.#random.chance(0.5)) {
      this.#scheduler.after(this.#random.between(1, 2000), () => {
        process.die();
      });
    }
    const isDone = await this.#function(worker, message.text);
    // All may be done by now, but nobody will say so to the queue.
    if (isDeadly) process.die();
    await process.sleep(0);
    // An answer may be lost: then the message comes again although all is done.
    if (isDone && !(this.#areFaults && this.#random.chance(0.05))) message.done();
    else message.failed(this.#random.between(1000, 10_000));
  }

  /** Whether this message kills its taker: five times, and then it is poison, and harmless when it comes back. */
  #isDeadly({ text, attempts }: InWork): boolean {
    const killed = this.#kills.get(text) ?? 0;
    const begins = attempts === 1 && killed === 0 && this.#areFaults && this.#random.chance(this.#pace.deadly);
    if (killed === KILLS || (killed === 0 && !begins)) return false;
    this.#kills.set(text, killed + 1);
    this.#trace(() => `deadly ${envelopeOf(text)} for the ${killed + 1}. time`);
    return true;
  }

  async #function(worker: Worker, text: string): Promise<boolean> {
    try {
      const outcome = await worker.receive(text);
      this.#trace(() => `${outcome.outcome} ${envelopeOf(text)} ${'reason' in outcome ? outcome.reason : ''}`);
      if (outcome.outcome === 'set-aside') this.#judge(text, outcome.reason);
      return true;
    } catch (error) {
      this.#trace(() => `failed ${envelopeOf(text)} ${describeError(error)}`);
      this.#passing('ingest', error);
      return false;
    }
  }

  /** A sound message may be set aside only for what the chain decided: a cut, or another writer. */
  #judge(text: string, reason: string): void {
    const site = this.#sites.find(({ sound }) => sound.has(text));
    if (!site) return;
    const isCut = currentGeneration(site.watch.last).cut !== null;
    if (!isCut && site.watch.writers.length === 1) this.#report(`a sound message was set aside: ${reason}`);
  }

  async #sweeps(worker: Worker, process: Mortal): Promise<void> {
    for (;;) {
      await process.sleep(this.#pace.sweepMs + this.#random.between(0, this.#pace.sweepMs / 4));
      try {
        for (const { what, reason } of (await worker.sweep()).failed) {
          const expected = /no answer|changed meanwhile|no sound entry/.test(reason);
          if (!expected) this.#report(`sweep of ${what}: ${reason}`);
        }
      } catch (error) {
        this.#passing('sweep', error);
      }
    }
  }

  async #cleanings(worker: Worker, process: Mortal): Promise<void> {
    for (;;) {
      await process.sleep(this.#random.between(0, this.#pace.cleanMsMax));
      try {
        await this.#clean(worker, this.#random.pick(this.#sites).watch);
      } catch (error) {
        this.#passing('cleaning', error);
      }
    }
  }

  async #clean({ ports }: Pick<Worker, 'ports'>, { last, writers: [site] }: VolumeWatch): Promise<void> {
    if (!site || currentGeneration(last).applied.number === 0) return;
    await (this.#broken?.cleaner ?? productionCleaner)(ports, site.ref);
  }

  async #endTerm({ fixture }: SiteActor): Promise<void> {
    for (;;) {
      const worker = this.#worker(new Mortal(this.#scheduler));
      const ending = worker.engine.endTerm(fixture.ref, 1).then(
        () => true,
        (error: unknown) => {
          this.#passing('endTerm', error);
          return false;
        },
      );
      // A dead one never answers.
      const isOver = await Promise.race([ending, this.#scheduler.sleep(60_000).then(() => false)]);
      if (isOver) return;
    }
  }

  #isAtRest(): boolean {
    return (
      this.#sites.every((site) => site.isDone() && site.isHeard()) &&
      this.#storage.queues.count(QUEUES.deltas) === 0 &&
      [...this.#watches.values()].every(({ last }) => {
        const { applied, tip, claim } = currentGeneration(last);
        return claim === null && applied.number === tip.number;
      })
    );
  }

  /** Why there is no rest, for people. */
  #restless(): string {
    const volumes = [...this.#watches.values()].map(({ last }) => `${last.volume}: ${summary(JSON.stringify(last))}`);
    const open = this.#sites.filter((site) => !site.isDone()).map(({ fixture }) => `a site at ${fixture.last}`);
    return [...volumes, ...open, `${this.#storage.queues.count(QUEUES.deltas)} messages`].join('; ');
  }

  async #reckon(): Promise<void> {
    for (const watch of this.#watches.values()) {
      await this.#clean({ ports: this.#storage }, watch);
      await watch.atRest();
    }
    for (const site of this.#sites) {
      const { last, writers } = site.watch;
      const { cut, tip } = currentGeneration(last);
      if (cut || writers.length > 1) continue;
      const taken = site.takenUpTo();
      if (tip.number < taken) {
        this.#report(`${site.fixture.id}: the queue took all up to ${taken}, and the replica ended at ${tip.number}`);
      }
      if (site.isGone) continue;
      if (tip.number !== site.fixture.last) {
        this.#report(`${site.fixture.id}: ended at ${tip.number} of ${site.fixture.last}`);
      }
      if (last.trouble || last.resend.length > 0) this.#report(`${site.fixture.id}: healed, and still in trouble`);
      if (hasWork(last)) this.#report(`${site.fixture.id}: at rest, and still marked as having work`);
    }
  }

  #ratesNow(): FaultRates {
    if (!this.#areFaults) return NO_FAULTS;
    // A stall is a fault as well, and ends with them.
    const leftMs = this.#pace.faultsMs - this.#scheduler.bootMs();
    return { ...this.#rates, stallMsMax: Math.min(this.#pace.stallMsMax, leftMs) };
  }

  /** An error that is neither storage's nor somebody else's doing is a fault of the program. */
  #passing(where: string, error: unknown): void {
    if (!isLeewardError(error, ...PASSING)) {
      const code = error instanceof LeewardError ? error.code : 'not ours';
      this.#report(`${where} ended with ${code}: ${describeError(error)}`);
    }
  }

  #report(problem: string): void {
    this.#problem ??= problem;
  }
}

/** A volume's document in a line, for a trace. */
function summary(text: string): string {
  const parsed = volumeSchema.safeParse(JSON.parse(text));
  if (!parsed.success) return '';
  const { applied, claim, tip, beyond, epoch, cut } = currentGeneration(parsed.data);
  const asks = parsed.data.resend.map(({ number, form }) => `${number} ${form}`).join(', ');
  return `epoch ${epoch}, applied ${applied.number}, claim ${claim?.number ?? '-'}, tip ${tip.number}, beyond ${beyond}, cut ${cut?.number ?? '-'}, asks [${asks}]`;
}

const namesSchema = z.looseObject({ volume: z.string(), number: z.int(), entry: z.string().optional() });

/** Which delta a message carries, for a trace. */
function envelopeOf(text: string): string {
  const { payload } = signedMessageSchema.parse(JSON.parse(text));
  const { volume, number, entry = 'inline' } = namesSchema.parse(JSON.parse(payload));
  return `${volume} ${number} ${entry.slice(-22)}`;
}
