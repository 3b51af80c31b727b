/**
 * A site's content index in an SQLite file.
 *
 * Invariants: those of the port; the file belongs to one process at a time, which its own lock says. Since it holds hints
 * only, whatever is wrong with it is answered by an empty one: it never keeps a site from replicating, as long as there
 * can be a file at all.
 */
import { closeSync, openSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { StatementSync } from 'node:sqlite';
import { z } from 'zod';
import { LeewardError } from '../kernel/errors.ts';
import { MIB } from '../kernel/units.ts';
import type { ContentBlocks, ContentEntry, ContentIndex, FoundEntry } from '../ports/content-index.ts';

export interface ContentIndexOptions {
  /**
   * Most rows, one for each block and each entry; the newest entry always stays. About 24 bytes of disk each. Default:
   * 8 Mi, which is 32 GiB of content in about 200 MiB.
   */
  readonly rowsMax?: number;
}

/** A {@link ContentIndex} that must be closed. */
export interface OpenContentIndex extends ContentIndex {
  /** Gives the file back. Afterwards every call fails. */
  close(): void;
}

/** Changes with the tables below: a file of another layout is begun anew. */
const LAYOUT = 2;

const TABLES = `
  CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, volume TEXT NOT NULL, generation INTEGER NOT NULL,
    number INTEGER NOT NULL, sentMs INTEGER NOT NULL, isAcknowledged INTEGER NOT NULL DEFAULT 0,
    rowCount INTEGER NOT NULL, hooks BLOB NOT NULL, blocks BLOB
  ) STRICT;
  CREATE INDEX IF NOT EXISTS pending ON entries (volume, generation, number) WHERE isAcknowledged = 0;
  CREATE TABLE IF NOT EXISTS hooks (key INTEGER PRIMARY KEY, entry INTEGER NOT NULL) STRICT;
  PRAGMA user_version = ${LAYOUT};`;

/** A block in the file: a key and two numbers of 32 bits. */
const ROW_BYTES = 16;

/** Memory that SQLite may take: the hooks of some 8 Mi rows. */
const CACHE_KIB = 32 * 1024;
/** Pages of 4 KiB that the write-ahead log gathers. */
const CHECKPOINT_PAGES = 4 * 1024;

/** Source: SQLite, "Result and Error Codes", SQLITE_BUSY. */
const SQLITE_BUSY = 5;

const countSchema = z.object({ rows: z.int().nullable() });
const versionSchema = z.object({ user_version: z.int() });
const heldSchema = z.object({ id: z.int(), rowCount: z.int(), hooks: z.instanceof(Uint8Array) });
const blocksSchema = z.object({ blocks: z.instanceof(Uint8Array).nullable() });
const entrySchema = z.object({
  name: z.string(),
  volume: z.string(),
  generation: z.int(),
  number: z.int(),
  sentMs: z.int(),
  isAcknowledged: z.int(),
});

/**
 * Opens the file, making it if there is none or it is no good. Errors: CONFLICT when another process has it open;
 * UNAVAILABLE when there can be no file.
 */
export function openContentIndex(file: string, options: ContentIndexOptions = {}): OpenContentIndex {
  return new SqliteContentIndex(file, options.rowsMax ?? 8 * MIB);
}

/** The file, open, and what is asked of it. */
interface Tables {
  readonly database: DatabaseSync;
  readonly insertEntry: StatementSync;
  readonly insertHook: StatementSync;
  readonly entryOfHook: StatementSync;
  readonly entryById: StatementSync;
  readonly blocksByName: StatementSync;
  readonly acknowledge: StatementSync;
  readonly oldest: StatementSync;
  readonly heldByName: StatementSync;
  readonly deleteHook: StatementSync;
  readonly emptyEntry: StatementSync;
  readonly deleteEntry: StatementSync;
  /** Rows in it, each entry counted as one more. */
  rowCount: number;
}

class SqliteContentIndex implements OpenContentIndex {
  readonly #file: string;
  readonly #rowsMax: number;
  #tables: Tables | undefined;
  #isClosed = false;

  constructor(file: string, rowsMax: number) {
    this.#file = file;
    this.#rowsMax = rowsMax;
    this.#use(() => undefined);
  }

  async add(entry: ContentEntry, blocks: ContentBlocks, hooks: BigInt64Array): Promise<void> {
    this.#change((tables) => {
      const { name, volume, generation, number, sentMs } = entry;
      const rowCount = 1 + blocks.keys.length;
      // In their order, so that neighbours in the tree come one after the other.
      const ordered = hooks.toSorted();
      const packed = [bytesOf(ordered), pack(blocks)] as const;
      const added = tables.insertEntry.run(name, volume, generation, number, Math.floor(sentMs), rowCount, ...packed);
      if (added.changes === 0) return;
      for (const key of ordered) tables.insertHook.run(key, added.lastInsertRowid);
      tables.rowCount += rowCount;
      while (tables.rowCount > this.#rowsMax) {
        const oldest = heldSchema.parse(tables.oldest.get());
        if (oldest.id === Number(added.lastInsertRowid)) break;
        deleteHooks(tables, oldest);
        tables.deleteEntry.run(oldest.id);
        tables.rowCount -= oldest.rowCount;
      }
    });
  }

  async find(hooks: BigInt64Array): Promise<readonly FoundEntry[]> {
    return this.#use((tables) => {
      const hits = new Map<number, number>();
      for (const key of hooks) {
        // A schema for each of so many would cost more than finding them.
        const entry = tables.entryOfHook.get(key)?.['entry'];
        if (typeof entry === 'number') hits.set(entry, (hits.get(entry) ?? 0) + 1);
      }
      const order = [...hits].sort(([a, aHits], [b, bHits]) => bHits - aHits || b - a);
      return order.map(([id, count]) => {
        const { isAcknowledged, ...entry } = entrySchema.parse(tables.entryById.get(id));
        return { ...entry, isAcknowledged: isAcknowledged === 1, hits: count };
      });
    });
  }

  async blocks(name: string): Promise<ContentBlocks | undefined> {
    return this.#use((tables) => {
      const found = tables.blocksByName.get(name);
      const packed = found === undefined ? null : blocksSchema.parse(found).blocks;
      return packed === null ? undefined : unpack(packed);
    });
  }

  async acknowledge({ volume, generation, number }: Parameters<ContentIndex['acknowledge']>[0]): Promise<void> {
    this.#use((tables) => tables.acknowledge.run(volume, generation, number));
  }

  async forget(name: string): Promise<void> {
    this.#change((tables) => {
      const found = tables.heldByName.get(name);
      if (found === undefined) return;
      const held = heldSchema.parse(found);
      deleteHooks(tables, held);
      tables.emptyEntry.run(held.id);
      tables.rowCount -= held.rowCount - 1;
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#closeFile();
  }

  #closeFile(): void {
    this.#tables?.database.close();
    this.#tables = undefined;
  }

  /** As {@link #use}, wholly or not at all. */
  #change<T>(work: (tables: Tables) => T): T {
    return this.#use((tables) => {
      const { rowCount } = tables;
      tables.database.exec('BEGIN');
      try {
        const result = work(tables);
        tables.database.exec('COMMIT');
        return result;
      } catch (error) {
        tables.rowCount = rowCount;
        if (tables.database.isTransaction) tables.database.exec('ROLLBACK');
        throw error;
      }
    });
  }

  /** Does it, on an empty file if it cannot be done on the one that is there. */
  #use<T>(work: (tables: Tables) => T): T {
    if (this.#isClosed) throw new LeewardError('UNAVAILABLE', `${this.#file} is closed`);
    try {
      return work((this.#tables ??= open(this.#file)));
    } catch (error) {
      this.#closeQuietly();
      if (isBusy(error)) {
        throw new LeewardError('CONFLICT', `${this.#file} is in use by another process`, { cause: error });
      }
      return this.#anew(work);
    }
  }

  #anew<T>(work: (tables: Tables) => T): T {
    try {
      for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(`${this.#file}${suffix}`, { force: true });
      return work((this.#tables = open(this.#file)));
    } catch (error) {
      this.#closeQuietly();
      throw new LeewardError('UNAVAILABLE', `${this.#file}: the content index cannot be kept`, { cause: error });
    }
  }

  #closeQuietly(): void {
    try {
      this.#closeFile();
    } catch {
      // Whatever is wrong with it, it is thrown away or was never ours.
      this.#tables = undefined;
    }
  }
}

function open(file: string): Tables {
  makePrivate(file);
  const database = new DatabaseSync(file);
  try {
    // WAL with NORMAL: whole after every crash, without waiting for the disk at every change.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
    // Keys come from all over the tree: it is held, and what was written goes into it in fewer, larger turns.
    database.exec(`PRAGMA cache_size = -${CACHE_KIB}; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    const { user_version: layout } = versionSchema.parse(database.prepare('PRAGMA user_version').get());
    if (layout !== 0 && layout !== LAYOUT) throw new Error(`layout ${layout}`);
    database.exec(TABLES);
    const { rows } = countSchema.parse(database.prepare('SELECT sum(rowCount) AS rows FROM entries').get());
    return {
      database,
      insertEntry: database.prepare(
        'INSERT OR IGNORE INTO entries (name, volume, generation, number, sentMs, rowCount, hooks, blocks) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      ),
      insertHook: database.prepare('INSERT OR REPLACE INTO hooks (key, entry) VALUES (?, ?)'),
      entryOfHook: database.prepare('SELECT entry FROM hooks WHERE key = ?'),
      entryById: database.prepare(
        'SELECT name, volume, generation, number, sentMs, isAcknowledged FROM entries WHERE id = ?',
      ),
      blocksByName: database.prepare('SELECT blocks FROM entries WHERE name = ?'),
      acknowledge: database.prepare(
        'UPDATE entries SET isAcknowledged = 1 WHERE volume = ? AND generation = ? AND number <= ? AND isAcknowledged = 0',
      ),
      oldest: database.prepare('SELECT id, rowCount, hooks FROM entries ORDER BY id LIMIT 1'),
      heldByName: database.prepare('SELECT id, rowCount, hooks FROM entries WHERE name = ?'),
      deleteHook: database.prepare('DELETE FROM hooks WHERE key = ? AND entry = ?'),
      emptyEntry: database.prepare("UPDATE entries SET blocks = NULL, hooks = x'', rowCount = 1 WHERE id = ?"),
      deleteEntry: database.prepare('DELETE FROM entries WHERE id = ?'),
      rowCount: rows ?? 0,
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Made here, since SQLite would let everybody read it; what it makes beside the file takes the file's mode. */
function makePrivate(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch {
    // It is there, or there can be none: that is said by whoever opens it.
  }
}

/** The entry's own list of them spares the table an index, which would double what each costs. */
function deleteHooks(tables: Tables, { id, hooks }: z.infer<typeof heldSchema>): void {
  for (const key of new BigInt64Array(new Uint8Array(hooks).buffer)) tables.deleteHook.run(key, id);
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
}

/** The three columns one after the other; the file never leaves its machine, and neither does the order of its bytes. */
function pack({ keys, blockNumbers, pages }: ContentBlocks): Uint8Array {
  const packed = new Uint8Array(keys.length * ROW_BYTES);
  packed.set(bytesOf(keys));
  packed.set(bytesOf(blockNumbers), keys.byteLength);
  packed.set(bytesOf(pages), keys.byteLength + blockNumbers.byteLength);
  return packed;
}

function bytesOf({ buffer, byteOffset, byteLength }: BigInt64Array | Uint32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function unpack(packed: Uint8Array): ContentBlocks {
  const count = Math.floor(packed.length / ROW_BYTES);
  const { buffer } = new Uint8Array(packed);
  return {
    keys: new BigInt64Array(buffer, 0, count),
    blockNumbers: new Uint32Array(buffer, count * 8, count),
    pages: new Uint32Array(buffer, count * 12, count),
  };
}
