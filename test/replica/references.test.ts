/**
 * Deltas that refer to content the cloud has already: resolved, or asked for with all their bytes, by nobody's hand; and
 * references that are hostile or whose content is gone.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GIB, KIB, MIB, PAGE_BYTES } from '../../src/kernel/units.ts';
import { journalContainer } from '../../src/kernel/names.ts';
import { runUpkeep } from '../../src/replica/rounds/upkeep.ts';
import { MemoryStorage } from '../support/data-path.ts';
import type { Worker } from '../support/data-path.ts';
import { SiteFixture } from '../support/site-fixture.ts';
import type { Reference, SiteDelta } from '../support/site-fixture.ts';
import { sound, start } from './start.ts';

const BLOCK = 4 * KIB;
const KEPT_MS = 3_600_000;

/** A block that no other has. */
function block(text: string): Uint8Array {
  return Buffer.alloc(BLOCK, `${text}; `);
}

/** A volume whose first delta holds the blocks a and b. */
async function begun(): Promise<{ storage: MemoryStorage; site: SiteFixture; worker: Worker; first: SiteDelta }> {
  const { storage, site, worker } = await start();
  const first = site.next({ extents: [{ offset: 0, bytes: Buffer.concat([block('a'), block('b')]) }], marker: 'm' });
  await worker.receive(site.inline(first));
  return { storage, site, worker, first };
}

/** The next delta: block b once more, elsewhere. */
function move(site: SiteFixture): SiteDelta {
  return site.next({ extents: [{ offset: 4 * BLOCK, bytes: block('b') }], marker: 'moved' });
}

/** The site answers what it is asked for, as it does with every heartbeat. */
async function answer(
  storage: MemoryStorage,
  site: SiteFixture,
  worker: Worker,
  outbox: readonly SiteDelta[],
): Promise<void> {
  for (const { number, form } of (await storage.volume(site)).resend) {
    const delta = outbox.find((other) => other.number === number);
    assert(delta, `delta ${number} is asked for`);
    assert.match(form, /^literal-\d+$/);
    await worker.receive(await site.put(storage.entries, delta, form as 'literal-1'));
  }
}

describe('content that is there', () => {
  const PLACES: Record<string, (first: SiteDelta, site: SiteFixture) => Reference> = {
    'in the state before': () => ({ at: BLOCK }),
    'in the journal': (first, site) => ({ entry: site.entryName(first, 'literal-1'), at: BLOCK }),
  };
  for (const [where, place] of Object.entries(PLACES)) {
    test(`${where}, sent inline`, async () => {
      const { storage, site, worker, first } = await begun();
      const moved = move(site);
      const sent = site.referring(moved, () => place(first, site));
      assert(sent.bytes.length < moved.bytes.length / 4);
      assert.equal((await worker.receive(site.inline(sent))).outcome, 'applied');
      await sound(storage, site, { applied: 2, points: 2 });
    });

    test(`${where}, sent through the journal and doubled`, async () => {
      const { storage, site, worker, first } = await begun();
      const moved = move(site);
      const message = await site.put(
        storage.entries,
        site.referring(moved, () => place(first, site)),
        'refs-1',
      );
      assert.equal((await worker.receive(message)).outcome, 'applied');
      assert.equal((await worker.receive(message)).outcome, 'repeated');
      await sound(storage, site, { applied: 2, points: 2 });
    });
  }

  test('in the journal of another volume of the site', async () => {
    const storage = new MemoryStorage();
    const worker = storage.worker();
    const [one, two] = [
      new SiteFixture(),
      new SiteFixture({ volume: { tenant: 'acme', site: 'berlin', group: 'shop', volume: 'b' } }),
    ];
    for (const site of [one, two]) await site.register(storage.documents);
    const first = one.next({ extents: [{ offset: 0, bytes: block('shared') }] });
    await worker.receive(one.inline(first));
    const same = two.next({ extents: [{ offset: 8 * BLOCK, bytes: block('shared') }], marker: 'm' });
    const sent = two.referring(same, () => ({ entry: one.entryName(first, 'literal-1'), at: 0 }));
    assert.equal((await worker.receive(two.inline(sent))).outcome, 'applied');
    await sound(storage, two, { applied: 1, points: 1 });
  });

  test('a chain of deltas that each refer to the one before, arriving backwards', async () => {
    const { storage, site, worker } = await start();
    const deltas = [site.next({ extents: [{ offset: 0, bytes: block('x') }], marker: 'm1' })];
    for (let number = 2; number <= 6; number += 1) {
      const delta = site.next({ extents: [{ offset: (number - 1) * BLOCK, bytes: block('x') }], marker: `m${number}` });
      deltas.push(site.referring(delta, () => ({ at: (number - 2) * BLOCK })));
    }
    for (const delta of deltas.toReversed()) await worker.receive(site.inline(delta));
    await sound(storage, site, { applied: 6, points: 6 });
  });
});

