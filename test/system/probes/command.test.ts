/** Commands as checks: real processes that end well and badly, hang, write without end, and leave children behind. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { CommandCheck } from '../../../src/ports/probe.ts';
import { SystemProber } from '../../../src/system/probes/prober.ts';
import { find, isSoonGone } from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'leeward-probe-'));
after(() => {
  rmSync(folder, { recursive: true });
});

function shell(script: string): CommandCheck {
  return { kind: 'command', command: '/bin/sh', args: ['-c', script], expectExitCode: 0 };
}

test('the exit code decides, and what it says is quoted', async () => {
  assert.deepEqual(await find(shell('exit 0')), { isWell: true, reason: 'exit code 0' });
  assert.deepEqual(await find(shell('echo; printf "disk \\033[31mfull\\n" >&2; exit 3')), {
    isWell: false,
    reason: 'exit code 3, not 0: "disk  [31mfull"',
  });
  assert.equal((await find({ ...shell('exit 3'), expectExitCode: 3 })).isWell, true);
  assert.equal((await find(shell('kill -TERM $$'))).reason, 'ended by SIGTERM, not 0');
});

test('the text on stdout decides where one is expected', async () => {
  assert.equal((await find({ ...shell('echo state: primary'), expectText: 'primary' })).isWell, true);
  assert.equal((await find({ ...shell('echo primary >&2'), expectText: 'primary' })).isWell, false);
});

test('what cannot be started says why', async () => {
  const check = { ...shell(''), command: join(folder, 'no-such') };
  assert.deepEqual(await find(check), { isWell: false, reason: 'not started: there is no such command' });
});

test('one that writes without end is ended at the limit', async () => {
  assert.equal((await find(shell('exec yes'))).reason, 'wrote more than 65536 bytes');
  assert.equal((await find(shell('exec yes >&2'))).reason, 'wrote more than 65536 bytes');
});

test('one that hangs is killed when it is told to end, with all that it started and that ignores being asked', async () => {
  const named = join(folder, 'hanging');
  const stop = new AbortController();
  const looking = new SystemProber().probe(
    shell(`trap "" TERM; (trap "" TERM; exec sleep 600) & echo $$ $! > ${named}.new; mv ${named}.new ${named}; wait`),
    { timeoutMs: 60_000, signal: stop.signal },
  );
  for (let tries = 0; !tryRead(named) && tries < 500; tries += 1) await wait(10);
  const pids = tryRead(named).trim().split(' ').map(Number);
  assert.equal(pids.length, 2);
  stop.abort(new Error('enough'));
  await assert.rejects(looking, /enough/);
  for (const pid of pids) assert.equal(await isSoonGone(pid), true);
});

test('a child that it leaves behind with its output open holds nobody up and is ended', async () => {
  const named = join(folder, 'left');
  assert.equal((await find(shell(`sleep 600 & echo $! > ${named}`))).isWell, true);
  assert.equal(await isSoonGone(Number(readFileSync(named, 'utf8'))), true);
});

test('a process that left its group and keeps the output open holds nobody up', async () => {
  const named = join(folder, 'escaped');
  const script = `setsid sh -c 'echo $$ > ${named}; exec sleep 600' & while [ ! -s ${named} ]; do :; done`;
  try {
    assert.equal((await find(shell(script))).isWell, true);
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
