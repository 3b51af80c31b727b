/** The storage side of the program, put together once from the settings: what every other part stands on. */
import { SasAccess } from '../azure/access.ts';
import { StorageAccounts, openAccount } from '../azure/clients.ts';
import { BlobEntries } from '../azure/entries.ts';
import { StorageQueues } from '../azure/queues.ts';
import { PageBlobReplicas } from '../azure/replica-store.ts';
import { BlobState } from '../azure/state.ts';
import { Documents } from '../documents/store.ts';
import type { Clock } from '../kernel/clock.ts';
import { LeewardError } from '../kernel/errors.ts';
import { CONTAINERS } from '../kernel/names.ts';
import type { AccessIssuer, ReadAccess } from '../ports/access.ts';
import type { EntryStore } from '../ports/entries.ts';
import type { Queues } from '../ports/queue.ts';
import type { ReplicaStore } from '../ports/replica-store.ts';
import { SystemClock } from '../system/clock.ts';
import type { Settings } from './settings.ts';

export interface Storage {
  readonly documents: Documents;
  readonly replicas: ReplicaStore;
  readonly entries: EntryStore;
  readonly queues: Queues;
  readonly access: AccessIssuer & ReadAccess;
  readonly clock: Clock;
  /** Name of the account that holds the control store. */
  readonly account: string;
  /** What keys are derived from. */
  readonly keySecret: Uint8Array;
}

export function openStorage(settings: Settings): Storage {
  const accounts = new StorageAccounts(openAccount(accessOf(settings)));
  const clock = new SystemClock();
  return {
    documents: new Documents(new BlobState(accounts.control.blobs.getContainerClient(CONTAINERS.state))),
    replicas: new PageBlobReplicas(accounts),
    entries: new BlobEntries(accounts),
    queues: new StorageQueues(accounts.control),
    access: new SasAccess(accounts, clock),
    clock,
    account: accounts.control.name,
    keySecret: Buffer.from(settings.LEEWARD_KEY_SECRET, 'base64'),
  };
}

function accessOf(settings: Settings): Parameters<typeof openAccount>[0] {
  if (settings.LEEWARD_STORAGE !== undefined) return { connectionString: settings.LEEWARD_STORAGE };
  const accountName = settings.LEEWARD_STORAGE__accountName;
  if (accountName === undefined)
    throw new LeewardError('USAGE', 'no storage account is set; docs/settings.md says how');
  return {
    accountName,
    blobUrl: settings.LEEWARD_STORAGE__blobServiceUri,
    queueUrl: settings.LEEWARD_STORAGE__queueServiceUri,
  };
}
