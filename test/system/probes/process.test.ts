/** Process and unit checks against real processes: running, ended, dead and not waited for. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { hasTool } from '../../support/tools.ts';
import { find, isSoonGone } from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'leeward-probe-'));
const pidFile = join(folder, 'app.pid');
after(() => {
  rmSync(folder, { recursive: true });
});

const linux = { skip: existsSync('/proc/self/stat') ? false : 'needs /proc' };

test('by its number in a file: there while it runs, and not after', linux, async () => {
  const child = spawn('sleep', ['600']);
  await once(child, 'spawn');
  writeFileSync(pidFile, `${child.pid ?? 0}\nmore\n`);
  assert.deepEqual(await find({ kind: 'process', pidFile }), {
    isWell: true,
    reason: `process ${child.pid ?? 0} is there`,
  });
  assert.equal((await find({ kind: 'process', pidFile, commandPattern: '^sleep 600$' })).isWell, true);
  assert.match(
    (await find({ kind: 'process', pidFile, commandPattern: 'postgres' })).reason,
    /has another command line$/,
  );
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.match((await find({ kind: 'process', pidFile })).reason, /is not there$/);
});

test('a dead process that nobody has waited for is not there', linux, async () => {
  // The shell is replaced by a process that never waits for the child which the shell had started.
  const parent = spawn('sh', ['-c', 'sleep 600 & echo $!; exec sleep 601'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  try {
    writeFileSync(pidFile, String(pid));
    assert.equal((await find({ kind: 'process', pidFile })).isWell, true);
    while (!(await find({ kind: 'process', commandPattern: '^sleep 601$' })).isWell) await wait(5);
    process.kill(pid, 'SIGKILL');
    assert.equal(await isSoonGone(pid), true);
    assert.ok(existsSync(`/proc/${pid}`), 'it is still listed');
    assert.equal((await find({ kind: 'process', pidFile })).isWell, false);
  } finally {
    parent.kill('SIGKILL');
    await once(parent, 'exit');
  }
});

test('a file that is missing, empty, or holds no number', linux, async () => {
  rmSync(pidFile, { force: true });
  assert.match((await find({ kind: 'process', pidFile })).reason, /cannot be read \(ENOENT\)$/);
  for (const content of ['', 'seven', '-1', '0', '12a']) {
    writeFileSync(pidFile, content);
    assert.match((await find({ kind: 'process', pidFile })).reason, /holds no process number$/, content);
  }
});

test('by its command line, in which this process does not count', linux, async () => {
  const mark = `leeward-${process.pid}-mark`;
  const check = { kind: 'process', commandPattern: mark } as const;
  assert.equal((await find({ kind: 'process', commandPattern: 'process\\.test\\.ts$' })).isWell, false);
  assert.match((await find(check)).reason, /^no process has a command line/);
  const child = spawn('sleep', ['600'], { argv0: mark });
  await once(child, 'spawn');
  assert.deepEqual(await find(check), { isWell: true, reason: `process ${child.pid ?? 0} is there` });
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.equal((await find(check)).isWell, false);
});

test('a unit that is none, or a machine without systemd, is a failure with its reason', async () => {
  const { isWell, reason } = await find({ kind: 'unit', unit: 'leeward-no-such.service' });
  assert.equal(isWell, false);
  assert.match(
    reason,
    hasTool('systemctl') ? /^unit leeward-no-such\.service is not active: "\w/ : /^systemctl: not started: there is no/,
  );
});

test(
  'a unit that is active is well',
  { skip: existsSync('/run/systemd/system') ? false : 'needs a machine that systemd started' },
  async () => {
    assert.deepEqual(await find({ kind: 'unit', unit: 'init.scope' }), {
      isWell: true,
      reason: 'unit init.scope is active',
    });
  },
);
