/** The demo's application: what it says that it has written is written, and while it is paused nothing changes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { copyFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { goOn, pause } from '../../src/demo/application-control.ts';
import { DATABASE, DATABASE_FILES, examine } from '../../src/demo/database.ts';
import { newestNote, noteName } from '../../src/demo/notes.ts';
import { SystemClock } from '../../src/system/clock.ts';
import { SystemRandom } from '../../src/system/random.ts';

const SCRIPT = join(import.meta.dirname, '..', '..', 'src', 'demo', 'application.ts');
const means = { clock: new SystemClock(), random: new SystemRandom(), timeoutMs: 20_000 };

describe("the demo's application", () => {
  test('pauses with everything written, goes on, and ends when it is told to', async () => {
    const root = await mkdtemp(join(tmpdir(), 'leeward-application-'));
    const [folder, control, copies] = await Promise.all(
      ['folder-', 'control-', 'copies-'].map((n) => mkdtemp(join(root, n))),
    );
    assert(folder && control && copies);
    const child = spawn(process.execPath, [SCRIPT, folder, control, 'test'], { stdio: 'inherit' });
    const gone = once(child, 'exit');
    try {
      let before = 0;
      for (const turn of [1, 2]) {
        const written = await pause(control, means);
        // As a replica sees it: the files as they lie there, while the application runs.
        for (const file of DATABASE_FILES) await copyFile(join(folder, file), join(copies, file));
        assert.deepEqual(examine(join(copies, DATABASE)), { integrity: 'ok', rows: written.rows }, `turn ${turn}`);
        const notes: string[] = (await readdir(folder)).filter((file) => file.startsWith('note-'));
        assert.equal(notes.length, written.files);
        // Every fifth row has one.
        const newest = await newestNote(folder);
        assert.equal(newest?.name, written.files === 0 ? undefined : noteName(written.files * 5));
        if (newest) assert.match(newest.text, new RegExp(`^note ${written.files * 5} of test, written at .*Z\n$`));
        assert(written.rows > before || turn === 1, 'it did not go on');
        before = written.rows;
        await goOn(control);
        while ((await newestNote(folder))?.name === newest?.name) await means.clock.sleep(20);
      }
    } finally {
      child.kill('SIGTERM');
      await gone;
      assert.equal(child.exitCode, 0);
      await rm(root, { recursive: true });
    }
  });

  test('a database that is none, has no table, or lost a row, is not found whole', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'leeward-database-'));
    try {
      await writeFile(join(folder, DATABASE), Buffer.alloc(8192, 0x5a));
      assert.equal(examine(join(folder, DATABASE)).rows, -1);
      assert.notEqual(examine(join(folder, DATABASE)).integrity, 'ok');
      assert.equal(examine(join(folder, 'missing.db')).rows, -1);
      const gap = new DatabaseSync(join(folder, 'gap.db'));
      gap.exec('CREATE TABLE entries (number INTEGER PRIMARY KEY); INSERT INTO entries VALUES (1), (3)');
      gap.close();
      assert.equal(examine(join(folder, 'gap.db')).rows, -1);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('one that does not answer is told, and is not left waiting', async () => {
    const control = await mkdtemp(join(tmpdir(), 'leeward-control-'));
    try {
      await assert.rejects(pause(control, { ...means, timeoutMs: 100 }), /did not pause within 100 ms/);
      assert.deepEqual(await readdir(control), []);
    } finally {
      await rm(control, { recursive: true });
    }
  });
});
