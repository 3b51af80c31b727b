/** Starting a run: once for each order, one for each group, and not without something to start from. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { groupKind } from '../../src/documents/group.ts';
import { runKind } from '../../src/documents/run.ts';
import { Documents } from '../../src/documents/store.ts';
import { volumeKind } from '../../src/documents/volume.ts';
import type { VolumeDocument } from '../../src/documents/volume.ts';
import { startRun } from '../../src/failover/start.ts';
import { resumeRuns } from '../../src/failover/tickets.ts';
import { isLeewardError } from '../../src/kernel/errors.ts';
import { parseGroup, parseVolume } from '../../src/kernel/ids.ts';
import { QUEUES, documents as names } from '../../src/kernel/names.ts';
import { intercept } from '../support/memory/intercept.ts';
import { GROUP, IMAGE, VOLUMES, createWorld } from './world.ts';
import type { World } from './world.ts';

const group = parseGroup(GROUP);
const order = (id: string) => ({
  group,
  kind: 'unplanned' as const,
  actor: { kind: 'by-hand' as const },
  reason: 'test',
  order: id,
});
const tickets = (world: World) => world.queues.texts(QUEUES.failover).length;

suite('starting a run', () => {
  test('a second run of a group is refused, whoever comes second', async () => {
    const world = await createWorld();
    const both = await Promise.allSettled([startRun(world.ports, order('a')), startRun(world.ports, order('b'))]);
    assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    const refused = both.find((result) => result.status === 'rejected');
    assert.ok(isLeewardError(refused?.reason, 'REFUSED'));
    await assert.rejects(startRun(world.ports, order('c')), { code: 'REFUSED', message: /moves it already/ });
    await world.live(120_000);
    assert.deepEqual((await world.runs()).map(({ state }) => state).sort(), ['done', 'failed']);
    assert.equal(world.cloud.created.length, 5);
    await assert.rejects(startRun(world.ports, order('d')), { code: 'REFUSED' });
  });

  test('the same order, given again, meets its run', async () => {
    const world = await createWorld();
    const first = await startRun(world.ports, order('a'));
    assert.equal((await startRun(world.ports, order('a'))).run, first.run);
    while ((await world.runs())[0]?.step !== 'wait') await world.live(100);
    const underWay = tickets(world);
    assert.partialDeepStrictEqual(await startRun(world.ports, order('a')), { run: first.run, state: 'running' });
    assert.equal(tickets(world), underWay);
    await world.live(120_000);
    const sent = tickets(world);
    assert.partialDeepStrictEqual(await startRun(world.ports, order('a')), { run: first.run, state: 'done' });
    assert.equal(tickets(world), sent);
    assert.equal((await world.runs()).length, 1);
  });

  test('a run that died unbound, and met another in its place, ends by itself and harms nothing', async () => {
    const world = await createWorld();
    // It dies between its document and its binding.
    world.dieAt(2, 'before');
    assert.equal(await world.start(order('a')), undefined);
    world.dieAt(0, 'before');
    assert.equal((await world.group()).run, null);
    const { run } = await startRun(world.ports, order('b'));
    world.clock.advance(60_000);
    assert.equal((await resumeRuns(world.ports)).resumed.length, 2);
    await world.live(120_000);
    assert.deepEqual((await world.runs()).map(({ state }) => state).sort(), ['done', 'failed']);
    assert.equal((await world.group()).run, run);
    assert.equal(world.cloud.created.length, 5);
  });

  /** Run `a`, whose first worker is held up just before its binding, failed and was undone; then `b` was. */
  const undoneTwice = async (world: World) => {
    const images = [...world.cloud.images];
    world.cloud.images.clear();
    const gate = Promise.withResolvers<undefined>();
    const atGate = Promise.withResolvers<undefined>();
    let looks = 0;
    const slow = intercept(world.state, async ({ method, args, proceed }) => {
      if (method === 'read' && args[0] === names.group(group)) looks += 1;
      // The first look is for the term, the second for the binding.
      if (looks === 2) {
        atGate.resolve(undefined);
        await gate.promise;
      }
      return await proceed();
    });
    const late = startRun({ ...world.ports, documents: new Documents(slow) }, order('a'));
    await atGate.promise;
    world.clock.advance(60_000);
    assert.equal((await resumeRuns(world.ports)).resumed.length, 1);
    await world.live(60_000);
    await startRun(world.ports, order('b'));
    await world.live(60_000);
    assert.deepEqual(
      (await world.runs()).map(({ state }) => state),
      ['failed', 'failed'],
    );
    for (const image of images) world.cloud.images.add(image);
    return { late, goOn: gate.resolve };
  };

  test('a worker that comes late, after other runs, does not leave the group bound to a run that was undone', async () => {
    const world = await createWorld();
    const { late, goOn } = await undoneTwice(world);
    goOn(undefined);
    await assert.rejects(late, { code: 'REFUSED', message: /has failed or is over/ });
    assert.equal((await world.group()).run, null);
    await startRun(world.ports, order('c'));
    await world.live(120_000);
    assert.deepEqual((await world.runs()).map(({ state }) => state).sort(), ['done', 'failed', 'failed']);
  });

  test('a group that a late worker bound to a failed run before it died is freed by the monitor', async () => {
    const world = await createWorld();
    const { late, goOn } = await undoneTwice(world);
    goOn(undefined);
    await assert.rejects(late);
    const failed = (await world.runs())[0]?.run ?? '';
    await world.documents.update(groupKind, names.group(group), (found) => ({ ...found, run: failed }));
    await world.tick();
    assert.equal((await world.group()).run, null);
    // A run that is under way keeps its group.
    const { run } = await startRun(world.ports, order('c'));
    await world.tick();
    assert.equal((await world.group()).run, run);
  });

  test('a run that cannot be understood keeps no other from being resumed, and is told', async () => {
    const world = await createWorld();
    await startRun(world.ports, order('a'));
    const [run] = await world.runs();
    const tooNew = { ...run, version: { format: 9, oldestReader: 9, oldestWriter: 9 } };
    const name = 'runs/aaa/s/g/t1-unplanned-00000000.json';
    await world.state.create(name, JSON.stringify(tooNew), { state: 'running' });
    world.clock.advance(600_000);
    const report = await world.tick();
    assert.deepEqual(report?.resumed, [`${GROUP} ${run?.run}`]);
    assert.match(report.troubles.join(), /runs\/aaa\/s\/g\/.*update Leeward/);
  });

  const change = async (world: World, edit: (found: VolumeDocument) => VolumeDocument) => {
    await world.documents.update(volumeKind, names.volume(parseVolume(VOLUMES[1])), edit);
  };
  const withoutSnapshots = ({ generations, ...found }: VolumeDocument): VolumeDocument => ({
    ...found,
    generations: Object.fromEntries(
      Object.entries(generations).map(([key, generation]) => [key, { ...generation, snapshots: [] }]),
    ),
  });
  const refusals: [string, (world: World) => Promise<void>, RegExp][] = [
    ['no first copy', (world) => change(world, (found) => ({ ...found, published: null })), /log has no whole first/],
    ['no recovery point', (world) => change(world, withoutSnapshots), /log has no recovery point/],
    [
      "the cloud's term",
      async ({ documents }) => {
        await documents.update(groupKind, names.group(group), (found) => ({ ...found, holder: 'cloud' as const }));
      },
      /holder cloud/,
    ],
  ];
  for (const [what, prepare, message] of refusals) {
    test(`is refused for ${what}, and leaves nothing`, async () => {
      const world = await createWorld();
      await prepare(world);
      await assert.rejects(startRun(world.ports, order('a')), { code: 'REFUSED', message });
      assert.deepEqual(await world.runs(), []);
      assert.equal(tickets(world), 0);
    });
  }

  test('is refused for a plan with a volume that is not there, or not the group’s', async () => {
    for (const [volume, message] of [
      [`${GROUP}/gone`, /gone does not exist/],
      ['acme/harbour/other/data', /belongs to another group/],
    ] as const) {
      const disks = [{ volume, lun: 0 }];
      const probe = { port: 1, path: '/' };
      const world = await createWorld({ plan: { machines: [{ name: 'web', image: IMAGE, size: 's', disks, probe }] } });
      await assert.rejects(startRun(world.ports, order('a')), { code: 'REFUSED', message });
    }
  });

  test('of a group without a plan, or of no group, is not found', async () => {
    const world = await createWorld();
    const nowhere = { ...order('a'), group: parseGroup('acme/harbour/none') };
    await assert.rejects(startRun(world.ports, nowhere), { code: 'NOT_FOUND' });
  });

  test('writes the run before the ticket, and the binding between', async () => {
    const world = await createWorld();
    const { run } = await startRun(world.ports, order('a'));
    assert.equal((await world.group()).run, run);
    assert.ok(await world.documents.read(runKind, names.run(group, run)));
    assert.deepEqual(world.queues.texts(QUEUES.failover), [JSON.stringify({ group: GROUP, run, ticket: 0 })]);
  });
});
