/** The demo application's database, as its writer and its examiners see it. */
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { describeError } from '../kernel/errors.ts';

/** Its file in the application's folder; SQLite keeps the write-ahead log beside it. */
export const DATABASE = 'shop.db';
export const DATABASE_FILES = [DATABASE, `${DATABASE}-wal`] as const;

const countSchema = z.object({ count: z.int(), newest: z.int().nullable() });
const checkSchema = z.array(z.object({ integrity_check: z.string() }));

/** Rows of the database. Rows are numbered from 1 on without a gap; -1 where one is missing. */
export function countRows(database: DatabaseSync): number {
  const found = database.prepare('SELECT count(*) AS count, max(number) AS newest FROM entries').get();
  const { count, newest } = countSchema.parse(found);
  return count === (newest ?? 0) ? count : -1;
}

/** When its newest row was written, by the writer's clock. Errors: what SQLite says of a database that is none. */
export function newestRowWallMs(file: string): number {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const found = database.prepare('SELECT written_at FROM entries ORDER BY number DESC LIMIT 1').get();
    return new Date(z.object({ written_at: z.iso.datetime() }).parse(found).written_at).getTime();
  } finally {
    database.close();
  }
}

export interface Examined {
  /** "ok", or what is wrong. */
  readonly integrity: string;
  /** -1 where they cannot be counted, or one is missing. */
  readonly rows: number;
}

/** Opens a database with its write-ahead log, as after a crash: what SQLite says of it, and its rows. Never throws. */
export function examine(file: string): Examined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file);
    const lines = checkSchema.parse(database.prepare('PRAGMA integrity_check').all());
    return { integrity: lines.map((line) => line.integrity_check).join('; '), rows: countRows(database) };
  } catch (error) {
    return { integrity: describeError(error), rows: -1 };
  } finally {
    database?.close();
  }
}
