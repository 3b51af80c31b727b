/** The contract of ContentIndex, run on every adapter. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { ContentBlocks, ContentEntry, ContentIndex } from '../../src/ports/content-index.ts';
import { openContentIndex } from '../../src/system/content-index.ts';
import { MemoryContentIndex } from '../support/memory/content-index.ts';

interface Adapter {
  readonly name: string;
  /** Gives a fresh index to `use`, and what opens the same one again. */
  with(
    use: (index: ContentIndex, reopen: () => ContentIndex) => Promise<void>,
    options?: { rowsMax?: number },
  ): Promise<void>;
}

const adapters: Adapter[] = [
  {
    name: 'in memory',
    with: async (use, options) => {
      const index = new MemoryContentIndex(options);
      await use(index, () => index);
    },
  },
  {
    name: 'in SQLite',
    with: async (use, options) => {
      const folder = await mkdtemp(join(tmpdir(), 'leeward-content-'));
      const file = join(folder, 'content.sqlite');
      let index = openContentIndex(file, options);
      try {
        await use(index, () => {
          index.close();
          return (index = openContentIndex(file, options));
        });
      } finally {
        index.close();
        await rm(folder, { recursive: true });
      }
    },
  },
];

const SENT_MS = 1_700_000_000_000;

function entry(number: number, more: Partial<ContentEntry> = {}): ContentEntry {
  return { name: `entry ${number}`, volume: 'acme/berlin/erp/data', generation: 1, number, sentMs: SENT_MS, ...more };
}

function blocks(...keys: bigint[]): ContentBlocks {
  return {
    keys: BigInt64Array.from(keys),
    blockNumbers: Uint32Array.from(keys, (_, index) => 0xffff_fff0 + index),
    pages: Uint32Array.from(keys, (_, index) => index * 8),
  };
}

function hooks(...keys: bigint[]): BigInt64Array<ArrayBuffer> {
  return BigInt64Array.from(keys);
}

async function found(index: ContentIndex, ...keys: bigint[]): Promise<(readonly [string, number])[]> {
  return (await index.find(hooks(...keys))).map(({ name, hits }) => [name, hits] as const);
}

const MIN = -(2n ** 63n);
const MAX = 2n ** 63n - 1n;

