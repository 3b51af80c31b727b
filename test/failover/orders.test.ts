/** What the failover queue and the Test/Run pane may bring. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { groupKind } from '../../src/documents/group.ts';
import type { GroupDocument } from '../../src/documents/group.ts';
import { parseGroup } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { receiveOrder } from '../../src/failover/orders.ts';
import { GROUP, createWorld } from './world.ts';
import type { World } from './world.ts';

const QUEUED = { byHand: false };
const BY_HAND = { byHand: true };
const ALICE = { signer: 'operator/alice', name: 'k1' };
const start = { start: { group: GROUP, kind: 'unplanned', reason: 'the site burns', term: 1 } };
const nothingHappened = async (world: World) => {
  assert.deepEqual(await world.runs(), []);
  assert.equal((await world.group()).run, null);
};

suite('an order', () => {
  test('signed by an operator starts a run, in its name, once', async () => {
    const world = await createWorld();
    const message = world.signed('order', start, ALICE);
    const first = await receiveOrder(world.ports, message, QUEUED);
    await receiveOrder(world.ports, message, QUEUED);
    assert.partialDeepStrictEqual(await world.runs(), [
      { actor: { kind: 'key', signer: 'operator/alice', key: 'k1' }, reason: 'the site burns' },
    ]);
    assert.equal((await world.runs()).length, 1);
    assert.equal(first.kind, 'started');
  });

  test('for another term, or for none, changes nothing: an old order cannot be played back', async () => {
    const world = await createWorld();
    const ofNoTerm = { ...start.start, term: undefined };
    const later = world.signed('order', { start: { ...start.start, term: 2 } }, ALICE);
    await assert.rejects(receiveOrder(world.ports, later, QUEUED), { code: 'REFUSED', message: /term 1/ });
    const none = world.signed('order', { start: ofNoTerm }, ALICE);
    await assert.rejects(receiveOrder(world.ports, none, QUEUED), { code: 'MESSAGE_INVALID', message: /start\.term/ });
    await nothingHappened(world);
  });

  test('typed by hand starts a run, as text or object, and says that nobody knows by whom', async () => {
    for (const typed of [start, JSON.stringify(start)]) {
      const world = await createWorld();
      await receiveOrder(world.ports, typed, BY_HAND);
      assert.partialDeepStrictEqual(await world.runs(), [{ actor: { kind: 'by-hand' } }]);
    }
  });

  test("that confirms a stop is a person's signed word for a closing that waits, noted with who and when", async () => {
    const world = await createWorld();
    const keeps = (found: GroupDocument): GroupDocument => ({ ...found, lease: 'keep' });
    await world.documents.update(groupKind, names.group(parseGroup(GROUP)), keeps);
    await receiveOrder(world.ports, world.signed('order', start, ALICE), QUEUED);
    const { run = '' } = (await world.runs())[0] ?? {};
    const order = { confirmStopped: { group: GROUP, run } };
    const word = world.signed('order', order, ALICE);
    await assert.rejects(receiveOrder(world.ports, word, QUEUED), { code: 'REFUSED', message: /not being closed/ });
    await world.live(3_600_000, { monitor: false });
    const before = await world.group();
    assert.deepEqual([before.phase, (await world.runs())[0]?.step], ['closing', 'wait'], 'no time that passes ends it');
    for (const message of [order, world.signed('order', order)]) {
      await assert.rejects(receiveOrder(world.ports, message, QUEUED), { code: /MESSAGE_INVALID|SIGNATURE_INVALID/ });
    }
    await receiveOrder(world.ports, word, QUEUED);
    const { actor, atMs = 0 } = (await world.group()).closing?.confirmed ?? {};
    assert.deepEqual(actor, { kind: 'key', signer: 'operator/alice', key: 'k1' });
    assert.ok(Math.abs(atMs - world.clock.wallMs()) <= 1000);
    await world.live(60_000, { monitor: false });
    assert.equal((await world.group()).holder, 'cloud');
    const waited = (await world.runs())[0]?.steps.find(({ step }) => step === 'wait');
    assert.match(waited?.detail ?? '', /operator\/alice.* confirmed at /);
  });

  test('unsigned through the queue is refused', async () => {
    const world = await createWorld();
    await assert.rejects(receiveOrder(world.ports, start, QUEUED), { code: 'REFUSED', message: /sign it/ });
    await nothingHappened(world);
  });

  const forged = (world: World): [string, unknown][] => {
    const good = world.signed('order', start, ALICE);
    return [
      ['of a site', world.signed('order', start)],
      ['of another kind', world.signed('lease', start, ALICE)],
      ['with another text', { ...good, payload: good.payload.replace('burns', 'sings') }],
      ['in another name', { ...good, signer: 'operator/bob' }],
      ['with another key', { ...good, key: 'k2' }],
    ];
  };
  test('with a wrong signature changes nothing', async () => {
    const world = await createWorld();
    for (const [what, message] of forged(world)) {
      for (const how of [QUEUED, BY_HAND]) {
        await assert.rejects(
          receiveOrder(world.ports, message, how),
          { code: /SIGNATURE_INVALID|MESSAGE_INVALID/ },
          what,
        );
      }
    }
    await nothingHappened(world);
  });

  test('that is none says what is expected, with an example', async () => {
    const world = await createWorld();
    for (const message of ['', 'failover now', '123', 123, null, undefined, [], {}, { begin: 1 }, true]) {
      await assert.rejects(receiveOrder(world.ports, message, BY_HAND), {
        code: 'MESSAGE_INVALID',
        message: /\{"start":/,
      });
    }
    await nothingHappened(world);
  });

  test('with a wrong field says which', async () => {
    const world = await createWorld();
    const cases: [unknown, RegExp][] = [
      [{ start: { group: 'shop', kind: 'unplanned' } }, /start\.group: .*tenant\/site\/group/],
      [{ start: { group: GROUP, kind: 'drill' } }, /start\.kind/],
      [{ ticket: 'x', group: GROUP, run: 'r' }, /not a ticket: ticket/],
      [{ ticket: 1, group: GROUP, run: '../..' }, /not a ticket: run/],
    ];
    for (const [message, expected] of cases) {
      await assert.rejects(receiveOrder(world.ports, message, BY_HAND), { code: 'MESSAGE_INVALID', message: expected });
    }
    await assert.rejects(receiveOrder(world.ports, { ticket: 0, group: GROUP, run: 'none' }, QUEUED), {
      code: 'NOT_FOUND',
    });
    await nothingHappened(world);
  });
});
