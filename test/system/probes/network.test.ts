/** TCP and HTTP checks against real sockets and servers: those that answer, that refuse, that hang and that never end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { HttpCheck } from '../../../src/ports/probe.ts';
import { SystemProber } from '../../../src/system/probes/prober.ts';
import { find, look } from './support.ts';

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function answers(t: TestContext, listener: RequestListener): Promise<HttpCheck> {
  const server = createServer(listener);
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { kind: 'http', url: `http://127.0.0.1:${await listening(server)}/health`, expectStatus: [200] };
}

test('a port takes connections until nobody listens any more', async () => {
  const server = createTcpServer((socket) => socket.destroy());
  const port = await listening(server);
  const check = { kind: 'tcp', host: '127.0.0.1', port } as const;
  const result = await look(check);
  assert.equal(result.isWell, true, result.reason);
  assert.ok(result.responseMs > 0);
  server.close();
  await once(server, 'close');
  assert.deepEqual(await find(check), {
    isWell: false,
    reason: `port ${port} of 127.0.0.1 takes no connection (ECONNREFUSED)`,
  });
});

test('an answer is judged by its status and its text', async (t) => {
  let status = 200;
  const check = await answers(t, (_request, response) => response.writeHead(status).end('all is well'));
  assert.equal((await find(check)).isWell, true);
  assert.equal((await find({ ...check, expectText: 'is well' })).isWell, true);
  assert.match((await find({ ...check, expectText: 'is ill' })).reason, /^status 200, without the expected text/);
  status = 503;
  assert.deepEqual(await find(check), { isWell: false, reason: 'status 503, not 200' });
  assert.equal((await find({ ...check, expectStatus: [200, 503] })).isWell, true);
});

test('a redirect is not followed', async (t) => {
  const check = await answers(t, (request, response) =>
    request.url === '/health' ? response.writeHead(302, { location: '/else' }).end() : response.end(),
  );
  assert.equal((await find(check)).reason, 'status 302, not 200');
});

test('of a body without end only the beginning is read', async (t) => {
  const check = await answers(t, (_request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(16_384)));
    };
    response.on('drain', more);
    more();
  });
  assert.match((await find({ ...check, expectText: 'y' })).reason, /in the first 64 KiB$/);
});

test('each look makes a connection of its own', async (t) => {
  const connections = new Set<unknown>();
  const check = await answers(t, (request, response) => {
    connections.add(request.socket);
    response.end();
  });
  await look(check);
  await look(check);
  assert.equal(connections.size, 2);
});

test('a server that never answers is given up when it is told to, and its connection ended', async (t) => {
  const asked = Promise.withResolvers<{ readonly close: Promise<unknown> }>();
  const check = await answers(t, (request) => {
    asked.resolve({ close: once(request.socket, 'close') });
  });
  const stop = new AbortController();
  const looking = new SystemProber().probe(check, { timeoutMs: 60_000, signal: stop.signal });
  const ended = await Promise.race([asked.promise, looking.then(() => undefined)]);
  stop.abort(new Error('enough'));
  await assert.rejects(looking, /enough/);
  assert.ok(ended, 'it was asked');
  await ended.close;
});

test('where nobody is, the reason says so and holds no address with its secrets', async () => {
  const server = createTcpServer();
  const port = await listening(server);
  server.close();
  await once(server, 'close');
  const { isWell, reason } = await find({
    kind: 'http',
    url: `http://127.0.0.1:${port}/?key=secret`,
    expectStatus: [200],
  });
  assert.equal(isWell, false);
  assert.match(reason, /no answer from 127\.0\.0\.1:\d+ \(ECONNREFUSED\)/);
  assert.doesNotMatch(reason, /secret/);
});
