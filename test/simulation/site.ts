/**
 * A site in the simulation: makes deltas, keeps each until it is acknowledged, sends in any order and more than once,
 * damages some on the way, answers what it is asked for, and may be gone for ever at any moment.
 */
import { currentGeneration } from '../../src/documents/volume.ts';
import type { DeltaPiece } from '../../src/delta/delta.ts';
import { QUEUES } from '../../src/kernel/names.ts';
import type { DeltaForm } from '../../src/kernel/names.ts';
import { PAGE_BYTES } from '../../src/kernel/units.ts';
import type { EntryStore } from '../../src/ports/entries.ts';
import type { SignedMessage } from '../../src/protocol/signed.ts';
import type { SiteDelta, SiteFixture } from '../support/site-fixture.ts';
import type { SimulatedQueues } from './queues.ts';
import type { SeededRandom } from './random.ts';
import type { Scheduler } from './scheduler.ts';
import type { VolumeWatch } from './watch.ts';

/** Few pages, so that deltas meet on them. */
const HOT_PAGES = 12;
const HEARTBEAT_MS = 5000;
const RESEND_MS = 45_000;

interface SiteWorld {
  readonly scheduler: Scheduler;
  readonly random: SeededRandom;
  readonly queues: SimulatedQueues;
  readonly entries: EntryStore;
  readonly report: (problem: string) => void;
  /** Whether damage still happens. */
  readonly damages: () => boolean;
}

export class SiteActor {
  readonly fixture: SiteFixture;
  readonly watch: VolumeWatch;
  readonly #world: SiteWorld;
  readonly #outbox = new Map<number, SiteDelta>();
  readonly #answered = new Set<string>();
  /** Texts whose message is sound, with a sound delta where it says. */
  readonly sound = new Set<string>();
  #acknowledged = 0;
  #progressMs = 0;
  #left: number;
  /** The chain has another writer's delta of a number of this one's, or its term has ended: it stops sending. */
  #stopped = false;
  isGone = false;

  constructor(fixture: SiteFixture, world: SiteWorld, watch: VolumeWatch, deltas: number) {
    this.fixture = fixture;
    this.#world = world;
    this.watch = watch;
    this.#left = deltas;
  }

  /** Everything that will ever be made is made and acknowledged, or will never be. */
  isDone(): boolean {
    return this.isGone || this.#stopped || (this.#left === 0 && this.#outbox.size === 0);
  }

  start(): void {
    void this.#make();
    void this.#heartbeats();
  }

  async #make(): Promise<void> {
    const { scheduler, random } = this.#world;
    while (this.#left > 0 && !this.isDone()) {
      await scheduler.sleep(random.chance(0.4) ? random.between(0, 50) : random.between(50, 6000));
      if (this.isDone()) return;
      this.#left -= 1;
      const marker = random.chance(0.35) ? { marker: `m${this.#left}` } : {};
      const delta = this.fixture.next({ extents: this.#extents(), ...marker });
      this.#outbox.set(delta.number, delta);
      if (!random.chance(0.05)) await this.#send(delta);
    }
  }

  async #heartbeats(): Promise<void> {
    const { scheduler, random } = this.#world;
    while (!this.isDone()) {
      await scheduler.sleep(HEARTBEAT_MS + random.between(0, 500));
      if (this.isDone()) return;
      await this.#hear();
    }
  }

  /** What the heartbeat's answer says. */
  async #hear(): Promise<void> {
    const { scheduler, random } = this.#world;
    const { resend } = this.watch.last;
    const { tip, cut } = currentGeneration(this.watch.last);
    const mine = tip.number <= this.fixture.last && this.fixture.digestAt(tip.number) === tip.digest;
    if (cut || (!mine && tip.number <= this.fixture.last)) {
      this.#stopped = true;
      return;
    }
    if (tip.number > this.#acknowledged) {
      this.#acknowledged = tip.number;
      this.#progressMs = scheduler.bootMs();
    }
    for (const number of this.#outbox.keys()) if (number <= tip.number) this.#outbox.delete(number);
    for (const { number, form } of resend) {
      const delta = this.#outbox.get(number);
      if (number <= tip.number) {
        this.#world.report(`${this.fixture.id}: asked for delta ${number}, which was acknowledged`);
      }
      if (!delta || this.#answered.has(`${number} ${form}`)) continue;
      this.#answered.add(`${number} ${form}`);
      await this.#sendEntry(delta, form as DeltaForm);
    }
    if (scheduler.bootMs() - this.#progressMs > RESEND_MS) {
      this.#progressMs = scheduler.bootMs();
      for (const delta of this.#outbox.values()) if (!random.chance(0.1)) await this.#send(delta);
    }
  }

  async #send(delta: SiteDelta): Promise<void> {
    const { random } = this.#world;
    if (random.chance(0.4)) return this.#sendEntry(delta, 'literal-0');
    const isSound = !this.#damage();
    const bytes = isSound ? delta.bytes : delta.bytes.subarray(0, -1);
    this.#enqueue(this.fixture.inline({ ...delta, bytes }), isSound);
  }

  async #sendEntry(delta: SiteDelta, form: DeltaForm): Promise<void> {
    const bytes = this.#damage() ? delta.bytes.map((byte, at) => (at === 300 ? byte ^ 1 : byte)) : delta.bytes;
    const place = this.fixture.entryPlace(delta, form);
    await this.#world.entries.create(place, bytes);
    const kept = await this.#world.entries.read(place, 1e9);
    this.#enqueue(this.fixture.naming(delta, form), kept !== undefined && Buffer.compare(kept, delta.bytes) === 0);
  }

  #enqueue(message: SignedMessage, isSound: boolean): void {
    const { scheduler, random, queues } = this.#world;
    const text = JSON.stringify(message);
    if (isSound) this.sound.add(text);
    const copies = random.chance(0.15) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      scheduler.after(random.chance(0.3) ? random.between(0, 8000) : 0, () => void queues.send(QUEUES.deltas, text));
    }
  }

  #damage(): boolean {
    return this.#world.random.chance(0.04) && this.#world.damages();
  }

  #extents(): DeltaPiece[] {
    const { random } = this.#world;
    const extents: DeltaPiece[] = [];
    for (let page = 0; page < HOT_PAGES; page += 1) {
      if (random.chance(0.6)) continue;
      const offset = page * PAGE_BYTES;
      if (random.chance(0.2)) extents.push({ offset, zerosBytes: PAGE_BYTES });
      else extents.push({ offset, bytes: Buffer.alloc(PAGE_BYTES, random.between(1, 255)) });
    }
    return extents;
  }
}
