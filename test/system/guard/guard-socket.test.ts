/** A guard's own socket: real sockets and files. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { LeewardError } from '../../../src/kernel/errors.ts';
import type { GuardDesk, GuardOrder, GuardStatus } from '../../../src/ports/guard-desk.ts';
import { GuardSocket, listenForOrders } from '../../../src/system/guard/guard-socket.ts';
import { lockFolder, unlockFolder } from '../../../src/system/folder-lock.ts';
import { request } from '../../../src/system/request.ts';
import { failsWith } from '../../support/fails-with.ts';

const STATUS: GuardStatus = {
  group: 'acme/berlin/erp',
  node: 'north',
  term: 3,
  lease: 'held',
  stopMs: 20_000,
  killMs: 2000,
  applications: [
    { name: 'database', state: 'running', startedBootMs: 12.5, offlineUntilWallMs: undefined, starts: 2 },
    { name: 'mail', state: 'offline', startedBootMs: undefined, offlineUntilWallMs: 1_800_000_000_000, starts: 0 },
  ],
};

class PlayedDesk implements GuardDesk {
  readonly orders: GuardOrder[] = [];
  failure: Error | undefined;

  async status(): Promise<GuardStatus> {
    return STATUS;
  }

  async order(order: GuardOrder): Promise<void> {
    this.orders.push(order);
    if (this.failure) throw this.failure;
  }
}

async function opened(t: TestContext): Promise<{ path: string; desk: PlayedDesk; close: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'leeward-desk-'));
  t.after(async () => rm(folder, { recursive: true }));
  const path = join(folder, 'guard.sock');
  const desk = new PlayedDesk();
  // What a guard that was killed has left.
  await writeFile(path, 'left over', { mode: 0o666 });
  const server = await listenForOrders(path, desk);
  t.after(async () => server.close().catch(() => undefined));
  return { path, desk, close: async () => server.close() };
}

const signal = AbortSignal.timeout(60_000);

test('the status and orders go through as they are, and nobody else reaches them', async (t) => {
  const { path, desk } = await opened(t);
  assert.equal((await stat(path)).mode & 0o077, 0);
  const guard = new GuardSocket(path);
  assert.deepEqual(await guard.status(signal), STATUS);
  const orders: GuardOrder[] = [
    { do: 'restart', name: 'database' },
    { do: 'offline', name: 'mail', untilWallMs: 5 },
    { do: 'offline', name: 'mail', untilWallMs: undefined },
    { do: 'start', name: 'mail' },
  ];
  for (const order of orders) await guard.order(order, signal);
  assert.deepEqual(desk.orders, orders);
});

test('what is refused is told by its code, and a fault of the guard as no answer', async (t) => {
  const { path, desk } = await opened(t);
  const guard = new GuardSocket(path);
  for (const code of ['REFUSED', 'NOT_FOUND', 'USAGE', 'UNAVAILABLE'] as const) {
    desk.failure = new LeewardError(code, 'so it is');
    await assert.rejects(guard.order({ do: 'start', name: 'mail' }, signal), failsWith(code));
  }
  desk.failure = new Error('a fault');
  await assert.rejects(guard.order({ do: 'start', name: 'mail' }, signal), failsWith('UNAVAILABLE'));
});

test('where no guard is, or it is gone, that is told', async (t) => {
  const { path, close } = await opened(t);
  await close();
  await assert.rejects(new GuardSocket(path).status(signal), failsWith('UNAVAILABLE'));
  await assert.rejects(
    new GuardSocket(`${path}-not`).order({ do: 'start', name: 'a' }, signal),
    failsWith('UNAVAILABLE'),
  );
});

test('an answer that is no status is told as one, whatever it is', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'leeward-desk-'));
  t.after(async () => rm(folder, { recursive: true }));
  const path = join(folder, 'guard.sock');
  const bodies = ['<html>', '', '{}'];
  const other = createServer((_, to) => to.end(bodies.shift()));
  t.after(() => other.close());
  other.listen(path);
  await once(other, 'listening');
  while (bodies.length > 0) await assert.rejects(new GuardSocket(path).status(signal), failsWith('MESSAGE_INVALID'));
});

test('what is no order is refused and changes nothing', async (t) => {
  const { path, desk } = await opened(t);
  const send = async (method: 'GET' | 'POST', at: string, body?: string): Promise<number> =>
    (
      await request({
        method,
        url: `http://guard${at}`,
        socketPath: path,
        ...(body !== undefined && { body }),
        timeoutMs: 10_000,
        bodyBytesMax: 10_000,
        what: 'the guard',
      })
    ).status;
  const bodies = [
    '',
    'nonsense',
    '[]',
    '{}',
    '{"do":"delete","name":"mail"}',
    '{"do":"start"}',
    '{"do":"start","name":""}',
    '{"do":"start","name":"mail","now":true}',
    '{"do":"offline","name":"mail","untilWallMs":"tomorrow"}',
    '{"do":"offline","name":"mail","untilWallMs":1e99}',
    JSON.stringify({ do: 'start', name: 'x'.repeat(20_000) }),
  ];
  for (const body of bodies) assert.equal(await send('POST', '/order', body), 400, body.slice(0, 100));
  assert.equal(await send('GET', '/order'), 400);
  assert.equal(await send('POST', '/status', '{}'), 400);
  assert.deepEqual(desk.orders, []);
});

test('who connects and hangs holds up nobody, and is left', async (t) => {
  const { path } = await opened(t);
  const hanging: Socket[] = [];
  t.after(() => {
    for (const socket of hanging) socket.destroy();
  });
  for (let count = 0; count < 200; count += 1) {
    const socket = connect(path);
    socket.on('error', () => undefined);
    if (count % 2 === 0) socket.write('POST /order HTTP/1.1\r\nHost: guard\r\nContent-Length: 100\r\n\r\n{"do":');
    socket.resume();
    hanging.push(socket);
  }
  assert.deepEqual(await new GuardSocket(path).status(signal), STATUS);
  await Promise.all(hanging.map(async (socket) => (socket.closed ? undefined : once(socket, 'close', { signal }))));
});

test('one guard has a folder at a time, and a killed one keeps nobody away', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'leeward-lock-'));
  t.after(async () => rm(folder, { recursive: true }));
  await lockFolder(folder, 'one guard');
  await assert.rejects(lockFolder(folder, 'one guard'), failsWith('CONFLICT'));
  await unlockFolder(folder);
  await writeFile(join(folder, 'lock'), `${process.pid} another-boot/1`);
  await lockFolder(folder, 'one guard');
});
