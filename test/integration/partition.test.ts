/**
 * Sites in network namespaces with the local stack as the cloud: an agent and a guard that are killed, and a link that is cut
 * one way only. What the applications wrote is judged by the witness that takes their writes. What takes longer is in
 * test/guest/partition.guest.ts.
 */
import { after, before, describe, test } from 'node:test';
import { needsNetworks } from '../support/network/namespace.ts';
import { killNow } from '../support/network/site.ts';
import { Trial } from '../support/network/trial.ts';

/** Where nothing is to stop: enough for a process to start in, on the slowest machine. */
const LONG_LEASE_MS = 24_000;
const LEASE_MS = 5000;

// Side by side, so that no site's fault may reach another either.
describe('sites whose network and processes fail', { ...needsNetworks(), concurrency: true }, () => {
  let trial: Trial;

  before(async () => {
    trial = await Trial.open();
  });

  after(async () => {
    await trial.close();
  });

  test('killing the agent and the guard stops nothing', async () => {
    const site = await trial.begin('berlin', { leaseMs: LONG_LEASE_MS });
    await killNow(site.guard);
    site.beginGuard();
    await trial.assertGoesOn(site);
    await killNow(site.agent);
    await trial.assertGoesOn(site);
  });

  test('a site whose requests arrive and whose answers do not has stopped before the cloud starts', async () => {
    const site = await trial.begin('rome', { leaseMs: LEASE_MS });
    const { renewals } = await site.document();
    await site.network.cut('answers');
    await trial.until(site, 'the cloud still grants', async () => (await site.document()).renewals > renewals);
    await trial.failOver(site);
    trial.assertOneWriter(site);
    await site.network.heal();
    await trial.assertOnStandby(site);
  });
});
