/** Guards: leases for them alone, each sealed with its own key, and the promises that end a term sooner. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { groupKind } from '../../../src/documents/group.ts';
import type { GroupDocument } from '../../../src/documents/group.ts';
import { siteKind } from '../../../src/documents/site.ts';
import { renewLeases } from '../../../src/health/doors/lease.ts';
import { receiveStopped } from '../../../src/health/doors/stopped.ts';
import { parseGroup, parseSite } from '../../../src/kernel/ids.ts';
import { documents as names } from '../../../src/kernel/names.ts';
import { grantSchema } from '../../../src/protocol/lease.ts';
import type { LeaseAnswer, LeaseRequest } from '../../../src/protocol/lease.ts';
import { deriveKey, guardKey, readPayload, sign, verifySigned } from '../../../src/protocol/signed.ts';
import { GROUP, SITE, createWorld } from '../../failover/world.ts';
import type { World } from '../../failover/world.ts';

const nonce = (digit: number): string => String(digit).repeat(32);
const RUN = 't1-unplanned-1';

/** A group with guards on two nodes, and the keys of three. */
async function guarded(edit: Partial<GroupDocument> = {}): Promise<World> {
  const world = await createWorld();
  await world.documents.update(groupKind, names.group(parseGroup(GROUP)), (found): GroupDocument => ({
    ...found,
    guards: [{ node: 'north' }, { node: 'south' }],
    ...edit,
  }));
  await world.documents.update(siteKind, names.site(parseSite(SITE)), (found) => ({
    ...found,
    keys: [
      ...found.keys,
      ...['north', 'south', 'east'].map((node) => ({ name: guardKey(node), state: 'active' as const })),
    ],
  }));
  return world;
}

const closing = {
  phase: 'closing' as const,
  run: RUN,
  closing: { run: RUN, actor: { kind: 'by-hand' as const }, lastGrantMs: 1 },
};
const keyOf = (world: World, node: string) =>
  deriveKey(world.heartbeats.keySecret, { signer: SITE, name: guardKey(node) });
const ask = async (world: World, groups: LeaseRequest['groups'], node?: string): Promise<LeaseAnswer['groups']> => {
  const signer = node === undefined ? undefined : { signer: SITE, name: guardKey(node) };
  return (await renewLeases(world.heartbeats, world.signed('lease', { groups }, signer))).groups;
};
const stop = async (world: World, payload: object, key: string) =>
  receiveStopped(world.heartbeats, world.signed('stopped', payload, { signer: SITE, name: key }));

suite('guards', () => {
  test('one request renews a group for all its guards by one write, and each answer is sealed for its guard', async () => {
    const world = await guarded();
    const answers = await ask(world, [
      { group: GROUP, nonce: nonce(1), node: 'north' },
      { group: GROUP, nonce: nonce(2), node: 'south' },
    ]);
    assert.equal((await world.group()).renewals, 1);
    for (const [index, node] of ['north', 'south'].entries()) {
      const { sealed, ...told } = answers[index] ?? {};
      assert(sealed);
      verifySigned(sealed, keyOf(world, node));
      assert.deepEqual(readPayload(sealed, grantSchema), told);
      assert.partialDeepStrictEqual(told, { group: GROUP, nonce: nonce(index + 1), granted: true, term: 1 });
    }
  });

  test('whoever carries an answer cannot change it, nor pass it on to another guard', async () => {
    const world = await guarded();
    const [answer] = await ask(world, [{ group: GROUP, nonce: nonce(1), node: 'north' }]);
    const { sealed } = answer ?? {};
    assert(sealed);
    const forged = { ...sealed, payload: sealed.payload.replace('"term":1', '"term":2') };
    assert.notEqual(forged.payload, sealed.payload);
    assert.throws(() => {
      verifySigned(forged, keyOf(world, 'north'));
    }, /not signed/);
    assert.throws(() => {
      verifySigned(sealed, keyOf(world, 'south'));
    }, /not signed/);
  });

  test('a group with guards is renewed for those alone, and nothing is written for anybody else', async () => {
    const world = await guarded();
    const refused: [LeaseRequest['groups'][number], string | undefined, RegExp][] = [
      [{ group: GROUP, nonce: nonce(1) }, undefined, /guards alone/],
      [{ group: GROUP, nonce: nonce(1), node: 'east' }, undefined, /no guard on east/],
      [{ group: GROUP, nonce: nonce(1), node: 'east' }, 'east', /no guard on east/],
      [{ group: GROUP, nonce: nonce(1), node: 'south' }, 'north', /guard on north asks for itself alone/],
      [{ group: GROUP, nonce: nonce(1) }, 'north', /asks for itself alone/],
    ];
    for (const [question, signer, why] of refused) {
      const [answer] = await ask(world, [question], signer);
      assert.partialDeepStrictEqual(answer, { granted: false, leaseMs: 0 });
      assert.match(answer?.reason ?? '', why);
    }
    assert.equal((await world.group()).renewals, 0);
    const [own] = await ask(world, [{ group: GROUP, nonce: nonce(1), node: 'north' }], 'north');
    assert.equal(own?.granted, true);
  });

  test("a guard's key signs no heartbeat, and a site's own key neither grants nor promises", async () => {
    const world = await guarded(closing);
    const guards = { signer: SITE, name: guardKey('north') };
    const heartbeat = sign(deriveKey(world.heartbeats.keySecret, guards), 'heartbeat', { counter: 1 });
    assert.throws(() => {
      verifySigned(heartbeat, keyOf(world, 'north'));
    }, /not signed/);
    const payload = { group: GROUP, term: 1, run: RUN, node: 'north' };
    await assert.rejects(stop(world, payload, 'k1'), { code: 'SIGNATURE_INVALID' });
    const own = deriveKey(world.heartbeats.keySecret, { signer: SITE, name: 'k1' });
    assert.throws(() => {
      verifySigned(sign(own, 'grant', {}), own);
    }, /not signed/);
  });

  test('who asks while the term is closing is told of the closing, and may promise', async () => {
    const world = await guarded(closing);
    const [answer] = await ask(world, [{ group: GROUP, nonce: nonce(1), node: 'north' }]);
    assert.partialDeepStrictEqual(answer, { granted: false, term: 1, closing: { term: 1, run: RUN } });
    const payload = { group: GROUP, term: 1, run: RUN, node: 'north' };
    assert.equal((await stop(world, payload, guardKey('north'))).noted, true);
    assert.deepEqual((await world.group()).closing?.stopped, ['north']);
    assert.equal((await stop(world, payload, guardKey('north'))).noted, false, 'the same once more');
    assert.deepEqual((await world.group()).closing?.stopped, ['north']);
  });

  test('a promise counts only for the closing that it names, from the guard that gives it', async () => {
    const world = await guarded(closing);
    const payload = { group: GROUP, term: 1, run: RUN, node: 'north' };
    for (const other of [{ term: 2 }, { term: 3 }, { run: 't1-unplanned-2' }]) {
      assert.equal((await stop(world, { ...payload, ...other }, guardKey('north'))).noted, false);
    }
    assert.equal((await stop(world, { ...payload, node: 'east' }, guardKey('east'))).noted, false, 'no guard of it');
    await assert.rejects(stop(world, payload, guardKey('south')), { code: 'REFUSED' });
    await assert.rejects(stop(world, { ...payload, group: 'other/site/shop' }, guardKey('north')), { code: 'REFUSED' });
    assert.deepEqual((await world.group()).closing?.stopped ?? [], []);
    const open = await guarded();
    assert.equal((await stop(open, payload, guardKey('north'))).noted, false, 'nothing closes');
  });
});
