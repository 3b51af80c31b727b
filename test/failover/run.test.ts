/** A whole failover in memory: what it makes, what it waits for, and what it survives. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { planKind } from '../../src/documents/plan.ts';
import { RUN_STEPS, runKind } from '../../src/documents/run.ts';
import { Documents } from '../../src/documents/store.ts';
import { currentGeneration, volumeKind } from '../../src/documents/volume.ts';
import { advanceRun } from '../../src/failover/run.ts';
import { resumeRuns } from '../../src/failover/tickets.ts';
import { startRun } from '../../src/failover/start.ts';
import { parseGroup, parseVolume } from '../../src/kernel/ids.ts';
import { QUEUES, documents as names } from '../../src/kernel/names.ts';
import { intercept } from '../support/memory/intercept.ts';
import { GROUP, LEASE_MS, MARGIN_MS, WINDOW_MS, VOLUMES, createWorld } from './world.ts';
import type { World } from './world.ts';

const group = parseGroup(GROUP);
const order = (order = 'o1') => ({
  group,
  kind: 'unplanned' as const,
  actor: { kind: 'by-hand' as const },
  reason: 'test',
  order,
});
const onlyRun = async (world: World) => {
  const runs = await world.runs();
  assert.equal(runs.length, 1);
  assert.ok(runs[0]);
  return runs[0];
};
const stepOf = async (world: World, step: string) =>
  (await onlyRun(world)).steps.find((record) => record.step === step);
/** Works until the run is at `step`, message by message. */
const liveUntil = async (world: World, step: string) => {
  for (let tries = 0; (await onlyRun(world)).step !== step; tries += 1) {
    assert.ok(tries < 2000, `the run never came to ${step}`);
    const before = await onlyRun(world);
    await world.work();
    if ((await onlyRun(world)).ticket === before.ticket) world.clock.advance(100);
  }
};

