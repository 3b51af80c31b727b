/**
 * The workload of the churn measurements: a SQLite database whose rows are updated with Zipf's frequencies, and the blocks
 * that differ from one checkpoint to the next. Sizes and seed are fixed.
 */
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { ByteRange } from '../../src/kernel/byte-range.ts';
import { KIB } from '../../src/kernel/units.ts';
import { Chance } from '../../test/support/integration/chance.ts';
import { BLOCK_BYTES, joined } from './ranges.ts';

const ROWS = 150_000;
const ROW_BYTES = 400;
const CHECKPOINTS = 8;
const UPDATES = 5000;
/** The k-th most frequent row is updated 1 / k^this as often as the most frequent. */
const ZIPF = 0.99;
const SEED = 41;

/** What the database file was, and what of it had changed since the state before; all of it in the first. */
export interface Churned {
  readonly bytes: Buffer;
  /** Maximal runs of changed blocks, as they are, of any length. */
  readonly runs: readonly ByteRange[];
}

/** The file after it was made, and then after each checkpoint. */
export function* churn(file: string): Generator<Churned> {
  const chance = new Chance(SEED, 'churn');
  const database = new DatabaseSync(file);
  try {
    database.exec(`PRAGMA page_size = ${4 * KIB}; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0`);
    database.exec('CREATE TABLE entry (id INTEGER PRIMARY KEY, body BLOB NOT NULL, changes INTEGER NOT NULL)');
    const insert = database.prepare('INSERT INTO entry VALUES (?, ?, 0)');
    const update = database.prepare('UPDATE entry SET body = ?, changes = changes + 1 WHERE id = ?');
    let before: Buffer = Buffer.alloc(0);
    const checkpoint = (): Churned => {
      database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      const bytes = readFileSync(file);
      const runs = changedRuns(before, bytes);
      before = bytes;
      return { bytes, runs };
    };
    const inTransaction = (work: () => void): void => {
      database.exec('BEGIN');
      work();
      database.exec('COMMIT');
    };
    inTransaction(() => {
      for (let id = 0; id < ROWS; id += 1) insert.run(id, chance.bytes(ROW_BYTES));
    });
    yield checkpoint();
    // Which row is the k-th most frequent has nothing to do with where it lies.
    const rowOf = shuffled(ROWS, chance);
    const rankOf = zipf(ROWS, ZIPF);
    for (let count = 0; count < CHECKPOINTS; count += 1) {
      inTransaction(() => {
        for (let done = 0; done < UPDATES; done += 1) {
          const rank = rankOf(chance.between(0, 2 ** 32 - 1) / 2 ** 32);
          update.run(chance.bytes(ROW_BYTES), rowOf[rank] ?? 0);
        }
      });
      yield checkpoint();
    }
  } finally {
    database.close();
  }
}

/** Maximal runs of blocks in which `after` differs from `before`; what `before` does not have differs. */
export function changedRuns(before: Buffer, after: Buffer): ByteRange[] {
  const blocks: ByteRange[] = [];
  for (let offset = 0; offset < after.length; offset += BLOCK_BYTES) {
    const block = after.subarray(offset, offset + BLOCK_BYTES);
    if (block.equals(before.subarray(offset, offset + BLOCK_BYTES))) continue;
    blocks.push({ offset, lengthBytes: block.length });
  }
  return joined(blocks, Infinity);
}

/** Ranks from 0 for numbers from 0 to below 1: rank k - 1 for the share that Zipf's law gives the k-th. */
export function zipf(count: number, exponent: number): (number: number) => number {
  const sums = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank += 1) {
    sum += (rank + 1) ** -exponent;
    sums[rank] = sum;
  }
  return (number) => {
    const wanted = number * sum;
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((sums[middle] ?? 0) > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

function shuffled(count: number, chance: Chance): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last -= 1) {
    const other = chance.between(0, last);
    const held = order[last] ?? 0;
    order[last] = order[other] ?? 0;
    order[other] = held;
  }
  return order;
}
