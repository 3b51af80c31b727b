/** The monitor: when it decides, when it does not, and that it decides once. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { groupKind } from '../../../src/documents/group.ts';
import { siteDecisionKind } from '../../../src/documents/site-failure.ts';
import type { SiteDecisionDocument } from '../../../src/documents/site-failure.ts';
import { heartbeatKind, siteKind } from '../../../src/documents/site.ts';
import { noticeKind } from '../../../src/documents/notice.ts';
import type { NoticeDocument } from '../../../src/documents/notice.ts';
import { CANARY_SITE } from '../../../src/health/monitor/canary.ts';
import { tick } from '../../../src/health/monitor/monitor.ts';
import { decideSiteFailure } from '../../../src/health/decide/site-failure.ts';
import { parseGroup } from '../../../src/kernel/ids.ts';
import { documents as names } from '../../../src/kernel/names.ts';
import type { Http } from '../../../src/ports/http.ts';
import { GROUP, MONITOR_EVERY_MS, WINDOW_MS, createWorld } from '../../failover/world.ts';
import type { World } from '../../failover/world.ts';

const LONG_MS = WINDOW_MS + 4 * MONITOR_EVERY_MS;
const decisionsOf = async (world: World) => {
  const decisions: SiteDecisionDocument[] = [];
  for await (const { name } of world.documents.list('decisions/')) {
    decisions.push((await world.documents.need(siteDecisionKind, name)).value);
  }
  return decisions;
};
const noticesOf = async (world: World) => {
  const notices: NoticeDocument[] = [];
  for await (const { name } of world.documents.list('notices/')) {
    notices.push((await world.documents.need(noticeKind, name)).value);
  }
  return notices;
};
/** A site that was heard, and a monitor that was there. */
const heardWorld = async (of: Parameters<typeof createWorld>[0] = {}) => {
  const world = await createWorld(of);
  await world.tick();
  await world.renew();
  await world.heartbeat();
  return world;
};

