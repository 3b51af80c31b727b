import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { after, before, beforeEach, describe, test } from 'node:test';
import { text } from 'node:stream/consumers';
import { BlobServiceClient } from '@azure/storage-blob';
import { startAzurite } from '../azurite.ts';
import { Chance } from './chance.ts';
import { FAULTS, FaultProxy } from './fault-proxy.ts';
import type { Exchange } from './fault-proxy.ts';

const ANSWER = 'an answer that is long enough to be torn';

describe('a network that fails', () => {
  let target: Server;
  let proxy: FaultProxy;
  /** What reached the target: method, path and query, body. */
  const reached: string[] = [];

  before(async () => {
    target = createServer((request, response) => {
      void text(request).then((body) => {
        reached.push(`${request.method ?? ''} ${request.url ?? ''} ${body}`);
        response.statusCode = request.method === 'GET' ? 200 : 201;
        response.end(request.method === 'GET' ? ANSWER : '');
      });
    }).listen(0, '127.0.0.1');
    await once(target, 'listening');
  });

  beforeEach(async (t) => {
    reached.length = 0;
    const address = target.address();
    assert.ok(typeof address === 'object' && address);
    proxy = await FaultProxy.open({
      target: `http://127.0.0.1:${address.port}`,
      chance: new Chance(7),
      lateMs: { least: 30, most: 40 },
    });
    if ('after' in t) t.after(async () => proxy.close());
  });

  after(() => {
    target.close();
    target.closeAllConnections();
  });

  const put = async (path: string, body = 'body'): Promise<Response> =>
    fetch(`${proxy.url}${path}`, { method: 'PUT', body });

  test('passes everything on unchanged while nothing is asked for', async () => {
    const answer = await put('/a/b?comp=page&sig=secret', 'x'.repeat(100_000));
    assert.equal(answer.status, 201);
    assert.equal(await (await fetch(`${proxy.url}/a`)).text(), ANSWER);
    assert.deepEqual(reached, [`PUT /a/b?comp=page&sig=secret ${'x'.repeat(100_000)}`, 'GET /a ']);
    assert.deepEqual(proxy.log, []);
  });

  test('busy: 503, and the target never heard of it', async () => {
    proxy.spoilNext(() => true, 'busy');
    const answer = await put('/a');
    assert.deepEqual([answer.status, answer.headers.get('x-ms-error-code')], [503, 'ServerBusy']);
    assert.deepEqual(reached, []);
    assert.equal((await put('/a')).status, 201, 'only one was asked for');
  });

  test('reset before and after it took effect', async () => {
    proxy.spoilNext(({ path }) => path === '/before', 'reset before');
    proxy.spoilNext(({ path }) => path === '/after', 'reset after');
    await assert.rejects(put('/before'));
    await assert.rejects(put('/after'));
    assert.deepEqual(reached, ['PUT /after body']);
  });

  test('torn: the head and half of the body, or not even a whole head', async () => {
    proxy.spoilNext(({ method }) => method === 'GET', 'torn');
    const answer = await fetch(`${proxy.url}/a`);
    assert.equal(answer.status, 200);
    await assert.rejects(answer.text());
    proxy.spoilNext(({ method }) => method === 'PUT', 'torn');
    await assert.rejects(put('/b'));
    assert.deepEqual(reached, ['GET /a ', 'PUT /b body']);
  });

  test('late: the sender has lost its connection and sent again before the request arrives', async () => {
    proxy.spoilNext(({ path }) => path === '/a', 'late');
    await assert.rejects(put('/a', 'first'));
    await put('/a', 'second');
    await proxy.settled();
    assert.deepEqual(reached, ['PUT /a second', 'PUT /a first']);
    assert.match(proxy.log.join('\n'), /^\d+ ms PUT \/a: late by \d+ ms: 201$/);
  });

  test('held: it arrives when it is released, and not before', async () => {
    const held = proxy.holdNext(({ comp }) => comp === 'page');
    await assert.rejects(put('/a?comp=page'));
    await held.caught;
    assert.deepEqual(reached, []);
    assert.equal(await held.release(), 201);
    assert.deepEqual(reached, ['PUT /a?comp=page body']);
  });

  test('rates draw faults from the seed; what was done is written down without queries', async () => {
    proxy.setRates({ busy: 200, 'reset before': 200, 'reset after': 200, torn: 200, late: 200 });
    for (let count = 0; count < 40; count += 1) await put(`/${count}?sig=secret`).catch(() => undefined);
    await proxy.settled();
    assert.equal(proxy.log.length, 40);
    for (const fault of FAULTS) assert.ok(proxy.count(fault) > 0, fault);
    assert.doesNotMatch(proxy.log.join('\n'), /secret|\?/);
    assert.ok(reached.every((line) => line.includes('?sig=secret ')));
    proxy.setRates({});
    assert.equal((await put('/a')).status, 201);
  });

  test('who watches sees the request, its body and the answer', async () => {
    const seen: Exchange[] = [];
    proxy.watch(
      ({ path }) => path === '/a',
      (exchange) => seen.push(exchange),
    );
    await put('/a', 'body');
    await put('/b', 'body');
    assert.equal(seen.length, 1);
    assert.partialDeepStrictEqual(seen[0], { request: { method: 'PUT', path: '/a' }, body: Buffer.from('body') });
    assert.equal(seen[0]?.status, 201);
  });
});

test('the storage SDK gets through to Azurite, signatures and all, and outlives what passes', async (t) => {
  const azurite = await startAzurite();
  t.after(async () => azurite.stop());
  const proxy = await FaultProxy.open({ target: azurite.blobUrl, chance: new Chance(7) });
  t.after(async () => proxy.close());
  const connection = azurite.connectionString.replace(new URL(azurite.blobUrl).origin, proxy.url);
  const retryOptions = { maxTries: 4, retryDelayInMs: 20 };
  const container = BlobServiceClient.fromConnectionString(connection, { retryOptions }).getContainerClient('test');
  await container.create();
  const blob = container.getBlockBlobClient('a/b');
  for (const fault of ['busy', 'reset before', 'reset after', 'torn', 'late'] as const) {
    proxy.spoilNext(({ method }) => method === 'PUT', fault);
    await blob.upload(fault, fault.length);
    if (fault !== 'late' && fault !== 'torn') proxy.spoilNext(({ method }) => method === 'GET', fault);
    assert.equal((await blob.downloadToBuffer()).toString(), fault);
  }
  // What the SDK does not repeat, its callers have to.
  proxy.spoilNext(({ method }) => method === 'GET', 'torn');
  await assert.rejects(blob.downloadToBuffer(), { name: 'AbortError' });
  await proxy.settled();
  assert.match(proxy.log.join('\n'), /PUT \/devstoreaccount1\/test\/a\/b: late by \d+ ms: 201/);
});
