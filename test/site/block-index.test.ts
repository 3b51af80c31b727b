/** The index takes in what was found, or what a delta holds: both must come to the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeDelta } from '../../src/delta/write.ts';
import { NO_DIGEST } from '../../src/kernel/hash.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import { BLOCK_HASH_BYTES } from '../../src/ranges/blocks.ts';
import { bringInStep, findChanges, runsOf } from '../../src/site/chain/block-index.ts';
import type { BlockRun } from '../../src/site/chain/block-index.ts';
import type { DeltaPiece } from '../../src/delta/delta.ts';
import { MemorySiteStore } from '../support/memory/site-store.ts';

const START = { volume: 'a/b/c/d', generation: 1, term: 1, number: 1, predecessor: NO_DIGEST, sourceTimeMs: 0 };

/** What `volume` changes in `store`, by what was found and by the delta alone. */
async function changed(
  store: MemorySiteStore,
  volume: Uint8Array,
): Promise<{ found: BlockRun[]; encoded: Uint8Array }> {
  const source = {
    read: async (offset: number, into: Uint8Array): Promise<void> => {
      into.set(volume.subarray(offset, offset + into.length));
    },
  };
  const found: BlockRun[] = [];
  const extents: DeltaPiece[] = [];
  for await (const piece of findChanges(source, store, { volumeBytes: volume.length, rangeBytesMax: 64 * KIB })) {
    const { offset, hashes } = piece;
    const isZeros = 'zerosBytes' in piece;
    found.push({ offset, lengthBytes: isZeros ? piece.zerosBytes : piece.bytes.length, hashes });
    extents.push(isZeros ? piece : { offset, bytes: piece.bytes.slice() });
  }
  return { found, encoded: encodeDelta({ ...START, volumeBytes: volume.length, extents }).bytes };
}

async function indexOf(store: MemorySiteStore): Promise<Uint8Array> {
  const index = new Uint8Array(1024 * BLOCK_HASH_BYTES);
  await store.readIndex(0, index);
  return index;
}

test('what was found in a volume brings an index to where the delta made of it does', async () => {
  const [byFound, byDelta] = [new MemorySiteStore(), new MemorySiteStore()];
  // Zeros, then data across chunks; data that becomes zeros, with an end within a block; shorter; longer again.
  const volume = new Uint8Array(3 * MIB).fill(1, 900 * KIB, 2200 * KIB).fill(2, 2800 * KIB);
  const states = [
    volume,
    new Uint8Array(3 * MIB + 512).fill(1, 1000 * KIB, 1004 * KIB).fill(3, 2 * MIB),
    new Uint8Array(2 * MIB + 1536).fill(3, MIB),
    new Uint8Array(3 * MIB).fill(4, MIB, MIB + 4 * KIB).fill(3, 2 * MIB - 8 * KIB),
  ];
  let beforeBytes = 0;
  for (const state of states) {
    const { found, encoded } = await changed(byFound, state);
    const size = { beforeBytes, volumeBytes: state.length };
    await bringInStep(byFound, found, size);
    await bringInStep(byDelta, runsOf(encoded), size);
    assert.deepEqual(await indexOf(byFound), await indexOf(byDelta));
    assert.deepEqual((await changed(byFound, state)).found, [], 'nothing differs any more');
    beforeBytes = state.length;
  }
});

test('a delta that sets parts of blocks is none that the index can take', () => {
  const extents = [{ offset: 512, bytes: new Uint8Array(512).fill(1) }];
  const { bytes } = encodeDelta({ ...START, volumeBytes: MIB, extents });
  assert.throws(() => [...runsOf(bytes)], { code: 'DELTA_INVALID' });
});
