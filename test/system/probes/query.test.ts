/** Queries against real databases: SQLite in a file, and PostgreSQL on a Unix socket where it is installed. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { SystemProber } from '../../../src/system/probes/prober.ts';
import { needs } from '../../support/tools.ts';
import { find } from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'leeward-probe-'));
after(() => {
  rmSync(folder, { recursive: true });
});

/** A query that gives its only row after hours. */
const ENDLESS = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n';

describe('SQLite', () => {
  const file = join(folder, 'app.db');
  const ask = async (query: string, expectValue?: string): Promise<{ isWell: boolean; reason: string }> =>
    await find({ kind: 'sqlite', file, query, expectValue });
  before(() => {
    const database = new DatabaseSync(file);
    database.exec("CREATE TABLE t (id INTEGER, word TEXT); INSERT INTO t VALUES (9007199254740993, 'up'), (2, NULL)");
    database.close();
  });

  test('the first value of the first row is compared, as text', async () => {
    assert.deepEqual(await ask('SELECT id, word FROM t', '9007199254740993'), {
      isWell: true,
      reason: 'the query gave "9007199254740993"',
    });
    assert.deepEqual(await ask('SELECT word FROM t', 'down'), {
      isWell: false,
      reason: 'the query gave "up", not "down"',
    });
    assert.equal((await ask('SELECT word FROM t WHERE id = 2', '')).reason, 'the query gave NULL, not ""');
    assert.equal((await ask('SELECT word FROM t')).isWell, true);
    assert.deepEqual(await ask('SELECT word FROM t WHERE id = 3'), {
      isWell: false,
      reason: 'the query gave no row',
    });
  });

  test('what the database refuses is the reason, and nothing can be written', async () => {
    assert.match((await ask('SELECT x FROM t')).reason, /^SQLite: "no such column: x"$/);
    assert.match((await ask('DELETE FROM t RETURNING id')).reason, /readonly database/);
    assert.equal((await ask('SELECT count(*) FROM t', '2')).isWell, true);
    assert.match((await find({ kind: 'sqlite', file: `${file}-none`, query: 'SELECT 1' })).reason, /^SQLite: "unable/);
  });

  test('a query without end holds nothing up here, and is ended', async () => {
    const stop = new AbortController();
    const looking = new SystemProber().probe(
      { kind: 'sqlite', file, query: ENDLESS },
      { timeoutMs: 60_000, signal: stop.signal },
    );
    // Another look comes through meanwhile.
    assert.equal((await ask('SELECT 1', '1')).isWell, true);
    stop.abort(new Error('enough'));
    await assert.rejects(looking, /enough/);
  });
});

describe('PostgreSQL', needs('psql', 'initdb', 'pg_ctl'), () => {
  const data = join(folder, 'data');
  const [command = '', ...asOther] = asNoRoot();
  const run = (...args: string[]): string =>
    execFileSync(command, [...asOther, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  const check = { kind: 'postgresql', host: folder, port: 5432, user: 'leeward', database: 'postgres' } as const;
  const ask = async (query: string, expectValue?: string): Promise<{ isWell: boolean; reason: string }> =>
    await find({ ...check, query, expectValue });

  before(() => {
    chmodSync(folder, 0o755);
    if (process.getuid?.() === 0) chownSync(folder, ...nobody());
    run('initdb', '--no-sync', '--auth=trust', '--username=leeward', '-D', data);
    const options = `-c listen_addresses= -c unix_socket_directories=${folder} -c fsync=off`;
    run('pg_ctl', '-w', '-D', data, '-l', join(folder, 'log'), '-o', options, 'start');
  });
  after(() => {
    run('pg_ctl', '-w', '-D', data, '-m', 'immediate', 'stop');
  });

  test('the first value of the first row is compared, as text', async () => {
    assert.deepEqual(await ask('SELECT 41 + 1, 7', '42'), { isWell: true, reason: 'the query gave "42"' });
    assert.deepEqual(await ask("SELECT * FROM (VALUES ('a|b'), ('c')) v", 'a|b'), {
      isWell: true,
      reason: 'the query gave "a|b"',
    });
    assert.equal((await ask("SELECT E'two\\nlines'", 'two\nlines')).isWell, true);
    assert.equal((await ask('SELECT NULL', '')).reason, 'the query gave NULL, not ""');
    assert.equal((await ask("SELECT ''", '')).isWell, true);
    assert.equal((await ask('SELECT 1 WHERE false')).reason, 'the query gave no row');
  });

  test('nothing can be written, and what is refused is the reason', async () => {
    assert.match((await ask('CREATE TABLE t ()')).reason, /cannot execute CREATE TABLE in a read-only transaction/);
    assert.match((await ask('SELEC')).reason, /^psql: "ERROR: {2}syntax error/);
    const strange = { ...check, database: String.raw`o'x \ y` };
    assert.match((await find({ ...strange, query: 'SELECT 1' })).reason, /database "o'x \\ y" does not exist/);
  });

  test('a query that takes too long is ended at the server too', async () => {
    const { isWell, reason } = await new SystemProber().probe(
      { ...check, query: 'SELECT pg_sleep(600)' },
      { timeoutMs: 50, signal: AbortSignal.timeout(20_000) },
    );
    assert.equal(isWell, false);
    assert.match(reason, /canceling statement due to statement timeout/);
  });

  test('where no server is, the reason says so', async () => {
    assert.match((await find({ ...check, port: 5433, query: 'SELECT 1' })).reason, /^psql: ".*No such file/);
  });
});

/** PostgreSQL refuses to run as root. */
function asNoRoot(): string[] {
  return process.getuid?.() === 0 ? ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups'] : ['env'];
}

function nobody(): [number, number] {
  const [, , uid, gid] = /^nobody:.*$/m.exec(readFileSync('/etc/passwd', 'utf8'))?.[0].split(':') ?? [];
  return [Number(uid), Number(gid)];
}
