/**
 * Whatever happens to a volume, in any order: writes, other sizes, intervals that break off, processes that die at any
 * durable operation, damage in the cloud that is to be repaired, generations that begin from raw pages or from an older
 * point. When an interval has come to its end, the chain of deltas makes what the volume is.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeewardError } from '../../src/kernel/errors.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import type { SiteStore } from '../../src/ports/site-store.ts';
import type { SiteLink } from '../../src/site/send/site-link.ts';
import type { Replicator } from '../../src/site/replicator.ts';
import { SeededRandom } from '../simulation/random.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { MemorySite } from '../support/memory-site.ts';
import { intercept } from '../support/memory/intercept.ts';
import { ModelCloud } from '../support/model-cloud.ts';

const DURABLE = ['writeState', 'putDelta', 'removeDelta', 'writeIndex', 'syncIndex', 'cutIndex'];
const PAGE = 512;
const SEEDS = 60;
const STEPS = 25;

class Crash extends Error {}

/** One volume's life. */
class Life {
  readonly #random: SeededRandom;
  readonly #site: MemorySite<ModelCloud>;
  #running: { siteLink: SiteLink; replicator: Replicator } | undefined;
  /** What the replica was, whenever it was whole. */
  readonly #points: Uint8Array[] = [];
  #repairs = 0;
  /** Whether the cloud has something new to say, which an interval that sends at once would not hear in time. */
  #heartbeatFirst = false;
  /** Durable operations until the process dies; none for one that lives. */
  #lifeLeft = Infinity;
  /** Whether the volume was changed under the interval, perhaps after its last delta. */
  #brokeOff = false;
  intervals = 0;
  crashes = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    const cloud = new ModelCloud(this.#random.between(1, 200) * PAGE);
    cloud.onHeartbeat = (said) => {
      cloud.stepBase(said);
    };
    this.#site = new MemorySite(cloud);
  }

  async live(): Promise<void> {
    for (let step = 0; step < STEPS; step += 1) {
      if (this.#random.chance(0.5)) this.#write();
      else this.#resize();
      this.#lifeLeft = this.#random.chance(0.5) ? this.#random.between(0, 20) : Infinity;
      if (this.#random.chance(0.4)) this.#breakOff();
      if (this.#random.chance(0.1)) this.#damage();
      if (this.#random.chance(0.05)) await this.#nextGeneration();
      await this.#interval();
    }
    this.#lifeLeft = Infinity;
    await this.#interval();
    assert.deepEqual(await this.#site.store.listDeltas(), []);
  }

  #write(): void {
    const { bytes } = this.#site.volume;
    const pages = bytes.length / PAGE;
    if (pages === 0) return;
    const from = this.#random.between(0, pages - 1);
    const to = this.#random.between(from, Math.min(pages, from + 60));
    bytes.fill(this.#random.pick([0, 0, 1, 2, 3]), from * PAGE, to * PAGE);
  }

  #resize(): void {
    const { bytes } = this.#site.volume;
    // Few sizes, so that one comes back that the volume had before.
    const other = new Uint8Array(this.#random.pick([0, 3, 16, 43, 59, 64]) * PAGE).fill(this.#random.pick([0, 1, 2]));
    other.set(bytes.subarray(0, other.length));
    this.#site.volume.bytes = other;
  }

  /** When some deltas of the next interval have been sent, the volume is gone for a moment, or has another size. */
  #breakOff(): void {
    const { volume, cloud } = this.#site;
    let deltas = this.#random.between(0, 3);
    const happen = (): void => {
      if (deltas > 0) return;
      this.#brokeOff = true;
      if (this.#random.chance(0.5)) this.#resize();
      else volume.isGone = true;
    };
    volume.onRead = happen;
    cloud.onTaken = () => {
      deltas -= 1;
      if (deltas === 0) happen();
    };
  }

  /** Something in the replica falls over, is found, and the site is asked for it. */
  #damage(): void {
    const { cloud } = this.#site;
    if (cloud.heads.length === 0 || cloud.saying.repair || cloud.replica.length === 0) return;
    cloud.replica[this.#random.between(0, cloud.replica.length - 1)] = 77;
    cloud.saying = {
      ...cloud.saying,
      repair: { id: `check-${this.#repairs}`, ranges: [{ offset: 0, lengthBytes: MIB }] },
    };
    this.#repairs += 1;
    this.#heartbeatFirst = true;
  }

  /** The cloud begins a generation, from raw pages or from what it had after some earlier delta. */
  async #nextGeneration(): Promise<void> {
    const { cloud } = this.#site;
    const point = this.#points.length > 0 ? this.#random.pick(this.#points) : undefined;
    if (point && this.#random.chance(0.7)) cloud.resyncFrom(point.slice());
    else cloud.nextGeneration(new Uint8Array(0));
    this.#heartbeatFirst = true;
  }

  async #interval(): Promise<void> {
    const { cloud, store } = this.#site;
    this.#brokeOff = false;
    try {
      this.#running ??= await this.#start();
      const { siteLink, replicator } = this.#running;
      if (this.#heartbeatFirst) await siteLink.heartbeat();
      this.#heartbeatFirst = false;
      const { unsent } = await replicator.replicateOnce();
      assert.equal(unsent, undefined);
      // What an earlier process stored goes out with the next round.
      await replicator.sendDue();
      this.intervals += 1;
      this.#compare();
      this.#points.push(cloud.replica);
      if (this.#random.chance(0.7)) await replicator.waitUntilAcknowledged(10_000);
    } catch (error) {
      if (error instanceof LeewardError && error.code === 'SOURCE_CHANGED') return;
      if (!(error instanceof Crash)) throw error;
      this.crashes += 1;
      store.crash(() => this.#random.chance(0.4));
      this.#running = undefined;
    } finally {
      this.#site.volume.onRead = () => undefined;
      this.#site.volume.isGone = false;
      cloud.onTaken = () => undefined;
    }
    if (this.#lifeLeft === Infinity) await this.#running?.replicator.waitUntilAcknowledged(10_000);
  }

  /** What the chain made is the volume, unless that was changed under the interval. */
  #compare(): void {
    const { cloud, volume } = this.#site;
    if (!this.#brokeOff) assertSameBytes(cloud.replica, volume.bytes);
    assert.ok(cloud.heads.at(-1)?.marker);
  }

  async #start() {
    const store: SiteStore = intercept(this.#site.store, async ({ method, proceed }) => {
      if (!DURABLE.includes(method)) return proceed();
      this.#lifeLeft -= 1;
      if (this.#lifeLeft > 0) return proceed();
      if (this.#random.chance(0.5)) await proceed();
      throw new Crash(method);
    });
    const options = { deltaLiteralBytesMax: this.#random.pick([4, 4, 1000]) * KIB, directFromBytes: 20 * KIB };
    return await this.#site.start(options, store);
  }
}

test(`${SEEDS} random lives of a volume`, async () => {
  let intervals = 0;
  let crashes = 0;
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const life = new Life(seed);
    try {
      await life.live();
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    intervals += life.intervals;
    crashes += life.crashes;
  }
  assert.ok(intervals > SEEDS * 5 && crashes > SEEDS, `${intervals} intervals, ${crashes} crashes`);
});
