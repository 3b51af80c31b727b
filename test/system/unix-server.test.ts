/** A server on a Unix socket, in a folder whose path is longer than an address has room for. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { request } from '../../src/system/request.ts';
import { listenAt } from '../../src/system/unix-server.ts';
import { failsWith } from '../support/fails-with.ts';

const LISTENS = 'tracing:net.server.listen:asyncEnd';

test('nobody else can reach it at any moment', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'leeward-unix-'));
  t.after(async () => rm(folder, { recursive: true }));
  const path = join(folder, 'guard.sock');
  const before = process.umask(0o022);
  t.after(() => process.umask(before));
  const modes: number[] = [];
  const look = (): void => {
    modes.push(statSync(path).mode & 0o077);
  };
  // Before anything else can be done about it. Source: Node.js, "Diagnostics Channel", net.
  subscribe(LISTENS, look);
  t.after(() => unsubscribe(LISTENS, look));
  const server = await listenAt(path, 100, async () => Promise.resolve({ status: 200, body: {} }));
  await server.close();
  assert.deepEqual(modes, [0]);
  assert.equal(process.umask(0o022), 0o022, 'what this process makes otherwise is as it was');
});

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
  assert.equal((await stat(socketPath)).mode & 0o077, 0);
  await server.close();
  assert.deepEqual(await readdir(folder), []);
  await assert.rejects(request({ ...ask, what: 'the question' }), failsWith('UNAVAILABLE'));
  await rm(folder, { recursive: true });
  await assert.rejects(request({ ...ask, what: 'the question' }), failsWith('UNAVAILABLE'));
});
