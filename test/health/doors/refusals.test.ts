/** What is refused is counted, and nobody without a key makes it cost a write for each request. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { refusalsKind } from '../../../src/documents/refusals.ts';
import { Documents } from '../../../src/documents/store.ts';
import { receiveHeartbeat } from '../../../src/health/doors/heartbeat.ts';
import { RefusalCounter, WRITE_EVERY_MS } from '../../../src/health/doors/refusals.ts';
import { LeewardError } from '../../../src/kernel/errors.ts';
import { documents as names } from '../../../src/kernel/names.ts';
import type { StateStore } from '../../../src/ports/state.ts';
import { SITE, createWorld } from '../../failover/world.ts';
import type { World } from '../../failover/world.ts';
import { intercept } from '../../support/memory/intercept.ts';

async function counting(world: World) {
  let writes = 0;
  let fails = false;
  const state = intercept<StateStore>(world.state, async ({ method, proceed }) => {
    if (fails) throw new LeewardError('UNAVAILABLE', 'no answer');
    if (method === 'create' || method === 'replace') writes += 1;
    return await proceed();
  });
  const counter = new RefusalCounter({ documents: new Documents(state), clock: world.clock });
  return {
    counter,
    writes: () => writes,
    fail: (now: boolean) => {
      fails = now;
    },
    counts: async () => (await world.documents.read(refusalsKind, names.refusals))?.value.counts,
  };
}

suite('refusals', () => {
  test('of heartbeats that are forged, sent again, far ahead of the time, or malformed are counted, and change nothing', async () => {
    const world = await createWorld();
    const { counter, counts } = await counting(world);
    const dayMs = 86_400_000;
    await receiveHeartbeat(world.heartbeats, world.signed('heartbeat', { counter: 5 }));
    const before = await world.state.read(`heartbeats/${SITE}.json`);
    const bad: unknown[] = [
      { ...world.signed('heartbeat', { counter: 6 }), mac: '0'.repeat(64) },
      world.signed('heartbeat', { counter: 5 }),
      world.signed('heartbeat', { counter: world.clock.wallMs() + dayMs + 1000 }),
      world.signed('heartbeat', { counter: 'six' }),
      { hello: 1 },
      world.signed('heartbeat', { counter: 6 }, { signer: 'acme/nowhere', name: 'k1' }),
    ];
    for (const message of bad) {
      const error: unknown = await receiveHeartbeat(world.heartbeats, message).then(
        () => undefined,
        (refusal: unknown) => refusal,
      );
      assert(error, JSON.stringify(message));
      await counter.count('heartbeat', error);
    }
    await counter.write();
    assert.deepEqual(await counts(), {
      heartbeat: { SIGNATURE_INVALID: 1, REFUSED: 2, MESSAGE_INVALID: 2, NOT_FOUND: 1 },
    });
    assert.deepEqual((await world.state.read(`heartbeats/${SITE}.json`)).document, before.document);
    const inTime = world.clock.wallMs() + dayMs - 1000;
    await receiveHeartbeat(world.heartbeats, world.signed('heartbeat', { counter: inTime }));
  });

  test('cost one write a minute at most, however many there are, and none is lost by a write that fails', async () => {
    const world = await createWorld();
    const { counter, counts, writes, fail } = await counting(world);
    const error = new LeewardError('SIGNATURE_INVALID', 'no');
    await counter.count('lease', error);
    assert.deepEqual(await counts(), { lease: { SIGNATURE_INVALID: 1 } });
    const once = writes();
    for (let times = 0; times < 1000; times += 1) await counter.count('lease', error);
    assert.equal(writes(), once);
    world.clock.advance(WRITE_EVERY_MS);
    fail(true);
    await counter.count('lease', error);
    fail(false);
    world.clock.advance(WRITE_EVERY_MS);
    await counter.count('lease', error);
    assert.deepEqual(await counts(), { lease: { SIGNATURE_INVALID: 1003 } });
    assert.equal(writes(), once + 1);
  });

  test('that are faults of ours are not counted', async () => {
    const world = await createWorld();
    const { counter, counts } = await counting(world);
    for (const error of [new LeewardError('UNAVAILABLE', 'no'), new TypeError('oh')]) {
      await counter.count('witness', error);
    }
    assert.equal(await counts(), undefined);
  });
});