test('references to pages far apart are read a few at once', async () => {
  const { storage, site } = await start({ volumeBytes: 64 * MIB });
  let [reads, atOnce, most] = [0, 0, 0];
  const worker = storage.worker({}, async ({ port, method, proceed }) => {
    if (port !== 'replicas' || method !== 'read') return proceed();
    [reads, atOnce] = [reads + 1, atOnce + 1];
    most = Math.max(most, atOnce);
    await new Promise(setImmediate);
    atOnce -= 1;
    return proceed();
  });
  const page = (index: number): Uint8Array => Buffer.alloc(PAGE_BYTES, index + 1);
  const spread = (count: number, from: number, stride: number) =>
    Array.from({ length: count }, (_, index) => ({ offset: from + index * stride, bytes: page(index) }));
  await worker.receive(await site.put(storage.entries, site.next({ extents: spread(200, 0, 128 * KIB) })));
  const moved = site.next({ extents: spread(200, 48 * MIB, 1024), marker: 'moved' });
  const sent = site.referring(moved, ({ offset }) => ({ at: ((offset - 48 * MIB) / 1024) * 128 * KIB }));
  reads = 0;
  assert.equal((await worker.receive(await site.put(storage.entries, sent, 'refs-1'))).outcome, 'applied');
  assert(reads >= 200 && most > 1 && most <= 4, `${reads} reads, ${most} at once`);
  await sound(storage, site, { applied: 2, points: 1 });
});

/** Of another volume of the site. */
const DAMAGED_ENTRY = `erp/log/00000001/0000000001-${'d'.repeat(64)}-literal-1.delta`;