suite('the monitor', () => {
  test('fails a silent group over, once, with a decision that can be replayed', async () => {
    const world = await heardWorld();
    await world.live(LONG_MS + 120_000);
    const [decision, ...others] = await decisionsOf(world);
    assert.deepEqual(others, []);
    assert.ok(decision);
    const { verdict, reason } = decideSiteFailure(decision.history);
    assert.deepEqual({ verdict, reason }, { verdict: decision.verdict, reason: decision.reason });
    assert.equal(decision.verdict, 'fail-over');
    assert.partialDeepStrictEqual(await world.runs(), [
      { state: 'done', actor: { kind: 'function', name: 'monitor', decision: decision.decision } },
    ]);
    assert.partialDeepStrictEqual(await noticesOf(world), [
      { severity: 'critical', id: decision.decision, group: GROUP },
    ]);
    assert.equal((await world.runs()).length, 1);
  });

  test('leaves a site alone that is heard', async () => {
    const world = await heardWorld();
    for (let passedMs = 0; passedMs < 3 * LONG_MS; passedMs += 15_000) {
      await world.heartbeat();
      await world.live(15_000);
    }
    assert.deepEqual(await decisionsOf(world), []);
    assert.deepEqual(await noticesOf(world), []);
  });

  test('tells what a site says of itself once, as long as it goes on, and again when it begins anew', async () => {
    const world = await heardWorld();
    const application = { name: 'shop', node: 'north', priority: 1 };
    const trouble = { name: 'db-1', node: 'north', trouble: 'nothing is left to try' };
    const say = async (of: Parameters<World['heartbeat']>[0]): Promise<void> => {
      for (let ticks = 0; ticks < 4; ticks += 1) {
        await world.renew();
        await world.heartbeat(of);
        await world.live(MONITOR_EVERY_MS);
      }
    };
    const failed = { ...application, state: 'failed' as const, reason: 'no answer' };
    await say({ machines: [trouble], says: { applications: [failed] } });
    assert.deepEqual((await noticesOf(world)).map(({ severity, title }) => `${severity}: ${title}`).toSorted(), [
      'critical: Machine db-1 needs a person',
      `warning: ${GROUP}: shop has failed`,
    ]);
    await say({
      says: { applications: [{ ...application, state: 'running', poor: 'an answer after 900 ms' }] },
    });
    assert.equal((await noticesOf(world)).filter(({ severity }) => severity === 'info').length, 1);
    await say({ says: { applications: [failed] } });
    assert.equal((await noticesOf(world)).length, 4);
    assert.deepEqual(await decisionsOf(world), []);
  });

  test('tells of a dead agent beside living guards, once, and does nothing', async () => {
    const world = await heardWorld();
    for (let passedMs = 0; passedMs < 3 * LONG_MS; passedMs += 15_000) {
      await world.renew();
      await world.live(15_000);
    }
    const [decision, ...others] = await decisionsOf(world);
    assert.deepEqual(others, []);
    assert.equal(decision?.verdict, 'alert');
    assert.match(decision.reason, /no heartbeat came for a whole window, which decides nothing: the lease was renewed/);
    assert.partialDeepStrictEqual(await noticesOf(world), [
      { severity: 'warning', id: decision.decision, group: GROUP },
    ]);
    assert.deepEqual(await world.runs(), []);
  });

  test('does not decide while the canary does not get through, nor soon after', async () => {
    for (const route of ['down', 'other'] as const) {
      const world = await heardWorld();
      world.route = route;
      await world.live(LONG_MS);
      assert.match((await world.tick())?.canary ?? '', /no answer|something else answered/);
      const verdicts = async () => (await decisionsOf(world)).map(({ verdict }) => verdict);
      assert.deepEqual(await verdicts(), ['alert']);
      world.route = 'up';
      await world.live(WINDOW_MS - MONITOR_EVERY_MS);
      assert.deepEqual(await verdicts(), ['alert']);
      await world.live(LONG_MS);
      assert.deepEqual(await verdicts(), ['alert', 'fail-over']);
    }
  });

  test('judges no site that has stopped for want of a lease while our own lease door is shut, nor soon after', async () => {
    const world = await heardWorld();
    const stopped = async (ms: number): Promise<void> => {
      for (let passedMs = 0; passedMs < ms; passedMs += 15_000) {
        await world.heartbeat({ says: { lease: 'none' } });
        await world.live(15_000);
      }
    };
    const verdicts = async () => (await decisionsOf(world)).map(({ verdict }) => verdict);
    world.route = 'no leases';
    await stopped(2 * LONG_MS);
    assert.equal((await world.tick())?.canary, 'lease: it was answered with status 500');
    assert.deepEqual(await verdicts(), ['alert']);
    world.route = 'up';
    await stopped(WINDOW_MS - MONITOR_EVERY_MS);
    assert.deepEqual(await verdicts(), ['alert']);
    // With our door open it is the site that does not ask.
    await stopped(LONG_MS);
    assert.deepEqual(await verdicts(), ['alert', 'fail-over']);
  });

  test('does not decide on what it slept through', async () => {
    const world = await heardWorld();
    await world.live(LONG_MS, { monitor: false });
    const report = await world.tick();
    assert.match(report?.groups[0]?.reason ?? '', /awake for 0 s only/);
    assert.deepEqual(await decisionsOf(world), []);
  });

  test('has nothing to decide for a site that never spoke', async () => {
    const world = await createWorld();
    await world.live(LONG_MS);
    assert.match((await world.tick())?.groups[0]?.reason ?? '', /no heartbeat ever came/);
    assert.deepEqual(await decisionsOf(world), []);
  });

  test('only reports a group whose lease was never renewed: nobody at the site stops its applications', async () => {
    const world = await createWorld();
    await world.tick();
    await world.heartbeat();
    await world.live(2 * LONG_MS);
    assert.partialDeepStrictEqual(await decisionsOf(world), [{ verdict: 'report' }]);
    assert.deepEqual(await world.runs(), []);
  });

  test('takes no other write of the group for a renewal of its lease', async () => {
    const world = await heardWorld();
    const lastRenewalMs = world.clock.wallMs();
    await world.live(WINDOW_MS / 2);
    const images = [...world.cloud.images];
    world.cloud.images.clear();
    await world.start({
      group: parseGroup(GROUP),
      kind: 'unplanned',
      actor: { kind: 'by-hand' },
      reason: 'test',
      order: 'o',
    });
    await world.live(WINDOW_MS / 2);
    assert.partialDeepStrictEqual(await world.runs(), [{ state: 'failed' }]);
    for (const image of images) world.cloud.images.add(image);
    await world.live(LONG_MS);
    assert.equal((await decisionsOf(world))[0]?.history.lastRenewalMs, lastRenewalMs);
  });

  test('only reports for a plan that says so, once for each silence', async () => {
    const world = await heardWorld({ plan: { mode: 'report', consents: [] } });
    await world.live(2 * LONG_MS);
    assert.partialDeepStrictEqual(await decisionsOf(world), [{ verdict: 'report' }]);
    await world.heartbeat();
    await world.live(2 * LONG_MS);
    assert.equal((await decisionsOf(world)).length, 2);
    assert.deepEqual(await world.runs(), []);
  });

  test('fails nothing over by a plan that the settings of now do not fit, and tells so before it is needed', async () => {
    const world = await heardWorld();
    // As if LEEWARD_MONITOR_GAP_MS had been changed since the plan was stored.
    Object.assign(world.monitor, { gapMs: WINDOW_MS });
    const inequality = /window ≥ 2 × the monitor's gap does not hold: 120 s ≥ 2 × 120 s/;
    for (let passedMs = 0; passedMs < LONG_MS; passedMs += 15_000) {
      await world.heartbeat();
      await world.live(15_000);
    }
    const [notice, ...more] = await noticesOf(world);
    assert.deepEqual(more, []);
    assert.equal(notice?.severity, 'warning');
    assert.match(notice.text, inequality);
    await world.live(2 * LONG_MS);
    assert.deepEqual(await world.runs(), []);
    const decisions = await decisionsOf(world);
    assert.deepEqual(decisions.map(({ verdict }) => verdict).toSorted(), ['alert', 'report']);
    for (const { reason } of decisions) assert.match(reason, inequality);
    Object.assign(world.monitor, { gapMs: 2 * MONITOR_EVERY_MS });
    await world.live(LONG_MS + 120_000);
    assert.partialDeepStrictEqual(await world.runs(), [{ state: 'done' }]);
  });

  test('tells of a run that failed, and does not start it again', async () => {
    const world = await heardWorld();
    world.cloud.images.clear();
    await world.live(2 * LONG_MS + 60_000);
    assert.match((await world.tick())?.groups[0]?.reason ?? '', /failed before its close/);
    assert.equal((await world.runs()).length, 1);
    assert.equal((await decisionsOf(world)).length, 1);
  });

  test('looks at the other groups when one is in trouble', async () => {
    const world = await heardWorld();
    await world.state.create(names.group({ ...parseGroup(GROUP), group: 'broken' }), 'not JSON');
    const report = await world.tick();
    assert.match(report?.troubles[0] ?? '', /broken\.json.*not JSON/);
    assert.equal(report?.groups[0]?.group, GROUP);
  });

  test('sends its canary as a site that it makes itself, and always above the last', async () => {
    const world = await createWorld();
    for (let ticks = 0; ticks < 3; ticks += 1) assert.equal((await world.tick())?.canary, undefined);
    const { value } = await world.documents.need(siteKind, names.site(CANARY_SITE));
    assert.equal(value.site, 'leeward/canary');
    const { value: last } = await world.documents.need(heartbeatKind, names.heartbeat(CANARY_SITE));
    assert.equal(last.heartbeat.counter, world.clock.wallMs() + 2);
  });

  test('asks for a lease as a site does: each question once, and anew where another tick was granted one before', async () => {
    const world = await createWorld();
    const name = names.group({ ...CANARY_SITE, group: 'canary' });
    const renewals = async () => (await world.documents.need(groupKind, name)).value.renewals;
    for (let ticks = 1; ticks <= 3; ticks += 1) {
      assert.equal((await world.tick())?.canary, undefined);
      assert.equal(await renewals(), ticks);
    }
    const { http } = world.monitor;
    let isFirst = true;
    const late: Http = {
      ...http,
      post: async (url, of) => {
        if (url.endsWith('/api/lease') && isFirst) {
          isFirst = false;
          const granted = { '': 'a'.repeat(32) };
          await world.documents.update(groupKind, name, (found) => ({ ...found, granted }));
        }
        return await http.post(url, of);
      },
    };
    const report = await tick({ ...world.monitor, http: late });
    assert.deepEqual([report.canary, isFirst, await renewals()], [undefined, false, 4]);
    assert.deepEqual(
      report.groups.map(({ group }) => group),
      [GROUP],
      'nothing is decided about its own group',
    );
  });

  test('does not get through where the lease is answered, and not granted', async () => {
    const world = await createWorld();
    await world.tick();
    await world.documents.update(groupKind, names.group({ ...CANARY_SITE, group: 'canary' }), (found) => ({
      ...found,
      holder: 'cloud' as const,
    }));
    assert.match((await world.tick())?.canary ?? '', /^lease: no lease was granted: the cloud has term 1$/);
  });

  test('does not send a canary with a key that a person revoked', async () => {
    const world = await createWorld();
    await world.tick();
    await world.documents.update(siteKind, names.site(CANARY_SITE), (found) => ({
      ...found,
      keys: found.keys.map((key) => ({ ...key, state: 'revoked' as const })),
    }));
    assert.match((await world.tick())?.canary ?? '', /revoked/);
  });
});
