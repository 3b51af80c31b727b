/** What is damaged or missing is asked for again by itself, comes in the next form, and heals; nothing else suffers. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemoryEntries } from '../support/memory/entries.ts';
import type { SiteDelta, SiteFixture } from '../support/site-fixture.ts';
import type { MemoryStorage } from '../support/data-path.ts';
import { deliver, reasonOf, sound, start } from './start.ts';

/** The fork's next delta, made so that a listing has it before the one with `digest`. */
function firstListed(fork: SiteFixture, digest: string): SiteDelta {
  for (let attempt = 0; ; attempt += 1) {
    const delta = fork.forkAt(fork.last).next({ marker: `fork-${attempt}` });
    if (delta.digest < digest) return delta;
  }
}

const DAMAGED = Buffer.from('this was a delta once');

async function damage(storage: MemoryStorage, site: SiteFixture, delta: SiteDelta): Promise<void> {
  await storage.entries.create(site.entryPlace(delta), DAMAGED);
}

/** What the site is asked for, as `number form`. */
async function asked(storage: MemoryStorage, site: SiteFixture): Promise<string[]> {
  return (await storage.volume(site)).resend.map(({ number, form }) => `${number} ${form}`);
}

describe('a delta that never arrived sound', () => {
  test('a damaged entry is asked for in the next form, resent, and heals', async () => {
    const { storage, site, worker } = await start();
    await worker.receive(site.inline(site.next()));
    const delta = site.next();
    await damage(storage, site, delta);
    const reason = await reasonOf(storage, await worker.receive(site.naming(delta)));
    assert.match(reason, /^entry "erp\/data\/00000001\/0000000002-[0-9a-f]{64}-literal-1\.delta": delta: prologue/);
    assert.deepEqual(await asked(storage, site), ['2 literal-2']);
    const { trouble } = await storage.volume(site);
    assert.equal(trouble?.code, 'DELTA_INVALID');
    assert.equal(trouble.message, `delta 2 is damaged or missing (${reason}); the site is asked for it as literal-2`);
    assert.equal((await worker.receive(await site.put(storage.entries, delta, 'literal-2'))).outcome, 'applied');
    await sound(storage, site, { applied: 2 });
  });

  test('a resend that is damaged too is asked for once more', async () => {
    const { storage, site, worker } = await start();
    const delta = site.next();
    for (const form of ['literal-1', 'literal-2'] as const) {
      await storage.entries.create(site.entryPlace(delta, form), DAMAGED);
      await reasonOf(storage, await worker.receive(site.naming(delta, form)));
    }
    assert.deepEqual(await asked(storage, site), ['1 literal-3']);
    await worker.receive(await site.put(storage.entries, delta, 'literal-3'));
    await sound(storage, site, { applied: 1 });
  });

  test('an entry that is not there is asked for', async () => {
    const { storage, site, worker } = await start();
    const delta = site.next();
    await reasonOf(storage, await worker.receive(site.naming(delta)));
    assert.deepEqual(await asked(storage, site), ['1 literal-1']);
    await worker.receive(await site.put(storage.entries, delta, 'literal-1'));
    await sound(storage, site, { applied: 1 });
  });

  test('a damaged inline delta is asked for through the journal', async () => {
    const { storage, site, worker } = await start();
    const delta = site.next();
    await reasonOf(storage, await worker.receive(site.inline({ ...delta, bytes: DAMAGED })));
    assert.deepEqual(await asked(storage, site), ['1 literal-1']);
    await worker.receive(await site.put(storage.entries, delta, 'literal-1'));
    await sound(storage, site, { applied: 1 });
  });

  test('a damaged one that came early is asked for, and those behind it wait', async () => {
    const { storage, site, worker } = await start();
    const [first, second, third] = [site.next(), site.next(), site.next()];
    await damage(storage, site, second);
    await reasonOf(storage, await worker.receive(site.naming(second)));
    assert.equal((await worker.receive(site.inline(third))).outcome, 'early');
    assert.equal((await worker.receive(site.inline(first))).outcome, 'applied');
    assert.deepEqual(await asked(storage, site), ['2 literal-2']);
    assert.equal((await worker.receive(await site.put(storage.entries, second, 'literal-2'))).outcome, 'applied');
    await sound(storage, site, { applied: 3 });
  });

  test('a message that names the damaged one again is served by the sound one, without another ask', async () => {
    const { storage, site, worker } = await start();
    const [first, second] = [site.next(), site.next()];
    await damage(storage, site, second);
    await worker.receive(site.naming(second));
    assert.equal((await worker.receive(await site.put(storage.entries, second, 'literal-2'))).outcome, 'early');
    assert.equal((await worker.receive(site.naming(second))).outcome, 'early');
    assert.deepEqual(await asked(storage, site), ['2 literal-2']);
    await worker.receive(site.inline(first));
    await sound(storage, site, { applied: 2 });
  });

  test('asked for twice is asked for once', async () => {
    const { storage, site, worker } = await start();
    const delta = site.next();
    await damage(storage, site, delta);
    for (let count = 0; count < 3; count += 1) await reasonOf(storage, await worker.receive(site.naming(delta)));
    assert.deepEqual(await asked(storage, site), ['1 literal-2']);
  });
});

