/** Texts that are kept in a folder. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { TextFolder } from '../../src/system/text-folder.ts';
import { failsWith } from '../support/fails-with.ts';

test('texts are kept by name, for their owner only, and a crash leaves nothing that counts', async (t) => {
  const folder = join(await mkdtemp(join(tmpdir(), 'leeward-texts-')), 'kept');
  t.after(async () => rm(join(folder, '..'), { recursive: true, force: true }));
  const texts = new TextFolder(folder);
  assert.deepEqual([await texts.list(), await texts.read('a')], [[], undefined]);
  await texts.remove('a');
  for (const [name, text] of [
    ['b.2', 'two'],
    ['a', 'one'],
    ['a', 'one anew'],
  ] as const)
    await texts.write(name, text);
  await writeFile(join(folder, 'a.json.tmp'), 'half');
  await mkdir(join(folder, 'folder.json'));
  assert.deepEqual([await texts.list(), await texts.read('a')], [['a', 'b.2'], 'one anew']);
  assert.equal((await stat(join(folder, 'a.json'))).mode & 0o077, 0);
  await texts.remove('b.2');
  assert.deepEqual(await new TextFolder(folder).list(), ['a']);
  for (const name of ['../a', '', 'A', 'a/b', '.a'])
    await assert.rejects(texts.write(name, ''), failsWith('IDENTIFIER_INVALID'));
  assert.deepEqual(await readdir(join(folder, '..')), ['kept']);
});
