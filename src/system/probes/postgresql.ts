/**
 * Whether a query in PostgreSQL gives what it should, asked by the database's own `psql`.
 *
 * The query runs in a read-only transaction that is rolled back, under the server's own time-out: a server does not notice
 * that a client was killed as long as a query runs. The password comes from a file that libpq reads, so that it is in no
 * command line. Every other database with a command of its own is asked by a check of the kind `command`: a protocol is
 * not written again here, and a client that was never run against its server is not claimed to work.
 */
import type { Finding, PostgresqlCheck } from '../../ports/probe.ts';
import { runBounded } from '../bounded-process.ts';
import { notExited } from './command.ts';
import { judgeValue } from './query.ts';
import { bad, quoted } from './words.ts';

/** What ends a column, a row, and what stands for NULL: no text of a database holds them but to deceive itself. */
const COLUMN_END = '\u001f';
const ROW_END = '\u001e';
const NULL = '\u001d';

export async function checkPostgresql(
  check: PostgresqlCheck,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Finding> {
  const statements = [
    'BEGIN READ ONLY',
    `SET LOCAL statement_timeout = ${Math.ceil(timeoutMs)}`,
    check.query,
    'ROLLBACK',
  ].flatMap((statement) => ['-c', statement]);
  const form = ['-A', '-t', '-F', COLUMN_END, '-R', ROW_END, '-P', `null=${NULL}`];
  const plain = ['-X', '-q', '-w', '-v', 'ON_ERROR_STOP=1', ...form, '-d', connection(check, timeoutMs)];
  const end = await runBounded('psql', [...plain, ...statements], signal);
  if (end.how !== 'exited') return bad(`psql: ${notExited(end)}`);
  if (end.code !== 0) return bad(`psql: ${quoted(end.stderr)}`);
  return judgeValue(firstValue(end.stdout), check.expectValue);
}

/** Source: PostgreSQL, libpq, "Keyword/Value Connection Strings". */
function connection(check: PostgresqlCheck, timeoutMs: number): string {
  const { host, port, user, database, passwordFile } = check;
  const words: Record<string, string | number | undefined> = {
    host,
    port,
    user,
    dbname: database,
    passfile: passwordFile,
    connect_timeout: Math.max(2, Math.ceil(timeoutMs / 1000)),
    application_name: 'leeward-monitor',
  };
  return Object.entries(words)
    .filter(([, value]) => value !== undefined)
    .map(([word, value]) => `${word}='${String(value).replaceAll(/[\\']/g, String.raw`\$&`)}'`)
    .join(' ');
}

function firstValue(stdout: string): string | null | undefined {
  if (stdout === '') return undefined;
  // The last row ends with a line feed of psql's own.
  const [row = ''] = stdout.replace(/\n$/, '').split(ROW_END);
  const [value = ''] = row.split(COLUMN_END);
  return value === NULL ? null : value;
}
