/** Towards another worker's claim: nobody waits for it in a place, the sweep not at all; what its worker left is finished. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { currentGeneration, volumeKind, withGeneration } from '../../src/documents/volume.ts';
import { QUEUES, poisonQueue } from '../../src/kernel/names.ts';
import { MemoryStorage, Worker } from '../support/data-path.ts';
import { putList } from '../support/range-lists.ts';
import { SiteFixture } from '../support/site-fixture.ts';
import { stallingWorker } from './named/stall.ts';
import { sound, start } from './start.ts';

const CLAIM_MS = 20_000;

/** A site's volume that another worker has claimed a delta of, and stands still in the midst of. */
async function claimed(
  storage: MemoryStorage,
  volume: string,
): Promise<{ site: SiteFixture; wake: () => Promise<void> }> {
  const ref = { tenant: 'big', site: 'berlin', group: 'erp', volume };
  const site = await new SiteFixture({ volume: ref }).register(storage.documents);
  const stalling = stallingWorker(
    storage,
    { port: 'replicas', method: 'writePages' },
    { claimMs: CLAIM_MS, budgetMs: 0 },
  );
  const working = stalling.worker.receive(site.inline(site.next()));
  await stalling.stalls;
  return {
    site,
    wake: async () => {
      stalling.wake();
      await working;
    },
  };
}

/** What the worker of a claim that lives does while it writes. */
async function renew(storage: MemoryStorage, site: SiteFixture): Promise<void> {
  const held = await storage.documents.need(volumeKind, site.documentName);
  const generation = currentGeneration(held.value);
  assert(generation.claim);
  const renewed = { ...generation, claim: { ...generation.claim, untilMs: storage.clock.wallMs() + CLAIM_MS } };
  await storage.documents.replace(volumeKind, held, withGeneration(held.value, renewed));
}

