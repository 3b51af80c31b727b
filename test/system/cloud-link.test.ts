/** The link to the cloud, over real HTTP: functions that a test plays, and Azurite's queues and blobs. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { BlobSASPermissions, BlobServiceClient, ContainerSASPermissions } from '@azure/storage-blob';
import type { ContainerClient } from '@azure/storage-blob';
import { QueueSASPermissions, QueueServiceClient } from '@azure/storage-queue';
import type { QueueClient } from '@azure/storage-queue';
import { LeewardError, describeError } from '../../src/kernel/errors.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';
import { INLINE_BYTES_MAX } from '../../src/protocol/envelope.ts';
import { sign } from '../../src/protocol/signed.ts';
import { HttpCloudLink } from '../../src/system/cloud-link.ts';
import { PlainHttp } from '../../src/system/http.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { startAzurite } from '../support/azurite.ts';
import type { Azurite } from '../support/azurite.ts';
import { SiteFixture } from '../support/site-fixture.ts';

const { key } = new SiteFixture();
const HEARTBEAT = sign(key, 'heartbeat', { counter: 1 });

interface Request {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

describe('the functions', () => {
  let server: Server;
  let functionsUrl = '';
  let answer: { status: number; body: string; headers?: Record<string, string> } = { status: 200, body: '' };
  let seen: Request | undefined;

  before(async () => {
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        seen = { path: request.url ?? '', headers: request.headers, body };
        if (answer.status === 0) return;
        response.writeHead(answer.status, answer.headers).end(answer.body);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    functionsUrl = `http://127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const link = (options: { functionsKey?: string; requestTimeoutMs?: number } = {}) =>
    new HttpCloudLink({ functionsUrl, ...options });

  test('get a signed message as it is and answer in their own form', async () => {
    const said = { version: CURRENT_VERSION, groups: [], later: 'a field of a newer cloud' };
    answer = { status: 200, body: JSON.stringify(said) };
    assert.deepEqual(await link({ functionsKey: 'gate-key' }).lease(HEARTBEAT), said);
    assert.equal(seen?.path, '/api/lease');
    assert.deepEqual(JSON.parse(seen.body), HEARTBEAT);
    assert.equal(seen.headers['x-functions-key'], 'gate-key');
    assert.equal(seen.headers['content-type'], 'application/json');
    await link().lease(HEARTBEAT);
    assert.equal(seen.headers['x-functions-key'], undefined);
  });

  test('are understood when they refuse', async () => {
    const refusal = (code: string) => JSON.stringify({ error: { code, message: 'why' } });
    for (const [status, body, code] of [
      [400, refusal('MESSAGE_INVALID'), 'MESSAGE_INVALID'],
      [400, refusal('IDENTIFIER_INVALID'), 'IDENTIFIER_INVALID'],
      [401, refusal('SIGNATURE_INVALID'), 'SIGNATURE_INVALID'],
      [404, refusal('NOT_FOUND'), 'NOT_FOUND'],
      [409, refusal('REFUSED'), 'REFUSED'],
      [503, refusal('VERSION_TOO_NEW'), 'VERSION_TOO_NEW'],
      [503, refusal('UNAVAILABLE'), 'UNAVAILABLE'],
      [500, refusal('PLATFORM_FAILED'), 'UNAVAILABLE'],
      [401, '', 'DENIED'],
      [502, '<html>bad gateway</html>', 'UNAVAILABLE'],
      [200, '<html>sign in to the hotel</html>', 'UNAVAILABLE'],
      [200, '{}', 'UNAVAILABLE'],
      [302, '', 'UNAVAILABLE'],
    ] as const) {
      answer = { status, body, headers: { location: 'https://elsewhere.test/' } };
      await assert.rejects(link().heartbeat(HEARTBEAT), { code }, `${status} ${body}`);
    }
    answer = { status: 200, body: JSON.stringify({ version: { format: 9, oldestReader: 9, oldestWriter: 9 } }) };
    await assert.rejects(link().heartbeat(HEARTBEAT), { code: 'VERSION_TOO_NEW' });
  });

  test('that do not answer are unavailable, in time', async () => {
    answer = { status: 0, body: '' };
    const silent = link({ requestTimeoutMs: 100, functionsKey: 'gate-key' });
    await assert.rejects(silent.heartbeat(HEARTBEAT), (error) => {
      assert.ok(error instanceof LeewardError && error.code === 'UNAVAILABLE');
      assert.match(error.message, /time out/);
      assert.doesNotMatch(describeError(error), /gate-key/);
      return true;
    });
    const nobody = new HttpCloudLink({ functionsUrl: 'http://127.0.0.1:1' });
    await assert.rejects(nobody.heartbeat(HEARTBEAT), { code: 'UNAVAILABLE' });
    const nonsense = new HttpCloudLink({ functionsUrl: 'not an address' });
    await assert.rejects(nonsense.heartbeat(HEARTBEAT), { code: 'USAGE', message: /not a URL/ });
  });

  test('can be probed by plain HTTP, with a long body cut', async () => {
    const http = new PlainHttp();
    answer = { status: 418, body: 'x'.repeat(100 * KIB) };
    const got = await http.get(`${functionsUrl}/health`, { timeoutMs: 5000, headers: { 'x-probe': '1' } });
    assert.equal(got.status, 418);
    assert.equal(got.body.length, 64 * KIB);
    assert.equal(seen?.headers['x-probe'], '1');
    answer = { status: 200, body: 'ok' };
    assert.deepEqual(await http.post(functionsUrl, { body: 'hello', timeoutMs: 5000 }), { status: 200, body: 'ok' });
    assert.equal(seen.body, 'hello');
    answer = { status: 0, body: '' };
    await assert.rejects(http.get(functionsUrl, { timeoutMs: 100 }), { code: 'UNAVAILABLE' });
  });
});

describe('storage', () => {
  let azurite: Azurite;
  let container: ContainerClient;
  let queue: QueueClient;
  const link = new HttpCloudLink({ functionsUrl: 'http://127.0.0.1:1' });

  before(async () => {
    azurite = await startAzurite();
    container = BlobServiceClient.fromConnectionString(azurite.connectionString).getContainerClient('journal-x');
    queue = QueueServiceClient.fromConnectionString(azurite.connectionString).getQueueClient('deltas');
    await container.create();
    await queue.create();
  });
  after(async () => {
    await azurite.stop();
  });

  const until = (ms: number): Date => new Date(Date.now() + ms);
  const journalUrl = async (permissions: string, expiresOn = until(60_000)): Promise<string> =>
    container.generateSasUrl({ permissions: ContainerSASPermissions.parse(permissions), expiresOn });
  const queueUrl = (permissions: string, expiresOn = until(60_000)): string =>
    queue.generateSasUrl({ permissions: QueueSASPermissions.parse(permissions), expiresOn });

  /** Denied, with nothing of the URL's query in the error. */
  async function assertDenied(work: Promise<void>, url: string): Promise<void> {
    await assert.rejects(work, (error) => {
      assert.ok(error instanceof LeewardError && error.code === 'DENIED', describeError(error));
      for (const value of new URL(url).searchParams.values()) {
        if (value.length > 8) assert.ok(!describeError(error).includes(value));
      }
      return true;
    });
  }

  test('takes a journal entry once', async () => {
    const url = await journalUrl('c');
    const name = 'erp/data/00000001/0000000001-ab-literal-0.delta';
    await link.putEntry(url, name, Buffer.from('first'));
    await link.putEntry(url, name, Buffer.from('second'));
    // Also by a SAS that might overwrite.
    await link.putEntry(await journalUrl('cw'), name, Buffer.from('third'));
    assert.equal((await container.getBlobClient(name).downloadToBuffer()).toString(), 'first');
    assert.equal((await container.getBlobClient(name).getProperties()).blobType, 'BlockBlob');
  });

  test('takes a message that never expires, whose text is what was sent', async () => {
    const text = JSON.stringify({ payload: 'ä'.repeat(100), inline: 'A'.repeat((INLINE_BYTES_MAX * 4) / 3) });
    await link.sendMessage(queueUrl('a'), text);
    const {
      receivedMessageItems: [message],
    } = await queue.receiveMessages();
    assert.equal(Buffer.from(message?.messageText ?? '', 'base64').toString('utf8'), text);
    assert.ok((message?.expiresOn.getTime() ?? 0) > until(365 * 24 * 3_600_000).getTime());
    await assert.rejects(link.sendMessage(queueUrl('a'), 'x'.repeat(48 * KIB + 1)), { code: 'MESSAGE_INVALID' });
  });

  test('takes raw pages by a SAS of one blob, over what stood there, and refuses what lies behind its end', async () => {
    const blob = container.getPageBlobClient('volume.vhd');
    await blob.create(MIB);
    const url = async (expiresOn = until(60_000)): Promise<string> =>
      blob.generateSasUrl({ permissions: BlobSASPermissions.parse('w'), expiresOn });
    await link.putPages(await url(), 512, new Uint8Array(1024).fill(1));
    await link.putPages(await url(), 1024, new Uint8Array(512).fill(2));
    await link.putPages(await url(), MIB - 4096, new Uint8Array(4096).fill(3));
    const expected = new Uint8Array(MIB)
      .fill(1, 512, 1024)
      .fill(2, 1024, 1536)
      .fill(3, MIB - 4096);
    assertSameBytes(await blob.downloadToBuffer(), expected);
    await assert.rejects(link.putPages(await url(), MIB, new Uint8Array(512)), { code: 'UNAVAILABLE' });
    const ended = await url(until(-60_000));
    await assertDenied(link.putPages(ended, 0, new Uint8Array(512)), ended);
    const readOnly = await blob.generateSasUrl({
      permissions: BlobSASPermissions.parse('r'),
      expiresOn: until(60_000),
    });
    await assertDenied(link.putPages(readOnly, 0, new Uint8Array(512)), readOnly);
  });

  test('denies what a SAS does not give, and one that ended; no error shows it', async () => {
    const readOnly = await journalUrl('r');
    await assertDenied(link.putEntry(readOnly, 'a', Buffer.from('x')), readOnly);
    const ended = await journalUrl('c', until(-60_000));
    await assertDenied(link.putEntry(ended, 'a', Buffer.from('x')), ended);
    const process = queueUrl('p');
    await assertDenied(link.sendMessage(process, 'x'), process);
    const late = queueUrl('a', until(-60_000));
    await assertDenied(link.sendMessage(late, 'x'), late);
  });

  test('that has no such container or queue, or is not there, is unavailable', async () => {
    const url = await journalUrl('c');
    const elsewhere = new URL(url);
    elsewhere.port = '1';
    await assert.rejects(link.putEntry(elsewhere.href, 'a', Buffer.from('x')), (error) => {
      assert.ok(error instanceof LeewardError && error.code === 'UNAVAILABLE');
      assert.doesNotMatch(describeError(error), /sig=/);
      return true;
    });
    const other = QueueServiceClient.fromConnectionString(azurite.connectionString).getQueueClient('missing');
    const otherUrl = other.generateSasUrl({ permissions: QueueSASPermissions.parse('a'), expiresOn: until(60_000) });
    await assert.rejects(link.sendMessage(otherUrl, 'x'), { code: 'UNAVAILABLE', message: /QueueNotFound/ });
  });
});