describe('the site is not asked', () => {
  test('for what was healed, when the message of the damaged entry comes again', async () => {
    const { storage, site, worker } = await start();
    const delta = site.next();
    await damage(storage, site, delta);
    await worker.receive(site.naming(delta));
    await worker.receive(await site.put(storage.entries, delta, 'literal-2'));
    await worker.receive(site.naming(delta));
    await sound(storage, site, { applied: 1 });
  });

  test('for what was acknowledged, although it is not applied yet', async () => {
    const { storage, site, worker } = await start({}, { budgetMs: 1000 });
    const dead = storage.worker({}, async ({ port, proceed }) => {
      if (port === 'replicas') throw new Error('dead');
      return proceed();
    });
    await assert.rejects(dead.receive(site.inline(site.next())), /dead/);
    const second = site.next();
    await worker.receive(site.naming(second));
    assert.deepEqual(await asked(storage, site), ['2 literal-1']);
    assert.equal((await worker.receive(site.inline(second))).outcome, 'durable');
    const { tip, applied } = await storage.generation(site);
    assert.deepEqual([tip.number, applied.number], [2, 0]);
    assert.deepEqual(await asked(storage, site), []);
    assert.equal((await storage.volume(site)).trouble, null);
  });

  test('for a damaged delta after the cut, of another term, or of another generation', async () => {
    for (const spoil of [
      async (_: SiteFixture, end: () => Promise<unknown>) => end(),
      async (at: SiteFixture) => (at.term = 2),
      async (at: SiteFixture) => (at.generation = 2),
    ]) {
      const { storage, site, worker } = await start();
      await worker.receive(site.inline(site.next()));
      await spoil(site, async () => worker.engine.endTerm(site.ref, 1));
      const delta = site.next();
      await worker.receive(site.naming(delta));
      assert.deepEqual(await asked(storage, site), []);
    }
  });

  test('for more than the document has room for, however much nonsense it signs', async () => {
    const { storage, site, worker } = await start();
    const delta = site.next();
    for (let number = 2; number < 300; number += 1) {
      await worker.receive(site.inline({ ...delta, bytes: DAMAGED }, { number }));
    }
    assert((await storage.volume(site)).resend.length <= 64);
  });
});

