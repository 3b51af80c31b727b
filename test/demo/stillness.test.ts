/** The demo's volume stands still while the agent reads it, and stays so while the demo asks for that. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { folderOf, openApplicationVolume } from '../../src/demo/application-volume.ts';
import { newestNote } from '../../src/demo/notes.ts';
import {
  allowFreezing,
  applicationRuns,
  endStay,
  freeze,
  prepareStillness,
  stay,
  thaw,
} from '../../src/demo/stillness.ts';
import { failsWith } from '../support/fails-with.ts';
import { systemTool } from '../../src/demo/tools.ts';
import { SystemClock } from '../../src/system/clock.ts';

const SCRIPT = join(import.meta.dirname, '..', '..', 'src', 'demo', 'application.ts');

describe('a volume that is put together through debugfs', () => {
  let root = '';
  let control = '';
  let image = '';
  let application: ChildProcess;
  const clock = new SystemClock();
  const bytes = async (): Promise<Buffer> => readFile(image);
  const signal = new AbortController().signal;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'leeward-stillness-'));
    [control, image] = [join(root, 'control'), join(root, 'volume.img')];
    await mkdir(control);
    await mkdir(join(root, 'from', 'shop'), { recursive: true });
    await systemTool('mke2fs', ['-q', '-t', 'ext4', '-d', join(root, 'from'), image, '8M']);
    const opened = await openApplicationVolume(
      { image, mountPoint: join(root, 'mount'), work: join(root, 'work') },
      false,
    );
    await prepareStillness(control, opened);
    application = spawn(process.execPath, [SCRIPT, folderOf(opened), control, 'test'], { stdio: 'inherit' });
    while (!(await applicationRuns(control))) await clock.sleep(20);
  });
  after(async () => {
    application.kill('SIGKILL');
    await once(application, 'exit');
    await rm(root, { recursive: true });
  });

  test('has what was written when it was frozen, stays still while it is asked to, and goes on', async () => {
    await freeze(control);
    const frozen = await bytes();
    await clock.sleep(300);
    assert.deepEqual(await bytes(), frozen);

    await thaw(control);
    const asked = stay(control, signal);
    const staying = asked.then(() => true);
    // Intervals go on, whatever was asked for.
    while (!(await Promise.race([staying, clock.sleep(20).then(() => false)]))) {
      for (const order of [freeze, thaw]) await order(control);
    }
    const { rows, files } = await asked;
    const still = await bytes();
    for (const order of [freeze, thaw, freeze, thaw]) await order(control);
    assert.deepEqual(await bytes(), still);
    assert(rows > 0);

    await endStay(control);
    await assert.rejects(freeze(control), failsWith('REFUSED'));
    await allowFreezing(control);
    const before = await newestNote(join(root, 'work'));
    while ((await newestNote(join(root, 'work')))?.name === before?.name) await clock.sleep(50);
    await freeze(control);
    assert.notDeepEqual(await bytes(), still);
    await thaw(control);
    const notes = await systemTool('debugfs', ['-R', 'ls -p /shop', image]);
    assert(notes.split('\n').filter((line) => line.includes('note-')).length > files);
  });

  test('of which the application has ended stands still without it', async () => {
    application.kill('SIGTERM');
    await once(application, 'exit');
    await freeze(control);
    await thaw(control);
    assert.equal(await applicationRuns(control), false);
    application = spawn('sleep', ['60']);
  });
});
