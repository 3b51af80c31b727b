/** Commands as checks: real processes that end well and badly, cannot be started, and write without end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CommandCheck } from '../../../src/ports/probe.ts';
import { find } from './support.ts';

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
  const check = { ...shell(''), command: '/no-such-command' };
  assert.deepEqual(await find(check), { isWell: false, reason: 'not started: there is no such command' });
});

test('one that writes without end is ended at the limit', async () => {
  assert.equal((await find(shell('exec yes'))).reason, 'wrote more than 65536 bytes');
  assert.equal((await find(shell('exec yes >&2'))).reason, 'wrote more than 65536 bytes');
});
