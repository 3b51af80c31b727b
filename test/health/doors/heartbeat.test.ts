/** Heartbeats: what is recorded, what is answered, and what changes nothing. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { heartbeatKind } from '../../../src/documents/site.ts';
import { receiveHeartbeat } from '../../../src/health/doors/heartbeat.ts';
import { LeewardError } from '../../../src/kernel/errors.ts';
import { parseSite } from '../../../src/kernel/ids.ts';
import { documents as names } from '../../../src/kernel/names.ts';
import { heartbeatAnswerSchema } from '../../../src/protocol/heartbeat.ts';
import type { HeartbeatAnswer } from '../../../src/protocol/heartbeat.ts';
import { GROUP, SITE, VOLUMES, createWorld, digestOf } from '../../failover/world.ts';
import type { World } from '../../failover/world.ts';
import { deriveKey } from '../../../src/protocol/signed.ts';
import { FORMAT_NINE, resigned } from '../../support/resigned.ts';
import { intercept } from '../../support/memory/intercept.ts';
import { Documents } from '../../../src/documents/store.ts';

const name = names.heartbeat(parseSite(SITE));
const send = (world: World, payload: object, signer?: { signer: string; name: string }) =>
  receiveHeartbeat(world.heartbeats, world.signed('heartbeat', payload, signer));

suite('a heartbeat', () => {
  test('is told how large a delta may be, where that is said', async () => {
    const world = await createWorld();
    const told = async (limits: HeartbeatAnswer['limits']): Promise<unknown> => {
      const counter = world.clock.wallMs() + (limits === undefined ? 1 : 2);
      const heartbeats = { ...world.heartbeats, limits };
      return (await receiveHeartbeat(heartbeats, world.signed('heartbeat', { counter, volumes: [], groups: [] })))
        .limits;
    };
    assert.equal(await told(undefined), undefined);
    assert.deepEqual(await told({ contentBytesMax: 4096 }), { contentBytesMax: 4096 });
  });

  test('is recorded, and answered with all that a sender needs', async () => {
    const world = await createWorld();
    const volumes = [{ volume: VOLUMES[0], generation: 1, stored: 9, waitingBytes: 10 }];
    const answer = await send(world, { counter: 5, volumes, groups: [{ group: GROUP, term: 1, lease: 'held' }] });
    assert.ok(heartbeatAnswerSchema.safeParse(answer).success);
    assert.deepEqual(answer.volumes[0], {
      volume: VOLUMES[0],
      generation: 1,
      term: 1,
      writable: true,
      acknowledged: { number: 7, digest: digestOf(7) },
      appliedNumber: 4,
      queue: 'deltas',
      entryPrefix: 'shop/data/00000001/',
      resend: [{ number: 8, form: 'literal-1' }],
    });
    assert.equal(answer.volumes[1]?.volume, VOLUMES[1]);
    assert.deepEqual(answer.groups, [{ group: GROUP, term: 1, phase: 'open', holder: 'site' }]);
    assert.deepEqual([answer.everyMs, answer.journalKeptMs], [15_000, 604_800_000]);
    const expiresAtMs = world.clock.wallMs() + 3_600_000;
    assert.equal(answer.access.expiresAtMs, expiresAtMs);
    assert.equal(answer.access.queues.bulk, `https://queue.example/leeward-bulk?until=${expiresAtMs}`);
    assert.match(answer.access.journal, /journal-acme-harbour-/);
    const { value } = await world.documents.need(heartbeatKind, name);
    assert.partialDeepStrictEqual(value, { site: SITE, key: 'k1', heartbeat: { counter: 5, volumes } });
  });

  test('heeds each volume’s word; one that cannot be heeded is told, and keeps no other from its answer', async () => {
    const world = await createWorld();
    const heard: string[] = [];
    const heed = async ({ volume }: { volume: string }): Promise<void> => {
      heard.push(volume);
      if (volume === VOLUMES[0]) throw new LeewardError('CONFLICT', 'changed meanwhile');
    };
    const volumes = VOLUMES.map((volume) => ({
      volume,
      generation: 1,
      stored: 0,
      waitingBytes: 0,
      wants: 'generation',
    }));
    const answer = await receiveHeartbeat(
      { ...world.heartbeats, heed },
      world.signed('heartbeat', { counter: 5, volumes }),
    );
    assert.deepEqual(heard, [...VOLUMES]);
    assert.equal(answer.volumes.length, 2);
    assert.match(world.told.join(), /could not be heeded: changed meanwhile/);
    await assert.rejects(
      receiveHeartbeat({ ...world.heartbeats, heed }, world.signed('heartbeat', { counter: 5, volumes })),
    );
    assert.equal(heard.length, 2);
  });

  test('replaces the one before, and its time is the service’s', async () => {
    const world = await createWorld();
    await send(world, { counter: 1 });
    const before = await world.documents.need(heartbeatKind, name);
    world.clock.advance(10_000);
    await send(world, { counter: 2 });
    const after = await world.documents.need(heartbeatKind, name);
    assert.equal(after.lastModifiedMs - before.lastModifiedMs, 10_000);
    assert.equal(after.value.heartbeat.counter, 2);
  });

  test('that says nothing of what runs there takes nothing of that back, but that a lease is held', async () => {
    const world = await createWorld();
    const offlineUntilMs = world.clock.wallMs() + 600_000;
    const wants = { decision: 'm-1', reason: 'db-1 fails' };
    const group = { group: GROUP, term: 1, lease: 'none', nodes: ['north'], offlineUntilMs, wants };
    const machines = [{ name: 'db-1', node: 'north', trouble: 'nothing is left to try' }];
    await send(world, { counter: 1, groups: [group], machines, offlineUntilMs });
    const before = await world.documents.need(heartbeatKind, name);
    world.clock.advance(10_000);
    await send(world, { counter: 2, volumes: [] });
    const { value } = await world.documents.need(heartbeatKind, name);
    const still = { groups: [{ ...group, lease: 'unknown' }], machines, offlineUntilMs };
    assert.partialDeepStrictEqual(value.heartbeat, { counter: 2, ...still });
    assert.deepEqual(value.said?.[0]?.wish, before.value.said?.[0]?.wish);
    assert.deepEqual(value.said?.[0]?.word, before.value.said?.[0]?.word, 'nor does what was said of it begin anew');
    const goneMs = before.value.said?.[0]?.word.lastSeenMs ?? NaN;
    world.clock.advance(36_000);
    await send(world, { counter: 3, volumes: [] });
    const gone = (await world.documents.need(heartbeatKind, name)).value.said?.[0]?.word;
    assert.equal(gone?.verdict, 'none', 'until nobody has said it for as long as a sender may be silent');
    assert.ok(gone.sinceMs > goneMs);
    await send(world, { counter: 4, groups: [] });
    const none = (await world.documents.need(heartbeatKind, name)).value;
    assert.deepEqual([none.heartbeat.groups, none.heartbeat.machines, none.said], [[], undefined, []]);
  });

  test('of one who has not looked leaves what is said of the lease as it is, however often it comes in between', async () => {
    const world = await createWorld();
    const word = async () => (await world.documents.need(heartbeatKind, name)).value.said?.[0]?.word;
    let counter = 0;
    const looked = async (): Promise<unknown> =>
      send(world, { counter: (counter += 1), groups: [{ group: GROUP, term: 1, lease: 'none' }] });
    await looked();
    const first = await word();
    for (let at = 0; at < 20; at += 1) {
      world.clock.advance(7000);
      await send(world, { counter: (counter += 1) });
      world.clock.advance(8000);
      await looked();
    }
    assert.partialDeepStrictEqual(await word(), { verdict: 'down', sinceMs: first?.sinceMs });
  });

  test('lists what is offline on purpose: that counts, and nothing else, whoever sends it', async () => {
    const world = await createWorld();
    const untilMs = world.clock.wallMs() + 600_000;
    const wants = { decision: 'm-1', reason: 'db-1 fails' };
    const machines = [{ name: 'db-1', node: 'north', loadPerCore: 1 }];
    const group = { group: GROUP, term: 1, lease: 'held', nodes: ['north'], wants };
    const said = async () => {
      const { heartbeat } = (await world.documents.need(heartbeatKind, name)).value;
      const { groups = [], offlineUntilMs } = heartbeat;
      const untils = Object.fromEntries(groups.map((one) => [one.group, one.offlineUntilMs]));
      return {
        untils,
        site: offlineUntilMs,
        machine: heartbeat.machines?.[0]?.offlineUntilMs,
        wants: groups[0]?.wants,
      };
    };
    const none = { untils: { [GROUP]: undefined }, site: undefined, machine: undefined, wants };
    await send(world, { counter: 1, groups: [group], machines });
    await send(world, { counter: 2, offline: [{ what: 'site', untilMs }] });
    assert.deepEqual(await said(), { ...none, site: untilMs });
    await send(world, { counter: 3 });
    assert.deepEqual(await said(), { ...none, site: untilMs }, 'who says nothing of it takes nothing back');
    const [ofGroup, ofOther] = [GROUP.split('/')[2], 'other'].map((one) => ({ what: 'group', name: one, untilMs }));
    await send(world, { counter: 4, offline: [ofGroup, ofOther] });
    const untils = { [GROUP]: untilMs, [`${SITE}/other`]: untilMs };
    assert.deepEqual(await said(), { ...none, untils });
    await send(world, { counter: 5, groups: [group], machines, offline: [{ what: 'machine', name: 'db-1', untilMs }] });
    assert.deepEqual(await said(), { ...none, machine: untilMs }, 'the agent knows why it wants the group moved');
    await send(world, { counter: 6, offline: [{ what: 'machine', name: 'db-1', untilMs }] });
    assert.deepEqual(await said(), { ...none, machine: untilMs, wants: undefined }, 'nobody is there who would know');
    await send(world, { counter: 7, offline: [] });
    assert.deepEqual(await said(), { ...none, wants: undefined });
  });

  test('is answered without a group that this program cannot understand, and people are told', async () => {
    const world = await createWorld();
    const tooNew = { version: { format: 9, oldestReader: 9, oldestWriter: 9 } };
    await world.state.create(`groups/${SITE}/zoo.json`, JSON.stringify(tooNew));
    const answer = await send(world, { counter: 1 });
    assert.deepEqual(
      answer.groups.map((found) => found.group),
      [GROUP],
    );
    assert.equal(world.told.length, 1);
    assert.match(world.told[0] ?? '', /zoo\.json is left out .*update Leeward/);
  });

  test('of two at once, each is recorded or refused by its counter', async () => {
    const world = await createWorld();
    await Promise.allSettled([3, 1, 2].map((counter) => send(world, { counter })));
    assert.equal((await world.documents.need(heartbeatKind, name)).value.heartbeat.counter, 3);
  });
});

suite('a heartbeat changes nothing', () => {
  const cases: [string, string, (world: World) => unknown][] = [
    [
      'of an unknown site',
      'NOT_FOUND',
      (world) => world.signed('heartbeat', { counter: 9 }, { signer: 'acme/nowhere', name: 'k1' }),
    ],
    [
      'with a key that is not the site’s',
      'SIGNATURE_INVALID',
      (world) => world.signed('heartbeat', { counter: 9 }, { signer: SITE, name: 'k9' }),
    ],
    [
      'with a revoked key',
      'SIGNATURE_INVALID',
      (world) => world.signed('heartbeat', { counter: 9 }, { signer: SITE, name: 'k0' }),
    ],
    [
      'signed by another site',
      'SIGNATURE_INVALID',
      (world) => ({ ...world.signed('heartbeat', { counter: 9 }, { signer: 'acme/other', name: 'k1' }), signer: SITE }),
    ],
    [
      'with a changed text',
      'SIGNATURE_INVALID',
      (world) => ({ ...world.signed('heartbeat', { counter: 9 }), payload: '{"counter":10}' }),
    ],
    ['that is a lease request', 'MESSAGE_INVALID', (world) => world.signed('lease', { counter: 9 })],
    ['without a counter', 'MESSAGE_INVALID', (world) => world.signed('heartbeat', {})],
    ['without a signature', 'MESSAGE_INVALID', () => ({ counter: 9 })],
    ['that is text', 'MESSAGE_INVALID', () => 'heartbeat'],
    ['that is nothing', 'MESSAGE_INVALID', () => undefined],
    [
      'with a signer that is no name',
      'IDENTIFIER_INVALID',
      (world) => world.signed('heartbeat', { counter: 9 }, { signer: '../../state', name: 'k1' }),
    ],
    [
      "that names another site's volume",
      'REFUSED',
      (world) =>
        world.signed('heartbeat', {
          counter: 9,
          volumes: [{ volume: 'acme/harbour2/shop/data', generation: 1, stored: 1, waitingBytes: 0 }],
        }),
    ],
    [
      "that names another site's group",
      'REFUSED',
      (world) =>
        world.signed('heartbeat', { counter: 9, groups: [{ group: 'other/harbour/shop', term: 1, lease: 'held' }] }),
    ],
    ['with the counter of the last one', 'REFUSED', (world) => world.signed('heartbeat', { counter: 8 })],
    ['with an older counter', 'REFUSED', (world) => world.signed('heartbeat', { counter: 7 })],
    [
      'of a format that is too new',
      'VERSION_TOO_NEW',
      (world) =>
        resigned(deriveKey(world.heartbeats.keySecret, { signer: SITE, name: 'k1' }), {
          ...world.signed('heartbeat', { counter: 9 }),
          version: FORMAT_NINE,
        }),
    ],
    [
      'that is too new, by nobody’s word',
      'SIGNATURE_INVALID',
      (world) => ({ ...world.signed('heartbeat', { counter: 9 }), version: FORMAT_NINE }),
    ],
  ];
  for (const [what, code, message] of cases) {
    test(`${what} (${code})`, async () => {
      const world = await createWorld();
      await send(world, { counter: 8 });
      const before = await world.state.read(name);
      const written: string[] = [];
      let reads = 0;
      const watched = intercept(world.state, async ({ method, args, proceed }) => {
        if (method === 'read') reads += 1;
        else written.push(String(args[0]));
        return await proceed();
      });
      const ports = { ...world.heartbeats, documents: new Documents(watched) };
      await assert.rejects(receiveHeartbeat(ports, message(world)), { code });
      assert.deepEqual((await world.state.read(name)).document, before.document);
      assert.deepEqual(written, []);
      // A key that is merely not active is known only from the site's document; a wrong signature is known before.
      if (code === 'SIGNATURE_INVALID' && (what.includes('changed') || what.includes('another')))
        assert.equal(reads, 0);
    });
  }
});
