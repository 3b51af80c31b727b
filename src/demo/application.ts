/**
 * The demo's application, which its guard starts: a SQLite database in WAL mode that gets a numbered row every tenth of a
 * second, and a numbered file with every fifth row. Called as `application.ts FOLDER CONTROL-FOLDER RUN`.
 *
 * Invariants: a row counts once its transaction is on stable storage (synchronous FULL), a file once it is synced; while
 * it is paused (`application-control.ts`) it writes nothing. It ends when it is told to.
 */
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SystemClock } from '../system/clock.ts';
import { answerPause, askedToPause, pidFile } from './application-control.ts';
import { DATABASE, countRows } from './database.ts';
import { noteName } from './notes.ts';

const ROW_MS = 100;
const ROWS_PER_FILE = 5;

const [folder = '', control = '', run = ''] = process.argv.slice(2);
const clock = new SystemClock();
const told = new AbortController();
process.on('SIGTERM', () => {
  told.abort();
});

const database = new DatabaseSync(join(folder, DATABASE));
database.exec('PRAGMA journal_mode = WAL');
database.exec('PRAGMA synchronous = FULL');
database.exec('CREATE TABLE IF NOT EXISTS entries (number INTEGER PRIMARY KEY, written_at TEXT, note TEXT)');
const insert = database.prepare('INSERT INTO entries VALUES (?, ?, ?)');

let rows = countRows(database);
let paused: string | undefined;
await writeFile(pidFile(control), `${process.pid}\n`);
while (!told.signal.aborted) {
  const nonce = await askedToPause(control);
  if (nonce === undefined) {
    rows += 1;
    const at = new Date(clock.wallMs()).toISOString();
    insert.run(rows, at, `row ${rows} of ${run}`);
    if (rows % ROWS_PER_FILE === 0) await writeNote(rows, at);
  } else if (nonce !== paused) {
    await answerPause(control, nonce, { rows, files: Math.floor(rows / ROWS_PER_FILE) });
    paused = nonce;
  }
  await clock.sleep(nonce === undefined ? ROW_MS : ROW_MS / 5);
}
database.close();

async function writeNote(number: number, at: string): Promise<void> {
  const file = await open(join(folder, noteName(number)), 'w');
  try {
    await file.writeFile(`note ${number} of ${run}, written at ${at}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}
