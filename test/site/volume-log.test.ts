/** A volume's log at the site: what is not seen through a replicator that goes well. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeDelta } from '../../src/delta/write.ts';
import { BLOCK_BYTES } from '../../src/ranges/blocks.ts';
import { StoreTurns } from '../../src/site/chain/store-turns.ts';
import { VolumeLog } from '../../src/site/chain/volume-log.ts';
import { MemorySiteStore } from '../support/memory/site-store.ts';

const VOLUME = 'acme/berlin/erp/data';

interface Kept {
  readonly store: MemorySiteStore;
  readonly log: VolumeLog;
}

async function begun(): Promise<Kept> {
  const store = new MemorySiteStore();
  const log = new VolumeLog(VOLUME, store);
  await log.begin({ generation: 1, term: 1 });
  return { store, log };
}

/** The chain's next delta, which fills the volume's one block. */
async function append({ log }: Kept, byte: number): Promise<void> {
  const { last } = log.state ?? assert.fail('not begun');
  const number = last.number + 1;
  const { bytes } = encodeDelta({
    volume: VOLUME,
    generation: 1,
    term: 1,
    number,
    volumeBytes: BLOCK_BYTES,
    predecessor: last.digest,
    sourceTimeMs: 0,
    extents: [{ offset: 0, bytes: new Uint8Array(BLOCK_BYTES).fill(byte) }],
    marker: { name: `p-${number}`, consistency: 'crash', timeMs: 0 },
  });
  await log.append(bytes);
}

test('what a crash left of released deltas is removed at the next start', async () => {
  const kept = await begun();
  const { store, log } = kept;
  await append(kept, 1);
  const removeDelta = store.removeDelta.bind(store);
  store.removeDelta = async () => {
    throw new Error('the process died');
  };
  await assert.rejects(log.acknowledge(log.state?.last ?? assert.fail(), 1), /died/);
  store.removeDelta = removeDelta;
  assert.equal((await store.listDeltas()).length, 1);
  const next = new VolumeLog(VOLUME, store);
  await next.recover();
  assert.deepEqual(await store.listDeltas(), []);
  assert.equal(next.storedBytes, 0);
});

test('a range list is of one state: there is none where the index was changed while it was read', async () => {
  const kept = await begun();
  const { store, log } = kept;
  await append(kept, 1);
  const before = await log.comparison.rangeList();
  const readIndex = store.readIndex.bind(store);
  store.readIndex = async (offset, into) => {
    store.readIndex = readIndex;
    await append(kept, 2);
    await readIndex(offset, into);
  };
  assert.equal(await log.comparison.rangeList(), undefined);
  const after = await log.comparison.rangeList();
  assert.equal(after?.number, 2);
  assert.notDeepEqual(after.hashes, before?.hashes);
});

test('changes of a store take turns, and one that failed is followed by a recovery', async () => {
  const done: string[] = [];
  let isBroken = true;
  const turns = new StoreTurns(async () => {
    done.push('recovery');
    if (isBroken) throw new Error('no disk');
  });
  const change = async (name: string, failure?: Error): Promise<void> =>
    turns.take(async () => {
      done.push(`${name} begins`);
      await Promise.resolve();
      if (failure) throw failure;
      done.push(`${name} ends`);
    });
  await assert.rejects(change('none'), /no disk/);
  isBroken = false;
  const outcomes = await Promise.allSettled([change('one'), change('two', new Error('full')), change('three')]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.deepEqual(done, [
    'recovery',
    'recovery',
    ...['one begins', 'one ends'],
    'two begins',
    'recovery',
    ...['three begins', 'three ends'],
  ]);
});
