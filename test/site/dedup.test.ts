/** Deduplication at the site, held against the delta format alone. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { DeltaPiece } from '../../src/delta/delta.ts';
import { openDelta } from '../../src/delta/delta.ts';
import { DELTA_LIMITS } from '../../src/delta/limits.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import { BLOCK_BYTES } from '../../src/ranges/blocks.ts';
import { DAY_MS, DedupSite, kindsOf } from '../support/dedup-site.ts';
import { MemoryContentIndex } from '../support/memory/content-index.ts';

function at(offset: number, bytes: Uint8Array): DeltaPiece {
  return { offset, bytes };
}

function fixedBytes(seed: number, sizeBytes: number): Uint8Array {
  return createHash('shake256', { outputLength: sizeBytes }).update(`${seed}`).digest();
}

test('what a sibling volume has too is sent by reference, and is the same delta', async () => {
  const site = new DedupSite();
  const [one, two] = [await site.volume('one', 8 * MIB), await site.volume('two', 8 * MIB)];
  const [shared, alone] = [randomBytes(4 * MIB), randomBytes(MIB)];
  const first = await one.replicate([at(0, shared), at(5 * MIB, randomBytes(MIB))]);
  assert.equal(first.outcome, 'literal');
  const second = await two.replicate([
    at(BLOCK_BYTES, shared),
    { offset: 5 * MIB, zerosBytes: MIB },
    at(7 * MIB, alone),
  ]);
  assert.equal(second.outcome, 'resolved');
  assert.deepEqual(kindsOf(second.reduced ?? new Uint8Array()), { journal: 1, zeros: 1, literal: 1 });
  assert(second.wireBytes < alone.length + 4 * KIB, `${second.wireBytes} bytes`);
  // And what only the second has is known from then on, at its place in the entry that the cloud made.
  const third = await (await site.volume('three', 8 * MIB)).replicate([at(0, alone), at(MIB, shared)]);
  assert.equal(third.outcome, 'resolved');
  assert(third.wireBytes < 4 * KIB, `${third.wireBytes} bytes`);
});

test('content that moves within a volume is a reference to its state before', async () => {
  const site = new DedupSite();
  const volume = await site.volume('one', 8 * MIB);
  const content = randomBytes(2 * MIB);
  await volume.replicate([at(0, content)]);
  const moved = await volume.replicate([at(4 * MIB, content)]);
  assert.deepEqual(kindsOf(moved.reduced ?? new Uint8Array()), { prior: 1 });
  // However old the entry is that brought it.
  await site.clock.sleep(DAY_MS * 10);
  const later = await volume.replicate([at(6 * MIB, content)]);
  assert.deepEqual(kindsOf(later.reduced ?? new Uint8Array()), { prior: 1 });
});

test('what the delta itself overwrites is no prior state; the entry that brought it serves', async () => {
  const site = new DedupSite();
  const volume = await site.volume('one', 8 * MIB);
  const [a, b] = [randomBytes(MIB), randomBytes(MIB)];
  await volume.replicate([at(0, a), at(MIB, b)]);
  const swapped = await volume.replicate([at(0, b), at(MIB, a)]);
  assert.deepEqual(kindsOf(swapped.reduced ?? new Uint8Array()), { journal: 2 });
  await site.clock.sleep(DAY_MS);
  assert.equal((await volume.replicate([at(0, a), at(MIB, b)])).outcome, 'literal');
});

test('what was overwritten meanwhile is no prior state', async () => {
  const site = new DedupSite();
  const volume = await site.volume('one', 8 * MIB);
  const content = randomBytes(2 * MIB);
  await volume.replicate([at(0, content)]);
  await volume.replicate([at(MIB, randomBytes(MIB))]);
  const again = await volume.replicate([at(4 * MIB, content)]);
  assert.equal(again.outcome, 'resolved');
  assert.deepEqual(kindsOf(again.reduced ?? new Uint8Array()), { prior: 1, journal: 1 });
});

test('what a delta holds twice travels once', async () => {
  const volume = await new DedupSite().volume('one', 8 * MIB);
  const content = randomBytes(MIB);
  const sending = await volume.replicate([at(0, content), at(2 * MIB, content), at(4 * MIB + BLOCK_BYTES, content)]);
  assert.equal(sending.outcome, 'repeats');
  assert.deepEqual(kindsOf(sending.reduced ?? new Uint8Array()), { literal: 1, own: 2 });
  assert(sending.wireBytes < content.length + 4 * KIB, `${sending.wireBytes} bytes`);
});

test('what a delta holds once in its own literal bytes can be referred to there', async () => {
  const site = new DedupSite();
  const [one, two] = [await site.volume('one', 8 * MIB), await site.volume('two', 8 * MIB)];
  const [twice, behind] = [randomBytes(MIB), randomBytes(MIB)];
  const sending = await one.replicate([at(0, twice), at(2 * MIB, twice), at(4 * MIB, behind)]);
  assert.equal(sending.outcome, 'repeats');
  const sibling = await two.replicate([at(0, behind), at(MIB, twice)]);
  assert.equal(sibling.outcome, 'resolved');
  assert.deepEqual(kindsOf(sibling.reduced ?? new Uint8Array()), { journal: 2 });
});

test('blocks that stay literal, zeros and odd ends keep their places between references', async () => {
  const site = new DedupSite();
  const odd = 4 * MIB + 1536;
  const [one, two] = [await site.volume('one', odd), await site.volume('two', odd)];
  const shared = randomBytes(2 * MIB);
  await one.replicate([at(0, shared)]);
  const mixed = Buffer.concat([
    randomBytes(BLOCK_BYTES),
    shared.subarray(0, MIB),
    Buffer.alloc(3 * BLOCK_BYTES),
    shared.subarray(MIB + BLOCK_BYTES),
    randomBytes(odd - 2 * MIB - 3 * BLOCK_BYTES),
  ]);
  assert.equal(mixed.length, odd);
  const sending = await two.replicate([at(0, mixed)]);
  assert.deepEqual(kindsOf(sending.reduced ?? new Uint8Array()), { literal: 3, journal: 2 });
});

test('a delta whose repeated blocks lie among others is written with each at its place', async () => {
  const volume = await new DedupSite().volume('one', 16 * MIB);
  const blocks = Array.from({ length: 64 }, () => randomBytes(BLOCK_BYTES));
  const parts = Array.from({ length: 2048 }, (_, index) =>
    index % 3 === 0 ? randomBytes(BLOCK_BYTES) : (blocks[(index * 7) % 64] ?? Buffer.alloc(0)),
  );
  const sending = await volume.replicate([
    at(0, Buffer.concat(parts)),
    at(12 * MIB, Buffer.concat(parts.slice(5, 900))),
  ]);
  assert.equal(sending.outcome, 'repeats');
  assert(sending.wireBytes < (700 + 64) * BLOCK_BYTES + 200 * KIB, `${sending.wireBytes} bytes`);
});

test('content is not referred to before its delta was acknowledged, nor after its entry may be gone', async () => {
  const site = new DedupSite();
  const [one, two] = [await site.volume('one', 4 * MIB), await site.volume('two', 16 * MIB)];
  const content = randomBytes(MIB);
  const { stored } = await one.send(await one.store([at(0, content)]));
  assert.equal((await two.send(await two.store([at(0, content)]))).outcome, 'literal');
  // The second volume's own delta is known now, and is not acknowledged either.
  await one.acknowledge(stored);
  const three = await site.volume('three', 4 * MIB);
  assert.equal((await three.send(await three.store([at(0, content)]))).outcome, 'literal');
  await three.acknowledge(await three.store([at(2 * MIB, randomBytes(BLOCK_BYTES))]));
  const four = await site.volume('four', 4 * MIB);
  assert.equal((await four.replicate([at(0, content)])).outcome, 'resolved');
  await site.clock.sleep(DAY_MS - 1);
  const five = await site.volume('five', 4 * MIB);
  assert.equal((await five.replicate([at(0, content)])).outcome, 'resolved');
  await site.clock.sleep(1);
  // The fifth refreshed it: its entry is the youngest that has it.
  const six = await site.volume('six', 4 * MIB);
  assert.equal((await six.replicate([at(0, content)])).outcome, 'resolved');
  await site.clock.sleep(DAY_MS);
  const seven = await site.volume('seven', 4 * MIB);
  assert.equal((await seven.replicate([at(0, content)])).outcome, 'literal');
});

test('an entry is referred to for a day less than the cloud keeps it; six days where it has not said how long', async () => {
  for (const { keptMs, referableMs } of [
    { keptMs: 3 * DAY_MS, referableMs: 2 * DAY_MS },
    { keptMs: 60_000, referableMs: 0 },
    { keptMs: undefined, referableMs: 6 * DAY_MS },
  ]) {
    for (const { ageMs, outcome } of [
      { ageMs: referableMs - 1, outcome: 'resolved' },
      { ageMs: referableMs, outcome: 'literal' },
    ]) {
      if (ageMs < 0) continue;
      const site = new DedupSite();
      site.journalKeptMs = keptMs;
      const content = randomBytes(MIB);
      await (await site.volume('one', 4 * MIB)).replicate([at(0, content)]);
      await site.clock.sleep(ageMs);
      const sent = await (await site.volume('two', 4 * MIB)).replicate([at(0, content)]);
      assert.equal(sent.outcome, outcome, `kept ${keptMs}, ${ageMs} old`);
    }
  }
});

test('a delta that was long on its way is referred to no longer than one that was not: its entry is as old as it is', async () => {
  for (const { waitedMs, outcome } of [
    { waitedMs: DAY_MS - 1, outcome: 'resolved' },
    { waitedMs: DAY_MS, outcome: 'literal' },
  ]) {
    const site = new DedupSite();
    const content = randomBytes(MIB);
    const one = await site.volume('one', 4 * MIB);
    const { stored } = await one.send(await one.store([at(0, content)]));
    await site.clock.sleep(waitedMs);
    await one.acknowledge(stored);
    const sent = await (await site.volume('two', 4 * MIB)).replicate([at(0, content)]);
    assert.equal(sent.outcome, outcome, `acknowledged after ${waitedMs} ms`);
  }
});

test('a stale index costs one ask, never content, and then it is forgotten', async () => {
  const site = new DedupSite();
  const one = await site.volume('one', 4 * MIB);
  const content = randomBytes(MIB);
  const { stored } = await one.replicate([at(0, content)]);
  site.journal.delete(one.entryOf(stored));
  const two = await site.volume('two', 4 * MIB);
  assert.equal((await two.replicate([at(0, content)])).outcome, 'asked');
  const three = await site.volume('three', 4 * MIB);
  assert.equal((await three.replicate([at(0, content)])).outcome, 'literal');
  const four = await site.volume('four', 4 * MIB);
  assert.equal((await four.replicate([at(0, content)])).outcome, 'resolved', 'from the literal one');
});

test('an index that says what is not true costs asks alone', async () => {
  const site = new DedupSite();
  const [one, two] = [await site.volume('one', 4 * MIB), await site.volume('two', 4 * MIB)];
  const [content, other] = [randomBytes(MIB), randomBytes(MIB)];
  const { stored } = await one.replicate([at(0, content)]);
  // The entry in the cloud is another one: its bytes have the right places and the wrong content.
  const wrong = await (await new DedupSite().volume('one', 4 * MIB)).store([at(0, other)]);
  site.journal.set(one.entryOf(stored), wrong);
  assert.equal((await two.replicate([at(0, content)])).outcome, 'asked');
});

test('an entry that the cloud asks for again is not referred to any more', async () => {
  const site = new DedupSite();
  const [one, two] = [await site.volume('one', 4 * MIB), await site.volume('two', 4 * MIB)];
  const content = randomBytes(MIB);
  const { stored } = await one.replicate([at(0, content)]);
  await one.dedup.noteAsked(openDelta(stored).head);
  assert.equal((await two.replicate([at(0, content)])).outcome, 'literal');
});

test('what an earlier process stored goes whole, whatever the index has kept of it: one name, one content', async () => {
  for (const lost of [false, true]) {
    const site = new DedupSite();
    const [one, two] = [await site.volume('one', 4 * MIB), await site.volume('two', 4 * MIB)];
    const content = randomBytes(MIB);
    await one.replicate([at(0, content)]);
    const stored = await two.store([at(0, content)]);
    assert.equal((await two.dedup.prepare(stored)).form, 'refs-1');
    await two.restart(lost ? new MemoryContentIndex() : undefined);
    assert.deepEqual(await two.dedup.prepare(stored), { bytes: stored, form: 'literal-2' });
    const next = await two.store([at(2 * MIB, content)]);
    const form = lost ? 'literal-1' : 'refs-1';
    assert.equal((await two.dedup.prepare(next)).form, form, 'what this process stores goes as before');
  }
});

test('a delta that is not the newest any more is cut by the hashes of its own bytes', async () => {
  const site = new DedupSite();
  const [one, two] = [await site.volume('one', 4 * MIB), await site.volume('two', 8 * MIB)];
  const [content, other] = [randomBytes(2 * MIB), randomBytes(2 * MIB)];
  await one.replicate([at(0, content)]);
  const waiting = [
    await two.store([at(0, content)]),
    await two.store([at(0, other)]),
    await two.store([at(4 * MIB, content)]),
  ];
  const outcomes = [];
  for (const stored of waiting) outcomes.push(kindsOf((await two.send(stored)).reduced ?? stored));
  assert.deepEqual(outcomes, [{ journal: 1 }, { literal: 1 }, { journal: 1 }]);
});

test('what saves little is sent as it is', async () => {
  const site = new DedupSite();
  const [one, two] = [await site.volume('one', 16 * MIB), await site.volume('two', 16 * MIB)];
  const content = randomBytes(2 * MIB);
  await one.replicate([at(0, content)]);
  assert.equal((await two.replicate([at(0, content.subarray(0, 64 * KIB))])).outcome, 'literal', 'two requests more');
  // From each of many entries a little.
  const small = Array.from({ length: 40 }, () => randomBytes(BLOCK_BYTES * 4));
  for (const [index, bytes] of small.entries()) await one.replicate([at(4 * MIB + index * 64 * KIB, bytes)]);
  assert.equal((await two.replicate([at(4 * MIB, Buffer.concat(small))])).outcome, 'literal', 'a request for each');
});

test('of more entries than a delta can name those with the most content serve', async () => {
  const site = new DedupSite();
  const [one, two] = [await site.volume('one', 16 * MIB), await site.volume('two', 16 * MIB)];
  const count = DELTA_LIMITS.sourcesMax + 8;
  // The same in every run: whether a short part has a sample is a matter of chance.
  const parts = Array.from({ length: count }, (_, index) =>
    fixedBytes(index, (index % 2 === 0 ? 64 : 32) * BLOCK_BYTES),
  );
  for (const [index, bytes] of parts.entries()) await one.replicate([at(index * 256 * KIB, bytes)]);
  const sending = await two.replicate([at(0, Buffer.concat(parts))]);
  assert.equal(sending.outcome, 'resolved');
  const sources = openDelta(sending.reduced ?? new Uint8Array()).outside.map(
    (one) => one.kind === 'journal' && one.source,
  );
  assert.equal(new Set(sources).size, DELTA_LIMITS.sourcesMax);
  assert(sending.wireBytes < 9 * 32 * BLOCK_BYTES, `${sending.wireBytes} bytes`);
});

test('of more stretches of the volume than a delta may have read the longest serve', async () => {
  const volume = await new DedupSite().volume('one', 64 * MIB);
  const count = DELTA_LIMITS.priorReadsMax + 24;
  const parts = Array.from({ length: count }, (_, index) => fixedBytes(index, (index < 24 ? 10 : 12) * BLOCK_BYTES));
  await volume.replicate(parts.map((bytes, index) => at(index * 128 * KIB, bytes)));
  const { outcome, reduced } = await volume.replicate([at(48 * MIB, Buffer.concat(parts))]);
  assert.equal(outcome, 'resolved');
  const prior = openDelta(reduced ?? new Uint8Array()).outside.filter(({ kind }) => kind === 'prior');
  assert.deepEqual(
    prior.map((one) => one.lengthBytes),
    Array.from({ length: DELTA_LIMITS.priorReadsMax }, () => 12 * BLOCK_BYTES),
  );
});

test('a delta that is damaged in the outbox is sent as it is, for the cloud to tell', async () => {
  const volume = await new DedupSite().volume('one', 4 * MIB);
  const content = randomBytes(MIB);
  const stored = await volume.store([at(0, content), at(2 * MIB, content)]);
  stored[stored.length - 1] = (stored.at(-1) ?? 0) ^ 1;
  assert.deepEqual(await volume.dedup.prepare(stored), { bytes: stored, form: 'literal-1' });
  stored.fill(0, 0, 8);
  assert.deepEqual(await volume.dedup.prepare(stored), { bytes: stored, form: 'literal-1' });
});

test('a delta with properties and a marker keeps both', async () => {
  const site = new DedupSite();
  const [one, two] = [await site.volume('one', 4 * MIB), await site.volume('two', 4 * MIB)];
  const content = randomBytes(MIB);
  await one.replicate([at(0, content)]);
  const said = {
    properties: '{"label":"data"}',
    marker: { name: 'p-1', consistency: 'application' as const, timeMs: 1_700_000_000_000 },
  };
  const { reduced, stored } = await two.replicate([at(0, content)], said);
  const { head } = openDelta(reduced ?? new Uint8Array());
  assert.deepEqual({ properties: head.properties, marker: head.marker }, said);
  assert.equal(head.digest, openDelta(stored).head.digest);
});
