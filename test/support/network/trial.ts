/**
 * Sites in namespaces with one local stack as their cloud, and what is held against them: never two writers, judged by what
 * the witness has accepted, and that what must not stop has not.
 */
import assert from 'node:assert/strict';
import { QUIET } from '../integration/doors.ts';
import { LiveStack, until } from '../integration/live-stack.ts';
import { NetworkSite } from './site.ts';
import { Witness } from './witness.ts';

/** Longer than anything takes that is waited for, on the slowest machine. */
const LIMIT_MS = 120_000;
/** How often the cloud's application looks whether it may begin. */
const LOOK_MS = 20;
const STOP_MS = 500;
const KILL_MS = 500;

export class Trial {
  readonly stack: LiveStack;
  readonly witness = new Witness();
  readonly #sites: NetworkSite[] = [];
  readonly #over = new AbortController();
  readonly #clouds: Promise<void>[] = [];

  private constructor(stack: LiveStack) {
    this.stack = stack;
  }

  static async open(): Promise<Trial> {
    return new Trial(await LiveStack.up(QUIET));
  }

  async close(): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#clouds);
    await Promise.all(this.#sites.map(async (site) => site.close()));
    this.witness.close();
    await this.stack.close();
  }

  /** A site whose application writes, and whose volume could be started from. */
  async begin(name: string, of: { leaseMs: number; pauseMs?: number }): Promise<NetworkSite> {
    const { stack, witness } = this;
    const site = await NetworkSite.open({ stack, witness, name, stopMs: STOP_MS, killMs: KILL_MS, ...of });
    this.#sites.push(site);
    await this.until(site, 'it writes', () => witness.first(name) !== undefined);
    await this.until(site, 'it is replicated', async () => site.isReplicated());
    return site;
  }

  async until(site: NetworkSite, what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    await until(
      () => `${site.name}: ${what}\n${site.log}`,
      LIMIT_MS,
      async () => ((await isSo()) ? true : undefined),
    );
  }

  /**
   * Fails it over. The cloud's application writes as early as it could ever start, from the moment the term has ended: a
   * machine of the run starts later still.
   */
  async failOver(site: NetworkSite): Promise<void> {
    await site.orderFailover();
    await until(
      () => `${site.name}: the cloud has the term\n${site.log}`,
      LIMIT_MS,
      async () => {
        const { phase, holder } = await site.document();
        return phase === 'ended' && holder === 'cloud' ? true : undefined;
      },
      LOOK_MS,
    );
    this.witness.accept(inCloud(site), 'cloud', 0);
  }

  /** The site's last accepted write is before the cloud's first. */
  assertOneWriter(site: NetworkSite): void {
    const [last, first] = [this.witness.last(site.name), this.witness.first(inCloud(site))];
    assert.ok(last && first);
    assert.ok(last.atMs < first.atMs, `${site.name} wrote ${last.atMs - first.atMs} ms after the cloud\n${site.log}`);
  }

  /** It hears from the cloud again and again, and starts nothing. */
  async assertOnStandby(site: NetworkSite): Promise<void> {
    const { answers } = site.network;
    await this.until(site, 'it has heard the cloud', () => site.network.answers >= answers + 5);
    this.assertOneWriter(site);
  }

  /** It renews, and what writes is what wrote at first. */
  async assertGoesOn(site: NetworkSite): Promise<void> {
    const { renewals } = await site.document();
    await this.until(site, 'it renews', async () => (await site.document()).renewals > renewals);
    const atMs = performance.now();
    await this.until(site, 'it writes on', () => (this.witness.last(site.name)?.atMs ?? 0) > atMs);
    assert.equal(this.witness.writers(site.name).length, 1, `it was never stopped\n${site.log}`);
  }

  /** Its application has stopped, and was started anew since. */
  async assertStartedAnew(site: NetworkSite): Promise<void> {
    await this.until(site, 'it was started anew', () => this.witness.writers(site.name).length === 2);
  }
}

function inCloud({ name }: NetworkSite): string {
  return `${name} in the cloud`;
}