describe('content that cannot be had', () => {
  const stranger = new SiteFixture({ volume: { tenant: 'acme', site: 'paris', group: 'erp', volume: 'data' } });
  const foreign = stranger.next({ extents: [{ offset: 0, bytes: block('b') }] });
  const FALSE: Record<string, readonly [(first: SiteDelta, site: SiteFixture) => Reference, why: RegExp]> = {
    'an entry that never was': [
      (first, site) => ({ entry: site.entryName(first, 'literal-9'), at: BLOCK }),
      /reference: the journal has no "[^"]*-literal-9\.delta"/,
    ],
    'an entry of another site': [
      () => ({ entry: stranger.entryName(foreign, 'literal-1'), at: 0 }),
      /reference: the journal has no "erp\/data\//,
    ],
    'a damaged entry': [
      () => ({ entry: DAMAGED_ENTRY, at: 0 }),
      /reference: "erp\/log\/[^"]*-literal-1\.delta": delta: magic \(byte 0\): this is no delta/,
    ],
    'another place of the entry': [
      (first, site) => ({ entry: site.entryName(first, 'literal-1'), at: 0 }),
      /delta: extent 0, content: the SHA-256 [0-9a-f]{64} is due, and the journal reference gives/,
    ],
    'a place behind the end of the entry': [
      (first, site) => ({ entry: site.entryName(first, 'literal-1'), at: 8 * MIB }),
      /reference: "[^"]*": delta: position: \d+ bytes from 8388608 reach past the end/,
    ],
    'another place of the state before': [() => ({ at: 0 }), /delta: extent 0, content: .*the prior reference gives/],
    'a place behind the end of the volume': [() => ({ at: GIB }), /reference: \d+ bytes at 1073741824 of a volume of/],
  };
  for (const [what, [place, why]] of Object.entries(FALSE)) {
    test(`${what}: the delta is asked for with its bytes, once and with the reason, and then applied`, async () => {
      const { storage, site, worker, first } = await begun();
      const moved = move(site);
      // Another site's entry lies where it belongs, and nowhere near.
      const other = { account: site.journal.account, container: journalContainer(stranger.ref) };
      await storage.entries.create({ ...other, blob: stranger.entryName(foreign, 'literal-1') }, foreign.bytes);
      await storage.entries.create({ ...site.journal, blob: DAMAGED_ENTRY }, Buffer.alloc(1000));
      const sent = site.referring(moved, () => place(first, site));
      assert.equal((await worker.receive(site.inline(sent))).outcome, 'early');
      assert.equal((await storage.generation(site)).tip.number, 1);
      const { resend, trouble } = await storage.volume(site);
      assert.equal(resend.length, 1);
      const said = /^delta 2 refers to what cannot be had \((.*)\); the site is asked for it as literal-1$/;
      assert.match(said.exec(trouble?.message ?? '')?.[1] ?? String(trouble?.message), why);
      assert.deepEqual((await worker.sweep()).failed, []);
      assert.deepEqual((await storage.volume(site)).resend, resend);
      await answer(storage, site, worker, [moved]);
      await sound(storage, site, { applied: 2, points: 2 });
    });
  }

  test('an entry that retention removed: the delta is asked for with its bytes, and then applied', async () => {
    const { storage, site, worker, first } = await begun();
    const entry = site.entryName(first, 'literal-1');
    assert(await storage.entries.read({ ...site.journal, blob: entry }, MIB));
    storage.clock.advance(KEPT_MS + 1000);
    await runUpkeep(storage, { keptMs: KEPT_MS });
    assert.equal(await storage.entries.read({ ...site.journal, blob: entry }, MIB), undefined);
    const moved = move(site);
    const sent = site.referring(moved, () => ({ entry, at: BLOCK }));
    assert.equal((await worker.receive(site.inline(sent))).outcome, 'early');
    assert.equal((await storage.volume(site)).resend.length, 1);
    await answer(storage, site, worker, [moved]);
    await sound(storage, site, { applied: 2, points: 2 });
  });

  test('an entry that can be resolved is taken although another was damaged and is asked for, with the site gone', async () => {
    const { storage, site, worker } = await begun();
    const moved = move(site);
    const spoiled = { ...moved, bytes: moved.bytes.subarray(0, -1) };
    await worker.receive(site.inline(spoiled));
    await worker.receive(
      await site.put(
        storage.entries,
        site.referring(moved, () => ({ at: 0 })),
        'refs-1',
      ),
    );
    assert.equal((await storage.volume(site)).resend.length, 1);
    assert.equal((await storage.generation(site)).tip.number, 1);
    await worker.receive(
      await site.put(
        storage.entries,
        site.referring(moved, () => ({ at: BLOCK })),
        'refs-2',
      ),
    );
    await sound(storage, site, { applied: 2, points: 2 });
  });

  test('what follows such a delta waits, and comes by itself', async () => {
    const { storage, site, worker } = await begun();
    const moved = move(site);
    const later = [site.next({ marker: 'm3' }), site.next({ marker: 'm4' })];
    for (const delta of later) await worker.receive(site.inline(delta));
    await worker.receive(site.inline(site.referring(moved, () => ({ at: 0 }))));
    await answer(storage, site, worker, [moved]);
    await sound(storage, site, { applied: 4, points: 4 });
  });

  test('many entries of one number are tried one after the other, none twice, and no longer than a call has time', async () => {
    const { storage, site, worker } = await begun();
    const moved = move(site);
    const far = site.referring(moved, () => ({ at: 0 }));
    for (let form = 2; form <= 9; form += 1) {
      await storage.entries.create({ ...site.journal, blob: site.entryName(far, `refs-${form}`) }, far.bytes);
    }
    let reads = 0;
    const slow = storage.worker({ budgetMs: 1000 }, async ({ port, method, proceed }) => {
      if (port === 'replicas' && method === 'read') {
        reads += 1;
        storage.clock.advance(400);
      }
      return proceed();
    });
    const first = await site.put(storage.entries, far, 'refs-1');
    assert.equal((await slow.receive(first)).outcome, 'early');
    assert.equal(reads, 3);
    for (let count = 0; count < 4; count += 1) await slow.sweep();
    assert.equal(reads, 9, 'each is tried once');
    await answer(storage, site, worker, [moved]);
    await sound(storage, site, { applied: 2, points: 2 });
  });

  test('a source that is damaged, or refers itself, is no source', async () => {
    for (const spoil of [
      ({ bytes }: SiteDelta) => bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte)),
      ({ bytes }: SiteDelta) => bytes.subarray(0, 100),
      () => new Uint8Array(0),
      // Sound, but that what is wanted of it is told by a reference to where it really is.
      (first: SiteDelta, site: SiteFixture) =>
        site.referring(first, ({ offset }) =>
          offset === BLOCK ? { entry: site.entryName(first, 'literal-1'), at: BLOCK } : undefined,
        ).bytes,
    ]) {
      const { storage, site, worker, first } = await begun();
      const moved = move(site);
      const entry = site.entryName(first, 'literal-7');
      await storage.entries.create({ ...site.journal, blob: entry }, spoil(first, site));
      await worker.receive(site.inline(site.referring(moved, () => ({ entry, at: BLOCK }))));
      assert.equal((await storage.volume(site)).resend.length, 1);
      await answer(storage, site, worker, [moved]);
      await sound(storage, site, { applied: 2, points: 2 });
    }
  });
});