/** Lets everything happen that waits for nothing, until `isSo`. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let count = 0; !(await isSo()); count += 1) {
    assert(count < 1000, 'it never came to that');
    await turn();
  }
}

describe('a message that meets the claim of another worker', () => {
  test('whose worker lives holds no place: a delta of a quiet volume passes by, and the message ends soon', async () => {
    const storage = new MemoryStorage();
    const busy = [await claimed(storage, 'a'), await claimed(storage, 'b')];
    const asleep: (() => void)[] = [];
    const clock = {
      wallMs: () => storage.clock.wallMs(),
      bootMs: () => storage.clock.bootMs(),
      sleep: async (ms: number) => {
        await new Promise<void>((resolve) => asleep.push(resolve));
        storage.clock.advance(ms);
      },
    };
    const { state, replicas, entries, queues } = storage;
    const worker = new Worker({ state, replicas, entries, queues, clock }, { volumesAtOnce: 1, claimMs: CLAIM_MS });
    const begunMs = storage.clock.bootMs();
    const waiting = busy.map(async ({ site }) => worker.receive(site.inline(site.next())));
    await until(() => asleep.length === busy.length);
    const quiet = await new SiteFixture().register(storage.documents);
    assert.equal((await worker.receive(quiet.inline(quiet.next({ marker: 'm' })))).outcome, 'applied');
    storage.clock.advance(1000);
    for (const { site } of busy) await renew(storage, site);
    for (const wake of asleep) wake();
    for (const { outcome } of await Promise.all(waiting)) assert.equal(outcome, 'durable');
    assert(storage.clock.bootMs() - begunMs < 5000, 'a claim that was renewed is waited for no longer');
    // Should those workers die after all, the sweep finds what was taken meanwhile.
    storage.clock.advance(CLAIM_MS);
    await storage.worker().sweep();
    for (const { site, wake } of busy) {
      await sound(storage, site, { applied: 2 });
      await wake();
    }
    await sound(storage, quiet, { applied: 1, points: 1 });
  });

  test('whose worker died finishes it as soon as it has ended, without another message', async () => {
    const storage = new MemoryStorage();
    const { site } = await claimed(storage, 'a');
    const begunMs = storage.clock.bootMs();
    const worker = storage.worker();
    assert.equal((await worker.receive(site.inline(site.next({ marker: 'm' })))).outcome, 'durable');
    const tookMs = storage.clock.bootMs() - begunMs;
    assert(tookMs >= CLAIM_MS - 1000 && tookMs < CLAIM_MS + 5000, `${tookMs} ms`);
    await sound(storage, site, { applied: 2, points: 1 });
  });

  test('whose worker stops after its delta goes on with what is left', async () => {
    const storage = new MemoryStorage();
    const { site, wake } = await claimed(storage, 'a');
    const worker = storage.worker();
    const receiving = worker.receive(site.inline(site.next({ marker: 'm' })));
    await until(async () => (await storage.generation(site)).tip.number === 2);
    await wake();
    assert.equal((await receiving).outcome, 'durable');
    await sound(storage, site, { applied: 2, points: 1 });
  });

  test('of a delta that cannot be had ends well: the state says what is asked for', async () => {
    const storage = new MemoryStorage();
    const { site } = await claimed(storage, 'a');
    const damaged = storage.worker({}, async ({ port, method, proceed }) => {
      if (port === 'entries' && method === 'read') return Buffer.from('damaged');
      return proceed();
    });
    assert.equal((await damaged.receive(site.inline(site.next()))).outcome, 'durable');
    assert.equal((await storage.volume(site)).trouble?.code, 'DELTA_INVALID');
  });
});

describe('the sweep', () => {
  test('waits for no claim: it finishes what another site left and looks at poison at once', async () => {
    const storage = new MemoryStorage();
    for (let count = 0; count < 10; count += 1) await claimed(storage, `d${count}`);
    const orphan = await new SiteFixture().register(storage.documents);
    const dying = storage.worker({ claimMs: 1 }, async ({ method, proceed }) => {
      if (method === 'writePages') throw new Error('host killed');
      return proceed();
    });
    await assert.rejects(dying.receive(orphan.inline(orphan.next({ marker: 'm' }))), /host killed/);
    storage.clock.advance(1000);
    await storage.queues.send(poisonQueue(QUEUES.deltas), JSON.stringify(orphan.inline(orphan.next())));
    const begunMs = storage.clock.bootMs();
    const order: string[] = [];
    const worker = storage.worker({ volumesAtOnce: 2, claimMs: CLAIM_MS }, async ({ port, method, proceed }) => {
      order.push(`${port}.${method}`);
      return proceed();
    });
    const { advanced, failed, requeued } = await worker.sweep();
    assert(advanced.includes(orphan.id));
    assert.deepEqual([failed, requeued], [[], 1]);
    assert.equal(storage.clock.bootMs(), begunMs);
    assert(order.indexOf('queues.take') < order.indexOf('state.read'), 'poison comes first');
    await sound(storage, orphan, { applied: 1, points: 1 });
  });

  test('ends by its deadline however much there is to do, and all get their turn in the course of a few', async () => {
    const storage = new MemoryStorage();
    const sites: SiteFixture[] = [];
    for (let count = 0; count < 40; count += 1) {
      const ref = { tenant: 'acme', site: 'berlin', group: 'erp', volume: `d${count}` };
      const site = await new SiteFixture({ volume: ref }).register(storage.documents);
      const setup = storage.worker({}, async ({ method, proceed }) => {
        if (method === 'dataRanges') throw new Error('host killed');
        return proceed();
      });
      await setup.receive(site.inline(site.next({ marker: 'm' })));
      await assert.rejects(setup.receive(await putList(storage.entries, site, { number: 1 })), /host killed/);
      sites.push(site);
    }
    const worker = storage.worker({ volumesAtOnce: 2 }, async ({ port, method, proceed }) => {
      if (port === 'replicas' && method === 'dataRanges') storage.clock.advance(4000);
      return proceed();
    });
    for (let count = 0; count < 4; count += 1) {
      const begunMs = storage.clock.bootMs();
      await worker.sweep();
      assert(storage.clock.bootMs() - begunMs < 75_000, `${storage.clock.bootMs() - begunMs} ms`);
    }
    for (const site of sites) assert.equal((await storage.volume(site)).verification, undefined, site.id);
  });

  test('a poison queue that does not answer keeps no volume waiting', async () => {
    const { storage, site } = await start();
    await assert.rejects(
      storage
        .worker({}, async ({ method, proceed }) => {
          if (method === 'writePages') throw new Error('host killed');
          return proceed();
        })
        .receive(site.inline(site.next())),
      /host killed/,
    );
    storage.clock.advance(60_000);
    const worker = storage.worker({}, async ({ port, proceed }) => {
      if (port === 'queues') throw new Error('no answer');
      return proceed();
    });
    const { failed } = await worker.sweep();
    assert(failed.every(({ what, reason }) => what.endsWith('-poison') && reason === 'no answer'));
    assert(failed.length > 0);
    await sound(storage, site, { applied: 1 });
  });
});

test('a small delta waits for one delta of a first copy, and the copy goes on behind it', async () => {
  const { storage, site } = await start();
  const deltas = Array.from({ length: 5 }, () => site.next());
  // All but the first wait in the journal, so that one call has them all to apply.
  const early = storage.worker();
  for (const delta of deltas.slice(1)) await early.receive(site.inline(delta));
  await site.put(storage.entries, deltas[0] ?? site.next());
  const quiet = await new SiteFixture({
    volume: { tenant: 'acme', site: 'paris', group: 'erp', volume: 'data' },
  }).register(storage.documents);
  const written: string[] = [];
  let small: Promise<unknown> = Promise.resolve();
  const worker = storage.worker({ volumesAtOnce: 1 }, async ({ method, args, proceed }) => {
    if (method !== 'writePages') return proceed();
    const isQuiet = JSON.stringify(args[0]) === JSON.stringify(quiet.replica);
    if (written.length === 0) small = worker.receive(quiet.inline(quiet.next({ marker: 'm' })));
    written.push(isQuiet ? 'small' : 'copy');
    await turn();
    return proceed();
  });
  await worker.engine.withVolume(site.ref, async (advance) => advance(), undefined, 'bulk');
  await small;
  await sound(storage, site, { applied: 5 });
  await sound(storage, quiet, { applied: 1, points: 1 });
  const firstSmall = written.indexOf('small');
  assert(firstSmall > 0 && firstSmall <= 2, written.join(' '));
  assert.equal(written.at(-1), 'copy');
});