describe('an entry that is damaged or lost after it was acknowledged', () => {
  /**
   * A worker that dies as it claims leaves deltas 1 to 3 on the chain with nothing applied; then entries are spoiled.
   */
  async function acknowledged(spoil: (deltas: readonly SiteDelta[], site: SiteFixture) => readonly string[]) {
    const { storage, site } = await start();
    const deltas = [site.next(), site.next(), site.next()];
    const dead = storage.worker({}, async ({ port, proceed }) => {
      if (port === 'replicas') throw new Error('dead');
      return proceed();
    });
    for (const delta of deltas) {
      const message = await site.put(storage.entries, delta);
      // Its own claim is another's by now: it gives up after its budget.
      await dead.receive(message).catch(() => undefined);
    }
    assert.equal((await storage.generation(site)).tip.number, 3);
    assert.equal((await storage.generation(site)).applied.number, 0);
    const spoiled = new Set(spoil(deltas, site));
    const entries = new MemoryEntries();
    for await (const { name } of storage.entries.list(site.journal, '')) {
      const place = { ...site.journal, blob: name };
      if (!spoiled.has(name)) await entries.create(place, (await storage.entries.read(place, 1e6)) ?? DAMAGED);
    }
    const now = Object.assign(storage, { entries });
    now.clock.advance(60_000);
    return { storage: now, site, deltas, worker: now.worker() };
  }

  test('is asked for and the volume marked; resent through the journal, all goes on', async () => {
    const { storage, site, deltas, worker } = await acknowledged((all, at) =>
      all.slice(1, 2).map((d) => at.entryName(d)),
    );
    const [failed] = (await worker.sweep()).failed;
    const why = 'the journal has no entry of it';
    assert.match(failed?.reason ?? '', new RegExp(`delta 2 of .*: no sound entry in the journal \\(${why}\\)`));
    const { trouble } = await storage.volume(site);
    assert.equal(trouble?.message, `delta 2 is damaged or missing (${why}); the site is asked for it as literal-1`);
    assert.deepEqual(await asked(storage, site), ['2 literal-1']);
    const second = deltas[1];
    assert(second);
    assert.notEqual((await worker.receive(await site.put(storage.entries, second, 'literal-1'))).outcome, 'set-aside');
    await sound(storage, site, { applied: 3 });
  });

  test('is healed by an inline resend too', async () => {
    const { storage, site, deltas, worker } = await acknowledged((all, at) =>
      all.slice(1, 2).map((d) => at.entryName(d)),
    );
    await worker.sweep();
    const second = deltas[1];
    assert(second);
    assert.notEqual((await worker.receive(site.inline(second))).outcome, 'set-aside');
    await sound(storage, site, { applied: 3 });
  });

  test('is the claimed one: another form of the same delta serves', async () => {
    const { storage, site, deltas, worker } = await acknowledged((all, at) =>
      all.slice(0, 1).map((d) => at.entryName(d)),
    );
    const first = deltas[0];
    assert(first);
    await worker.sweep();
    await worker.receive(await site.put(storage.entries, first, 'literal-2'));
    await sound(storage, site, { applied: 3 });
  });

  test('all of them: they are asked for one after the other until all is there', async () => {
    const { storage, site, deltas, worker } = await acknowledged((all, at) => all.map((d) => at.entryName(d)));
    for (const delta of deltas) {
      await worker.sweep();
      assert.deepEqual(await asked(storage, site), [`${delta.number} literal-1`]);
      await worker.receive(await site.put(storage.entries, delta, 'literal-1'));
    }
    await sound(storage, site, { applied: 3 });
  });

  test("another writer's entry of the same number never takes its place", async () => {
    const { storage, site, deltas, worker } = await acknowledged((all, at) =>
      all.slice(1, 2).map((d) => at.entryName(d)),
    );
    const second = deltas[1];
    assert(second);
    await storage.entries.create(site.entryPlace(second), DAMAGED);
    const fork = site.forkAt(1);
    await fork.put(storage.entries, firstListed(fork, site.digestAt(2)));
    await worker.sweep();
    assert.deepEqual(await asked(storage, site), ['2 literal-2']);
    const { trouble } = await storage.volume(site);
    assert.match(trouble?.message ?? '', /^delta 2 is damaged or missing \(entry "[^"]*": delta: prologue .*cut short/);
    assert.equal((await storage.generation(site)).applied.number, 1);
    await worker.receive(await site.put(storage.entries, second, 'literal-2'));
    await sound(storage, site, { applied: 3 });
  });

  test('the link by which a number with two entries is told apart is asked for by its own number', async () => {
    const { storage, site, deltas, worker } = await acknowledged((all, at) =>
      all.slice(2, 3).map((d) => at.entryName(d)),
    );
    const third = deltas[2];
    assert(third);
    const fork = site.forkAt(1);
    await fork.put(storage.entries, firstListed(fork, site.digestAt(2)));
    await worker.sweep();
    assert.deepEqual(await asked(storage, site), ['3 literal-1']);
    await worker.receive(await site.put(storage.entries, third, 'literal-1'));
    await sound(storage, site, { applied: 3 });
  });

  test('does not put the sound messages behind it aside', async () => {
    const { storage, site, deltas, worker } = await acknowledged((all, at) =>
      all.slice(0, 1).map((d) => at.entryName(d)),
    );
    const fourth = site.next();
    assert.equal((await deliver(worker, site.inline(fourth))).outcome, 'durable');
    const sixth = (site.next(), site.next());
    assert.equal((await deliver(worker, site.inline(sixth))).outcome, 'early');
    assert.equal((await deliver(worker, site.inline(fourth))).outcome, 'repeated');
    assert.equal((await storage.generation(site)).tip.number, 4);
    assert.equal(deltas.length, 3);
  });
});
