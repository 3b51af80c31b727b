/** Leases: granted after the write, and not a moment longer than the site has its term. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { groupKind } from '../../../src/documents/group.ts';
import type { GroupDocument } from '../../../src/documents/group.ts';
import { Documents } from '../../../src/documents/store.ts';
import { renewLeases } from '../../../src/health/doors/lease.ts';
import { LeewardError } from '../../../src/kernel/errors.ts';
import { parseGroup } from '../../../src/kernel/ids.ts';
import { documents as names } from '../../../src/kernel/names.ts';
import { NO_NONCE } from '../../../src/protocol/lease.ts';
import { GROUP, LEASE_MS, createWorld } from '../../failover/world.ts';
import type { World } from '../../failover/world.ts';
import { intercept } from '../../support/memory/intercept.ts';

const name = names.group(parseGroup(GROUP));
const nonce = (digit: number) => String(digit).repeat(32);
/** Of the question about the group at this place of a request. */
const nonceAt = (index: number) => nonce(index + 1);
const keySecret = (world: World) => world.heartbeats.keySecret;
const renew = (world: World, groups: string[], { documents = world.documents, after = NO_NONCE } = {}) => {
  const request = { groups: groups.map((group, index) => ({ group, nonce: nonceAt(index), after })) };
  return renewLeases({ documents, keySecret: keySecret(world) }, world.signed('lease', request));
};
const closing = { run: 'r', actor: { kind: 'by-hand' as const }, lastGrantMs: 1 };

suite('a lease', () => {
  test('is granted after a write that counts it, with the nonce', async () => {
    const world = await createWorld({ guards: [] });
    const { groups } = await renew(world, [GROUP]);
    assert.deepEqual(groups, [{ group: GROUP, nonce: nonceAt(0), granted: true, term: 1, leaseMs: LEASE_MS }]);
    assert.equal((await world.group()).renewals, 1);
    await renew(world, [GROUP], { after: nonceAt(0) });
    assert.equal((await world.group()).renewals, 2);
  });

  const refused: [string, Partial<GroupDocument>, RegExp][] = [
    ['closing', { phase: 'closing', closing }, /closing/],
    ['ended for the cloud', { phase: 'ended', holder: 'cloud', closing }, /the cloud's/],
    ['ended for the site', { phase: 'ended', holder: 'site', closing }, /the site's/],
    ["the cloud's", { holder: 'cloud' }, /the cloud has term 1/],
  ];
  for (const [what, edit, reason] of refused) {
    test(`is not granted in a term that is ${what}, and nothing is written`, async () => {
      const world = await createWorld({ guards: [] });
      await world.documents.update(groupKind, name, (found): GroupDocument => ({ ...found, ...edit }));
      const before = await world.state.read(name);
      const [answer] = (await renew(world, [GROUP])).groups;
      assert.partialDeepStrictEqual(answer, { nonce: nonceAt(0), granted: false, term: 1, leaseMs: 0 });
      assert.match(answer?.reason ?? '', reason);
      assert.deepEqual((await world.state.read(name)).document, before.document);
    });
  }

  test('is not granted when the write fails, or its effect is unknown', async () => {
    for (const when of ['before', 'after']) {
      const world = await createWorld({ guards: [] });
      const failing = intercept(world.state, async ({ method, proceed }) => {
        if (method !== 'replace') return await proceed();
        if (when === 'after') await proceed();
        throw new LeewardError('UNAVAILABLE', 'no answer');
      });
      const [answer] = (await renew(world, [GROUP], { documents: new Documents(failing) })).groups;
      assert.partialDeepStrictEqual(answer, { granted: false, leaseMs: 0, reason: 'no answer' });
    }
  });

  test('is decided again when somebody else wrote in between', async () => {
    const world = await createWorld({ guards: [] });
    let raced = false;
    const racing = intercept(world.state, async ({ method, proceed }) => {
      if (method === 'replace' && !raced) {
        raced = true;
        await world.documents.update(groupKind, name, (found): GroupDocument => ({
          ...found,
          phase: 'closing',
          closing,
        }));
      }
      return await proceed();
    });
    const [answer] = (await renew(world, [GROUP], { documents: new Documents(racing) })).groups;
    assert.partialDeepStrictEqual(answer, { granted: false });
    assert.match(answer?.reason ?? '', /closing/);
    assert.equal((await world.group()).renewals, 0);
  });

  test('of one group does not hang on another', async () => {
    const world = await createWorld({ guards: [] });
    const broken = { ...parseGroup(GROUP), group: 'broken' };
    await world.state.create(names.group(broken), 'not JSON');
    const { groups } = await renew(world, ['acme/harbour/broken', 'other/site/shop', 'acme/harbour/none', GROUP]);
    assert.deepEqual(
      groups.map(({ granted, nonce: echoed }) => [granted, echoed]),
      [
        [false, nonceAt(0)],
        [false, nonceAt(1)],
        [false, nonceAt(2)],
        [true, nonceAt(3)],
      ],
    );
    assert.match(groups[1]?.reason ?? '', /not a group of acme\/harbour/);
    assert.ok(groups.every(({ reason, granted }) => granted || (reason ?? '') !== ''));
  });

  test('is granted once for a question: what was recorded is refused, without a write, and told what comes next', async () => {
    const world = await createWorld({ guards: [] });
    const ask = async (question: object) => {
      const request = { groups: [{ group: GROUP, ...question }] };
      const ports = { documents: world.documents, keySecret: keySecret(world) };
      const message = world.signed('lease', request);
      return { message, answer: (await renewLeases(ports, message)).groups[0], ports };
    };
    const first = await ask({ nonce: nonce(1) });
    const second = await ask({ nonce: nonce(2), after: nonce(1) });
    assert.deepEqual([first.answer?.granted, second.answer?.granted], [true, true]);
    const before = await world.state.read(name);
    for (const { message, ports } of [first, second]) {
      const [answer] = (await renewLeases(ports, message)).groups;
      assert.partialDeepStrictEqual(answer, { granted: false, leaseMs: 0, after: nonce(2) });
      assert.match(answer?.reason ?? '', /another question was granted/);
    }
    assert.deepEqual(await world.state.read(name), before, 'nothing was written');
    const third = await ask({ nonce: nonce(3), after: nonce(2) });
    assert.equal(third.answer?.granted, true);
    assert.equal(third.answer.after, undefined);
  });

  test('is not for whoever has no key', async () => {
    const world = await createWorld({ guards: [] });
    const request = { groups: [{ group: GROUP, nonce: nonce(1) }] };
    const ports = { documents: world.documents, keySecret: keySecret(world) };
    const revoked = world.signed('lease', request, { signer: 'acme/harbour', name: 'k0' });
    await assert.rejects(renewLeases(ports, revoked), { code: 'SIGNATURE_INVALID' });
    await assert.rejects(renewLeases(ports, world.signed('heartbeat', request)), { code: 'MESSAGE_INVALID' });
    assert.equal((await world.group()).renewals, 0);
  });
});
