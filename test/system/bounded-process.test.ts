/** Real processes that are started for a bounded time: they hang, write without end, and leave children behind. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { KIB } from '../../src/kernel/units.ts';
import { runBounded } from '../../src/system/bounded-process.ts';
import type { ProcessEnd } from '../../src/system/bounded-process.ts';
import { isSoonGone } from './probes/support.ts';

const folder = mkdtempSync(join(tmpdir(), 'leeward-bounded-'));
after(() => {
  rmSync(folder, { recursive: true });
});

async function shell(script: string, signal = AbortSignal.timeout(10_000)): Promise<ProcessEnd> {
  return await runBounded('/bin/sh', ['-c', script], signal);
}

test('says how it ended, and what it wrote', async () => {
  assert.deepEqual(await shell('echo one; echo two >&2; exit 3'), {
    how: 'exited',
    code: 3,
    stdout: 'one\n',
    stderr: 'two\n',
  });
});

test('what writes without end is ended at the limit', async () => {
  for (const script of ['exec yes', 'exec yes >&2']) {
    assert.deepEqual(await shell(script), { how: 'wrote too much', bytesMax: 64 * KIB });
  }
});

test('what hangs is killed when it is told to end, with all that it started and that ignores being asked', async () => {
  const named = join(folder, 'hanging');
  const stop = new AbortController();
  const script = `trap "" TERM; (trap "" TERM; exec sleep 600) & echo $$ $! > ${named}.new; mv ${named}.new ${named}; wait`;
  const running = shell(script, stop.signal);
  for (let tries = 0; !tryRead(named) && tries < 500; tries += 1) await wait(10);
  const pids = tryRead(named).trim().split(' ').map(Number);
  assert.equal(pids.length, 2);
  stop.abort(new Error('enough'));
  await assert.rejects(running, /enough/);
  for (const pid of pids) assert.equal(await isSoonGone(pid), true);
});

test('a child that it leaves behind with its output open holds nobody up and is ended', async () => {
  const named = join(folder, 'left');
  assert.equal((await shell(`sleep 600 & echo $! > ${named}`)).how, 'exited');
  assert.equal(await isSoonGone(Number(readFileSync(named, 'utf8'))), true);
});

test('a process that left its group and keeps the output open holds nobody up', async () => {
  const named = join(folder, 'escaped');
  const script = `setsid sh -c 'echo $$ > ${named}; exec sleep 600' & while [ ! -s ${named} ]; do :; done`;
  try {
    assert.equal((await shell(script)).how, 'exited');
  } finally {
    process.kill(Number(readFileSync(named, 'utf8')), 'SIGKILL');
  }
});

function tryRead(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
