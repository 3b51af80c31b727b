/** The read model of a site. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { siteStatus } from '../../src/failover/status.ts';
import { startRun } from '../../src/failover/start.ts';
import { parseGroup, parseSite } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { GROUP, SITE, createWorld } from './world.ts';

const site = parseSite(SITE);
const group = parseGroup(GROUP);

suite('status', () => {
  test('tells heartbeat, groups, volumes and runs, as plain JSON and without tokens', async () => {
    const world = await createWorld();
    await world.heartbeat();
    const actor = { kind: 'key' as const, signer: 'operator/alice', key: 'k1' };
    await startRun(world.ports, { group, kind: 'unplanned', actor, reason: 'test', order: 'o' });
    await world.live(7000);
    const status = await siteStatus(world.documents, site);
    assert.deepEqual(JSON.parse(JSON.stringify(status)), status);
    assert.partialDeepStrictEqual(status, {
      site: SITE,
      heartbeat: { ageMs: 7000, counter: 1 },
      groups: [
        {
          group: GROUP,
          term: 1,
          phase: 'closing',
          volumes: [
            { tipNumber: 7, appliedNumber: 4, points: 2, newestPoint: { marker: 'm4' }, writable: true, trouble: null },
            {},
          ],
          runs: [{ state: 'running', step: 'wait', actor: 'operator/alice, key k1' }],
        },
      ],
    });
    assert.ok(!JSON.stringify(status).includes('operation-'));
  });

  test('of a site that is not known is empty', async () => {
    const world = await createWorld();
    const status = await siteStatus(world.documents, parseSite('acme/nowhere'));
    assert.deepEqual(status, { site: 'acme/nowhere', heartbeat: null, groups: [] });
  });

  test('tells of a document that cannot be read, and of the rest', async () => {
    const world = await createWorld();
    await world.state.create(names.group({ ...group, group: 'broken' }), '{"version":{}}');
    const { groups } = await siteStatus(world.documents, site);
    assert.partialDeepStrictEqual(groups[0], { document: 'groups/acme/harbour/broken.json' });
    assert.partialDeepStrictEqual(groups[1], { group: GROUP });
  });
});