for (const adapter of adapters) {
  describe(`a content index ${adapter.name}`, () => {
    test('gives back what was added, found by its hooks and by nothing else', async () => {
      await adapter.with(async (index, reopen) => {
        await index.add(entry(1), blocks(MIN, -1n, 0n, 7n, MAX), hooks(MIN, MAX));
        for (const open of [() => index, reopen]) {
          const now = open();
          assert.deepEqual(await now.find(hooks(MIN, 7n, MAX)), [{ ...entry(1), isAcknowledged: false, hits: 2 }]);
          assert.deepEqual(await now.blocks('entry 1'), blocks(MIN, -1n, 0n, 7n, MAX));
          assert.deepEqual(await now.find(hooks(7n, 8n)), []);
          assert.equal(await now.blocks('entry 2'), undefined);
        }
      });
    });

    test('tells when an entry was sent, to the millisecond before', async () => {
      await adapter.with(async (index, reopen) => {
        await index.add(entry(1, { sentMs: SENT_MS + 0.5 }), blocks(1n), hooks(1n));
        assert.deepEqual(
          (await reopen().find(hooks(1n))).map(({ sentMs }) => Math.floor(sentMs)),
          [SENT_MS],
        );
      });
    });

    test('takes an entry once', async () => {
      await adapter.with(async (index, reopen) => {
        await index.add(entry(1), blocks(1n), hooks(1n));
        await index.add(entry(1), blocks(2n), hooks(2n));
        assert.deepEqual(await found(reopen(), 1n, 2n), [['entry 1', 1]]);
      });
    });

    test('takes an entry without blocks', async () => {
      await adapter.with(async (index) => {
        await index.add(entry(1), blocks(), hooks());
        await index.add(entry(1), blocks(), hooks());
        assert.deepEqual(await index.blocks('entry 1'), blocks());
      });
    });

    test('leads to the newest entry that a hook was given for, most hits first', async () => {
      await adapter.with(async (index) => {
        await index.add(entry(1), blocks(1n, 2n, 3n, 4n), hooks(1n, 2n, 3n, 4n));
        await index.add(entry(2), blocks(4n), hooks(4n));
        await index.add(entry(3), blocks(5n), hooks(5n));
        assert.deepEqual(await found(index, 1n, 2n, 3n, 4n, 5n), [
          ['entry 1', 3],
          ['entry 3', 1],
          ['entry 2', 1],
        ]);
      });
    });

    test('notes which deltas were acknowledged, and not those of other volumes, generations and numbers', async () => {
      await adapter.with(async (index, reopen) => {
        const others = [{ volume: 'acme/berlin/erp/log' }, { generation: 2 }, { number: 3 }];
        const all = [
          entry(1),
          entry(2),
          ...others.map((other, at) => ({ ...entry(2), name: `other ${at}`, ...other })),
        ];
        for (const [at, one] of all.entries()) await index.add(one, blocks(BigInt(at)), hooks(BigInt(at)));
        const known = async (): Promise<(boolean | undefined)[]> => {
          const entries = await reopen().find(hooks(0n, 1n, 2n, 3n, 4n));
          return all.map(({ name }) => entries.find((one) => one.name === name)?.isAcknowledged);
        };
        await index.acknowledge(entry(1));
        assert.deepEqual(await known(), [true, false, false, false, false]);
        await reopen().acknowledge(entry(2));
        assert.deepEqual(await known(), [true, true, false, false, false]);
      });
    });

    test('forgets an entry, and does not take it again', async () => {
      await adapter.with(async (index, reopen) => {
        await index.add(entry(1), blocks(1n, 2n), hooks(1n, 2n));
        await index.add(entry(2), blocks(2n), hooks(2n));
        for (let time = 0; time < 2; time += 1) await index.forget('entry 1');
        await index.forget('never added');
        const again = reopen();
        assert.deepEqual(await found(again, 1n, 2n), [['entry 2', 1]]);
        assert.equal(await again.blocks('entry 1'), undefined);
        await again.add(entry(1), blocks(1n), hooks(1n));
        assert.deepEqual(await found(again, 1n), []);
        assert.equal(await again.blocks('entry 1'), undefined);
      });
    });

    test('forgets the oldest entries when there are too many rows, never the newest', async () => {
      await adapter.with(
        async (index, reopen) => {
          const keysOf = (number: number): bigint[] => [0n, 1n, 2n].map((at) => BigInt(number * 10) + at);
          for (const number of [1, 2, 3, 4]) {
            await index.add(entry(number), blocks(...keysOf(number)), hooks(...keysOf(number)));
          }
          const all = [1, 2, 3, 4].flatMap(keysOf);
          // Four rows each: three blocks and the entry itself.
          assert.deepEqual((await found(index, ...all)).map(([name]) => name).sort(), [
            'entry 2',
            'entry 3',
            'entry 4',
          ]);
          assert.equal(await index.blocks('entry 1'), undefined);
          // What a forgotten entry held makes room, also after a restart.
          await index.forget('entry 3');
          const again = reopen();
          await again.add(entry(5), blocks(...keysOf(5)), hooks(...keysOf(5)));
          assert.deepEqual((await found(again, ...all)).map(([name]) => name).sort(), ['entry 2', 'entry 4']);
          const many = Array.from({ length: 20 }, (_, at) => BigInt(1000 + at));
          await again.add(entry(6), blocks(...many), hooks(...many));
          assert.deepEqual(await found(again, ...all, ...many), [['entry 6', 20]]);
        },
        { rowsMax: 13 },
      );
    });
  });
}
