/**
 * A site in the simulation that runs the production replicator: reads its volume, keeps its outbox and index, makes bases,
 * lists and repairs, and talks to the cloud. Its process dies at any call of the network or the disk and is started again
 * over what the disk has; the folder may be lost, or the whole site.
 */
import { LeewardError, describeError, isLeewardError } from '../../src/kernel/errors.ts';
import { Documents } from '../../src/documents/store.ts';
import { currentGeneration, isFresh } from '../../src/documents/volume.ts';
import { journalPrefix, parseJournalEntry } from '../../src/kernel/names.ts';
import type { Clock } from '../../src/kernel/clock.ts';
import { KIB } from '../../src/kernel/units.ts';
import type { SiteStore } from '../../src/ports/site-store.ts';
import { BLOCK_BYTES, BLOCK_HASH_BYTES, blockHashes } from '../../src/ranges/blocks.ts';
import { Replicator } from '../../src/site/replicator.ts';
import { SiteLink } from '../../src/site/send/site-link.ts';
import { MemoryContentIndex } from '../support/memory/content-index.ts';
import { intercept } from '../support/memory/intercept.ts';
import { MemorySiteStore } from '../support/memory/site-store.ts';
import { SiteFixture } from '../support/site-fixture.ts';
import type { Cloud } from './cloud.ts';
import { Mortal, suffer } from './faults.ts';
import { Ledger } from './ledger.ts';
import { SimulatedLink } from './link.ts';
import { ReplicatedWatch } from './replicated-watch.ts';
import { SimulatedVolume } from './volume.ts';
import type { World } from './world.ts';

const DURABLE = new Set(['writeState', 'putDelta', 'removeDelta', 'writeIndex', 'syncIndex', 'cutIndex']);

/** What an interval may end with, and is run again: the cloud, or what happened meanwhile. */
const PASSING = ['UNAVAILABLE', 'CONFLICT', 'DENIED', 'REFUSED', 'SOURCE_CHANGED', 'NOT_FOUND'] as const;

export class ReplicatingSite {
  readonly fixture: SiteFixture;
  readonly volume: SimulatedVolume;
  readonly ledger = new Ledger();
  readonly watch: ReplicatedWatch;
  readonly #world: World;
  readonly #link: SimulatedLink;
  readonly #content = new MemoryContentIndex();
  readonly #options: { readonly directFromBytes: number; readonly withContent: boolean };
  #store = new MemorySiteStore();
  #agentStore = new MemorySiteStore();
  #process: Mortal | undefined;
  /** Whether the volume was changed once more after the last fault, and an interval has come to its end since. */
  #last: 'open' | 'written' | 'stored' = 'open';
  isGone = false;

