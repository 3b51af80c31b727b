/**
 * Sites in network namespaces with the local stack as the cloud, through faults that take longer than an everyday test may:
 * test/integration/partition.test.ts. Each fault hits a site of its own; the witness that takes the applications' writes judges.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { needsNetworks } from '../support/network/namespace.ts';
import { killNow } from '../support/network/site.ts';
import type { NetworkSite } from '../support/network/site.ts';
import { Trial } from '../support/network/trial.ts';

const LEASE_MS = 8000;
/** Where nothing is to stop: enough for processes to start in, on the slowest machine. */
const LONG_LEASE_MS = 30_000;
/** The longest pause that the margin of these sites allows for. */
const PAUSE_MS = 5000;
/** Longer than lease and margin together. */
const LONG_MS = 60_000;
/** Within this, what woke up too late has been stopped: looks at the clock lie closer together than that. */
const WAKE_MS = 2000;

describe('sites whose network and processes fail for long', { ...needsNetworks(), concurrency: 3 }, () => {
  let trial: Trial;

  before(async () => {
    trial = await Trial.open();
  });

  after(async () => {
    await trial.close();
  });

  async function begin(name: string): Promise<NetworkSite> {
    return trial.begin(name, { leaseMs: LEASE_MS, pauseMs: PAUSE_MS });
  }

  test('a cut shorter than the lease, of each kind, stops nothing', async () => {
    const site = await trial.begin('berlin', { leaseMs: LONG_LEASE_MS });
    for (const cut of ['both', 'answers', 'requests'] as const) {
      await site.network.cut(cut);
      await sleep(LONG_LEASE_MS / 4);
      await site.network.heal();
      await trial.assertGoesOn(site);
    }
  });

  test('a site that is cut off has stopped before the cloud starts, and starts nothing when it is back', async () => {
    const site = await begin('paris');
    await site.network.cut('both');
    await trial.failOver(site);
    trial.assertOneWriter(site);
    await site.network.heal();
    await trial.assertOnStandby(site);
    await killNow(site.guard);
    site.beginGuard();
    await trial.assertOnStandby(site);
  });

  test('a site whose requests are lost on connections that are still made has stopped before the cloud starts', async () => {
    const site = await begin('madrid');
    await site.network.cut('requests');
    await trial.failOver(site);
    trial.assertOneWriter(site);
    await site.network.heal();
    await trial.assertOnStandby(site);
  });

  test('a site that is failed over while it is well stops at the closing, and the cloud need not wait for its lease', async () => {
    const site = await trial.begin('vienna', { leaseMs: LONG_LEASE_MS, pauseMs: PAUSE_MS });
    await trial.failOver(site);
    trial.assertOneWriter(site);
    assert.equal(await site.promisedTerm(), 1);
    const { closing, guards } = await site.document();
    assert.deepEqual(
      closing?.stopped,
      guards?.map(({ node }) => node),
      'its promise came before the end of the term',
    );
    await trial.assertOnStandby(site);
  });

  test('agent and guard that stand still for minutes keep nothing running, and start nothing afterwards', async () => {
    const site = await begin('oslo');
    for (const child of [site.agent, site.guard]) child.kill('SIGSTOP');
    await trial.failOver(site);
    trial.assertOneWriter(site);
    await sleep(2 * LONG_MS);
    for (const child of [site.agent, site.guard]) child.kill('SIGCONT');
    await trial.assertOnStandby(site);
  });

  test('a guard that stands still for longer than the lease starts its application anew afterwards', async () => {
    const site = await begin('lisbon');
    site.guard.kill('SIGSTOP');
    await trial.until(site, 'it was stopped from outside', () => {
      return performance.now() - (trial.witness.last(site.name)?.atMs ?? 0) > WAKE_MS;
    });
    site.guard.kill('SIGCONT');
    await trial.assertStartedAnew(site);
  });

  test('a site without power has stopped, and starts nothing when the power is back', async () => {
    const site = await begin('athens');
    site.network.signal('SIGKILL');
    await trial.failOver(site);
    trial.assertOneWriter(site);
    site.beginAgent();
    site.beginGuard();
    await trial.assertOnStandby(site);
  });

  test('a node that stands still over the end of its lease, for no longer than the margin allows, writes nothing beside the cloud', async () => {
    const site = await begin('rome');
    await site.network.cut('both');
    const failover = trial.failOver(site);
    // Its last question lies up to a third of the lease back, so its lease ends while it stands still.
    await sleep((LEASE_MS * 2) / 3 - 1500);
    site.network.signal('SIGSTOP');
    await sleep(PAUSE_MS - 200);
    site.network.signal('SIGCONT');
    await failover;
    trial.assertOneWriter(site);
    await site.network.heal();
    await trial.assertOnStandby(site);
  });

  test('a node that stands still for longer than the margin allows has stopped a moment after it goes on', async (t) => {
    const site = await begin('dublin');
    site.network.signal('SIGSTOP');
    await trial.failOver(site);
    trial.assertOneWriter(site);
    const cloudMs = performance.now();
    await sleep(LONG_MS);
    const wokenMs = performance.now();
    site.network.signal('SIGCONT');
    await sleep(2 * WAKE_MS);
    const late = trial.witness.of(site.name).filter(({ atMs }) => atMs > cloudMs);
    t.diagnostic(
      `${late.length} writes beside the cloud, within ${Math.round((late.at(-1)?.atMs ?? wokenMs) - wokenMs)} ms`,
    );
    assert.ok((late.at(-1)?.atMs ?? 0) < wokenMs + WAKE_MS, `it goes on writing\n${site.log}`);
  });
});

describe('a cloud that stands still', needsNetworks(), () => {
  let trial: Trial;

  before(async () => {
    trial = await Trial.open();
  });

  after(async () => {
    await trial.close();
  });

  test('for less than the lease stops nothing; for longer, sites stop, and start anew when it is back', async () => {
    const patient = await trial.begin('berlin', { leaseMs: LONG_LEASE_MS });
    const strict = await trial.begin('paris', { leaseMs: LEASE_MS });
    trial.stack.pauseHost();
    await sleep(LEASE_MS + WAKE_MS);
    assert.ok(performance.now() - (trial.witness.last('paris')?.atMs ?? 0) > WAKE_MS / 2, 'its lease is over');
    trial.stack.resumeHost();
    await trial.assertStartedAnew(strict);
    await trial.assertGoesOn(patient);
  });
});
