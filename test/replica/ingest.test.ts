/** What becomes of a sound site's messages: every outcome by its name, in every order, with what the replica holds then. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { QUEUES } from '../../src/kernel/names.ts';
import { KIB, PAGE_BYTES } from '../../src/kernel/units.ts';
import { replicaProblem } from '../support/replica-check.ts';
import { deliver, reasonOf, sound, start } from './start.ts';

test('deltas in order are applied one by one', async () => {
  const { storage, site, worker } = await start();
  for (let number = 1; number <= 4; number += 1) {
    const outcome = await worker.receive(site.inline(site.next()));
    assert.deepEqual(outcome, { outcome: 'applied', volume: site.id, number });
    assert.equal(await replicaProblem(storage.replicas, site, { number }), undefined);
  }
  await sound(storage, site, { applied: 4 });
});

test('a delta comes as text, as a person types it, or as the object that the host makes of it', async () => {
  const { storage, site, worker } = await start();
  assert.equal((await worker.receive(JSON.stringify(site.inline(site.next())))).outcome, 'applied');
  assert.equal((await worker.ingest.receive(site.inline(site.next()), undefined)).outcome, 'applied');
  await sound(storage, site, { applied: 2 });
});

test('a delta in the journal is applied from there, and not kept twice', async () => {
  const { storage, site, worker } = await start();
  const message = await site.put(storage.entries, site.next());
  assert.equal((await worker.receive(message)).outcome, 'applied');
  const entries = [];
  for await (const { name } of storage.entries.list(site.journal, '')) entries.push(name);
  assert.equal(entries.length, 1);
  await sound(storage, site, { applied: 1 });
});

test('while a delta is written the next one is read, and then taken without another look at the state', async () => {
  const { storage, site } = await start();
  const calls: string[] = [];
  const told = { 'entries read': 'fetch', 'state read': 'look', 'replicas writePages': 'write' };
  const worker = storage.worker({}, async ({ port, method, proceed }) => {
    for (const [call, name] of Object.entries(told)) if (call === `${port} ${method}`) calls.push(name);
    // A write takes its time: whatever can go on beside it does.
    if (method === 'writePages') await turn();
    return proceed();
  });
  await worker.receive(site.inline(site.next()));
  const messages = [];
  for (let count = 0; count < 3; count += 1) messages.push(await site.put(storage.entries, site.next()));
  calls.length = 0;
  const outcomes = await Promise.all(messages.map(async (message) => worker.receive(message)));
  for (const { outcome } of outcomes) assert.equal(outcome, 'applied');
  await sound(storage, site, { applied: 4 });
  // Each looks once more after it raised the fence; the first one, which nothing was read ahead for, before that too.
  assert.deepEqual(
    calls.filter((call) => call !== 'fetch'),
    ['look', 'look', 'write', 'look', 'write', 'look', 'write'],
  );
  const fetchedBy = calls.flatMap((call, at) =>
    call === 'fetch' ? [calls.slice(at).filter((one) => one === 'write').length] : [],
  );
  assert.deepEqual(fetchedBy, [3, 3, 2]);
});

test('early deltas wait, unacknowledged, and are applied when what was missing comes', async () => {
  const { storage, site, worker } = await start();
  const [first, second, third, fourth] = [site.next(), site.next(), site.next(), site.next()];
  for (const delta of [fourth, second, third]) {
    assert.equal((await worker.receive(site.inline(delta))).outcome, 'early');
    assert.equal((await storage.generation(site)).tip.number, 0);
  }
  assert.equal((await worker.receive(site.inline(first))).outcome, 'applied');
  await sound(storage, site, { applied: 4 });
});

test('a delta that comes twice, at once or much later, is applied once', async () => {
  const { storage, site, worker } = await start();
  const messages = [];
  for (let count = 0; count < 5; count += 1) {
    messages.push(site.inline(site.next()));
    await worker.receive(messages.at(-1));
    assert.equal((await worker.receive(messages.at(-1))).outcome, 'repeated');
  }
  for (const message of messages) assert.equal((await worker.receive(message)).outcome, 'repeated');
  await sound(storage, site, { applied: 5 });
});

test('two workers that get one message at once apply it once', async () => {
  const { storage, site, worker } = await start();
  const other = storage.worker();
  for (let count = 0; count < 4; count += 1) {
    const message = site.inline(site.next({ marker: `point-${count}` }));
    const outcomes = await Promise.all([worker.receive(message), other.receive(message), worker.receive(message)]);
    assert(outcomes.every(({ outcome }) => ['applied', 'durable', 'repeated'].includes(outcome)));
  }
  await sound(storage, site, { applied: 4, points: 4 });
});

test('two workers that get a shuffled stream end at its last delta', async () => {
  const { storage, site, worker } = await start();
  const other = storage.worker();
  const deltas = Array.from({ length: 12 }, (_, index) => site.next(index % 3 === 0 ? { marker: `m${index}` } : {}));
  const order = [5, 0, 11, 3, 1, 2, 9, 4, 7, 6, 10, 8, 5, 0];
  const outcomes = await Promise.all(
    order.map(async (index, turn) => {
      const delta = deltas[index];
      assert(delta);
      return deliver(turn % 2 === 0 ? worker : other, site.inline(delta));
    }),
  );
  assert(outcomes.every(({ outcome }) => outcome !== 'set-aside'));
  await sound(storage, site, { applied: 12, points: 4 });
});

test('a marker names a snapshot and publishes the generation, in the change that says applied', async () => {
  const { storage, site, worker } = await start();
  await worker.receive(site.inline(site.next()));
  assert.equal((await storage.volume(site)).published, null);
  await worker.receive(site.inline(site.next({ marker: 'nightly' })));
  const { published, generations } = await storage.volume(site);
  assert.equal(published, 1);
  assert.deepEqual(
    generations['1']?.snapshots.map(({ number, marker, consistency }) => ({ number, marker, consistency })),
    [{ number: 2, marker: 'nightly', consistency: 'crash' }],
  );
  await sound(storage, site, { applied: 2, points: 1 });
});

test('a point stays what it was while deltas go on', async () => {
  const { storage, site, worker } = await start();
  await worker.receive(site.inline(site.next({ marker: 'before' })));
  await worker.receive(site.inline(site.next({ extents: [{ offset: 0, bytes: Buffer.alloc(32 * KIB, 0xee) }] })));
  await sound(storage, site, { applied: 2, points: 1 });
});

test('a delta of many extents, zeros among them, over the whole volume', async () => {
  const { storage, site, worker } = await start();
  await worker.receive(site.inline(site.next({ extents: [{ offset: 0, bytes: Buffer.alloc(32 * KIB, 0x55) }] })));
  const extents = [
    { offset: 0, bytes: Buffer.alloc(PAGE_BYTES, 1) },
    { offset: PAGE_BYTES, zerosBytes: 3 * PAGE_BYTES },
    { offset: 4 * PAGE_BYTES, bytes: Buffer.alloc(PAGE_BYTES, 2) },
    { offset: 6 * PAGE_BYTES, bytes: Buffer.alloc(PAGE_BYTES, 0) },
    { offset: 64 * KIB - PAGE_BYTES, bytes: Buffer.alloc(PAGE_BYTES, 3) },
  ];
  await worker.receive(site.inline(site.next({ extents })));
  await worker.receive(site.inline(site.next({ extents: [{ offset: 0, zerosBytes: 64 * KIB }] })));
  await sound(storage, site, { applied: 3 });
});

test('a delta without any extent is a delta all the same', async () => {
  const { storage, site, worker } = await start();
  await worker.receive(site.inline(site.next({ extents: [] })));
  await worker.receive(site.inline(site.next({ extents: [], marker: 'nothing-changed' })));
  await sound(storage, site, { applied: 2, points: 1 });
});

test('an empty volume, and one of an odd size, are valid disks too', async () => {
  for (const volumeBytes of [0, 3 * 512 * KIB + PAGE_BYTES]) {
    const { storage, site, worker } = await start({ volumeBytes });
    await worker.receive(site.inline(site.next({ extents: [], marker: 'empty' })));
    await sound(storage, site, { applied: 1, points: 1 });
  }
});

test('retention keeps the newest points, and what it drops is deleted', async () => {
  const { storage, site, worker } = await start({}, { snapshotsKept: 2 });
  for (let count = 1; count <= 5; count += 1) await worker.receive(site.inline(site.next({ marker: `m${count}` })));
  const { snapshots } = await storage.generation(site);
  assert.deepEqual(
    snapshots.map(({ marker }) => marker),
    ['m4', 'm5'],
  );
  assert.equal((await storage.replicas.listSnapshots(site.replica)).length, 2);
  await sound(storage, site, { applied: 5, points: 2 });
});

test('one inline delta with a marker costs a running instance at most twelve requests, retention included or not', async () => {
  for (const { snapshotsKept, deltas } of [
    { snapshotsKept: 24, deltas: 3 },
    { snapshotsKept: 2, deltas: 6 },
  ]) {
    const calls: string[] = [];
    const { storage, site } = await start();
    const worker = storage.worker({ snapshotsKept }, async ({ port, method, proceed }) => {
      calls.push(`${port}.${method}`);
      return proceed();
    });
    for (let count = 0; count < deltas; count += 1) {
      // An hour of quiet would let the memory of the site's keys run out; a steady stream does not.
      storage.clock.advance(10_000);
      calls.length = 0;
      await worker.receive(site.inline(site.next({ marker: `m${count}` })));
    }
    const [sending, receiving, deleting] = [1, 1, 1];
    const retention = calls.filter((call) => call === 'replicas.deleteSnapshot').length;
    assert.equal(retention, snapshotsKept === 2 ? 1 : 0);
    assert(sending + receiving + deleting + calls.length <= 12, calls.join(' '));
  }
});

test('a state that was recalled, and that others have changed since, decides nothing', async () => {
  const { storage, site, worker } = await start();
  const other = storage.worker();
  await worker.receive(site.inline(site.next()));
  await other.receive(site.inline(site.next()));
  // The first worker remembers delta 1 as the tip: delta 2 comes once more, and 3 is not early.
  const again = site.forkAt(1).next();
  assert.equal((await worker.receive(site.inline(again))).outcome, 'applied');
  await worker.receive(site.inline(site.next()));
  await other.engine.endTerm(site.ref, 1);
  const late = site.forkAt(3).next();
  assert.match(await reasonOf(storage, await worker.receive(site.inline(late))), /term: 1 has ended/);
  const { applied, tip } = await storage.generation(site);
  assert.deepEqual([applied.number, tip.number], [3, 3]);
});

test('a rival’s delta is told as a fork by an instance that recalls the state from before', async () => {
  const { storage, site, worker } = await start();
  await worker.receive(site.inline(site.next()));
  const fork = site.forkAt(1);
  assert.equal((await storage.worker().receive(site.inline(site.next()))).outcome, 'applied');
  const rival = fork.next({ extents: [{ offset: 0, bytes: Buffer.alloc(PAGE_BYTES, 9) }], marker: 'rival' });
  assert.match(await reasonOf(storage, await worker.receive(fork.inline(rival))), /the chain has another delta 2/);
  const { trouble, published } = await storage.volume(site);
  assert.deepEqual([trouble?.code, published], ['DELTA_FORKED', null]);
});

test('messages go back to no queue and stay nowhere when they were sound', async () => {
  const { storage, site, worker } = await start();
  await worker.receive(site.inline(site.next()));
  for (const queue of Object.values(QUEUES)) assert.deepEqual(storage.queues.texts(queue), []);
});
