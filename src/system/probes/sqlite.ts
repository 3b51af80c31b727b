/**
 * Whether a query in an SQLite database gives what it should.
 *
 * Node's own SQLite waits for a query to end and holds up everything else meanwhile, so it runs in a process of its own that
 * can be killed. The database is opened read-only: whatever the query is, it changes nothing.
 */
import { z } from 'zod';
import type { Finding, SqliteCheck } from '../../ports/probe.ts';
import { runBounded } from '../bounded-process.ts';
import { notExited } from './command.ts';
import { judgeValue } from './query.ts';
import { bad, quoted } from './words.ts';

/** Told with the arguments file and query. A text and not a file, so that it is there however this program is packaged. */
const ASK = `
  const { DatabaseSync } = require('node:sqlite');
  const [file, query] = process.argv.slice(1);
  try {
    const database = new DatabaseSync(file, { readOnly: true });
    const statement = database.prepare(query);
    statement.setReadBigInts(true);
    statement.setReturnArrays(true);
    const row = statement.iterate().next().value;
    const text = (value) => value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value);
    process.stdout.write(JSON.stringify(row ? { value: row[0] === null ? null : text(row[0]) } : {}));
  } catch (error) {
    process.stderr.write(error.message);
    process.exitCode = 1;
  }
`;

const answerSchema = z.object({ value: z.string().nullable().optional() });

export async function checkSqlite(check: SqliteCheck, signal: AbortSignal): Promise<Finding> {
  const { file, query, expectValue } = check;
  const args = ['--no-warnings', '--eval', ASK, '--', file, query];
  const end = await runBounded(process.execPath, args, signal);
  if (end.how !== 'exited') return bad(`SQLite: ${notExited(end)}`);
  if (end.code !== 0) return bad(`SQLite: ${quoted(end.stderr)}`);
  return judgeValue(answerSchema.parse(JSON.parse(end.stdout)).value, expectValue);
}
