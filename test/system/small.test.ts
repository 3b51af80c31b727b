import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir, uptime } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { SystemClock } from '../../src/system/clock.ts';
import { readPrivateFile, writePrivateFile } from '../../src/system/private-file.ts';
import { SystemRandom } from '../../src/system/random.ts';

const folder = mkdtempSync(join(tmpdir(), 'leeward-system-'));
after(() => {
  rmSync(folder, { recursive: true });
});

test('boot time is the time since boot, and goes on while one sleeps', async () => {
  const clock = new SystemClock();
  const before = clock.bootMs();
  assert.ok(Math.abs(before / 1000 - uptime()) < 5);
  await clock.sleep(50);
  // The kernel's own resolution is 10 ms.
  assert.ok(clock.bootMs() - before >= 40);
});

test('the clocks go on in a process that may open no file any more', async () => {
  const program = `
    import { openSync } from 'node:fs';
    import { SystemClock } from ${JSON.stringify(new URL('../../src/system/clock.ts', import.meta.url).href)};
    const [clock, other] = [new SystemClock(), new SystemClock()];
    const before = [clock.bootMs(), clock.hardwareMs()];
    try {
      for (;;) openSync('/dev/null');
    } catch (error) {
      if (error.code !== 'EMFILE') throw error;
    }
    const goesOn = clock.bootMs() >= before[0] && other.bootMs() >= before[0];
    console.log(goesOn, (clock.hardwareMs() === undefined) === (before[1] === undefined));
  `;
  const few = ['-c', 'ulimit -n 64; exec "$@"', 'few', process.execPath, '--input-type=module', '-e', program];
  const { stdout } = await promisify(execFile)('/bin/sh', few);
  assert.equal(stdout, 'true true\n');
});

test("a sleep ends with its signal's reason", async () => {
  const clock = new SystemClock();
  const reason = new Error('enough');
  const stop = new AbortController();
  const sleeping = clock.sleep(2 ** 40, stop.signal);
  stop.abort(reason);
  await assert.rejects(sleeping, reason);
  await assert.rejects(clock.sleep(1, stop.signal), reason);
});

test('random bytes are as many as asked for', () => {
  const random = new SystemRandom();
  assert.equal(random.bytes(16).length, 16);
  assert.notDeepEqual(random.bytes(16), random.bytes(16));
});

test('a file with a secret is for its owner alone', async () => {
  const path = join(folder, 'access.json');
  await assert.rejects(readPrivateFile(path), { code: 'NOT_FOUND' });
  await writePrivateFile(path, 'secret');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(await readPrivateFile(path), 'secret');
  chmodSync(path, 0o640);
  await assert.rejects(readPrivateFile(path), { code: 'USAGE', message: /others may read it/ });
  await writePrivateFile(path, 'new');
  assert.equal(await readPrivateFile(path), 'new');
});
