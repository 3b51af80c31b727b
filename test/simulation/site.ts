/**
 * A site in the simulation: makes deltas, keeps each until it is acknowledged, sends in any order and more than once,
 * damages some on the way, answers what it is asked for, and may be gone for ever at any moment.
 */
import { currentGeneration } from '../../src/documents/volume.ts';
import { openDelta } from '../../src/delta/delta.ts';
import type { DeltaPiece } from '../../src/delta/delta.ts';
import { QUEUES } from '../../src/kernel/names.ts';
import type { DeltaForm } from '../../src/kernel/names.ts';
import { KIB, MIB, PAGE_BYTES } from '../../src/kernel/units.ts';
import type { EntryStore } from '../../src/ports/entries.ts';
import type { SignedMessage } from '../../src/protocol/signed.ts';
import type { DeltaWish, SiteDelta, SiteFixture } from '../support/site-fixture.ts';
import type { Pace } from './pace.ts';
import type { SimulatedQueues } from './queues.ts';
import type { Sources } from './referring.ts';
import type { SeededRandom } from './random.ts';
import type { Scheduler } from './scheduler.ts';
import type { VolumeWatch } from './watch.ts';

/** Few pages, so that deltas meet on them, and few contents, so that there is something to refer to. */
const HOT_PAGES = 12;
const FILLS = 9;

/** Sizes that a volume may have: one and two MiB of a disk's data, with the first disk's footer in between. */
const SIZES = [8 * KIB, 16 * KIB, MIB, MIB + 8 * KIB];
/** Pages where the footer of the smaller disk stands, and around it. */
const FOOTER_PAGES = [MIB - PAGE_BYTES, MIB, MIB + PAGE_BYTES];

interface SiteWorld {
  readonly pace: Pace;
  readonly scheduler: Scheduler;
  readonly random: SeededRandom;
  readonly queues: SimulatedQueues;
  readonly entries: EntryStore;
  readonly sources: Sources;
  readonly report: (problem: string) => void;
  /** Whether damage still happens. */
  readonly damages: () => boolean;
  /** Whether nobody removes entries that a delta may refer to. */
  readonly keepsEntries: boolean;
}

