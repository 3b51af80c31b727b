/** Sending many bytes, against a server that is not always polite. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { z } from 'zod';
import { MIB } from '../../src/kernel/units.ts';
import { request as send } from '../../src/system/request.ts';

const BODY = new Uint8Array(9 * MIB + 3).map((_, index) => index % 251);
const addressSchema = z.object({ port: z.number() });

/** Runs `use` with the address of a server that answers as `listener` does. */
async function served(listener: RequestListener, use: (url: string) => Promise<void>): Promise<void> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await use(`http://127.0.0.1:${addressSchema.parse(server.address()).port}/pages?sig=secret`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const put = (url: string, body = BODY): Parameters<typeof send>[0] => ({
  ...{
    method: 'PUT',
    url,
    body,
    headers: { 'x-ms-version': '1' },
    timeoutMs: 10_000,
    bodyBytesMax: 1000,
    what: 'pages',
  },
});

test('bytes arrive as they are, with their length, and the answer comes back', async () => {
  const got: Buffer[] = [];
  const listener: RequestListener = (request, response) => {
    assert.equal(request.method, 'PUT');
    assert.equal(request.headers['content-length'], String(BODY.length));
    assert.equal(request.headers['x-ms-version'], '1');
    request.on('data', (chunk: Buffer) => got.push(chunk));
    request.on('end', () => response.writeHead(201, { etag: '"1"' }).end('x'.repeat(5000)));
  };
  await served(listener, async (url) => {
    const { status, headers, body } = await send(put(url));
    assert.deepEqual([status, headers.get('etag'), body], [201, '"1"', 'x'.repeat(1000)]);
    assert.ok(Buffer.concat(got).equals(BODY));
  });
});

test('a redirect is an answer, and nothing is sent where it leads', async () => {
  let requests = 0;
  const listener: RequestListener = (request, response) => {
    requests += 1;
    request.resume().on('end', () => response.writeHead(307, { location: '/elsewhere' }).end());
  };
  await served(listener, async (url) => {
    assert.equal((await send(put(url))).status, 307);
    assert.equal(requests, 1);
  });
});

for (const [how, listener, code] of [
  ['never answers', (request) => request.resume(), 'time out'],
  ['answers in part', (_, response) => void response.writeHead(201, { 'content-length': 10 }).write('12'), 'time out'],
  ['cuts the line', (request) => request.socket.destroy(), 'ECONNRESET'],
] satisfies [string, RequestListener, string][])
  test(`a server that ${how} is unavailable, in time, and no error holds the address`, async () => {
    await served(listener, async (url) => {
      const isUnavailable = { code: 'UNAVAILABLE', message: `pages: no answer from ${new URL(url).host} (${code})` };
      await assert.rejects(send({ ...put(url, BODY.subarray(0, 4096)), timeoutMs: 200 }), isUnavailable);
    });
  });

test('an address that is none is told from one that does not answer', async () => {
  await assert.rejects(send(put('nowhere')), { code: 'USAGE' });
  await assert.rejects(send(put('http://127.0.0.1:1/')), { code: 'UNAVAILABLE' });
});
