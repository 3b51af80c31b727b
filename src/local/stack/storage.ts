/** What infra/ makes in a storage account, made in the local one. */
import { BlobServiceClient } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import { CONTAINERS, QUEUES } from '../../kernel/names.ts';

/** Makes the containers and queues that exist once. Idempotent. */
export async function makeStorage(connectionString: string): Promise<void> {
  const blobs = BlobServiceClient.fromConnectionString(connectionString);
  const queues = QueueServiceClient.fromConnectionString(connectionString);
  await Promise.all([
    ...Object.values(CONTAINERS).map((name) => blobs.getContainerClient(name).createIfNotExists()),
    ...Object.values(QUEUES).map((name) => queues.getQueueClient(name).createIfNotExists()),
  ]);
}
