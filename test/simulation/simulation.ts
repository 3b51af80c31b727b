/**
 * One seeded run: sites, workers, and what people order, over storage that fails in every way its ports allow, then calm,
 * then the reckoning.
 *
 * Invariant: everything follows from the seed. What is wrong is told in one line; the same seed tells it again.
 */
import { orderGeneration, orderVerification } from '../../src/app/volume-orders.ts';
import { Documents } from '../../src/documents/store.ts';
import { currentGeneration } from '../../src/documents/volume.ts';
import { KIB } from '../../src/kernel/units.ts';
import type { StateStore } from '../../src/ports/state.ts';
import { MemoryEntries } from '../support/memory/entries.ts';
import { intercept } from '../support/memory/intercept.ts';
import { MemoryState } from '../support/memory/state.ts';
import { SiteFixture } from '../support/site-fixture.ts';
import { BROKEN } from './broken.ts';
import type { Broken, BrokenName } from './broken.ts';
import { Cloud } from './cloud.ts';
import { guarded } from './guard.ts';
import { BRISK, SLOW } from './pace.ts';
import { SimulatedPageBlobs } from './page-blobs.ts';
import { SimulatedQueues } from './queues.ts';
import { SeededRandom } from './random.ts';
import { isAtRest, reckon, restless } from './reckoning.ts';
import { Sources } from './referring.ts';
import { ReplicatingSite } from './replicating-site.ts';
import { Scheduler } from './scheduler.ts';
import { SiteActor } from './site.ts';
import type { SimulatedStorage } from './storage.ts';
import { summary } from './trace.ts';
import { meddle } from './uploader.ts';
import { walk } from './walk.ts';
import { VolumeWatch } from './watch.ts';
import { World } from './world.ts';

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
  readonly #world: World;
  readonly #cloud: Cloud;
  readonly #broken: Broken | undefined;
  readonly #sites: SiteActor[] = [];
  readonly #replicating: ReplicatingSite[] = [];
  readonly #sources: Sources;
  /** By the names of the volumes' documents. */
  readonly #watches = new Map<string, Pick<VolumeWatch, 'last' | 'changed'>>();
  /** Uploads that were opened. */
  readonly #uploads = new Set<string>();
  /** How long upkeep keeps what nobody needs; undefined where there is none. */
  readonly #keptMs: number | undefined;

  constructor(seed: number, { broken, trace }: SimulationOptions) {
    const scheduler = new Scheduler();
    const random = new SeededRandom(seed);
    const pace = random.chance(0.2) ? SLOW : BRISK;
    this.#broken = broken && BROKEN[broken];
    this.#keptMs = random.chance(0.5) ? pace.keptMs : undefined;
    const blobs = new SimulatedPageBlobs(scheduler, random, () => (this.#world.areFaults ? pace.copyMsMax : 0));
    const sound: SimulatedStorage = {
      state: new MemoryState(scheduler),
      replicas: blobs,
      blobs,
      entries: new MemoryEntries(scheduler),
      queues: new SimulatedQueues(scheduler, random),
      access: blobs.containers,
    };
    const stored = { ...sound, ...this.#broken?.storage?.(sound, scheduler) };
    const seen = guarded(
      stored,
      () => this.#watches.values(),
      (problem) => {
        this.#world.report(problem);
      },
    );
    const storage = { ...seen, state: this.#watched(stored.state) };
    const told = (line: () => string): void => trace?.(`${scheduler.bootMs()} ${line()}`);
    this.#world = new World({ scheduler, random, pace, storage, trace: told });
    this.#sources = new Sources(random);
    this.#cloud = new Cloud(this.#world, {
      broken: this.#broken,
      keptMs: this.#keptMs,
      setAside: (text, reason) => {
        this.#judge(text, reason);
      },
      cleanable: () => this.#all().flatMap(({ fixture, watch }) => (hasApplied(watch.last) ? [fixture.ref] : [])),
    });
  }

  async run(): Promise<string | undefined> {
    const { random, pace, scheduler } = this.#world;
    const { sites } = this.#broken ?? {};
    const replicating = sites === 'scripted' ? 0 : random.pick(sites ? [1, 1, 2] : [0, 0, 0, 1, 1, 2]);
    const volumes = sites === 'replicating' ? 0 : random.pick([1, 1, 1, 2, 2, 3, 5]);
    for (let index = replicating; index < Math.max(volumes, replicating); index += 1)
      await this.#addVolume(`data-${index}`);
    for (let index = 0; index < replicating; index += 1) await this.#addReplicating(`site-${index}`);
    for (let index = random.between(1, 3); index > 0; index -= 1) this.#cloud.start();
    const until = (): boolean => this.#world.problem !== undefined;
    await scheduler.pass(pace.faultsMs, until);
    this.#world.calm();
    await this.#sweepHome(until);
    await scheduler.pass(pace.restWithinMs, () => until() || isAtRest(this.#world, this.#inhabitants));
    if (this.#world.problem !== undefined) return this.#world.problem;
    if (!isAtRest(this.#world, this.#inhabitants)) {
      return `not at rest ${pace.restWithinMs} ms after the last fault: ${restless(this.#world, this.#inhabitants)}`;
    }
    await reckon(this.#world, this.#cloud, this.#inhabitants, this.#keptMs);
    return this.#world.problem;
  }

  get #inhabitants(): { readonly sites: readonly SiteActor[]; readonly replicating: readonly ReplicatingSite[] } {
    return { sites: this.#sites, replicating: this.#replicating };
  }

  #all(): readonly (SiteActor | ReplicatingSite)[] {
    return [...this.#sites, ...this.#replicating];
  }

  /** What lies up to the tip needs no message: sweeps alone bring it home. */
  async #sweepHome(until: () => boolean): Promise<void> {
    const resume = this.#cloud.rest();
    const { scheduler, pace, report } = this.#world;
    const { sweptWithinMs } = pace;
    const tips = [...this.#watches.values()].map((watch) => ({ watch, ...currentGeneration(watch.last) }));
    await scheduler.pass(sweptWithinMs, until);
    for (const { watch, tip, generation } of tips) {
      const { volume } = watch.last;
      const now = currentGeneration(watch.last);
      // A generation that was left was applied to its end: its watch has seen to that.
      const isHome = now.generation !== generation || now.applied.number >= tip.number;
      if (!isHome) report(`${volume}: not at its tip ${tip.number} ${sweptWithinMs} ms after the last fault`);
    }
    resume();
  }

  /** The state store, with every change of a volume held against the invariants as it takes effect. */
  #watched(state: StateStore): StateStore {
    return intercept(state, async ({ method, args: [name, text], proceed }) => {
      const answer = await proceed();
      if (method === 'read' || typeof name !== 'string' || typeof text !== 'string') return answer;
      this.#world.trace(() => `${method} ${name} ${summary(text)}`);
      await this.#watches.get(name)?.changed(text);
      const site = this.#replicating.find(({ fixture }) => fixture.documentName === name);
      if (site) this.#mayMeddle(site);
      return answer;
    });
  }

  /** A volume whose site is a scripted one: any order, lies, forks. */
  async #addVolume(volume: string): Promise<void> {
    const world = this.#world;
    const { random, storage, scheduler, pace, report } = world;
    const fixture = new SiteFixture({
      volume: { tenant: 'acme', site: 'berlin', group: 'erp', volume },
      volumeBytes: 16 * KIB,
    });
    const watch = new VolumeWatch(fixture, { replicas: storage.replicas, report });
    this.#watches.set(fixture.documentName, watch);
    await fixture.register(new Documents(storage.state));
    const keepsEntries = this.#keptMs === undefined;
    const siteWorld = { ...world.forSites(), sources: this.#sources, keepsEntries };
    const site = new SiteActor(fixture, siteWorld, watch, random.between(3, 12));
    this.#sites.push(site);
    site.start();
    if (random.chance(0.25)) world.once(() => (site.isGone = true));
    if (random.chance(0.3)) world.once(() => void this.#endTerm(fixture));
    if (random.chance(0.15)) {
      world.once(() => {
        const fork = fixture.forkAt(random.between(0, fixture.last));
        watch.writers.push(fork);
        const second = new SiteActor(fork, siteWorld, watch, random.between(1, 4));
        this.#sites.push(second);
        second.start();
        // It has nothing of what came before it, and cannot give it should the first be gone.
        scheduler.after(pace.faultsMs - scheduler.bootMs(), () => (second.isGone = true));
      }, 0.5);
    }
  }

  /** A volume whose site runs the production replicator. */
  async #addReplicating(name: string): Promise<void> {
    const world = this.#world;
    const { random, pace } = world;
    const site = new ReplicatingSite(world, this.#cloud, name);
    const { fixture, watch } = site;
    watch.keptMs = this.#keptMs;
    this.#watches.set(fixture.documentName, watch);
    await site.register();
    this.#replicating.push(site);
    site.start();
    const vanishes = random.chance(0.12);
    if (vanishes) {
      world.once(() => {
        site.vanish();
      });
    }
    const ends = random.chance(0.15);
    if (ends) world.once(() => void this.#endTerm(fixture));
    // A site's word begins another generation once an hour only, and a brisk world has not so much time.
    const loses = random.chance(0.3);
    if (loses) {
      world.once(() => {
        if (pace === SLOW || watch.last.current === 1) site.loseFolder();
      });
    }
    for (let orders = random.pick([0, 0, 1, 2]); orders > 0; orders -= 1) {
      const from = random.pick(['point', 'point', 'upload', 'zeros'] as const);
      world.once(() => void this.#reseed(fixture, from));
    }
    for (let damages = random.pick([0, 0, 1, 3]); damages > 0; damages -= 1) {
      const kinds = [() => site.rotReplica(), () => site.rotReplica(), () => site.corruptIndex()];
      // What is damaged in the cloud the site must have, or be able to begin anew.
      const isHealed = !vanishes && !(ends && loses);
      const damage = random.pick(isHealed ? [...kinds, () => site.rotEntry()] : kinds);
      world.once(() => void damage());
    }
    if (random.chance(0.4)) world.once(() => void this.#verify(fixture));
  }

  /** Now and then an upload has another writer, from its beginning. */
  #mayMeddle({ watch }: ReplicatingSite): void {
    const { generation, base } = currentGeneration(watch.last);
    const key = `${watch.last.volume} ${generation}`;
    if (base?.phase !== 'open' || this.#uploads.has(key)) return;
    this.#uploads.add(key);
    if (this.#world.areFaults && this.#world.random.chance(0.8)) void meddle(this.#world, watch);
  }

  async #endTerm({ ref }: SiteFixture): Promise<void> {
    await this.#cloud.until('endTerm', async ({ engine }) => engine.endTerm(ref, 1));
  }

  async #reseed({ ref }: SiteFixture, from: 'point' | 'upload' | 'zeros'): Promise<void> {
    await this.#cloud.until('reseed', async ({ documents }) =>
      orderGeneration(documents, ref, { from, reason: 'by hand' }),
    );
  }

  async #verify({ ref }: SiteFixture): Promise<void> {
    await this.#cloud.until('verify', async ({ documents }) => orderVerification(documents, ref));
  }

  /** A sound message may be set aside only for what the chain decided: a cut, or another writer. */
  #judge(text: string, reason: string): void {
    const site = this.#sites.find(({ sound }) => sound.has(text));
    if (!site) return;
    const isCut = currentGeneration(site.watch.last).cut !== null;
    // Its entry may have gone with the time for which upkeep keeps it: then it was applied long ago.
    if (this.#keptMs !== undefined && /the journal has no/.test(reason)) return;
    if (!isCut && site.watch.writers.length === 1) this.#world.report(`a sound message was set aside: ${reason}`);
  }
}

function hasApplied(document: VolumeWatch['last']): boolean {
  return currentGeneration(document).applied.number > 0;
}