export class SiteActor {
  readonly fixture: SiteFixture;
  readonly watch: VolumeWatch;
  readonly #world: SiteWorld;
  readonly #outbox = new Map<number, SiteDelta>();
  readonly #answered = new Set<string>();
  /** Texts whose message is sound, with a sound delta where it says. */
  readonly sound = new Set<string>();
  /** Numbers of which the queue took a sound message. */
  readonly #taken = new Set<number>();
  #underway = 0;
  readonly #damageRate: number;
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
    this.#damageRate = world.random.pick([0, 0.05, 0.25]);
  }

  /** Everything that will ever be made is made and acknowledged, or will never be. */
  isDone(): boolean {
    return this.isGone || this.#stopped || (this.#left === 0 && this.#outbox.size === 0);
  }

  /** Nothing that it sent is still on its way to the queue. */
  isHeard(): boolean {
    return this.#underway === 0;
  }

  /** Up to here the queue took everything: it is not lost from then on, with the site or without it. */
  takenUpTo(): number {
    let number = 0;
    while (this.#taken.has(number + 1)) number += 1;
    return number;
  }

  start(): void {
    void this.#make();
    void this.#heartbeats();
  }

  async #make(): Promise<void> {
    const { scheduler, random, pace } = this.#world;
    while (this.#left > 0 && !this.isDone()) {
      await scheduler.sleep(random.chance(0.4) ? random.between(0, 50) : random.between(50, pace.makeMsMax));
      if (this.isDone()) return;
      this.#left -= 1;
      const delta = this.fixture.next(this.#wish());
      this.watch.made(delta);
      this.#outbox.set(delta.number, delta);
      if (!random.chance(0.05)) await this.#send(delta);
      // The answer was lost: it sends once more, for all it knows.
      if (random.chance(0.15)) await this.#send(delta);
    }
  }

  async #heartbeats(): Promise<void> {
    const { scheduler, random, pace } = this.#world;
    while (!this.isDone()) {
      await scheduler.sleep(pace.heartbeatMs + random.between(0, 500));
      if (this.isDone()) return;
      await this.#hear();
    }
  }

  /** What the heartbeat's answer says. */
  async #hear(): Promise<void> {
    const { scheduler, random, pace } = this.#world;
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
    if (scheduler.bootMs() - this.#progressMs > pace.resendMs) {
      this.#progressMs = scheduler.bootMs();
      for (const delta of this.#outbox.values()) if (!random.chance(0.1)) await this.#send(delta);
    }
  }

  async #send(delta: SiteDelta): Promise<void> {
    const { random, sources, keepsEntries } = this.#world;
    if (random.chance(0.25)) {
      const { delta: referring, isTrue } = sources.refer(this.fixture, delta);
      if (openDelta(referring.bytes).outside.length > 0)
        return this.#sendEntry(referring, 'refs-1', isTrue && keepsEntries);
    }
    if (random.chance(0.4)) return this.#sendEntry(delta, 'literal-1');
    const isSound = !this.#damage();
    const bytes = isSound ? delta.bytes : delta.bytes.subarray(0, -1);
    this.#enqueue(delta, this.fixture.inline({ ...delta, bytes }), isSound);
  }

  async #sendEntry(delta: SiteDelta, form: DeltaForm, isTrue = true): Promise<void> {
    const { scheduler, random, pace, entries, sources } = this.#world;
    const place = this.fixture.entryPlace(delta, form);
    const upload = async (): Promise<unknown> => entries.create(place, this.#damaged(delta.bytes));
    await upload();
    // A request that timed out lands once more, and nobody knows what arrives.
    if (random.chance(0.15)) scheduler.after(random.between(0, pace.delayMsMax), () => void upload());
    const kept = await entries.read(place, 1e9);
    const isWhole = kept !== undefined && Buffer.compare(kept, delta.bytes) === 0;
    if (isWhole && form !== 'refs-1') sources.note(this.fixture.entryName(delta, form), delta);
    this.#enqueue(delta, this.fixture.naming(delta, form), isWhole && isTrue);
  }

  #enqueue({ number }: SiteDelta, message: SignedMessage, isSound: boolean): void {
    const { scheduler, random, pace, queues } = this.#world;
    const text = JSON.stringify(message);
    if (isSound) this.sound.add(text);
    const copies = random.chance(0.15) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      this.#underway += 1;
      scheduler.after(random.chance(0.3) ? random.between(0, pace.delayMsMax) : 0, () => {
        this.#underway -= 1;
        if (isSound) this.#taken.add(number);
        void queues.send(QUEUES.deltas, text);
      });
    }
  }

  #damaged(bytes: Uint8Array): Uint8Array {
    return this.#damage() ? bytes.map((byte, at) => (at === 300 ? byte ^ 1 : byte)) : bytes;
  }

  #damage(): boolean {
    return this.#world.random.chance(this.#damageRate) && this.#world.damages();
  }

  /** What the next delta is to be. */
  #wish(): DeltaWish {
    const { random } = this.#world;
    const volumeBytes = random.chance(0.12) ? random.pick(SIZES) : this.fixture.volumeBytes;
    const extents = this.#extents(volumeBytes);
    return { extents, volumeBytes, ...(random.chance(0.35) && { marker: `m${this.#left}` }) };
  }

  #extents(volumeBytes: number): DeltaPiece[] {
    const { random } = this.#world;
    const extents: DeltaPiece[] = [];
    const hot = Array.from({ length: HOT_PAGES }, (_, page) => page * PAGE_BYTES);
    for (const offset of [...hot, ...FOOTER_PAGES].filter((at) => at < volumeBytes)) {
      if (random.chance(0.6)) continue;
      if (random.chance(0.2)) extents.push({ offset, zerosBytes: PAGE_BYTES });
      else extents.push({ offset, bytes: Buffer.alloc(PAGE_BYTES, random.between(1, FILLS)) });
    }
    return extents;
  }
}
