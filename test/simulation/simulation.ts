/**
 * One seeded run: sites, workers and the end of a term over storage that fails in every way its ports allow, then calm,
 * then the reckoning.
 *
 * Invariant: everything follows from the seed. What is wrong is told in one line; the same seed tells it again.
 */
import { z } from 'zod';
import { currentGeneration, hasWork, volumeSchema } from '../../src/documents/volume.ts';
import { LeewardError, describeError, isLeewardError } from '../../src/kernel/errors.ts';
import { QUEUES } from '../../src/kernel/names.ts';
import { KIB } from '../../src/kernel/units.ts';
import { signedMessageSchema } from '../../src/protocol/signed.ts';
import { Worker } from '../support/data-path.ts';
import type { StoragePorts, WorkerOptions } from '../support/data-path.ts';
import { MemoryEntries } from '../support/memory/entries.ts';
import { intercept } from '../support/memory/intercept.ts';
import { MemoryReplicaStore } from '../support/memory/replica-store.ts';
import { MemoryState } from '../support/memory/state.ts';
import { SiteFixture } from '../support/site-fixture.ts';
import { BROKEN } from './broken.ts';
import type { BrokenName } from './broken.ts';
import { NO_FAULTS, faulty, mortal } from './faults.ts';
import type { FaultRates, Mortal } from './faults.ts';
import { SimulatedQueues } from './queues.ts';
import { SeededRandom } from './random.ts';
import { Scheduler } from './scheduler.ts';
import { SiteActor } from './site.ts';
import { VolumeWatch } from './watch.ts';
import { Documents } from '../../src/documents/store.ts';

/** For how long faults happen, and how long a volume may take after that for what needs no message, and for the rest. */
const FAULTS_MS = 60_000;
const SWEPT_WITHIN_MS = 150_000;
const REST_WITHIN_MS = 3_600_000;

/** How long the host hides a message in work. Source: seen of the Functions host. */
const HIDDEN_MS = 600_000;
const SWEEP_MS = 20_000;

const WORKER: WorkerOptions = { claimMs: 4000, snapshotsKept: 3, budgetMs: 20_000 };

/** Errors for which the host tries a message again, and which are nobody's fault. */
const PASSING = ['UNAVAILABLE', 'CONFLICT'] as const;

export interface SimulationOptions {
  readonly broken?: BrokenName | undefined;
  /** Is told everything that happens, for a look at a seed that failed. */
  readonly trace?: ((line: string) => void) | undefined;
}

/** Runs the seed; undefined when all that must hold held, else the first that did not. */
export async function simulate(seed: number, options: SimulationOptions = {}): Promise<string | undefined> {
  return new Simulation(seed, options).run();
}

class Simulation {
  readonly #scheduler = new Scheduler();
  readonly #random: SeededRandom;
  readonly #storage: StoragePorts & { readonly queues: SimulatedQueues };
  readonly #sites: SiteActor[] = [];
  readonly #watches = new Map<string, VolumeWatch>();
  readonly #rates: FaultRates;
  readonly #trace: (line: string) => void;
  #areFaults = true;
  #problem: string | undefined;

  constructor(seed: number, { broken, trace }: SimulationOptions) {
    this.#trace = (line) => trace?.(`${this.#scheduler.bootMs()} ${line}`);
    this.#random = new SeededRandom(seed);
    const adapters = broken ? BROKEN[broken] : { replicas: MemoryReplicaStore, state: MemoryState };
    const state = new adapters.state(this.#scheduler);
    this.#storage = {
      state: intercept(state, async ({ method, args: [name, text], proceed }) => {
        const answer = await proceed();
        if (method !== 'read') this.#trace(`${method} ${String(name)} ${summary(String(text))}`);
        if (method !== 'read' && typeof name === 'string' && typeof text === 'string') {
          await this.#watches.get(name)?.changed(text);
        }
        return answer;
      }),
      replicas: new adapters.replicas(),
      entries: new MemoryEntries(),
      queues: new SimulatedQueues(this.#scheduler, this.#random),
    };
    const scale = this.#random.pick([0.3, 1, 2]);
    this.#rates = {
      crash: 0.004 * scale,
      failBefore: 0.02 * scale,
      failAfter: 0.02 * scale,
      late: 0.03 * scale,
      twice: 0.03 * scale,
      slow: 0.03 * scale,
    };
  }

