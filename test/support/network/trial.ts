/**
 * Sites in namespaces with one local stack as their cloud, and what is held against them: never two writers, judged by what
 * the witness has accepted, and that what must not stop has not.
 */
import assert from 'node:assert/strict';
import type { GroupDocument } from '../../../src/documents/group.ts';
import { QUEUES } from '../../../src/kernel/names.ts';
import { deriveKey, sign } from '../../../src/protocol/signed.ts';
import { QUIET } from '../integration/doors.ts';
import { LiveStack, until } from '../integration/live-stack.ts';
import type { Namespace } from './namespace.ts';
import { NetworkSite } from './site.ts';
import { Witness } from './witness.ts';

/** Longer than anything takes that is waited for, on the slowest machine. */
const LIMIT_MS = 300_000;
/** How often the cloud's application looks whether it may begin. */
const LOOK_MS = 20;
const STOP_MS = 500;
const KILL_MS = 500;

/** What a trial needs of a site, or of a node that is one. */
export interface TrialSite {
  /** It writes as this. */
  readonly name: string;
  /** What its processes have said. */
  readonly log: string;
  readonly network: Namespace;
  document(): Promise<GroupDocument>;
}

export class Trial {
  readonly stack: LiveStack;
  readonly witness = new Witness();
  readonly #sites: { close(): Promise<void> }[] = [];

  private constructor(stack: LiveStack) {
    this.stack = stack;
  }

  static async open(): Promise<Trial> {
    return new Trial(await LiveStack.up(QUIET));
  }

  async close(): Promise<void> {
    await Promise.all(this.#sites.map(async (site) => site.close()));
    this.witness.close();
    await this.stack.close();
  }

  /** A site whose application writes, and whose volume could be started from. */
  async begin(name: string, of: { leaseMs: number; pauseMs?: number }): Promise<NetworkSite> {
    const { stack, witness } = this;
    const site = await NetworkSite.open({ stack, witness, name, stopMs: STOP_MS, killMs: KILL_MS, ...of });
    this.keep(site);
    await this.until(site, 'it writes', () => witness.first(name) !== undefined);
    await this.until(site, 'it is replicated', async () => site.isReplicated());
    return site;
  }

  /** Is closed with the trial. */
  keep(site: { close(): Promise<void> }): void {
    this.#sites.push(site);
  }

  async until(site: TrialSite, what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    await until(
      () => `${site.name}: ${what}\n${site.log}`,
      LIMIT_MS,
      async () => ((await isSo()) ? true : undefined),
    );
  }

  /**
   * Fails it over, as an operator orders it. The cloud's application writes as early as it could ever start, from the moment
   * the term has ended: a machine of the run starts later still.
   */
  async failOver(site: TrialSite): Promise<void> {
    const { storage } = this.stack;
    const key = deriveKey(storage.keySecret, { signer: 'operator/test', name: 'k1' });
    const start = { group: `acme/${site.name}/erp`, kind: 'unplanned', term: 1, reason: 'the test says so' };
    await storage.queues.send(QUEUES.failover, JSON.stringify(sign(key, 'order', { start })));
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
  assertOneWriter(site: TrialSite): void {
    const [last, first] = [this.witness.last(site.name), this.witness.first(inCloud(site))];
    assert.ok(last && first);
    assert.ok(last.atMs < first.atMs, `${site.name} wrote ${last.atMs - first.atMs} ms after the cloud\n${site.log}`);
  }

  /** It hears from the cloud again and again, and starts nothing. */
  async assertOnStandby(site: TrialSite): Promise<void> {
    const { answers } = site.network;
    await this.until(site, 'it has heard the cloud', () => site.network.answers >= answers + 5);
    this.assertOneWriter(site);
  }

  /** It renews, and what writes is what wrote at first. */
  async assertGoesOn(site: TrialSite): Promise<void> {
    const { renewals } = await site.document();
    await this.until(site, 'it renews', async () => (await site.document()).renewals > renewals);
    const atMs = performance.now();
    await this.until(site, 'it writes on', () => (this.witness.last(site.name)?.atMs ?? 0) > atMs);
    assert.equal(this.witness.writers(site.name).length, 1, `it was never stopped\n${site.log}`);
  }

  /** Its application has stopped, and was started anew since. */
  async assertStartedAnew(site: TrialSite): Promise<void> {
    await this.until(site, 'it was started anew', () => this.witness.writers(site.name).length === 2);
  }
}

function inCloud({ name }: TrialSite): string {
  return `${name} in the cloud`;
}
