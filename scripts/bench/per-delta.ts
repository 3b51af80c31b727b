/**
 * `requests.perDelta`: what a delta of one page costs in requests of any kind on a quiet volume, from the sender's message
 * to the message's end.
 *
 * Quiet means: nothing came for longer than a site's document is believed, and the volume has as many recovery points as it
 * keeps, so that each new one ends an old one. Each counted delta is of a site of its own for that. What is counted is a
 * running instance, which remembers where it left its volumes; what a fresh one costs is told beside.
 */
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openSite } from '../../src/app/site.ts';
import type { OpenSite } from '../../src/app/site.ts';
import { REMEMBERED_MS } from '../../src/replica/intake/site-keys.ts';
import { withVolume } from '../../src/site/send/access.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import { Chance } from '../../test/support/integration/chance.ts';
import { register } from '../../test/support/integration/live-site.ts';
import type { LiveStack } from '../../test/support/integration/live-stack.ts';
import type { BenchContext, Benchmark } from './benchmark.ts';
import { onStack } from './bench-stack.ts';
import type { BenchStack } from './bench-stack.ts';
import { describeCounts, requestsOf, totalOf } from './counting.ts';
import type { Counts } from './counting.ts';
import { applied, callsEnded, logEnd } from './host-log.ts';
import { median } from './statistics.ts';

const SITES = 5;
const SNAPSHOTS_KEPT = 2;
const VOLUME_BYTES = 8 * MIB;
const PAGE_BYTES = 4 * KIB;
const QUIET_MS = REMEMBERED_MS + 1000;

export const perDelta: Benchmark = {
  names: ['requests.perDelta'],
  async run(context) {
    return onStack(context, async (bench) => measure(context, bench), {
      LEEWARD_SNAPSHOTS_KEPT: String(SNAPSHOTS_KEPT),
    });
  },
};

async function measure(context: BenchContext, { stack }: BenchStack): ReturnType<Benchmark['run']> {
  const sites: QuietSite[] = [];
  try {
    for (let index = 0; index < SITES; index += 1) sites.push(await QuietSite.open(context, stack, index));
    for (const site of sites) for (let made = 0; made <= SNAPSHOTS_KEPT; made += 1) await site.change();
    for (const site of sites) await site.hear();
    await sleep(QUIET_MS);
    const running = await typicalOf(stack, sites);
    await stack.killHost();
    await stack.startHost();
    const fresh = await typicalOf(stack, sites);
    const detail = `median of ${SITES}: ${describeCounts(running)}; by a fresh instance ${totalOf(fresh)}`;
    return [{ name: 'requests.perDelta', value: totalOf(running), detail }];
  } finally {
    for (const site of sites) await site.close();
  }
}

/** What a change of each site costs: the counts of the one in the middle. */
async function typicalOf(stack: LiveStack, sites: readonly QuietSite[]): Promise<Counts> {
  const counts: Counts[] = [];
  for (const site of sites) counts.push(await requestsOf(stack, async () => site.change()));
  const value = median(counts.map(totalOf));
  return counts.find((one) => totalOf(one) === value) ?? new Map();
}

/** A site with one small volume that is changed by a page at a time. */
class QuietSite {
  readonly #stack: LiveStack;
  readonly #site: OpenSite;
  readonly #image: string;
  readonly #chance: Chance;

  private constructor(of: { stack: LiveStack; site: OpenSite; image: string; chance: Chance }) {
    this.#stack = of.stack;
    this.#site = of.site;
    this.#image = of.image;
    this.#chance = of.chance;
  }

  static async open({ folder }: BenchContext, stack: LiveStack, index: number): Promise<QuietSite> {
    const volume = `bench/quiet-${index}/group/volume`;
    const own = join(folder, `quiet-${index}`);
    await mkdir(own);
    const image = join(own, 'volume.img');
    await writeFile(image, Buffer.alloc(VOLUME_BYTES));
    const access = withVolume(await register(stack, volume, { volumeBytes: VOLUME_BYTES }), volume, image);
    const site = await openSite({ folder: own, access });
    return new QuietSite({ stack, site, image, chance: new Chance(index + 1, 'quiet') });
  }

  /** Changes one page, replicates, and waits until the function that applied it has ended and its message is gone. */
  async change(): Promise<void> {
    const [replicator] = this.#site.replicators;
    if (!replicator) throw new Error('the site has no volume');
    const file = await open(this.#image, 'r+');
    const page = this.#chance.between(0, VOLUME_BYTES / PAGE_BYTES - 1);
    await file.write(this.#chance.bytes(PAGE_BYTES), 0, PAGE_BYTES, page * PAGE_BYTES);
    await file.close();
    const from = logEnd(this.#stack);
    const { numbers, unsent } = await replicator.replicateOnce();
    if (unsent) throw unsent;
    for (const number of numbers) {
      await callsEnded(this.#stack, { from, count: 1, fits: applied(replicator.volume, number) });
    }
  }

  /** A heartbeat, as sites send them all the time: the site hears that everything arrived, and sends none of it again. */
  async hear(): Promise<void> {
    await this.#site.siteLink.heartbeat();
  }

  async close(): Promise<void> {
    await this.#site.close();
  }
}
