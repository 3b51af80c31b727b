/** What a content index in a file does with a file that is not what it left. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { DatabaseSync } from 'node:sqlite';
import { openContentIndex } from '../../src/system/content-index.ts';
import { failsWith } from '../support/fails-with.ts';

const ENTRY = { name: 'entry', volume: 'acme/berlin/erp/data', generation: 1, number: 1, sentMs: 0 };
const KEYS = BigInt64Array.from({ length: 5000 }, (_, at) => BigInt(at) * 0x1234_5678_9abcn);
const BLOCKS = { keys: KEYS, blockNumbers: new Uint32Array(KEYS.length), pages: new Uint32Array(KEYS.length) };

async function fileFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'leeward-content-'));
  t.after(async () => rm(folder, { recursive: true }));
  return join(folder, 'content.sqlite');
}

async function fill(file: string): Promise<void> {
  const index = openContentIndex(file);
  await index.add(ENTRY, BLOCKS, KEYS);
  assert.equal((await index.find(KEYS))[0]?.hits, KEYS.length);
  index.close();
}

for (const [what, damage] of [
  ['no database', (bytes: Buffer) => bytes.fill('x')],
  ['cut short', (bytes: Buffer) => bytes.subarray(0, 20_000)],
  ['zeros in its middle', (bytes: Buffer) => bytes.fill(0, 4096)],
  ['of another layout', (bytes: Buffer) => (bytes.writeUInt32BE(99, 60), bytes)],
] as const) {
  test(`a file that is ${what} gives no errors, and holds what is added from then on`, async (t) => {
    const file = await fileFor(t);
    await fill(file);
    await writeFile(file, damage(await readFile(file)));
    const index = openContentIndex(file);
    t.after(() => {
      index.close();
    });
    await index.find(KEYS);
    await index.blocks(ENTRY.name);
    await index.add({ ...ENTRY, name: 'other' }, BLOCKS, KEYS);
    await index.forget(ENTRY.name);
    assert.equal((await index.find(KEYS))[0]?.name, 'other');
    assert.deepEqual(await index.blocks('other'), BLOCKS);
  });
}

test('nobody else may read it, nor what lies beside it', async (t) => {
  const file = await fileFor(t);
  const index = openContentIndex(file);
  t.after(() => {
    index.close();
  });
  await index.add(ENTRY, BLOCKS, KEYS);
  const names = await readdir(dirname(file));
  assert.ok(names.includes('content.sqlite-wal'));
  for (const name of names) assert.equal((await stat(join(dirname(file), name))).mode & 0o077, 0, name);
});

test('what was added is there after a process that never closed it', async (t) => {
  const file = await fileFor(t);
  const index = openContentIndex(file);
  t.after(() => {
    index.close();
  });
  await index.add(ENTRY, BLOCKS, KEYS);
  // As a crash leaves it: the newest rows are in the write-ahead log alone.
  const copy = `${file}.copy`;
  for (const suffix of ['', '-wal']) await writeFile(`${copy}${suffix}`, await readFile(`${file}${suffix}`));
  const again = openContentIndex(copy);
  t.after(() => {
    again.close();
  });
  assert.deepEqual(await again.blocks(ENTRY.name), BLOCKS);
});

test('one process has it at a time, and losing the race costs the other nothing', async (t) => {
  const file = await fileFor(t);
  const other = new DatabaseSync(file);
  other.exec('PRAGMA locking_mode = EXCLUSIVE; CREATE TABLE mine (a INTEGER); BEGIN EXCLUSIVE');
  await assert.rejects(async () => openContentIndex(file), failsWith('CONFLICT'));
  other.exec('INSERT INTO mine VALUES (1); COMMIT');
  assert.equal(other.prepare('SELECT count(*) AS count FROM mine').get()?.['count'], 1);
  other.close();
});

test('where there can be no file it says so', async (t) => {
  const file = await fileFor(t);
  await mkdir(join(file, 'in the way'), { recursive: true });
  await assert.rejects(async () => openContentIndex(file), failsWith('UNAVAILABLE'));
});

test('a closed one stays closed', async (t) => {
  const file = await fileFor(t);
  const index = openContentIndex(file);
  index.close();
  await assert.rejects(index.find(KEYS), failsWith('UNAVAILABLE'));
});
