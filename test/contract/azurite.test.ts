/** The contracts of the storage ports, on the adapters that Azure gets, against Azurite. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { StorageAccount } from '../../src/azure/clients.ts';
import { StorageAccounts, openAccount } from '../../src/azure/clients.ts';
import { BlobEntries } from '../../src/azure/entries.ts';
import { StorageQueues } from '../../src/azure/queues.ts';
import { PageBlobReplicas } from '../../src/azure/replica-store.ts';
import { BlobState } from '../../src/azure/state.ts';
import type { Azurite } from '../support/azurite.ts';
import { startAzurite } from '../support/azurite.ts';
import { failsWith } from '../support/fails-with.ts';
import { accessContract } from './access-issuer.ts';
import { entryStoreContract } from './entry-store.ts';
import { queuesContract } from './queues.ts';
import { replicaStoreContract } from './replica-store.ts';
import { stateStoreContract } from './state-store.ts';
import { freshName as fresh } from './subject.ts';

describe('on Azurite', () => {
  let azurite: Azurite | undefined;
  let opened: StorageAccount | undefined;
  before(async () => {
    azurite = await startAzurite();
    opened = openAccount({ connectionString: azurite.connectionString });
    for (const name of ['state', 'replicas', 'journal', 'other']) {
      await opened.blobs.getContainerClient(name).create();
    }
  });
  after(async () => azurite?.stop());
  const account = (): StorageAccount => {
    assert(opened);
    return opened;
  };
  const accounts = (): StorageAccounts => new StorageAccounts(account());
  const makeQueue = async (): Promise<string> => {
    const name = fresh('queue');
    await account().queues.getQueueClient(name).create();
    return name;
  };

  stateStoreContract({ open: () => new BlobState(account().blobs.getContainerClient('state')), fresh });
  replicaStoreContract({ open: () => new PageBlobReplicas(accounts()), fresh, account: () => account().name });
  entryStoreContract({
    open: () => new BlobEntries(accounts()),
    fresh,
    container: () => ({ account: account().name, container: 'journal' }),
    pass: async (ms) => wait(ms),
  });
  queuesContract({
    open: () => new StorageQueues(account()),
    fresh,
    queue: makeQueue,
    pass: async (ms) => wait(ms),
  });
  accessContract({ account, makeQueue, fresh });

  test('entries that are too long to be read keep no connection open', async () => {
    const sockets = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
    const entries = new BlobEntries(accounts());
    const place = { account: account().name, container: 'journal', blob: fresh('huge') };
    await entries.create(place, Buffer.alloc(4 * 1024 * 1024));
    const before = sockets();
    for (let count = 0; count < 20; count += 1) {
      await assert.rejects(entries.read(place, 1000), failsWith('DELTA_INVALID'));
    }
    await wait(100);
    assert(sockets() < before + 10, `${before} connections before, ${sockets()} after`);
  });

  test('a message never expires', async () => {
    const name = await makeQueue();
    await new StorageQueues(account()).send(name, 'for ever');
    const { peekedMessageItems } = await account().queues.getQueueClient(name).peekMessages();
    // Azure words "never" as the end of the year 9999; the default would be a week.
    assert.equal(peekedMessageItems[0]?.expiresOn.getUTCFullYear(), 9999);
  });

  test('an account that cannot be reached is UNAVAILABLE, and no address or key is told', async () => {
    const dead = openAccount({
      connectionString:
        'DefaultEndpointsProtocol=http;AccountName=dead;AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:9/dead;QueueEndpoint=http://127.0.0.1:9/dead;',
    });
    await assert.rejects(new BlobState(dead.blobs.getContainerClient('state')).read('x'), (error: unknown) => {
      assert(error instanceof Error);
      assert.match(error.message, /^reading "x": storage says /);
      assert.doesNotMatch(error.message, /127\.0\.0\.1|c2VjcmV0/);
      assert.equal('code' in error && error.code, 'UNAVAILABLE');
      return true;
    });
  });
});