  constructor(world: World, cloud: Cloud, site: string) {
    const { random } = world;
    this.#world = world;
    this.volume = new SimulatedVolume(random);
    const ref = { tenant: 'acme', site, group: 'erp', volume: 'data' };
    this.fixture = new SiteFixture({ volume: ref, volumeBytes: this.volume.bytes.length });
    this.watch = new ReplicatedWatch(world, this.fixture, this.ledger);
    this.#link = new SimulatedLink(world, cloud);
    this.#options = {
      directFromBytes: random.pick([Infinity, Infinity, KIB]),
      withContent: random.chance(0.5),
    };
  }

  get id(): string {
    return this.fixture.id;
  }

  async register(): Promise<void> {
    await this.fixture.register(new Documents(this.#world.storage.state));
  }

  start(): void {
    void this.#live();
  }

  /** The site is gone, with its volume. */
  vanish(): void {
    this.isGone = true;
    this.#process?.die();
  }

  /**
   * All that the site knows is gone, the volume is not. Only a site that has heard of what it sent can tell that from
   * having sent nothing, so that it does not begin its chain anew beside itself.
   */
  loseFolder(): void {
    const { acknowledged } = this.watch;
    if (!acknowledged || this.isGone) return;
    this.#world.trace(() => `${this.id} loses its folder`);
    this.#store = new MemorySiteStore();
    this.#agentStore = new MemorySiteStore();
    this.#process?.die();
  }

  /** The index believes that a block was sent that was not. */
  async corruptIndex(): Promise<void> {
    const offset = this.#anyBlock();
    const before = this.volume.bytes;
    this.volume.change(offset);
    if (this.volume.bytes === before) return;
    const block = this.volume.bytes.subarray(offset, offset + BLOCK_BYTES);
    this.#world.trace(() => `${this.id} believes to have sent what is at ${offset}`);
    for (let at = 0; at < block.length; at += 512) this.ledger.damage(offset + at);
    await this.#store.writeIndex((offset / BLOCK_BYTES) * BLOCK_HASH_BYTES, blockHashes(block));
    await this.#store.syncIndex();
  }

  /** An entry of the present generation is damaged where it lies, as soon as there is one that is not applied yet. */
  async rotEntry(): Promise<void> {
    const { scheduler, pace } = this.#world;
    while (this.#world.areFaults && !(await this.#rotEntryNow())) await scheduler.sleep(pace.heartbeatMs / 10);
  }

  async #rotEntryNow(): Promise<boolean> {
    const { entries } = this.#world.storage;
    const { generation, applied, journal } = currentGeneration(this.watch.last);
    const found: string[] = [];
    for await (const { name } of entries.list(journal, journalPrefix(this.fixture.ref, generation))) {
      if ((parseJournalEntry(name)?.number ?? 0) > applied.number) found.push(name);
    }
    if (found.length === 0) return false;
    const blob = this.#world.random.pick(found);
    this.#world.trace(() => `${blob} rots`);
    this.ledger.rot({ generation, number: parseJournalEntry(blob)?.number ?? 0 });
    entries.overwrite({ ...journal, blob }, Buffer.from('damaged'));
    return true;
  }

  /** A bit of the present generation's replica is another. */
  async rotReplica(): Promise<void> {
    const { replicas, blobs } = this.#world.storage;
    const generation = currentGeneration(this.watch.last);
    const { replica, volumeBytes, claim } = generation;
    const offset = this.#anyBlock() + this.#world.random.between(0, 511);
    const found = await replicas.properties(replica);
    // What lies behind the volume is never compared.
    const endBytes = Math.min(volumeBytes, claim?.volumeBytes ?? Infinity, this.volume.bytes.length);
    if (!found || isFresh(generation) || offset >= endBytes) return;
    this.#world.trace(() => `${replica.blob} rots at ${offset}`);
    this.ledger.damage(offset);
    blobs.rot(replica, offset);
  }

  /** Everything that will ever come of it is there: what the volume is now is offered, and was compared. */
  isDone(): boolean {
    if (this.isGone) return true;
    // After the end of its term it is asked for what is damaged, up to the cut.
    if (this.watch.isCut) return this.watch.isApplied;
    return (
      this.#last === 'stored' && this.watch.last.repair === undefined && this.watch.isVerifiedAt(this.volume.bytes)
    );
  }

  /** How it stands, for people. */
  standing(): string {
    return `${this.#last}, ${this.volume.bytes.length} bytes`;
  }

  #anyBlock(): number {
    const blocks = Math.ceil(this.volume.bytes.length / BLOCK_BYTES);
    const { random } = this.#world;
    // One that is written again and again, or one that may never be.
    const block = random.chance(0.4) ? random.pick([0, 1, 2, 8, 1024]) : random.between(0, blocks - 1);
    return Math.min(block, blocks - 1) * BLOCK_BYTES;
  }

  /** One process after the other. */
  async #live(): Promise<void> {
    const { scheduler, random } = this.#world;
    while (!this.isGone) {
      const { promise: death, resolve } = Promise.withResolvers<undefined>();
      const process = new Mortal(scheduler, () => {
        resolve(undefined);
      });
      this.#process = process;
      void this.#run(process);
      await death;
      this.#world.trace(() => `${this.id} dies`);
      await scheduler.sleep(random.between(100, 10_000));
      this.#store.crash(() => random.chance(0.5));
      this.volume.release();
    }
  }

  async #run(process: Mortal): Promise<void> {
    const { fixture } = this;
    const { pace } = this.#world;
    const clock = this.#clock(process);
    const link = intercept(this.#link, async (call) => suffer(call, this.#world, process));
    const store = this.#disk(this.#store, process);
    const agentStore = this.#disk(this.#agentStore, process);
    const siteLink = new SiteLink({ site: fixture.key.signer, key: fixture.key, clock, link, store: agentStore });
    const { withContent, directFromBytes } = this.#options;
    const replicator = await Replicator.open({
      ...{ volume: fixture.id, source: this.volume, store, siteLink, clock, directFromBytes },
      ...{ zstdLevel: 0, deltaLiteralBytesMax: 64 * KIB, pollMs: pace.heartbeatMs / 5 },
      resendAfterMs: pace.resendMs,
      rangesEveryMs: 3 * pace.makeMsMax,
      ...(withContent && { content: this.#content }),
    });
    void this.#talk(siteLink, process);
    void this.#replicate(replicator, process);
    void this.#use(process);
  }

  async #talk(siteLink: SiteLink, process: Mortal): Promise<void> {
    for (;;) {
      await process.sleep(this.#unhurried(this.#world.pace.heartbeatMs) + this.#world.random.between(0, 500));
      if (this.#rests()) continue;
      await siteLink.round().catch((error: unknown) => {
        this.#judge('a round', error);
      });
    }
  }

  async #replicate(replicator: Replicator, process: Mortal): Promise<void> {
    const { random, pace } = this.#world;
    for (;;) {
      await process.sleep(random.between(0, this.#unhurried(pace.makeMsMax)));
      if (this.#rests()) continue;
      const isLast = this.#last === 'written';
      try {
        const { numbers } = await replicator.replicateOnce();
        this.#world.trace(() => `${this.id} stored ${numbers.join()}`);
        if (isLast) this.#last = 'stored';
      } catch (error) {
        this.#judge('an interval', error);
      }
      this.volume.release();
    }
  }

  /** The application: writes while there are faults, and once after the last. */
  async #use(process: Mortal): Promise<void> {
    const { random, pace } = this.#world;
    for (;;) {
      await process.sleep(random.between(0, pace.makeMsMax));
      if (!this.#world.areFaults && this.#last !== 'open') return;
      const before = this.volume.bytes;
      this.volume.write();
      if (!this.#world.areFaults && this.volume.bytes !== before) this.#last = 'written';
    }
  }

  /** Once faults are over, less often will do. */
  #unhurried(ms: number): number {
    return this.#world.areFaults ? ms : 4 * ms;
  }

  /** All is done: to go on would only cost. */
  #rests(): boolean {
    return !this.#world.areFaults && this.isDone();
  }

  #judge(what: string, error: unknown): void {
    this.#world.trace(() => `${this.id} ${what} ended: ${describeError(error)}`);
    if (isLeewardError(error, ...PASSING)) return;
    const code = error instanceof LeewardError ? error.code : 'not ours';
    this.#world.report(`${this.id}: ${what} ended with ${code}: ${describeError(error)}`);
  }

  #clock(process: Mortal): Clock {
    const { scheduler } = this.#world;
    return {
      wallMs: () => scheduler.wallMs(),
      bootMs: () => scheduler.bootMs(),
      sleep: async (ms: number) => process.sleep(ms),
    };
  }

  /** The disk: it does not fail, but whoever uses it dies before or after what is durable. */
  #disk(store: MemorySiteStore, process: Mortal): SiteStore {
    return intercept(store, async ({ method, args, proceed }) => {
      const isDurable = DURABLE.has(method);
      if (isDurable) await this.#mayDie(process);
      const answer = await proceed();
      if (method === 'putDelta' && args[1] instanceof Uint8Array) this.ledger.stored(args[1], this.volume.bytes);
      if (isDurable) await this.#mayDie(process);
      return answer;
    });
  }

  async #mayDie(process: Mortal): Promise<void> {
    if (this.#world.random.chance(this.#world.rates().crash)) process.die();
    if (process.isDead) await process.sleep(0);
  }
}
