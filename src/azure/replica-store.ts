/** Replicas on page blobs: sequence-number conditions as fences, ETag conditions for snapshots, server-side copies. */
import { Readable } from 'node:stream';
import type { PageBlobClient } from '@azure/storage-blob';
import { lengthOf } from '../kernel/byte-parts.ts';
import type { ByteParts } from '../kernel/byte-parts.ts';
import type { ByteRange } from '../kernel/byte-range.ts';
import { LeewardError, isLeewardError } from '../kernel/errors.ts';
import type { BlobPlace } from '../kernel/places.ts';
import type { ListedSnapshot, ReplicaProperties, ReplicaStore } from '../ports/replica-store.ts';
import type { StorageAccounts } from './clients.ts';
import { calling, isPastEnd } from './errors.ts';

/** Metadata of a snapshot that holds the delta's number. */
const NUMBER_LABEL = 'leewardnumber';

export class PageBlobReplicas implements ReplicaStore {
  readonly #accounts: StorageAccounts;

  constructor(accounts: StorageAccounts) {
    this.#accounts = accounts;
  }

  async create(place: BlobPlace, sizeBytes: number): Promise<void> {
    try {
      await calling(`creating "${place.blob}"`, async () =>
        this.#client(place).create(sizeBytes, { conditions: { ifNoneMatch: '*' } }),
      );
    } catch (error) {
      if (!isLeewardError(error, 'CONFLICT')) throw error;
    }
  }

  async properties(place: BlobPlace): Promise<ReplicaProperties | undefined> {
    try {
      return await calling(`looking at "${place.blob}"`, async () => {
        const { contentLength, etag, blobSequenceNumber } = await this.#client(place).getProperties();
        if (contentLength === undefined || etag === undefined || blobSequenceNumber === undefined) {
          throw new LeewardError('PLATFORM_FAILED', `"${place.blob}" is no page blob`);
        }
        return { sizeBytes: contentLength, etag, sequenceNumber: blobSequenceNumber };
      });
    } catch (error) {
      if (isLeewardError(error, 'NOT_FOUND')) return undefined;
      throw error;
    }
  }

  async raiseSequenceNumber(place: BlobPlace, fence: number): Promise<void> {
    await calling(`raising the fence of "${place.blob}"`, async () =>
      this.#client(place).updateSequenceNumber('max', fence),
    );
  }

