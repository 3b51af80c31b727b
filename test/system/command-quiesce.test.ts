import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { describeError } from '../../src/kernel/errors.ts';
import { CommandQuiesce } from '../../src/system/command-quiesce.ts';
import { SystemClock } from '../../src/system/clock.ts';
import { failsWith } from '../support/fails-with.ts';

describe('commands that make a volume stand still', () => {
  let folder = '';
  let log = '';
  const wrote = async (): Promise<string[]> => (await readFile(log, 'utf8')).trim().split('\n');
  const quiesce = (of: { freeze?: string; thaw?: string; limitSeconds?: number } = {}): CommandQuiesce =>
    new CommandQuiesce({ freeze: `echo freeze >>${log}`, thaw: `echo thaw >>${log}`, limitSeconds: 20, ...of });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'leeward-quiesce-'));
    log = join(folder, 'log');
    await appendFile(log, '');
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  test('freezes, waits, and thaws once it is released', async () => {
    const held = await quiesce().hold();
    await appendFile(log, 'read\n');
    assert.equal(await held.release(), true);
    assert.equal(await held.release(), true);
    assert.deepEqual(await wrote(), ['freeze', 'read', 'thaw']);
  });

  test('lets go when its time is over, and says that the volume did not stand still to the end', async () => {
    const held = await quiesce({ limitSeconds: 1 }).hold();
    while (!(await wrote()).includes('thaw')) await new SystemClock().sleep(20);
    assert.equal(await held.release(), false);
  });

  test('thaws after a freeze that failed half-way, and tells what it said', async () => {
    const failing = quiesce({ freeze: `echo half >>${log}; echo 'the database is busy' >&2; false` });
    await assert.rejects(failing.hold(), (error) => {
      assert.match(describeError(error), /the database is busy/);
      return failsWith('UNAVAILABLE')(error);
    });
    assert.deepEqual(await wrote(), ['half', 'thaw']);
  });

  test('a freeze that hangs is given up, and thawed', async () => {
    await assert.rejects(quiesce({ freeze: 'sleep 60', limitSeconds: 1 }).hold(), failsWith('UNAVAILABLE'));
    assert.deepEqual(await wrote(), ['thaw']);
  });

  test('a thaw that fails is no stillness to rely on', async () => {
    const held = await quiesce({ thaw: 'false' }).hold();
    assert.equal(await held.release(), false);
  });

  test('lets go when it is aborted before it was held', async () => {
    const stop = new AbortController();
    const holding = quiesce({ freeze: `echo freeze >>${log}; sleep 0.5` }).hold(stop.signal);
    while (!(await wrote()).includes('freeze')) await new SystemClock().sleep(20);
    stop.abort(new Error('stopped'));
    await assert.rejects(holding, /stopped/);
    assert.deepEqual(await wrote(), ['freeze', 'thaw']);
  });

  for (const [when, pause] of [
    ['while it is held', ''],
    ['while it freezes', '; sleep 0.5'],
  ] as const) {
    test(`whoever holds it may be killed ${when}: it thaws all the same`, async () => {
      const module = join(import.meta.dirname, '../../src/system/command-quiesce.ts');
      const freeze = `echo freeze >>${log}${pause}`;
      // It speaks, too, and nobody listens any more.
      const commands = JSON.stringify({ freeze, thaw: `echo thawing >&2; echo thaw >>${log}`, limitSeconds: 60 });
      const script = `const { CommandQuiesce } = await import(${JSON.stringify(module)});
        await new CommandQuiesce(${commands}).hold(); console.log('held'); setInterval(() => {}, 1000);`;
      const holder = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      if (pause === '') await once(holder.stdout, 'data');
      while (!(await wrote()).includes('freeze')) await new SystemClock().sleep(20);
      holder.kill('SIGKILL');
      while (!(await wrote()).includes('thaw')) await new SystemClock().sleep(20);
      assert.deepEqual(await wrote(), ['freeze', 'thaw']);
    });
  }
});
