/** A server on a Unix socket, in a folder whose path is longer than an address has room for. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { request } from '../../src/system/request.ts';
import { listenAt } from '../../src/system/unix-server.ts';
import { failsWith } from '../support/fails-with.ts';

test('is reached by its path, however long that is, by its owner alone, and is gone when it is closed', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'leeward-unix-'));
  t.after(async () => rm(root, { recursive: true }));
  const folder = join(root, 'a'.repeat(100), 'b'.repeat(100));
  await mkdir(folder, { recursive: true });
  const socketPath = join(folder, 'guard.sock');
  const server = await listenAt(socketPath, 100, async ({ body }) => Promise.resolve({ status: 200, body: { body } }));
  const ask = { method: 'POST', url: 'http://guard/', socketPath, timeoutMs: 5000, bodyBytesMax: 100 } as const;
  const answer = await request({ ...ask, body: 'one', what: 'the question' });
  assert.deepEqual([answer.status, JSON.parse(answer.body)], [200, { body: 'one' }]);
  assert.equal((await stat(socketPath)).mode & 0o777, 0o600);
  await server.close();
  assert.deepEqual(await readdir(folder), []);
  await assert.rejects(request({ ...ask, what: 'the question' }), failsWith('UNAVAILABLE'));
  await rm(folder, { recursive: true });
  await assert.rejects(request({ ...ask, what: 'the question' }), failsWith('UNAVAILABLE'));
});
