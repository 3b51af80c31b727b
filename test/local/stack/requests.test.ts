/** What the log of requests makes of the real clients' calls, in a stack where nobody else calls. */
import assert from 'node:assert/strict';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BlobSASPermissions, BlobServiceClient } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import { CONTAINERS, QUEUES } from '../../../src/kernel/names.ts';
import { countRequests, readRequests, readStorageConnection, upStack } from '../../../src/local/stack/stack.ts';
import type { RequestKind, StackFacts } from '../../../src/local/stack/stack.ts';
import { makeRoom } from './stacks.ts';

let room: Awaited<ReturnType<typeof makeRoom>>;
let facts: StackFacts;

before(async () => {
  room = await makeRoom();
  facts = await upStack({ ...room.options, withoutHost: { projectFolder: room.folder } });
});

after(() => room.remove());

async function callBlobs(connection: string): Promise<void> {
  const service = BlobServiceClient.fromConnectionString(connection);
  const container = service.getContainerClient('journal-t-s');
  await container.create();
  const page = container.getPageBlobClient('g/v/00000001.vhd');
  await page.create(1024);
  await page.uploadPages(Buffer.alloc(512, 1), 0, 512);
  await page.clearPages(512, 512);
  await page.updateSequenceNumber('max', 5);
  await page.createSnapshot();
  await page.getPageRanges();
  await page.getProperties();
  await page.setMetadata({ a: 'b' });
  await page.download();
  const url = await page.generateSasUrl({
    permissions: BlobSASPermissions.parse('r'),
    expiresOn: new Date(Date.now() + 3600_000),
  });
  await container.getPageBlobClient('copy').beginCopyFromURL(url);
  const block = container.getBlockBlobClient('block');
  await block.stageBlock(Buffer.from('id').toString('base64'), 'x', 1);
  await block.commitBlockList([Buffer.from('id').toString('base64')]);
  await block.getBlockList('committed');
  const lease = block.getBlobLeaseClient();
  await lease.acquireLease(15);
  await lease.releaseLease();
  await assert.rejects(block.upload('x', 1, { conditions: { ifNoneMatch: '*' } }));
  await container.listBlobsFlat().next();
  await service.listContainers().next();
  await block.delete();
  await container.getProperties();
  await container.delete();
}

async function callQueues(connection: string): Promise<void> {
  const queue = QueueServiceClient.fromConnectionString(connection).getQueueClient('some-queue');
  await queue.create();
  await queue.sendMessage('body');
  const { receivedMessageItems } = await queue.receiveMessages();
  const [message] = receivedMessageItems;
  assert.ok(message);
  const { popReceipt = '' } = await queue.updateMessage(message.messageId, message.popReceipt, 'body', 1);
  await queue.deleteMessage(message.messageId, popReceipt);
  await queue.getProperties();
  await queue.clearMessages();
  await queue.delete();
}

test('each call has its kind', async () => {
  // The log is written behind the answers: what made the stack has to be in it before the window begins.
  const counted = async (kind: RequestKind): Promise<number> => (await countRequests(facts.stateDir)).get(kind) ?? 0;
  while ((await counted('create container')) < Object.keys(CONTAINERS).length) await sleep(10);
  while ((await counted('create queue')) < Object.keys(QUEUES).length) await sleep(10);
  const sinceMs = Date.now();
  const connection = await readStorageConnection(facts);
  await callBlobs(connection);
  await callQueues(connection);
  // A line that a crash cut short, and then one that is whole, are what a restart of Azurite leaves.
  while (!(await countRequests(facts.stateDir, { sinceMs })).has('delete queue')) await sleep(10);
  await appendFile(join(facts.logFolder, 'requests.log'), '{"at":"2026-11-21T12:00:00.000Z","ser\n');

  assert.deepEqual(Object.fromEntries(await countRequests(facts.stateDir, { sinceMs })), {
    'create container': 1,
    // Creating the page blob, and the upload that was refused.
    'put blob': 2,
    'put page': 2,
    'set properties': 1,
    snapshot: 1,
    'get page ranges': 1,
    'get properties': 1,
    'set metadata': 1,
    'get blob': 1,
    copy: 1,
    // Azurite's own, for the source of the copy.
    'get metadata': 1,
    'put block': 1,
    'put block list': 1,
    'get block list': 1,
    lease: 2,
    list: 2,
    'delete blob': 1,
    'get container properties': 1,
    'delete container': 1,
    'create queue': 1,
    'put message': 1,
    'get messages': 1,
    'update message': 1,
    'delete message': 1,
    'get queue properties': 1,
    'clear messages': 1,
    'delete queue': 1,
  });

  const refused = [];
  for await (const request of readRequests(facts.stateDir, { sinceMs })) {
    if (request.status >= 400) refused.push(`${request.method} ${request.path} ${request.status}`);
  }
  assert.deepEqual(refused, ['PUT journal-t-s/block 409']);
});
