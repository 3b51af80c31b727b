/**
 * Page blobs in memory, with sequence numbers, ETags and snapshots as Azure has them. Only pages that were written are
 * held, so that a snapshot of a large blob costs what is in it.
 */
import { LeewardError } from '../../../src/kernel/errors.ts';
import type { BlobPlace } from '../../../src/kernel/places.ts';
import { PAGE_BYTES } from '../../../src/kernel/units.ts';
import { WRITE_BYTES_MAX } from '../../../src/ports/replica-store.ts';
import type { ListedSnapshot, ReplicaProperties, ReplicaStore } from '../../../src/ports/replica-store.ts';

/** Pages by their index; a page that is not there is zeros. A page that is there never changes. */
type Pages = Map<number, Uint8Array>;

interface PageBlob {
  readonly sizeBytes: number;
  readonly pages: Pages;
  sequenceNumber: number;
  changes: number;
  readonly snapshots: Map<string, { readonly pages: Pages; readonly number: number }>;
}

export class MemoryReplicaStore implements ReplicaStore {
  readonly #blobs = new Map<string, PageBlob>();
  #snapshots = 0;

  async create(place: BlobPlace, sizeBytes: number): Promise<void> {
    if (sizeBytes % PAGE_BYTES !== 0) throw new Error('size is not a multiple of 512');
    if (this.#blobs.has(key(place))) return;
    this.#blobs.set(key(place), { sizeBytes, pages: new Map(), sequenceNumber: 0, changes: 0, snapshots: new Map() });
  }

  async properties(place: BlobPlace): Promise<ReplicaProperties | undefined> {
    const blob = this.#blobs.get(key(place));
    return blob && { sizeBytes: blob.sizeBytes, etag: etag(blob), sequenceNumber: blob.sequenceNumber };
  }

  async raiseSequenceNumber(place: BlobPlace, fence: number): Promise<void> {
    const blob = this.#need(place);
    blob.sequenceNumber = Math.max(blob.sequenceNumber, fence);
    blob.changes += 1;
  }

  async writePages(place: BlobPlace, at: { offset: number; bytes: Uint8Array; fence: number }): Promise<void> {
    if (at.bytes.length > WRITE_BYTES_MAX) throw new Error('more than 4 MiB in one write');
    const pages = this.#change(place, { ...at, lengthBytes: at.bytes.length });
    for (let done = 0; done < at.bytes.length; done += PAGE_BYTES) {
      const page = new Uint8Array(at.bytes.subarray(done, done + PAGE_BYTES));
      pages.set((at.offset + done) / PAGE_BYTES, page);
    }
  }

  async clearPages(place: BlobPlace, at: { offset: number; lengthBytes: number; fence: number }): Promise<void> {
    const pages = this.#change(place, at);
    for (const index of [...pages.keys()]) {
      if (index * PAGE_BYTES >= at.offset && index * PAGE_BYTES < at.offset + at.lengthBytes) pages.delete(index);
    }
  }

  async snapshot(place: BlobPlace, at: { etag: string; number: number }): Promise<string> {
    const blob = this.#need(place);
    if (etag(blob) !== at.etag) throw new LeewardError('CONFLICT', `"${place.blob}" changed meanwhile`);
    this.#snapshots += 1;
    const snapshot = `snapshot-${String(this.#snapshots).padStart(8, '0')}`;
    blob.snapshots.set(snapshot, { pages: new Map(blob.pages), number: at.number });
    return snapshot;
  }

  async listSnapshots(place: BlobPlace): Promise<readonly ListedSnapshot[]> {
    return [...this.#need(place).snapshots].map(([snapshot, { number }]) => ({ snapshot, number }));
  }

  async deleteSnapshot(place: BlobPlace, snapshot: string): Promise<void> {
    this.#need(place).snapshots.delete(snapshot);
  }

  async read(place: BlobPlace, at: { offset: number; lengthBytes: number; snapshot?: string }): Promise<Uint8Array> {
    const blob = this.#need(place);
    const pages = at.snapshot === undefined ? blob.pages : blob.snapshots.get(at.snapshot)?.pages;
    if (!pages) throw new LeewardError('NOT_FOUND', `"${place.blob}" has no snapshot "${at.snapshot ?? ''}"`);
    const endBytes = Math.min(at.offset + at.lengthBytes, blob.sizeBytes);
    const bytes = new Uint8Array(Math.max(0, endBytes - at.offset));
    for (const [index, page] of pages) {
      const start = index * PAGE_BYTES - at.offset;
      if (start >= bytes.length || start + PAGE_BYTES <= 0) continue;
      bytes.set(page.subarray(Math.max(0, -start), bytes.length - start), Math.max(0, start));
    }
    return bytes;
  }

  async copySnapshot(from: BlobPlace & { snapshot: string }, to: BlobPlace): Promise<'copying' | 'done'> {
    if (this.#blobs.has(key(to))) return 'done';
    const { sizeBytes, snapshots } = this.#need(from);
    const source = snapshots.get(from.snapshot);
    if (!source) throw new LeewardError('NOT_FOUND', `"${from.blob}" has no snapshot "${from.snapshot}"`);
    const pages = new Map(source.pages);
    this.#blobs.set(key(to), { sizeBytes, pages, sequenceNumber: 0, changes: 0, snapshots: new Map() });
    return 'done';
  }

  url(place: BlobPlace): string {
    return `memory://${key(place)}`;
  }

  #need(place: BlobPlace): PageBlob {
    const blob = this.#blobs.get(key(place));
    if (!blob) throw new LeewardError('NOT_FOUND', `there is no page blob "${place.blob}"`);
    return blob;
  }

  /** The pages to change, once the request has proved itself as Azure would demand. */
  #change(place: BlobPlace, at: { offset: number; lengthBytes: number; fence: number }): Pages {
    const blob = this.#need(place);
    if (at.offset % PAGE_BYTES !== 0 || at.lengthBytes % PAGE_BYTES !== 0 || at.lengthBytes === 0) {
      throw new Error(`pages ${at.offset}+${at.lengthBytes} are not aligned`);
    }
    if (at.offset + at.lengthBytes > blob.sizeBytes) throw new Error('pages past the end of the blob');
    if (blob.sequenceNumber !== at.fence) {
      throw new LeewardError('FENCED', `"${place.blob}" has sequence number ${blob.sequenceNumber}, not ${at.fence}`);
    }
    blob.changes += 1;
    return blob.pages;
  }
}

function key(place: BlobPlace): string {
  return `${place.account}/${place.container}/${place.blob}`;
}

function etag(blob: PageBlob): string {
  return `"${blob.changes}"`;
}
