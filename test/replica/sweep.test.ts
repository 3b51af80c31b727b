/** The sweep: work without a message is found, nobody's fault stops the others, and poison goes back or aside. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LeewardError } from '../../src/kernel/errors.ts';
import { CONTAINERS, QUEUES, poisonQueue } from '../../src/kernel/names.ts';
import type { MemoryStorage } from '../support/data-path.ts';
import { ACCOUNT, SiteFixture } from '../support/site-fixture.ts';
import { FORMAT_NINE, resigned } from '../support/resigned.ts';
import { sound, start } from './start.ts';

/** A worker that dies for ever before its first request to a replica. */
function dying(storage: MemoryStorage) {
  let dead = false;
  return storage.worker({}, async ({ port, proceed }) => {
    dead ||= port === 'replicas';
    if (dead) throw new Error('dead');
    return proceed();
  });
}

async function asideNames(storage: MemoryStorage): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of storage.entries.list({ account: ACCOUNT, container: CONTAINERS.aside }, '')) {
    found.push(name);
  }
  return found;
}

describe('work without a message', () => {
  test('an idle volume is not even read', async () => {
    const { storage, site, worker } = await start();
    await worker.receive(site.inline(site.next()));
    const calls: string[] = [];
    const idle = storage.worker({}, async ({ port, method, proceed }) => {
      calls.push(`${port}.${method}`);
      return proceed();
    });
    assert.deepEqual((await idle.sweep()).advanced, []);
    assert(
      calls.every((call) => call === 'queues.take'),
      calls.join(' '),
    );
  });

  test("a dead worker's claim is adopted when its time is over, not before", async () => {
    const { storage, site } = await start();
    await assert.rejects(dying(storage).receive(site.inline(site.next({ marker: 'm' }))), /dead/);
    const { claim } = await storage.generation(site);
    assert(claim);
    const begun = storage.clock.wallMs();
    const worker = storage.worker();
    await worker.sweep();
    assert.equal(storage.clock.wallMs(), begun, 'a claim is not waited for');
    assert.equal((await storage.generation(site)).claim?.untilMs, claim.untilMs);
    storage.clock.advance(claim.untilMs - begun - 1);
    await worker.sweep();
    assert.equal((await storage.generation(site)).applied.number, 0, 'the claim was not left alone');
    storage.clock.advance(1);
    assert.deepEqual((await worker.sweep()).advanced, [site.id]);
    await sound(storage, site, { applied: 1, points: 1 });
  });

  test('a tip that is not reached, behind a claim', async () => {
    const { storage, site, worker } = await start();
    await assert.rejects(dying(storage).receive(site.inline(site.next())), /dead/);
    const hasty = storage.worker({ budgetMs: 1000 });
    assert.equal((await hasty.receive(site.inline(site.next()))).outcome, 'durable');
    assert.equal((await hasty.receive(site.inline(site.next()))).outcome, 'durable');
    assert.equal((await storage.generation(site)).tip.number, 3);
    storage.clock.advance(60_000);
    await worker.sweep();
    await sound(storage, site, { applied: 3 });
  });

  test('early deltas whose predecessor was taken by somebody who died', async () => {
    const { storage, site, worker } = await start();
    const [first, second, third] = [site.next(), site.next(), site.next()];
    await worker.receive(site.inline(third));
    await worker.receive(site.inline(second));
    await assert.rejects(dying(storage).receive(site.inline(first)), /dead/);
    storage.clock.advance(60_000);
    await worker.sweep();
    await sound(storage, site, { applied: 3 });
  });

  test('one faulty volume does not keep the others waiting', async () => {
    const { storage, site } = await start();
    const others = [];
    for (const volume of ['a', 'b', 'c', 'd', 'e', 'f']) {
      others.push(await new SiteFixture({ volume: { ...site.ref, volume } }).register(storage.documents));
    }
    for (const each of [site, ...others]) {
      await assert.rejects(dying(storage).receive(each.inline(each.next())), /dead/);
    }
    const broken = await storage.state.read(site.documentName);
    assert(broken.document);
    await storage.state.replace(site.documentName, '{"half', broken.document.etag, { work: 'yes' });
    await storage.state.create('volumes/not-a-volume.json', '{}', {});
    storage.clock.advance(60_000);
    const { advanced, failed } = await storage.worker().sweep();
    assert.deepEqual([...advanced].sort(), others.map(({ id }) => id).sort());
    assert.deepEqual(failed.map(({ what }) => what).sort(), [site.id, 'not-a-volume'].sort());
    for (const other of others) await sound(storage, other, { applied: 1 });
  });
});

describe('the end of a term', () => {
  test('while a delta is half applied: it is finished in the new epoch, and the late writes of the old one do not land', async () => {
    const { storage, site, worker } = await start();
    await worker.receive(site.inline(site.next({ marker: 'before' })));
    let release = (): void => undefined;
    const late: (() => Promise<unknown>)[] = [];
    const slow = storage.worker({}, async ({ method, proceed }) => {
      if (method !== 'writePages') return proceed();
      late.push(proceed);
      await new Promise<void>((resolve) => (release = resolve));
      return proceed();
    });
    const working = slow.receive(site.inline(site.next({ marker: 'cut' })));
    while (late.length === 0) await new Promise(setImmediate);
    assert.equal((await worker.engine.endTerm(site.ref, 1)).number, 2);
    assert.equal((await worker.engine.endTerm(site.ref, 1)).number, 2);
    assert.equal(await worker.engine.drain(site.ref), 'drained');
    await sound(storage, site, { applied: 2, points: 2 });
    release();
    assert.equal((await working).outcome, 'applied');
    for (const write of late) await assert.rejects(write(), /sequence number/);
    await sound(storage, site, { applied: 2, points: 2 });
  });

  test('with a chain that was not applied at all', async () => {
    const { storage, site } = await start();
    await assert.rejects(dying(storage).receive(site.inline(site.next({ marker: 'm' }))), /dead/);
    const hasty = storage.worker({ budgetMs: 1000 });
    await hasty.receive(site.inline(site.next()));
    await hasty.receive(site.inline(site.next()));
    const worker = storage.worker();
    assert.equal((await worker.engine.endTerm(site.ref, 1)).number, 3);
    assert.equal(await worker.engine.drain(site.ref), 'drained');
    await sound(storage, site, { applied: 3, points: 1 });
  });

  test('what waits early beyond the cut is never taken', async () => {
    const { storage, site, worker } = await start();
    const first = site.next();
    const second = site.next();
    await worker.receive(site.inline(site.next()));
    await worker.receive(site.inline(first));
    await worker.engine.endTerm(site.ref, 1);
    assert.equal((await worker.receive(site.inline(second))).outcome, 'set-aside');
    await worker.sweep();
    await sound(storage, site, { applied: 1 });
  });
});

