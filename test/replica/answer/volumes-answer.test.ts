/** What a heartbeat's answer says of volumes, and of the disks that a site asks about. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { planKind } from '../../../src/documents/plan.ts';
import { siteKind } from '../../../src/documents/site.ts';
import { Documents } from '../../../src/documents/store.ts';
import { currentGeneration, volumeKind, withGeneration } from '../../../src/documents/volume.ts';
import type { VolumeDocument } from '../../../src/documents/volume.ts';
import { receiveHeartbeat } from '../../../src/health/doors/heartbeat.ts';
import type { HeartbeatPorts } from '../../../src/health/doors/heartbeat.ts';
import { parseGroup, parseSite, parseVolume } from '../../../src/kernel/ids.ts';
import { documents as names } from '../../../src/kernel/names.ts';
import { heartbeatAnswerSchema } from '../../../src/protocol/heartbeat.ts';
import { answerVolumes } from '../../../src/replica/answer/volumes-answer.ts';
import { GROUP, SITE, VOLUMES, createWorld, digestOf } from '../../failover/world.ts';
import type { World } from '../../failover/world.ts';
import { intercept } from '../../support/memory/intercept.ts';

const send = (world: World, payload: object) => receiveHeartbeat(world.heartbeats, world.signed('heartbeat', payload));
const change = async (world: World, edit: (found: VolumeDocument) => VolumeDocument) => {
  await world.documents.update(volumeKind, names.volume(parseVolume(VOLUMES[0])), edit);
};

suite('of a volume, a heartbeat’s answer', () => {
  test('tells what a generation begins from, what is to be repaired, and that a list is wanted', async () => {
    const world = await createWorld();
    const base = { from: 'upload', source: null, list: null, next: 0, digest: digestOf(0), differing: [] } as const;
    const ranges = [{ offset: 0, lengthBytes: 4096 }];
    const answered = async (counter: number, phase: 'opening' | 'open' | 'copying' | 'ready') => {
      await change(world, (found) => {
        const generation = { ...currentGeneration(found), claim: null, base: { ...base, differing: [], phase } };
        const start = { number: 0, digest: digestOf(0) };
        const fresh = { tip: start, applied: { ...start, sourceTimeMs: 0 }, snapshots: [], beyond: 0 };
        const repair = { id: 'r', ranges, sinceMs: 0 };
        return { ...withGeneration(found, { ...generation, ...fresh }), published: null, repair, verifyAskedAtMs: 1 };
      });
      const answer = await send(world, { counter });
      assert.ok(heartbeatAnswerSchema.safeParse(answer).success);
      return answer.volumes[0];
    };
    const expiresAtMs = world.clock.wallMs() + 3_600_000;
    const told = { from: 'upload', listed: false };
    assert.deepEqual((await answered(1, 'opening'))?.base, { ...told, phase: 'open' });
    const open = await answered(2, 'open');
    assert.partialDeepStrictEqual(open, { repair: { id: 'r', ranges }, verify: true });
    assert.match(open?.base?.uploadUrl ?? '', /\/upload-[0-9a-f]{32}\/volume\.vhd/);
    assert.equal(open?.base?.expiresAtMs, expiresAtMs);
    assert.deepEqual((await answered(3, 'copying'))?.base, { ...told, phase: 'copying' });
    assert.deepEqual((await answered(4, 'ready'))?.base, { ...told, phase: 'ready', digest: digestOf(0) });
  });

  test('sends first copies to the bulk queue, and tells of a cut and of trouble', async () => {
    const world = await createWorld();
    await change(world, (found) => ({ ...found, published: null }));
    assert.equal((await send(world, { counter: 1 })).volumes[0]?.queue, 'bulk');
    await change(world, (found) => {
      const generation = currentGeneration(found);
      const cut = withGeneration(found, { ...generation, cut: { ...generation.tip, term: 1 } });
      return { ...cut, trouble: { code: 'DELTA_FORKED', message: 'two writers', sinceMs: 1 } };
    });
    const answer = (await send(world, { counter: 2 })).volumes[0];
    assert.partialDeepStrictEqual(answer, { writable: false, trouble: 'two writers' });
  });

  test('is answered without a volume that this program cannot understand, and people are told', async () => {
    const world = await createWorld();
    await change(world, (found) => ({ ...found, version: { format: 9, oldestReader: 9, oldestWriter: 9 } }));
    const answer = await send(world, { counter: 1 });
    assert.deepEqual(
      answer.volumes.map(({ volume }) => volume),
      [VOLUMES[1]],
    );
    assert.equal(world.told.length, 1);
    assert.match(world.told[0] ?? '', /shop\/data.*update Leeward/);
  });
});

suite('of a disk that nobody registered, a heartbeat’s answer', () => {
  test('tells which volume a source is, and how a new one begins; nothing is registered by that', async () => {
    const world = await createWorld();
    const admission = [
      { match: 'web-*', group: 'shop' },
      { match: 'x-*', group: 'nowhere' },
    ];
    await world.documents.update(siteKind, names.site(parseSite(SITE)), (site) => ({ ...site, admission }));
    const sources = ['web-1/sdb', 'data', 'x-1'];
    const answer = await send(world, { counter: 1, sources });
    assert.ok(heartbeatAnswerSchema.safeParse(answer).success);
    assert.deepEqual(answer.sources, [
      { source: 'web-1/sdb', volume: `${GROUP}/web-1-sdb` },
      { source: 'data', reason: `no rule of ${SITE} admits it` },
      { source: 'x-1', reason: `its group ${SITE}/nowhere is not registered` },
    ]);
    const fresh = answer.volumes.find(({ volume }) => volume === `${GROUP}/web-1-sdb`);
    assert.partialDeepStrictEqual(fresh, {
      generation: 1,
      term: 1,
      writable: true,
      entryPrefix: 'shop/web-1-sdb/00000001/',
    });
    assert.equal(await world.documents.read(volumeKind, names.volume(parseVolume(`${GROUP}/web-1-sdb`))), undefined);
    assert.equal((await send(world, { counter: 2 })).sources, undefined);
  });

  test('tells a source that its name is another’s, and one that no machine is given it', async () => {
    const world = await createWorld();
    const admission = [{ match: '*', group: 'shop' }];
    await world.documents.update(siteKind, names.site(parseSite(SITE)), (site) => ({ ...site, admission }));
    await change(world, (found) => ({ ...found, source: 'data' }));
    const sources = ['data', 'Data', 'log', 'web-1/sdb', 'web-1.sdb', 'web-1/sdb'];
    const answer = await send(world, { counter: 1, sources });
    assert.deepEqual(answer.sources, [
      { source: 'data', volume: VOLUMES[0] },
      { source: 'Data', reason: `${VOLUMES[0]} is "data"` },
      { source: 'log', reason: `${VOLUMES[1]} is registered by hand` },
      { source: 'web-1/sdb', volume: `${GROUP}/web-1-sdb` },
      { source: 'web-1.sdb', reason: `${GROUP}/web-1-sdb is "web-1/sdb"` },
    ]);
    assert.deepEqual(
      answer.volumes.map(({ volume }) => volume),
      [...VOLUMES, `${GROUP}/web-1-sdb`],
    );
    const full = Array.from({ length: 64 }, (_, lun) => ({ volume: `${GROUP}/d-${lun}`, lun }));
    await world.documents.update(planKind, names.plan(parseGroup(GROUP)), (plan) => ({
      ...plan,
      machines: plan.machines.map((machine) => ({ ...machine, disks: full })),
    }));
    const told = await send(world, { counter: 2, sources: ['data', 'new'] });
    const reason = "no machine of the group's plan is given its disk: each has 64 disks already";
    assert.deepEqual(told.sources, [
      { source: 'data', volume: VOLUMES[0], reason },
      { source: 'new', volume: `${GROUP}/new`, reason },
    ]);
  });

  test('costs no more requests for five hundred sources than for one, but for the plan of a group', async () => {
    const world = await createWorld();
    const admission = [{ match: '*', group: 'shop' }];
    await world.documents.update(siteKind, names.site(parseSite(SITE)), (site) => ({ ...site, admission }));
    let reads = 0;
    const counted = intercept(world.state, async ({ method, proceed }) => {
      if (method === 'read') reads += 1;
      return await proceed();
    });
    const documents = new Documents(counted);
    const { access, tell } = world.heartbeats;
    const ports: HeartbeatPorts = {
      ...world.heartbeats,
      documents,
      answerVolumes: async (of) => answerVolumes({ documents, access, tell }, of),
    };
    const cost = async (payload: object): Promise<number> => {
      reads = 0;
      await receiveHeartbeat(ports, world.signed('heartbeat', payload));
      return reads;
    };
    const without = await cost({ counter: 1 });
    const sources = Array.from({ length: 500 }, (_, at) => `disk-${at}`);
    assert.equal(await cost({ counter: 2, sources }), without + 1);
  });
});