suite('a run', () => {
  test('goes the order of the design and ends with a machine that answers', async () => {
    const world = await createWorld();
    await world.renew();
    const { run } = await startRun(world.ports, order());
    await world.live(120_000);

    const done = await onlyRun(world);
    assert.equal(done.state, 'done');
    assert.deepEqual(
      done.steps.map((record) => record.step),
      [...RUN_STEPS],
    );
    assert.ok(done.steps.every((record) => record.endedAtMs !== null && record.attempts === 1));
    assert.deepEqual(done.operations, {});
    assert.partialDeepStrictEqual(done.machines, [{ name: 'web', healthUrl: 'http://10.0.0.4:8080/' }]);
    assert.partialDeepStrictEqual(
      done.volumes.map(({ marker, number }) => ({ marker, number })),
      [
        { marker: 'm4', number: 4 },
        { marker: 'm4', number: 4 },
      ],
    );
    for (const { copy } of done.volumes) assert.ok(await world.replicas.properties(copy));
    assert.partialDeepStrictEqual(await world.group(), { term: 1, phase: 'ended', holder: 'cloud', run });
    const kinds = world.cloud.created.map((key) => key.split('/').slice(1).join('/'));
    assert.deepEqual(kinds, ['', 'interface/web-nic', 'disk/web-lun0', 'disk/web-lun1', 'machine/web']);
    for (const id of VOLUMES) {
      const { value } = await world.documents.need(volumeKind, names.volume(parseVolume(id)));
      const { cut, applied, epoch } = currentGeneration(value);
      assert.deepEqual([cut?.number, applied.number, epoch], [7, 7, 2]);
    }
  });

  test('starts without a disk that it may do without, where that has no point yet; one that has comes along', async () => {
    for (const published of [null, 1]) {
      const world = await createWorld();
      await world.documents.update(planKind, names.plan(group), (plan) => ({
        ...plan,
        machines: plan.machines.map((machine) => ({
          ...machine,
          disks: machine.disks.map((disk) => (disk.volume === VOLUMES[1] ? { ...disk, optional: true } : disk)),
        })),
      }));
      await world.documents.update(volumeKind, names.volume(parseVolume(VOLUMES[1])), (volume) => ({
        ...volume,
        published,
      }));
      await startRun(world.ports, order());
      await world.live(120_000);
      const done = await onlyRun(world);
      assert.equal(done.state, 'done');
      const attached = published === null ? [VOLUMES[0]] : [...VOLUMES];
      assert.deepEqual(
        done.volumes.map(({ volume }) => volume),
        attached,
      );
      const disks = world.cloud.created.filter((key) => key.includes('/disk/'));
      assert.equal(disks.length, attached.length);
    }
  });

  test('closes before it waits, waits by the service, and ends only then', async () => {
    const world = await createWorld();
    await startRun(world.ports, order());
    await world.live(2500);
    await world.renew();
    const grantedAtMs = world.clock.wallMs();
    await liveUntil(world, 'wait');
    const refused = (await world.renew()).groups[0];
    assert.partialDeepStrictEqual(refused, { granted: false, term: 1, leaseMs: 0 });
    assert.match(refused?.reason ?? '', /closing/);

    await liveUntil(world, 'end');
    const passedMs = world.clock.wallMs() - grantedAtMs;
    assert.ok(passedMs >= LEASE_MS + MARGIN_MS, `${passedMs} ms after the last grant is too soon`);
    assert.ok(passedMs <= LEASE_MS + MARGIN_MS + 3000, `${passedMs} ms after the last grant is late`);
    await world.live(60_000);
    assert.match((await world.renew()).groups[0]?.reason ?? '', /ended/);
  });

  test('does not believe a ticket that comes too soon', async () => {
    const world = await createWorld();
    await startRun(world.ports, order());
    await liveUntil(world, 'wait');
    for (let tries = 0; tries < 5; tries += 1) {
      const { run, ticket } = await onlyRun(world);
      await advanceRun(world.ports, { group: GROUP, run, ticket });
    }
    assert.equal((await onlyRun(world)).step, 'wait');
    assert.equal((await world.group()).phase, 'closing');
  });

  test('is moved by its newest ticket only', async () => {
    const world = await createWorld();
    const { run } = await startRun(world.ports, order());
    await liveUntil(world, 'wait');
    const before = await onlyRun(world);
    for (const ticket of [0, before.ticket - 1, before.ticket + 1]) {
      assert.partialDeepStrictEqual(await advanceRun(world.ports, { group: GROUP, run, ticket }), { moved: false });
    }
    assert.deepEqual(await onlyRun(world), before);
    const twice = { group: GROUP, run, ticket: before.ticket };
    const both = await Promise.all([advanceRun(world.ports, twice), advanceRun(world.ports, twice)]);
    assert.deepEqual(both.map(({ moved }) => moved).sort(), [false, true]);
    assert.equal((await onlyRun(world)).ticket, before.ticket + 1);
  });

  test('survives that every ticket is lost', async () => {
    const world = await createWorld();
    await startRun(world.ports, order());
    for (let resumes = 0; (await onlyRun(world)).state === 'running'; resumes += 1) {
      assert.ok(resumes < 100);
      for (const message of await world.queues.take(QUEUES.failover, { countMax: 32, hiddenMs: 0 }))
        await message.done();
      world.clock.advance(60_000);
      for (const message of await world.queues.take(QUEUES.failover, { countMax: 32, hiddenMs: 0 }))
        await message.done();
      assert.equal((await resumeRuns(world.ports)).resumed.length, 1);
      await world.work();
    }
    assert.equal((await onlyRun(world)).state, 'done');
    assert.equal(world.cloud.created.length, 5);
    assert.deepEqual(await resumeRuns(world.ports), { resumed: [], troubles: [] });
  });

  test('is not sent again while its ticket is not overdue', async () => {
    const world = await createWorld();
    await startRun(world.ports, order());
    assert.deepEqual(await resumeRuns(world.ports), { resumed: [], troubles: [] });
  });

  test('tries again, telling so, when there is no room after the close', async () => {
    const world = await createWorld();
    const noRoom = { code: 'AllocationFailed', message: 'no room', capacity: true };
    for (let failures = 0; failures < 3; failures += 1) world.cloud.failNext('machine', noRoom);
    await startRun(world.ports, order());
    await liveUntil(world, 'machine');
    await world.live(4000);
    assert.match((await stepOf(world, 'machine'))?.detail ?? '', /AllocationFailed.*no other candidate/);
    await world.live(120_000);
    assert.equal((await onlyRun(world)).state, 'done');
    assert.equal((await stepOf(world, 'machine'))?.attempts, 4);
    assert.equal(world.cloud.created.length, 5);
  });

  test('goes on after the close even where no retry should help, until a person has helped', async () => {
    const world = await createWorld();
    world.cloud.failNext('disk', { code: 'BadRequest', message: 'no', capacity: false });
    await startRun(world.ports, order());
    while (((await stepOf(world, 'disk'))?.attempts ?? 0) < 2) await world.live(500);
    assert.partialDeepStrictEqual(await onlyRun(world), { state: 'running', step: 'disk', failure: null });
    assert.match((await stepOf(world, 'disk'))?.detail ?? '', /BadRequest/);
    await world.live(120_000);
    assert.equal((await onlyRun(world)).state, 'done');
    assert.equal((await stepOf(world, 'disk'))?.attempts, 2);
  });

  test('says when a machine takes longer than its plan allows, and goes on asking', async () => {
    const world = await createWorld();
    world.healthStatus = 503;
    await startRun(world.ports, order());
    await liveUntil(world, 'health');
    await world.live(10_000);
    assert.match((await stepOf(world, 'health'))?.detail ?? '', /^web: status 503$/);
    await world.live(60_000);
    assert.match((await stepOf(world, 'health'))?.detail ?? '', /^longer than the 60000 ms .*status 503/);
    world.healthStatus = 200;
    await world.live(5000);
    assert.equal((await onlyRun(world)).state, 'done');
  });
});