test('a delta that holds all it sets, in an entry that is named as if it referred, is kept as what it is', async () => {
  const { storage, site, worker } = await start();
  const delta = site.next({ marker: 'm' });
  const message = await site.put(storage.entries, delta, 'refs-1');
  assert.equal((await worker.receive(message)).outcome, 'applied');
  const names: string[] = [];
  for await (const { name } of storage.entries.list(site.journal, '')) names.push(name);
  assert.deepEqual(names, [site.entryName(delta, 'literal-1'), site.entryName(delta, 'refs-1')]);
  assert.equal((await worker.receive(message)).outcome, 'repeated');
  await sound(storage, site, { applied: 1, points: 1 });
});

test('each source is read once, however often it is referred to', async () => {
  const { storage, site, first } = await begun();
  const pages = Array.from({ length: 16 }, (_, index) => ({
    offset: 8 * BLOCK + index * 2 * PAGE_BYTES,
    bytes: block('b').subarray(0, PAGE_BYTES),
  }));
  const scattered = site.next({ extents: pages });
  let reads = 0;
  const counting = storage.worker({}, async ({ port, method, proceed }) => {
    if (port === 'entries' && method === 'read') reads += 1;
    return proceed();
  });
  const entry = site.entryName(first, 'literal-1');
  await counting.receive(site.inline(site.referring(scattered, () => ({ entry, at: BLOCK }))));
  // The entry that refers, and what it refers to.
  assert.equal(reads, 2);
  await sound(storage, site, { applied: 2, points: 1 });
});
