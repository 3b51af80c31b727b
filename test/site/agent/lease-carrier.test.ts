/** Guards whose questions are carried by the agent, against the cloud's own side of the lease. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { suite, test } from 'node:test';
import { groupKind } from '../../../src/documents/group.ts';
import { siteKind } from '../../../src/documents/site.ts';
import { renewLeases } from '../../../src/health/doors/lease.ts';
import { receiveStopped } from '../../../src/health/doors/stopped.ts';
import { LeewardError } from '../../../src/kernel/errors.ts';
import { parseGroup, parseSite } from '../../../src/kernel/ids.ts';
import { documents as names } from '../../../src/kernel/names.ts';
import { leaseRequestSchema } from '../../../src/protocol/lease.ts';
import { deriveKey, guardKey, readPayload } from '../../../src/protocol/signed.ts';
import { LeaseCarrier } from '../../../src/site/agent/lease-carrier.ts';
import { Guard } from '../../../src/site/guard/guard.ts';
import { GROUP, LEASE_MS, SITE, createWorld } from '../../failover/world.ts';
import { failsWith } from '../../support/fails-with.ts';
import { MemoryNode } from '../../support/memory/node.ts';
import { WakingClock } from '../../support/memory/waking-clock.ts';

const NODES = ['east', 'north', 'south', 'west'];

/** A site with a guard on each node, whose questions go by one carrier as long as it is there. */
async function carried() {
  const world = await createWorld();
  const clock = new WakingClock(world.clock);
  await world.documents.update(groupKind, names.group(parseGroup(GROUP)), (found) => ({
    ...found,
    guards: NODES.map((node) => ({ node })),
  }));
  await world.documents.update(siteKind, names.site(parseSite(SITE)), (found) => ({
    ...found,
    keys: [...found.keys, ...NODES.map((node) => ({ name: guardKey(node), state: 'active' as const }))],
  }));
  const site = { requests: 0, alone: 0, isAgentThere: true, isCut: false };
  const key = deriveKey(world.heartbeats.keySecret, { signer: SITE, name: 'k1' });
  const link = {
    lease: async (message: Parameters<typeof renewLeases>[1]) => {
      if (site.isCut) throw new LeewardError('UNAVAILABLE', 'no answer');
      site.requests += 1;
      return renewLeases(world.heartbeats, message);
    },
  };
  const carrier = new LeaseCarrier({ key, link, clock });
  const stopping = new AbortController();
  const nodes = NODES.map(() => new MemoryNode(clock));
  for (const [index, node] of NODES.entries()) {
    const own = nodes[index];
    assert(own);
    const guard = await Guard.open({
      group: GROUP,
      node,
      key: deriveKey(world.heartbeats.keySecret, { signer: SITE, name: guardKey(node) }),
      clock,
      random: { bytes: randomBytes },
      link: {
        lease: async (message) => {
          if (site.isAgentThere) return carrier.carry(readPayload(message, leaseRequestSchema).groups);
          site.alone += 1;
          return renewLeases(world.heartbeats, message);
        },
        stopped: async (message) => receiveStopped(world.heartbeats, message),
      },
      applications: own,
      armedStop: own,
      record: own,
      times: { stopMs: 3000, killMs: 1000, answerMs: 2000 },
      tell: () => undefined,
    });
    // They begin at different times, as processes do.
    void clock.sleep(index * 3456).then(async () => guard.run(stopping.signal));
  }
  return {
    site,
    world,
    clock,
    nodes,
    carrier,
    pass: async (ms: number) => clock.passUntil(clock.sleep(ms)),
    end: () => {
      stopping.abort(new Error('ended'));
    },
  };
}

suite('the carrier of lease questions', () => {
  test('renews everything in one request an interval, whenever the guards began', async () => {
    const { site, pass, nodes, end, world } = await carried();
    await pass(2 * LEASE_MS);
    const [requests, { renewals }] = [site.requests, await world.group()];
    const intervals = 12;
    await pass((intervals * LEASE_MS) / 3);
    assert.equal(site.requests - requests, intervals);
    assert.equal((await world.group()).renewals - renewals, intervals);
    assert.ok(nodes.every(({ runs }) => runs));
    end();
  });

  test('stops nothing when it dies: the guards ask by themselves, and nothing is late', async () => {
    const { site, pass, nodes, end } = await carried();
    await pass(2 * LEASE_MS);
    site.isAgentThere = false;
    await pass(4 * LEASE_MS);
    assert.ok(site.alone >= NODES.length * 12);
    for (const node of nodes) {
      assert.equal(node.runs, true);
      assert.equal(node.happened().includes('asked to stop'), false);
    }
    end();
  });

  test('tells everybody whose question it could not bring, and carries on', async () => {
    const { site, carrier, clock, end } = await carried();
    site.isCut = true;
    const asking = [1, 2].map(async (digit) =>
      assert.rejects(
        carrier.carry([{ group: GROUP, nonce: String(digit).repeat(32), node: 'north' }]),
        failsWith('UNAVAILABLE'),
      ),
    );
    await clock.passUntil(Promise.all(asking));
    site.isCut = false;
    const answer = carrier.carry([{ group: GROUP, nonce: '3'.repeat(32), node: 'north' }]);
    assert.equal((await clock.passUntil(answer)).groups[0]?.granted, true);
    end();
  });

  test("asks for no other site's groups", async () => {
    const { carrier, end } = await carried();
    const foreign = { group: 'other/site/shop', nonce: '1'.repeat(32) };
    await assert.rejects(carrier.carry([foreign]), failsWith('REFUSED'));
    end();
  });
});