suite('a chain that cannot be applied', () => {
  const appliedOf = async (world: World, id: string) =>
    currentGeneration((await world.documents.need(volumeKind, names.volume(parseVolume(id)))).value).applied.number;

  test('is told and tried again, and given up after a while: the run goes on from the newest point below', async () => {
    const world = await createWorld();
    world.lost.set(VOLUMES[0], 6);
    await startRun(world.ports, order());
    await liveUntil(world, 'drain');
    await world.live(60_000);
    const { detail = '', attempts } = (await stepOf(world, 'drain')) ?? {};
    assert.match(detail, /shop\/data is applied up to delta 5 of its cut 7: .*delta 6 is lost/);
    assert.equal(attempts, 1);
    assert.equal(await appliedOf(world, VOLUMES[1]), 7);
    await world.live(8 * 60_000);
    assert.equal((await onlyRun(world)).step, 'drain');
    await world.live(3 * 60_000);
    assert.equal((await onlyRun(world)).state, 'done');
    assert.match(
      (await stepOf(world, 'drain'))?.detail ?? '',
      /^given up .*shop\/data is applied up to delta 5 of its cut 7/,
    );
    assert.partialDeepStrictEqual((await onlyRun(world)).volumes, [{ marker: 'm4' }, { marker: 'm4' }]);
  });

  test('is drained whole once the site has sent what was lost', async () => {
    const world = await createWorld();
    world.lost.set(VOLUMES[0], 6);
    await startRun(world.ports, order());
    await liveUntil(world, 'drain');
    await world.live(60_000);
    world.lost.clear();
    await world.live(60_000);
    assert.equal((await onlyRun(world)).state, 'done');
    assert.match((await stepOf(world, 'drain'))?.detail ?? '', /^2 volume\(s\) are applied up to their cuts$/);
    assert.equal(await appliedOf(world, VOLUMES[0]), 7);
  });
});

