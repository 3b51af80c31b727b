/**
 * Whatever happens to a volume, in any order: writes, other sizes, intervals that break off, processes that die at any
 * durable operation. When an interval has come to its end, the chain of deltas makes what the volume is.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeewardError } from '../../src/kernel/errors.ts';
import { KIB } from '../../src/kernel/units.ts';
import type { SiteStore } from '../../src/ports/site-store.ts';
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
  #replicator: Replicator | undefined;
  /** Durable operations until the process dies; none for one that lives. */
  #lifeLeft = Infinity;
  /** Whether the volume was changed under the interval, perhaps after its last delta. */
  #brokeOff = false;
  intervals = 0;
  crashes = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#site = new MemorySite(new ModelCloud(this.#random.between(1, 200) * PAGE));
  }

  async live(): Promise<void> {
    for (let step = 0; step < STEPS; step += 1) {
      if (this.#random.chance(0.5)) this.#write();
      else this.#resize();
      this.#lifeLeft = this.#random.chance(0.5) ? this.#random.between(0, 20) : Infinity;
      if (this.#random.chance(0.4)) this.#breakOff();
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

  async #interval(): Promise<void> {
    const { cloud, store } = this.#site;
    this.#brokeOff = false;
    try {
      this.#replicator ??= (await this.#start()).replicator;
      const { unsent } = await this.#replicator.replicateOnce({ consistency: 'crash' });
      assert.equal(unsent, undefined);
      // What an earlier process stored goes out with the next round.
      await this.#replicator.sendDue();
      this.intervals += 1;
      this.#compare();
      if (this.#random.chance(0.7)) await this.#replicator.waitUntilAcknowledged(10_000);
    } catch (error) {
      if (error instanceof LeewardError && error.code === 'SOURCE_CHANGED') return;
      if (!(error instanceof Crash)) throw error;
      this.crashes += 1;
      store.crash(() => this.#random.chance(0.4));
      this.#replicator = undefined;
    } finally {
      this.#site.volume.onRead = () => undefined;
      this.#site.volume.isGone = false;
      cloud.onTaken = () => undefined;
    }
    if (this.#lifeLeft === Infinity) await this.#replicator?.waitUntilAcknowledged(10_000);
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
    return await this.#site.start({ deltaLiteralBytesMax: this.#random.pick([4, 4, 1000]) * KIB }, store);
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
