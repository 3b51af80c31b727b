/** Changing who decides on a group: only what fits is stored, and what is missing for a failover by itself is told. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { changePlan, planOf } from '../../src/app/plans.ts';
import type { Deciding } from '../../src/app/plans.ts';
import { groupKind } from '../../src/documents/group.ts';
import { STRICT_LEASE_CONSENT, planKind } from '../../src/documents/plan.ts';
import { parseGroup } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { GROUP, createWorld } from '../failover/world.ts';
import type { World } from '../failover/world.ts';

const group = parseGroup(GROUP);
const timing = { gapMs: 60_000, everyMs: 15_000 };
const USUAL = { stopMs: 10_000, assumptions: { driftPpm: 1000, pauseMs: 2000, killMs: 1000 } };
const change = async (world: World, wanted: Partial<Deciding>) =>
  changePlan(world.documents, group, { change: wanted, timing });

suite('a plan', () => {
  test('is changed where it says so, and nowhere else', async () => {
    const world = await createWorld();
    const { plan: before } = await planOf(world.documents, group, timing);
    const after = await change(world, { mode: 'ask', answerMs: 5000 });
    assert.deepEqual(after, { ...before, mode: 'ask', answerMs: 5000 });
    assert.deepEqual((await planOf(world.documents, group, timing)).plan, after);
  });

  test('that does not fit, or lacks its consent, is refused and not stored', async () => {
    const world = await createWorld();
    const { plan: before } = await planOf(world.documents, group, timing);
    const cases: [Partial<Deciding>, RegExp][] = [
      [{ windowMs: 119_000 }, /window ≥ 2 × the monitor's gap does not hold: 119 s ≥ 2 × 60 s/],
      [{ consents: [] }, /needs the consent "applications stop when their lease runs out"/],
      [{ mode: 'ask', noAnswer: 'fail-over', consents: [] }, /needs the consent/],
    ];
    for (const [wanted, message] of cases) await assert.rejects(change(world, wanted), { code: 'USAGE', message });
    assert.deepEqual((await planOf(world.documents, group, timing)).plan, before);
    await world.documents.update(groupKind, names.group(group), (found) => ({ ...found, lease: 'keep' as const }));
    await assert.rejects(change(world, { windowMs: 180_000 }), { code: 'USAGE', message: /without a lease/ });
  });

  test('tells what is missing for a failover by itself', async () => {
    const world = await createWorld({ plan: { consents: [STRICT_LEASE_CONSENT] } });
    const missing = async () => (await planOf(world.documents, group, timing)).missing.join('; ');
    assert.match(await missing(), /1 of the 3 failure domains.*has not named the nodes.*never renewed in term 1/);
    await world.heartbeat();
    await world.renew();
    assert.match(await missing(), /^1 of the 3 failure domains are there, and the plan does not consent to fewer$/);
  });

  test('fits what its site says of stopping, and what was said at registration until then', async () => {
    const world = await createWorld();
    const missing = async () => (await planOf(world.documents, group, timing)).missing;
    const wanted = { windowMs: 180_000 };
    await world.documents.update(planKind, names.plan(group), (found) => ({
      ...found,
      stopping: { ...USUAL, stopMs: 19_000 },
    }));
    const registered = /stop \+ kill < lease − lease\/3 does not hold: 19 s \+ 1 s < 30 s − 10 s/;
    await assert.rejects(change(world, wanted), { code: 'USAGE', message: registered });
    assert.match((await missing()).join('; '), registered);

    await world.renew();
    await world.heartbeat({ says: { stopMs: 10_000, killMs: 1000 } });
    assert.deepEqual(await missing(), []);
    assert.equal((await change(world, wanted)).windowMs, 180_000);

    // The margin was reckoned with a kill of one second.
    await world.heartbeat({ says: { stopMs: 10_000, killMs: 4000 } });
    const margin = /margin ≥ lease × drift \+ pause \+ kill does not hold: 5 s ≥ 30 s × 1000 ppm \+ 2 s \+ 4 s$/;
    assert.equal((await missing()).length, 1);
    assert.match((await missing()).join('; '), margin);
    await assert.rejects(change(world, wanted), { code: 'USAGE', message: margin });
  });
});