suite('before its close', () => {
  test('a run that cannot go on is undone: group free, nothing left, and the site never noticed', async () => {
    const world = await createWorld();
    world.cloud.images.clear();
    await startRun(world.ports, order());
    await world.live(30_000);
    assert.partialDeepStrictEqual(await onlyRun(world), {
      state: 'failed',
      step: 'reserve',
      failure: { code: 'NOT_FOUND' },
    });
    assert.deepEqual(world.cloud.existing(), []);
    assert.partialDeepStrictEqual(await world.group(), { phase: 'open', holder: 'site', run: null });
    assert.equal((await world.renew()).groups[0]?.granted, true);
  });

  test('the same order meets its failed run; another order starts anew', async () => {
    const world = await createWorld();
    const images = [...world.cloud.images];
    world.cloud.images.clear();
    const { run } = await startRun(world.ports, order());
    await world.live(30_000);
    assert.partialDeepStrictEqual(await startRun(world.ports, order()), { run, state: 'failed' });
    assert.equal((await world.group()).run, null);
    for (const image of images) world.cloud.images.add(image);
    await startRun(world.ports, order('o2'));
    await world.live(120_000);
    assert.deepEqual((await world.runs()).map(({ state }) => state).sort(), ['done', 'failed']);
  });

  test('a lack of room is waited for, and undoes nothing', async () => {
    const world = await createWorld();
    world.cloud.failNext('interface', { code: 'QuotaExceeded', message: 'quota', capacity: true });
    await startRun(world.ports, order());
    await world.live(120_000);
    assert.equal((await onlyRun(world)).state, 'done');
  });

  test('a worker that comes late cannot bring an undone run back', async () => {
    const world = await createWorld();
    world.cloud.images.clear();
    const { run } = await startRun(world.ports, order());
    let late: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (late = resolve));
    // A second worker has the first ticket, too, and falls asleep before its first word to the store.
    const reading = new Documents(
      intercept(world.state, ({ method, args, proceed }) =>
        method === 'read' && args[0] === names.run(group, run) ? proceed() : gate.then(proceed),
      ),
    );
    const slow = advanceRun({ ...world.ports, documents: reading }, { group: GROUP, run, ticket: 0 });
    await world.live(30_000);
    assert.equal((await onlyRun(world)).state, 'failed');
    late();
    assert.partialDeepStrictEqual(await slow, { moved: false });
    assert.equal((await world.group()).run, null);
  });

  for (const sign of ['heartbeat', 'renew'] as const) {
    test(`a run of the monitor's does not close a site of which came a ${sign} since`, async () => {
      const world = await createWorld();
      await world.renew();
      await world.heartbeat();
      await world.live(WINDOW_MS, { monitor: false });
      while ((await world.runs()).length === 0) {
        world.clock.advance(30_000);
        await world.tick();
      }
      await world[sign]();
      await world.live(30_000, { monitor: false });
      assert.partialDeepStrictEqual(await onlyRun(world), { state: 'failed', failure: { code: 'REFUSED' } });
      assert.partialDeepStrictEqual(await world.group(), { phase: 'open', holder: 'site', run: null });
      assert.deepEqual(world.cloud.existing(), []);
    });
  }

  test('an undoing that meets the finished close gives way to it', async () => {
    const world = await createWorld();
    const { run } = await startRun(world.ports, order());
    await liveUntil(world, 'close');
    // One worker closes and dies before it says so; another, with the same ticket, had found the site heard again.
    world.dieAt(2, 'before');
    await world.work();
    world.dieAt(0, 'before');
    assert.equal((await world.group()).phase, 'closing');
    await world.documents.update(runKind, names.run(group, run), (found) => ({
      ...found,
      ticket: found.ticket + 1,
      failure: { code: 'REFUSED', message: 'heard again' },
    }));
    await world.live(120_000);
    assert.partialDeepStrictEqual(await onlyRun(world), { state: 'done', failure: null });
  });
});