  async run(): Promise<string | undefined> {
    const random = this.#random;
    const volumes = random.between(1, 2);
    for (let index = 0; index < volumes; index += 1) await this.#addVolume(`data-${index}`);
    for (let index = random.between(1, 3); index > 0; index -= 1) this.#startWorker();
    const until = (): boolean => this.#problem !== undefined;
    await this.#scheduler.pass(FAULTS_MS, until);
    this.#areFaults = false;
    // What lies up to the tip needs no message: sweeps alone bring it home.
    await this.#scheduler.pass(SWEPT_WITHIN_MS, until);
    for (const [name, { last }] of this.#watches) {
      const { tip, applied, claim } = currentGeneration(last);
      const isBehind = this.#sites.every((site) => site.isDone()) && (claim !== null || applied.number < tip.number);
      if (isBehind) this.#report(`${name}: not at its tip ${SWEPT_WITHIN_MS} ms after the last fault`);
    }
    await this.#scheduler.pass(REST_WITHIN_MS, () => until() || this.#isAtRest());
    if (this.#problem !== undefined) return this.#problem;
    if (!this.#isAtRest()) return `not at rest ${REST_WITHIN_MS} ms after the last fault: ${this.#restless()}`;
    await this.#reckon();
    return this.#problem;
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
    const watch = new VolumeWatch(fixture, { replicas: storage.replicas, report });
    this.#watches.set(fixture.documentName, watch);
    await fixture.register(new Documents(storage.state));
    const world = { scheduler, random, queues: storage.queues, entries: storage.entries, report };
    const siteWorld = { ...world, damages: () => this.#areFaults };
    const site = new SiteActor(fixture, siteWorld, watch, random.between(3, 12));
    this.#sites.push(site);
    site.start();
    if (random.chance(0.25)) scheduler.after(random.between(0, FAULTS_MS), () => (site.isGone = true));
    if (random.chance(0.3)) scheduler.after(random.between(0, FAULTS_MS), () => void this.#endTerm(site));
    if (random.chance(0.15)) {
      scheduler.after(random.between(0, FAULTS_MS / 2), () => {
        const fork = fixture.forkAt(random.between(0, fixture.last));
        watch.writers.push(fork);
        const second = new SiteActor(fork, siteWorld, watch, random.between(1, 4));
        this.#sites.push(second);
        second.start();
        // It has nothing of what came before it, and cannot give it should the first be gone.
        scheduler.after(FAULTS_MS - scheduler.bootMs(), () => (second.isGone = true));
      });
    }
  }

  #startWorker(): void {
    const process = mortal(() => {
      this.#scheduler.after(this.#random.between(500, 15_000), () => {
        this.#startWorker();
      });
    });
    const worker = this.#worker(process);
    void this.#host(worker, process);
    void this.#sweeps(worker, process);
  }

  #worker(process: Mortal): Worker {
    const world = { scheduler: this.#scheduler, random: this.#random, rates: () => this.#ratesNow() };
    const clock = {
      wallMs: () => this.#scheduler.wallMs(),
      bootMs: () => this.#scheduler.bootMs(),
      sleep: async (ms: number) => {
        await this.#scheduler.sleep(ms);
        if (process.isDead()) await new Promise<never>(() => undefined);
      },
    };
    return new Worker({ ...faulty(this.#storage, world, process), clock }, WORKER);
  }

  /** The functions host of one process: several messages at once, in any order. */
  async #host(worker: Worker, process: Mortal): Promise<void> {
    let inWork = 0;
    while (!process.isDead()) {
      await this.#scheduler.sleep(this.#random.between(200, 1500));
      while (inWork < 4 && !process.isDead()) {
        const message = this.#storage.queues.work(QUEUES.deltas, HIDDEN_MS);
        if (!message) break;
        inWork += 1;
        void this.#function(worker, message.text).then((isDone) => {
          inWork -= 1;
          // An answer may be lost: then the message comes again although all is done.
          if (isDone && !(this.#areFaults && this.#random.chance(0.05))) message.done();
          else message.failed(this.#random.between(1000, 10_000));
        });
      }
    }
  }

  async #function(worker: Worker, text: string): Promise<boolean> {
    try {
      const outcome = await worker.receive(text);
      this.#trace(`${outcome.outcome} ${envelopeOf(text)} ${'reason' in outcome ? outcome.reason : ''}`);
      if (outcome.outcome === 'set-aside') this.#judge(text, outcome.reason);
      return true;
    } catch (error) {
      this.#trace(`failed ${envelopeOf(text)} ${describeError(error)}`);
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
    while (!process.isDead()) {
      await this.#scheduler.sleep(SWEEP_MS + this.#random.between(0, 5000));
      if (process.isDead()) return;
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

  async #endTerm({ fixture }: SiteActor): Promise<void> {
    for (;;) {
      const worker = this.#worker(mortal());
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
      this.#sites.every((site) => site.isDone()) &&
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
    for (const watch of this.#watches.values()) await watch.atRest();
    for (const site of this.#sites) {
      const { last, writers } = site.watch;
      const { cut, tip } = currentGeneration(last);
      if (site.isGone || cut || writers.length > 1) continue;
      if (tip.number !== site.fixture.last)
        this.#report(`${site.fixture.id}: ended at ${tip.number} of ${site.fixture.last}`);
      if (last.trouble || last.resend.length > 0) this.#report(`${site.fixture.id}: healed, and still in trouble`);
      if (hasWork(last)) this.#report(`${site.fixture.id}: at rest, and still marked as having work`);
    }
  }

  #ratesNow(): FaultRates {
    return this.#areFaults ? this.#rates : NO_FAULTS;
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

/** Which delta a message carries, for a trace. */
function envelopeOf(text: string): string {
  const {
    volume,
    number,
    entry = 'inline',
  } = z
    .looseObject({ volume: z.string(), number: z.int(), entry: z.string().optional() })
    .parse(JSON.parse(signedMessageSchema.parse(JSON.parse(text)).payload));
  return `${volume} ${number} ${entry.slice(-22)}`;
}
