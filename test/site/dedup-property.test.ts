/** Deduplication at the site: whatever deltas and whatever index, what arrives is what was stored. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { DeltaPiece } from '../../src/delta/delta.ts';
import { BLOCK_BYTES } from '../../src/ranges/blocks.ts';
import { DedupSite } from '../support/dedup-site.ts';
import type { Sending } from '../support/dedup-site.ts';
import { MemoryContentIndex } from '../support/memory/content-index.ts';

const VOLUME_BLOCKS = 512;
/** The last block is short. */
const VOLUME_BYTES = VOLUME_BLOCKS * BLOCK_BYTES - 512;
const CONTENTS = 400;

/** Contents to draw from: some compress well, none is zeros. */
const contents = Array.from({ length: CONTENTS }, (_, index) => {
  const seed = createHash('shake256', { outputLength: index % 5 === 0 ? 64 : BLOCK_BYTES })
    .update(`${index}`)
    .digest();
  return Buffer.alloc(BLOCK_BYTES, seed);
});

/** A stretch of the volume, and which contents it becomes: from one on, `step` apart; or zeros. */
const stretch = fc.record({
  begin: fc.nat(VOLUME_BLOCKS - 1),
  count: fc.integer({ min: 1, max: 200 }),
  first: fc.nat(CONTENTS - 1),
  step: fc.constantFrom(0, 1, 1, 1, 1, 3),
  asZeros: fc.constantFrom(true, false, false, false),
});

const event = fc.record({
  volume: fc.nat(2),
  stretches: fc.array(stretch, { minLength: 1, maxLength: 5 }),
  fate: fc.constantFrom(
    'acknowledged',
    'acknowledged',
    'acknowledged',
    'unheard',
    'restarted',
    'entry lost',
    'entry changed',
  ),
  passMs: fc.constantFrom(0, 0, 0, 300_000),
});
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

function piecesOf(stretches: Event['stretches']): DeltaPiece[] {
  const pieces: DeltaPiece[] = [];
  let end = 0;
  for (const { begin, count, first, step, asZeros } of stretches.toSorted((a, b) => a.begin - b.begin)) {
    const offset = Math.max(end, begin * BLOCK_BYTES);
    const stop = Math.min(VOLUME_BYTES, (begin + count) * BLOCK_BYTES);
    if (stop <= offset) continue;
    end = stop;
    if (asZeros) {
      pieces.push({ offset, zerosBytes: stop - offset });
      continue;
    }
    const blocks = Array.from(
      { length: Math.ceil((stop - offset) / BLOCK_BYTES) },
      (_, index) => contents[(first + index * step) % CONTENTS] ?? Buffer.alloc(0),
    );
    pieces.push({ offset, bytes: Buffer.concat(blocks).subarray(0, stop - offset) });
  }
  return pieces;
}

async function run(events: readonly Event[], rowsMax: number | undefined): Promise<Sending['outcome'][]> {
  const site = new DedupSite(new MemoryContentIndex(rowsMax === undefined ? {} : { rowsMax }));
  const volumes = [];
  for (const name of ['one', 'two', 'three']) volumes.push(await site.volume(name, VOLUME_BYTES));
  const outcomes: Sending['outcome'][] = [];
  for (const { volume: which, stretches, fate, passMs } of events) {
    const volume = volumes[which];
    assert(volume);
    await site.clock.sleep(passMs);
    const stored = await volume.store(piecesOf(stretches));
    if (fate === 'restarted') {
      // It was cut, and whether it was sent nobody knows.
      await volume.dedup.prepare(stored);
      await volume.restart();
    }
    outcomes.push((await volume.send(stored)).outcome);
    assert(Buffer.compare(volume.replica, volume.bytes) === 0, 'the replica is what the volume is');
    if (fate === 'unheard') continue;
    await volume.acknowledge(stored);
    if (fate === 'entry lost') site.journal.delete(volume.entryOf(stored));
    const [other] = site.journal.values();
    if (fate === 'entry changed' && other) site.journal.set(volume.entryOf(stored), other);
  }
  return outcomes;
}

/** Events of which each outcome comes, so that chance decides about no more than what else can go wrong. */
const EVERYTHING: readonly Event[] = [
  // Two copies, too far from each other for compression.
  happening(0, [copyOf(0, { begin: 0, count: 200 }), copyOf(0, { begin: 200, count: 200 })]),
  happening(0, [copyOf(200, { begin: 0, count: 150 })]),
  happening(1, [copyOf(200, { begin: 0, count: 150 })]),
  happening(0, [copyOf(360, { begin: 0, count: 40 })], 'entry lost'),
  happening(1, [copyOf(360, { begin: 0, count: 40 })]),
];

function copyOf(first: number, at: { begin: number; count: number }): Event['stretches'][number] {
  return { ...at, first, step: 1, asZeros: false };
}

function happening(volume: number, stretches: Event['stretches'], fate: Event['fate'] = 'acknowledged'): Event {
  return { volume, stretches, fate, passMs: 0 };
}

test('every replica is its volume, whatever is sent by reference and whatever the index has wrong', async () => {
  const seen = new Map<Sending['outcome'], number>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { minLength: 1, maxLength: 12 }),
      fc.constantFrom(undefined, 300, 1500),
      async (events, rowsMax) => {
        for (const outcome of await run(events, rowsMax)) seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
      },
    ),
    { numRuns: 20, examples: [[[...EVERYTHING], undefined]] },
  );
  // Otherwise nothing was shown.
  for (const outcome of ['literal', 'repeats', 'resolved', 'asked'] as const)
    assert((seen.get(outcome) ?? 0) > 0, outcome);
});
