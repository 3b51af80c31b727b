/**
 * Storage accounts as the platform knows them: it reads a blob that a disk is imported from, credentials or not.
 *
 * Invariants: a source blob is never changed, only snapshotted; its snapshot is what a disk reads, so that a disk stands
 * alone while replication goes on; everything that Azure refuses to import is refused.
 */
import { readFileSync } from 'node:fs';
import { BlobSASPermissions, BlobServiceClient, RestError } from '@azure/storage-blob';
import type { BlobClient } from '@azure/storage-blob';
import { z } from 'zod';
import { VHD_FOOTER_BYTES, describeFooter } from '../../vhd/footer.ts';
import type { ArmConfig } from './config.ts';
import { refusals } from './refusals.ts';
import { keyOf, locationOf } from './resource-id.ts';

/** What a disk reads: a snapshot of the blob that it was imported from. */
export const diskContentSchema = z.object({
  accountId: z.string(),
  container: z.string(),
  blob: z.string(),
  snapshot: z.string(),
  dataBytes: z.int(),
});
export type DiskContent = z.infer<typeof diskContentSchema>;

/** How long a machine may read its disks: as long as anybody keeps a local stack up. */
const READ_MS = 365 * 24 * 3600_000;

interface Account {
  readonly id: string;
  readonly location: string;
  readonly service: BlobServiceClient;
}

export interface Storage {
  /**
   * Checks a source as Azure checks it and takes the snapshot that a disk then reads. Throws ArmError for whatever is
   * no fixed VHD of a known account in `location`.
   */
  import(source: { sourceUri: string; storageAccountId: string; location: string }): Promise<DiskContent>;
  /** A URL that reads the content, its credential included. */
  readUrl(content: DiskContent): Promise<string>;
  /** Deletes the content. Idempotent. */
  discard(content: DiskContent): Promise<void>;
}

export function openStorage(config: ArmConfig['storageAccounts']): Storage {
  const accounts = config.map((account): Account => {
    const connectionString = readFileSync(account.connectionStringFile, 'utf8').trim();
    const service = BlobServiceClient.fromConnectionString(connectionString, { retryOptions: { maxTries: 2 } });
    return { id: account.id, location: locationOf(account.location), service };
  });
  const accountOf = (id: string): Account => {
    const account = accounts.find((candidate) => keyOf(candidate.id) === keyOf(id));
    if (account === undefined) throw refusals.storageAccountUnknown(id);
    return account;
  };
  const snapshotOf = (content: DiskContent) =>
    accountOf(content.accountId)
      .service.getContainerClient(content.container)
      .getBlobClient(content.blob)
      .withSnapshot(content.snapshot);

  return {
    async import({ sourceUri, storageAccountId, location }) {
      const url = sourceUri.replace(/\?.*$/s, '');
      const account = accountOf(storageAccountId);
      const place = placeOf(url, account);
      if (account.location !== location) throw refusals.blobElsewhere(url);
      if (/[?&]snapshot=/i.test(sourceUri)) throw refusals.blobSnapshot(url);
      const client = account.service.getContainerClient(place.container).getPageBlobClient(place.blob);
      try {
        const { snapshot = '' } = await client.createSnapshot();
        const taken = client.withSnapshot(snapshot);
        // The check reads the snapshot: what is imported is what was checked.
        const { dataBytes, problem } = await checkVhd(taken);
        if (problem !== undefined) {
          await taken.delete();
          throw refusals.blobNoVhd(problem);
        }
        return { accountId: account.id, ...place, snapshot, dataBytes };
      } catch (error) {
        if (error instanceof RestError && error.statusCode === 404) throw refusals.blobNotFound(url);
        throw error;
      }
    },
    async readUrl(content) {
      return await snapshotOf(content).generateSasUrl({
        permissions: BlobSASPermissions.parse('r'),
        expiresOn: new Date(Date.now() + READ_MS),
      });
    },
    async discard(content) {
      await snapshotOf(content).deleteIfExists();
    },
  };
}

/** Container and blob of a URL that lies in `account`. */
function placeOf(url: string, account: Account): { container: string; blob: string } {
  const base = account.service.url.replace(/\/?$/, '/');
  const path = url.startsWith(base) ? url.slice(base.length) : '';
  const [container = '', ...rest] = path.split('/');
  if (container === '' || rest.join('/') === '') throw refusals.blobOfOtherAccount(url, account.id);
  try {
    return { container, blob: decodeURIComponent(rest.join('/')) };
  } catch {
    throw refusals.blobOfOtherAccount(url, account.id);
  }
}

/** What keeps a blob from being a fixed VHD that Azure imports, if anything. */
async function checkVhd(client: BlobClient): Promise<{ dataBytes: number; problem?: string }> {
  const { blobType, contentLength = 0 } = await client.getProperties();
  if (blobType !== 'PageBlob') return { dataBytes: 0, problem: `It is a ${blobType ?? 'blob'}, not a page blob` };
  const dataBytes = contentLength - VHD_FOOTER_BYTES;
  if (dataBytes <= 0) return { dataBytes, problem: 'It is shorter than a footer and the least data' };
  const footer = await client.downloadToBuffer(dataBytes, VHD_FOOTER_BYTES);
  const [problem] = describeFooter(footer, contentLength).problems;
  return problem === undefined ? { dataBytes } : { dataBytes, problem };
}