describe('late writes', () => {
  test('of an earlier delta do not land, whichever it was and however late', async () => {
    const { storage, site } = await start();
    const late: (() => Promise<unknown>)[] = [];
    const worker = storage.worker({}, async ({ method, proceed }) => {
      if (method === 'writePages' || method === 'clearPages') late.push(proceed);
      return proceed();
    });
    for (let count = 0; count < 3; count += 1) {
      const bytes = Buffer.alloc(4096, count + 1);
      await worker.receive(
        site.inline(
          site.next({
            extents: [
              { offset: 0, bytes },
              { offset: 8192, zerosBytes: 512 },
            ],
          }),
        ),
      );
      for (const write of late.slice(0, -2)) await write().catch(() => undefined);
    }
    await sound(storage, site, { applied: 3 });
  });
});

describe('poison', () => {
  const queue = QUEUES.deltas;
  const poison = poisonQueue(queue);

  test('a sound message goes back to its own queue with a delay, and works from there', async () => {
    const { storage, site, worker } = await start();
    const texts = [JSON.stringify(site.inline(site.next())), JSON.stringify(site.inline(site.next()))];
    await storage.queues.send(poison, texts[0] ?? '');
    await storage.queues.send(poisonQueue(QUEUES.bulk), texts[1] ?? '');
    const report = await worker.sweep();
    assert.deepEqual({ requeued: report.requeued, setAside: report.setAside }, { requeued: 2, setAside: 0 });
    assert.deepEqual(storage.queues.texts(queue), [texts[0]]);
    assert.deepEqual(storage.queues.texts(QUEUES.bulk), [texts[1]]);
    assert.deepEqual(storage.queues.texts(poison), []);
    assert((storage.queues.nextVisibleMs(queue) ?? 0) > storage.clock.wallMs());
    for (const text of texts) await worker.receive(text);
    await sound(storage, site, { applied: 2 });
  });

  test('one that is only too new goes back too', async () => {
    const { storage, site, worker } = await start();
    const newer = resigned(site.key, { ...site.inline(site.next()), version: FORMAT_NINE });
    await storage.queues.send(poison, JSON.stringify(newer));
    assert.equal((await worker.sweep()).requeued, 1);
    assert.deepEqual(await asideNames(storage), []);
  });

  test('unsound ones are set aside: not JSON, not base64, not UTF-8, not signed, empty', async () => {
    const { storage, site, worker } = await start();
    await storage.queues.send(poison, 'not JSON');
    await storage.queues.send(poison, '');
    await storage.queues.send(poison, JSON.stringify({ ...site.inline(site.next()), mac: 'f'.repeat(64) }));
    storage.queues.put(poison, '%%% not base64 %%%');
    storage.queues.put(poison, Buffer.from([0xff, 0xfe, 0xff]).toString('base64'));
    const report = await worker.sweep();
    assert.deepEqual({ requeued: report.requeued, setAside: report.setAside }, { requeued: 0, setAside: 5 });
    assert.deepEqual(storage.queues.texts(poison), []);
    assert.equal((await asideNames(storage)).length, 10);
  });

  test('a message that cannot be judged now stays, and does not keep the others waiting', async () => {
    const { storage, site } = await start();
    await storage.queues.send(poison, 'first: storage fails at this one');
    await storage.queues.send(poison, JSON.stringify(site.inline(site.next())));
    await storage.queues.send(poisonQueue(QUEUES.bulk), JSON.stringify(site.inline(site.next())));
    let broken = true;
    const worker = storage.worker({}, async ({ port, proceed }) => {
      if (broken && port === 'entries') throw new LeewardError('UNAVAILABLE', 'no answer');
      return proceed();
    });
    const report = await worker.sweep();
    assert.equal(report.requeued, 2);
    assert.deepEqual(report.failed, [{ what: poison, reason: 'no answer' }]);
    broken = false;
    storage.clock.advance(600_000);
    assert.equal((await worker.sweep()).setAside, 1);
    assert.deepEqual(storage.queues.texts(poison), []);
  });

  test('one that is somebody else’s by the time it is done harms nobody', async () => {
    const { storage, site } = await start();
    const worker = storage.worker({}, async ({ port, method, proceed }) => {
      const answer = await proceed();
      if (port === 'queues' && method === 'send') {
        storage.clock.advance(600_000);
        await storage.queues.take(poison, { countMax: 32, hiddenMs: 1000 });
      }
      return answer;
    });
    await storage.queues.send(poison, JSON.stringify(site.inline(site.next())));
    assert.equal((await worker.sweep()).requeued, 1);
    assert.equal(storage.queues.texts(queue).length, 1);
  });
});