  async writePages(
    place: BlobPlace,
    at: { offset: number; bytes: Uint8Array | ByteParts; fence: number },
  ): Promise<{ etag: string }> {
    const conditions = { ifSequenceNumberEqualTo: at.fence };
    const lengthBytes = lengthOf(at.bytes);
    const { bytes } = at;
    // The SDK asks for a stream once for each try.
    const body = 'parts' in bytes ? () => Readable.from(bytes.parts) : bytes;
    return calling(`writing ${lengthBytes} bytes at ${at.offset} of "${place.blob}"`, async () =>
      etagOf(await this.#client(place).uploadPages(body, at.offset, lengthBytes, { conditions })),
    );
  }

  async clearPages(
    place: BlobPlace,
    at: { offset: number; lengthBytes: number; fence: number },
  ): Promise<{ etag: string }> {
    const conditions = { ifSequenceNumberEqualTo: at.fence };
    return calling(`clearing ${at.lengthBytes} bytes at ${at.offset} of "${place.blob}"`, async () =>
      etagOf(await this.#client(place).clearPages(at.offset, at.lengthBytes, { conditions })),
    );
  }

  async resize(place: BlobPlace, to: { sizeBytes: number; etag: string }): Promise<void> {
    await calling(`resizing "${place.blob}" to ${to.sizeBytes} bytes`, async () =>
      this.#client(place).resize(to.sizeBytes, { conditions: { ifMatch: to.etag } }),
    );
  }

  async snapshot(place: BlobPlace, at: { etag?: string; number: number }): Promise<string> {
    return calling(`taking a snapshot of "${place.blob}"`, async () => {
      const conditions = at.etag === undefined ? {} : { ifMatch: at.etag };
      const options = { conditions, metadata: { [NUMBER_LABEL]: String(at.number) } };
      const { snapshot } = await this.#client(place).createSnapshot(options);
      if (snapshot === undefined) throw new LeewardError('UNAVAILABLE', `"${place.blob}": storage named no snapshot`);
      return snapshot;
    });
  }

  async listSnapshots(place: BlobPlace): Promise<readonly ListedSnapshot[]> {
    return calling(`listing the snapshots of "${place.blob}"`, async () => {
      const container = this.#accounts.named(place.account).blobs.getContainerClient(place.container);
      const found: ListedSnapshot[] = [];
      const options = { prefix: place.blob, includeSnapshots: true, includeMetadata: true };
      for await (const { name, snapshot, metadata } of container.listBlobsFlat(options)) {
        if (name !== place.blob || !snapshot) continue;
        const label = metadata?.[NUMBER_LABEL];
        found.push({ snapshot, number: numberOf(label) });
      }
      // A snapshot's name is its time. Azure lists them oldest first, Azurite newest first.
      return found.sort((a, b) => (a.snapshot < b.snapshot ? -1 : 1));
    });
  }

  async deleteSnapshot(place: BlobPlace, snapshot: string): Promise<void> {
    await calling(`deleting a snapshot of "${place.blob}"`, async () =>
      this.#client(place).withSnapshot(snapshot).deleteIfExists(),
    );
  }

  async read(place: BlobPlace, at: { offset: number; lengthBytes: number; snapshot?: string }): Promise<Uint8Array> {
    return calling(`reading ${at.lengthBytes} bytes at ${at.offset} of "${place.blob}"`, async () => {
      const live = this.#client(place);
      const client = at.snapshot === undefined ? live : live.withSnapshot(at.snapshot);
      return client.downloadToBuffer(at.offset, at.lengthBytes);
    });
  }

  /**
   * Source: Azure Storage REST, "Copy Blob": within an account a snapshot is copied by its URL, credentials included. A
   * source that is gone matters only while there is no copy: the step may be repeated after retention has dropped it.
   * "Get Blob Properties": x-ms-copy-status is missing of a blob that Set Blob Properties modified after its copy.
   */
  async copySnapshot(from: BlobPlace & { snapshot: string }, to: BlobPlace): Promise<'copying' | 'done'> {
    const target = this.#client(to);
    try {
      await calling(`copying a snapshot to "${to.blob}"`, async () =>
        target.beginCopyFromURL(this.#client(from).withSnapshot(from.snapshot).url, {
          conditions: { ifNoneMatch: '*' },
          intervalInMs: 1,
        }),
      );
    } catch (error) {
      const there = isLeewardError(error, 'CONFLICT') || (await this.properties(to)) !== undefined;
      if (!there) throw error;
    }
    const { copyStatus } = await calling(`looking at the copy "${to.blob}"`, async () => target.getProperties());
    if (copyStatus === 'pending') return 'copying';
    // A copy that was whole loses its status with the first Set Blob Properties, as that of its sequence number.
    if (copyStatus === 'success' || copyStatus === undefined) return 'done';
    throw new LeewardError('PLATFORM_FAILED', `the copy "${to.blob}" ended as "${copyStatus}"`);
  }

  /** Source: Azure Storage REST, "Get Page Ranges": 10,000 at once, which the SDK's listing goes on from. */
  async dataRanges(
    place: BlobPlace,
    at: { offset: number; lengthBytes: number; snapshot?: string },
  ): Promise<readonly ByteRange[]> {
    return calling(`looking for data in "${place.blob}"`, async () => {
      const live = this.#client(place);
      const client = at.snapshot === undefined ? live : live.withSnapshot(at.snapshot);
      const end = at.offset + at.lengthBytes;
      const found: ByteRange[] = [];
      try {
        for await (const range of client.listPageRanges(at.offset, at.lengthBytes)) {
          if (range.isClear) continue;
          // Azurite answers with whole ranges that only begin or end within what was asked for.
          const offset = Math.max(range.start, at.offset);
          const lengthBytes = Math.min(range.end + 1, end) - offset;
          if (lengthBytes > 0) found.push({ offset, lengthBytes });
        }
      } catch (error) {
        if (!isPastEnd(error)) throw error;
      }
      return found;
    });
  }

  async resetSequenceNumber(place: BlobPlace, at: { etag: string }): Promise<void> {
    await calling(`resetting the sequence number of "${place.blob}"`, async () =>
      this.#client(place).updateSequenceNumber('update', 0, { conditions: { ifMatch: at.etag } }),
    );
  }

  async remove(place: BlobPlace): Promise<void> {
    await calling(`removing "${place.blob}"`, async () =>
      this.#client(place).deleteIfExists({ deleteSnapshots: 'include' }),
    );
  }

  url(place: BlobPlace): string {
    return this.#client(place).url;
  }

  #client(place: BlobPlace): PageBlobClient {
    return this.#accounts.named(place.account).blobs.getContainerClient(place.container).getPageBlobClient(place.blob);
  }
}

/** The ETag that Azure gives with every change. Source: Azure Storage REST, "Put Page", response headers. */
function etagOf({ etag }: { etag?: string }): { etag: string } {
  if (etag === undefined) throw new LeewardError('PLATFORM_FAILED', 'storage named no ETag of what it wrote');
  return { etag };
}

/** The number in a snapshot's label; undefined for a snapshot that is none of ours, which is left alone. */
function numberOf(label: string | undefined): number | undefined {
  return label !== undefined && /^\d{1,10}$/.test(label) ? Number(label) : undefined;
}
