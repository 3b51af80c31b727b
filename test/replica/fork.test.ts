/** Two writers make a fork: it is detected and reported until a person has looked; the chain's own deltas alone are applied. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { orderGeneration } from '../../src/app/volume-orders.ts';
import { heedWord } from '../../src/replica/intake/site-word.ts';
import { replicaProblem } from '../support/replica-check.ts';
import { failsWith } from '../support/fails-with.ts';
import type { SiteFixture } from '../support/site-fixture.ts';
import type { MemoryStorage } from '../support/data-path.ts';
import { deliver, reasonOf, start } from './start.ts';

async function forked(storage: MemoryStorage, site: SiteFixture, applied: number): Promise<void> {
  const { trouble } = await storage.volume(site);
  assert.equal(trouble?.code, 'DELTA_FORKED');
  assert.equal((await storage.generation(site)).applied.number, applied);
  assert.equal(await replicaProblem(storage.replicas, site, { number: applied }), undefined);
}

test('a fork at the tip, a delta that names another predecessor, is refused and reported, and the replica stays as it is', async () => {
  const { storage, site, worker } = await start();
  for (let count = 0; count < 3; count += 1) await worker.receive(site.inline(site.next()));
  const fork = site.forkAt(2);
  fork.next({ marker: 'other' });
  const reason = await reasonOf(storage, await worker.receive(fork.inline(fork.next())));
  assert.match(reason, /predecessor: the chain's delta 3 is [0-9a-f]{64}, the delta names [0-9a-f]{64}/);
  await forked(storage, site, 3);
});

test('a fork below the tip, inline or in the journal, is refused and reported, and the chain goes on', async () => {
  for (const below of [1, 2, 3]) {
    const { storage, site, worker } = await start();
    for (let count = 0; count < 3; count += 1) await worker.receive(site.inline(site.next()));
    const fork = site.forkAt(below - 1);
    const delta = fork.next({ marker: 'other' });
    assert.match(await reasonOf(storage, await worker.receive(fork.inline(delta))), /the chain has another delta/);
    await forked(storage, site, 3);
    const message = await fork.put(storage.entries, delta);
    assert.match(await reasonOf(storage, await worker.receive(message)), /the chain has another delta/);
    await forked(storage, site, 3);
    assert.equal((await deliver(worker, site.inline(site.next()))).outcome, 'applied');
    await forked(storage, site, 4);
  }
});

test('of two deltas that came early one is taken, and the fork is reported all the same', async () => {
  const { storage, site, worker } = await start();
  const first = site.next();
  const fork = site.forkAt(1);
  const [mine, theirs] = [site.next(), fork.next({ marker: 'other' })];
  await worker.receive(site.inline(mine));
  await worker.receive(fork.inline(theirs));
  await worker.receive(site.inline(first));
  const { tip } = await storage.generation(site);
  await forked(storage, tip.digest === mine.digest ? site : fork, 2);
});

test('a fork stays reported while deltas are damaged, asked for and healed', async () => {
  const { storage, site, worker } = await start();
  await worker.receive(site.inline(site.next()));
  const fork = site.forkAt(0);
  await worker.receive(fork.inline(fork.next({ marker: 'other' })));
  const delta = site.next();
  await worker.receive(site.naming(delta));
  await forked(storage, site, 1);
  assert.equal((await storage.volume(site)).resend.length, 1);
  await worker.receive(await site.put(storage.entries, delta, 'literal-1'));
  await forked(storage, site, 2);
});

test('an entry that nobody announced is held against the state like any other', async () => {
  for (const head of [{ term: 2 }, { generation: 2 }]) {
    const { storage, site, worker } = await start();
    await worker.receive(site.inline(site.next()));
    const other = site.forkAt(1);
    await other.put(storage.entries, other.next({ head }));
    // Number 3 is early, so the journal is searched for 2.
    const sound = [site.next(), site.next()] as const;
    await worker.receive(site.inline(sound[1]));
    assert.equal((await storage.generation(site)).tip.number, 1);
    await worker.receive(site.inline(sound[0]));
    assert.equal((await storage.generation(site)).applied.number, 3);
    assert.equal(await replicaProblem(storage.replicas, site, { number: 3 }), undefined);
  }
});

test('the end of a term is for that term only', async () => {
  const { site, worker } = await start();
  await assert.rejects(worker.engine.endTerm(site.ref, 2), failsWith('REFUSED'));
  await assert.rejects(worker.engine.drain(site.ref), failsWith('REFUSED'));
});

/** A chain whose delta 2 is acknowledged and not applied, so that a generation that is decided on has to wait. */
async function waiting(): Promise<{ storage: MemoryStorage; site: SiteFixture; rival: SiteFixture }> {
  const { storage, site, worker } = await start();
  await worker.receive(site.inline(site.next({ marker: 'm' })));
  const rival = site.forkAt(1);
  const dying = storage.worker({}, async ({ method, proceed }) => {
    if (method === 'writePages') throw new Error('killed');
    return proceed();
  });
  await dying.receive(site.inline(site.next())).catch(() => undefined);
  return { storage, site, rival };
}

test('a fork found while a generation is waited for: it does not begin, whoever asked for it, until a person orders it anew', async () => {
  const asked: ((storage: MemoryStorage, site: SiteFixture) => Promise<unknown>)[] = [
    async (storage, { id }) =>
      heedWord(storage, { volume: id, generation: 1, stored: 2, waitingBytes: 0, wants: 'generation' }, 0),
    async ({ documents }, { ref }) => orderGeneration(documents, ref, { from: 'point', reason: 'by hand' }),
  ];
  for (const ask of asked) {
    const { storage, site, rival } = await waiting();
    await ask(storage, site);
    assert.notEqual((await storage.volume(site)).reseed, undefined);
    const busy = storage.worker({ budgetMs: 0 });
    assert.equal((await busy.receive(rival.inline(rival.next({ marker: 'rival' })))).outcome, 'set-aside');
    storage.clock.advance(60_000);
    const worker = storage.worker();
    for (let sweeps = 0; sweeps < 2; sweeps += 1) await worker.sweep();
    await forked(storage, site, 2);
    assert.equal((await storage.volume(site)).current, 1);
    await orderGeneration(storage.documents, site.ref, { from: 'point', reason: 'the second writer is found' });
    await worker.sweep();
    const { current, trouble } = await storage.volume(site);
    assert.deepEqual([current, trouble], [2, null]);
  }
});

test('a fork that goes on does not keep the generation from beginning that a person has ordered because of it', async () => {
  const { storage, site, rival } = await waiting();
  const busy = storage.worker({ budgetMs: 0 });
  await busy.receive(rival.inline(rival.next({ marker: 'rival' })));
  await orderGeneration(storage.documents, site.ref, { from: 'point', reason: 'the second writer is found' });
  const third = rival.forkAt(1);
  await busy.receive(third.inline(third.next({ marker: 'again' })));
  assert.notEqual((await storage.volume(site)).reseed, undefined);
  storage.clock.advance(60_000);
  await storage.worker().sweep();
  const { current, trouble, generations } = await storage.volume(site);
  assert.deepEqual([current, trouble, generations['1']?.applied.number], [2, null, 2]);
});
