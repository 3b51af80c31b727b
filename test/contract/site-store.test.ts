/** The contract of SiteStore, run on every adapter. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { SiteStore } from '../../src/ports/site-store.ts';
import { openSiteStore } from '../../src/system/site-store.ts';
import { MemorySiteStore } from '../support/memory/site-store.ts';

interface Adapter {
  readonly name: string;
  /** Gives a fresh store to `use`, and what opens the same one again. */
  with(use: (store: SiteStore, reopen: () => Promise<SiteStore>) => Promise<void>): Promise<void>;
}

const adapters: Adapter[] = [
  {
    name: 'in memory',
    with: async (use) => {
      const store = new MemorySiteStore();
      await use(store, async () => store);
    },
  },
  {
    name: 'in a folder',
    with: async (use) => {
      const folder = await mkdtemp(join(tmpdir(), 'leeward-store-'));
      let store = await openSiteStore(join(folder, 'a', 'b'));
      try {
        await use(store, async () => {
          await store.close();
          store = await openSiteStore(join(folder, 'a', 'b'));
          return store;
        });
      } finally {
        await store.close();
        await rm(folder, { recursive: true });
      }
    },
  },
];

for (const adapter of adapters) {
  describe(`a site's store ${adapter.name}`, () => {
    test('keeps its state', async () => {
      await adapter.with(async (store, reopen) => {
        assert.equal(await store.readState(), undefined);
        await store.writeState('{"a": "ä"}');
        await store.writeState('{}');
        assert.equal(await store.readState(), '{}');
        assert.equal(await (await reopen()).readState(), '{}');
      });
    });

    test('keeps deltas by their numbers', async () => {
      await adapter.with(async (store, reopen) => {
        assert.deepEqual(await store.listDeltas(), []);
        for (const number of [10, 9, 4_294_967_295]) await store.putDelta(number, Buffer.from(`delta ${number}`));
        await store.putDelta(9, Buffer.from('other'));
        const listed = [
          { number: 9, sizeBytes: 5 },
          { number: 10, sizeBytes: 8 },
          { number: 4_294_967_295, sizeBytes: 16 },
        ];
        assert.deepEqual(await store.listDeltas(), listed);
        const again = await reopen();
        assert.deepEqual(await again.listDeltas(), listed);
        assert.equal(Buffer.from((await again.readDelta(9)) ?? []).toString(), 'other');
        assert.equal(await again.readDelta(1), undefined);
        await again.removeDelta(9);
        await again.removeDelta(9);
        assert.equal(await again.readDelta(9), undefined);
        assert.deepEqual(await again.listDeltas(), listed.slice(1));
      });
    });

    test('has an index that reads as zeros where nothing was written', async () => {
      await adapter.with(async (store, reopen) => {
        const read = async (from: SiteStore, offset: number, length: number): Promise<number[]> => {
          const into = new Uint8Array(length).fill(255);
          await from.readIndex(offset, into);
          return [...into];
        };
        assert.deepEqual(await read(store, 0, 4), [0, 0, 0, 0]);
        await store.writeIndex(6, Uint8Array.of(1, 2, 3));
        await store.writeIndex(7, Uint8Array.of(9));
        assert.deepEqual(await read(store, 4, 8), [0, 0, 1, 9, 3, 0, 0, 0]);
        await store.syncIndex();
        const again = await reopen();
        assert.deepEqual(await read(again, 6, 3), [1, 9, 3]);
        await again.cutIndex(100);
        assert.deepEqual(await read(again, 6, 3), [1, 9, 3]);
        await again.cutIndex(7);
        await again.syncIndex();
        await again.writeIndex(9, Uint8Array.of(5));
        assert.deepEqual(await read(again, 4, 8), [0, 0, 1, 0, 0, 5, 0, 0]);
        await again.cutIndex(0);
        await again.syncIndex();
        assert.deepEqual(await read(await reopen(), 0, 16), new Array(16).fill(0));
      });
    });
  });
}
