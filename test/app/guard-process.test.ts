/** A guard as a process, without a cloud: how it ends. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { newGuardAccess, serializeGuardAccess } from '../../src/site/guard/access.ts';

const ACCESS = newGuardAccess({
  key: { signer: 'acme/berlin', name: 'guard-north', secret: Buffer.alloc(32, 1) },
  node: 'north',
  functionsUrl: 'http://127.0.0.1:9',
});

test('a guard that meets what it did not foresee gives its folder back and ends, with one line', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'leeward-guard-'));
  t.after(async () => rm(folder, { recursive: true }));
  const at = (path: string): string => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);
  const program = `
    import { runGuard } from ${at('app/guard-process.ts')};
    import { describeError } from ${at('kernel/errors.ts')};
    import { parseGuardAccess } from ${at('site/guard/access.ts')};
    const options = {
      access: parseGuardAccess(${JSON.stringify(serializeGuardAccess(ACCESS))}),
      folder: ${JSON.stringify(folder)},
      group: 'erp',
      applications: [{ name: 'main', dependsOn: [], launch: { kind: 'command', command: 'sleep 1000' } }],
      times: { stopMs: 1000, killMs: 500, answerMs: 1000 },
      arm: 'process',
      watchdog: '',
      agentSocket: ${JSON.stringify(join(folder, 'agent.sock'))},
      tell: (line) => {
        if (line.includes('the lease')) throw new TypeError('nobody thought of that');
      },
    };
    await runGuard(options, new AbortController().signal).catch((error) => {
      console.log(describeError(error));
      process.exitCode = 7;
    });
  `;
  const guard = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 8_000,
    killSignal: 'SIGKILL',
  });
  const [said] = await Promise.all([text(guard.stdout), once(guard, 'exit')]);
  assert.deepEqual([guard.exitCode, guard.signalCode], [7, null], 'it ends by itself');
  assert.match(said, /^acme\/berlin\/erp: the guard ends by .*: nobody thought of that\n$/);
  assert.equal(existsSync(join(folder, 'erp', 'lock')), false);
});
