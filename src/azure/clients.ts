/**
 * The only place that constructs storage clients.
 *
 * Invariant: an account is reached either by a connection string (Azurite, tests) or by the program's identity; the
 * rest of the code does not know which.
 */
import { DefaultAzureCredential } from '@azure/identity';
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import { LeewardError } from '../kernel/errors.ts';

/** How to reach a storage account. */
export type AccountAccess =
  | { readonly connectionString: string }
  | { readonly accountName: string; readonly blobUrl?: string | undefined; readonly queueUrl?: string | undefined };

/** One storage account's clients. */
export interface StorageAccount {
  readonly name: string;
  readonly blobs: BlobServiceClient;
  readonly queues: QueueServiceClient;
  /** The account's key, if that is how it is reached; user delegation otherwise. */
  readonly sharedKey: StorageSharedKeyCredential | undefined;
}

/**
 * Retries inside the SDK: a few quick ones for what passes at once; anything longer is for the caller, whose message or
 * timer comes again. A conditional write that is retried may meet its own effect: callers read again after CONFLICT.
 */
const RETRY = { retryOptions: { maxTries: 4, retryDelayInMs: 200, maxRetryDelayInMs: 2000, tryTimeoutInMs: 60_000 } };

/** The clients for one account. Throws USAGE for a connection string without a name. */
export function openAccount(access: AccountAccess): StorageAccount {
  if ('connectionString' in access) {
    const name = /(?:^|;)AccountName=([^;]+)/i.exec(access.connectionString)?.[1];
    if (name === undefined) throw new LeewardError('USAGE', 'the storage connection string names no account');
    const blobs = BlobServiceClient.fromConnectionString(access.connectionString, RETRY);
    const queues = QueueServiceClient.fromConnectionString(access.connectionString, RETRY);
    const sharedKey = blobs.credential instanceof StorageSharedKeyCredential ? blobs.credential : undefined;
    return { name, blobs, queues, sharedKey };
  }
  const { accountName: name, blobUrl, queueUrl } = access;
  const credential = new DefaultAzureCredential();
  return {
    name,
    blobs: new BlobServiceClient(blobUrl ?? `https://${name}.blob.core.windows.net`, credential, RETRY),
    queues: new QueueServiceClient(queueUrl ?? `https://${name}.queue.core.windows.net`, credential, RETRY),
    sharedKey: undefined,
  };
}

/**
 * The accounts by name. The control store's is given; any other that a state document names is reached by the program's
 * identity.
 */
export class StorageAccounts {
  readonly control: StorageAccount;
  readonly #others = new Map<string, StorageAccount>();

  constructor(control: StorageAccount) {
    this.control = control;
  }

  named(accountName: string): StorageAccount {
    if (accountName === this.control.name) return this.control;
    const known = this.#others.get(accountName) ?? openAccount({ accountName });
    this.#others.set(accountName, known);
    return known;
  }
}
