/**
 * The host's own blobs: leases and timer states in `azure-webjobs-hosts`, keys in `azure-webjobs-secrets`.
 *
 * Invariants: names are those of Azure's host, so that its tools find them; a JSON blob is made at most once (If-None-Match)
 * or replaced whole.
 */
import { BlobServiceClient } from '@azure/storage-blob';
import type { BlockBlobClient } from '@azure/storage-blob';
import { isStorageError } from './storage-error.ts';

export const HOSTS_CONTAINER = 'azure-webjobs-hosts';
export const SECRETS_CONTAINER = 'azure-webjobs-secrets';

export type HostBlob = (name: string) => BlockBlobClient;

/** Opens one of the host's containers, which is made when it is missing. */
export async function openContainer(connectionString: string, container: string): Promise<HostBlob> {
  const client = BlobServiceClient.fromConnectionString(connectionString).getContainerClient(container);
  await client.createIfNotExists();
  return (name) => client.getBlockBlobClient(name);
}

/** The JSON in a blob; undefined when it does not exist. Throws SyntaxError for anything else. */
export async function readJson(blob: BlockBlobClient): Promise<unknown> {
  try {
    return JSON.parse((await blob.downloadToBuffer()).toString('utf8'));
  } catch (error) {
    if (isStorageError(error, 404)) return undefined;
    throw error;
  }
}

export async function writeJson(blob: BlockBlobClient, value: unknown): Promise<void> {
  const text = JSON.stringify(value);
  await blob.upload(text, Buffer.byteLength(text), { blobHTTPHeaders: { blobContentType: 'application/json' } });
}

/** Makes the blob unless it exists; true when it was made. */
export async function createJson(blob: BlockBlobClient, value: unknown): Promise<boolean> {
  const text = JSON.stringify(value);
  try {
    await blob.upload(text, Buffer.byteLength(text), { conditions: { ifNoneMatch: '*' } });
    return true;
  } catch (error) {
    // 412 when somebody holds a lease on it: it exists.
    if (isStorageError(error, 409, 412)) return false;
    throw error;
  }
}
