/**
 * Page blobs in memory, with sequence numbers, ETags and snapshots as Azure has them. Only pages that were written are
 * held, so that a snapshot of a large blob costs what is in it.
 */
import { joined } from '../../../src/kernel/byte-parts.ts';
import type { ByteParts } from '../../../src/kernel/byte-parts.ts';
import type { ByteRange } from '../../../src/kernel/byte-range.ts';
import { LeewardError } from '../../../src/kernel/errors.ts';
import type { BlobPlace, ContainerPlace } from '../../../src/kernel/places.ts';
import { PAGE_BYTES } from '../../../src/kernel/units.ts';
import { WRITE_BYTES_MAX } from '../../../src/ports/replica-store.ts';
import type { ListedSnapshot, ReplicaProperties, ReplicaStore } from '../../../src/ports/replica-store.ts';

/** Pages by their index; a page that is not there is zeros. A page that is there never changes. */
type Pages = Map<number, Uint8Array>;

interface PageBlob {
  sizeBytes: number;
  readonly pages: Pages;
  sequenceNumber: number;
  changes: number;
  readonly snapshots: Map<string, { readonly pages: Pages; readonly sizeBytes: number; readonly number: number }>;
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

  async writePages(
    place: BlobPlace,
    at: { offset: number; bytes: Uint8Array | ByteParts; fence: number },
  ): Promise<{ etag: string }> {
    const bytes = joined(at.bytes);
    if (bytes.length > WRITE_BYTES_MAX) throw new Error('more than 4 MiB in one write');
    const blob = this.#change(place, { ...at, lengthBytes: bytes.length });
    for (let done = 0; done < bytes.length; done += PAGE_BYTES) {
      const page = new Uint8Array(bytes.subarray(done, done + PAGE_BYTES));
      blob.pages.set((at.offset + done) / PAGE_BYTES, page);
    }
    return { etag: etag(blob) };
  }

  async clearPages(
    place: BlobPlace,
    at: { offset: number; lengthBytes: number; fence: number },
  ): Promise<{ etag: string }> {
    const blob = this.#change(place, at);
    dropPages(blob.pages, at.offset, at.offset + at.lengthBytes);
    return { etag: etag(blob) };
  }

  async resize(place: BlobPlace, to: { sizeBytes: number; etag: string }): Promise<void> {
    const blob = this.#need(place);
    if (to.sizeBytes % PAGE_BYTES !== 0) throw new Error('size is not a multiple of 512');
    if (etag(blob) !== to.etag) throw new LeewardError('CONFLICT', `"${place.blob}" changed meanwhile`);
    dropPages(blob.pages, to.sizeBytes, Infinity);
    blob.sizeBytes = to.sizeBytes;
    blob.changes += 1;
  }

  async snapshot(place: BlobPlace, at: { etag?: string; number: number }): Promise<string> {
    const blob = this.#need(place);
    if (at.etag !== undefined && etag(blob) !== at.etag)
      throw new LeewardError('CONFLICT', `"${place.blob}" changed meanwhile`);
    this.#snapshots += 1;
    const snapshot = `snapshot-${String(this.#snapshots).padStart(8, '0')}`;
    blob.snapshots.set(snapshot, { pages: new Map(blob.pages), sizeBytes: blob.sizeBytes, number: at.number });
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
    const read = at.snapshot === undefined ? blob : blob.snapshots.get(at.snapshot);
    if (!read) throw new LeewardError('NOT_FOUND', `"${place.blob}" has no snapshot "${at.snapshot ?? ''}"`);
    if (at.offset + at.lengthBytes > read.sizeBytes) {
      throw new LeewardError('UNAVAILABLE', `"${place.blob}" ends at ${read.sizeBytes}`);
    }
    const bytes = new Uint8Array(at.lengthBytes);
    for (const [index, page] of read.pages) {
      const start = index * PAGE_BYTES - at.offset;
      if (start >= bytes.length || start + PAGE_BYTES <= 0) continue;
      bytes.set(page.subarray(Math.max(0, -start), bytes.length - start), Math.max(0, start));
    }
    return bytes;
  }

  async copySnapshot(from: BlobPlace & { snapshot: string }, to: BlobPlace): Promise<'copying' | 'done'> {
    if (this.#blobs.has(key(to))) return 'done';
    const source = this.#need(from).snapshots.get(from.snapshot);
    if (!source) throw new LeewardError('NOT_FOUND', `"${from.blob}" has no snapshot "${from.snapshot}"`);
    const { sizeBytes } = source;
    const pages = new Map(source.pages);
    // Source: Azure Storage REST, "Copy Blob": the sequence number is among the properties that are copied.
    const { sequenceNumber } = this.#need(from);
    this.#blobs.set(key(to), { sizeBytes, pages, sequenceNumber, changes: 0, snapshots: new Map() });
    return 'done';
  }

  async dataRanges(
    place: BlobPlace,
    at: { offset: number; lengthBytes: number; snapshot?: string },
  ): Promise<readonly ByteRange[]> {
    const blob = this.#need(place);
    const read = at.snapshot === undefined ? blob : blob.snapshots.get(at.snapshot);
    if (!read) throw new LeewardError('NOT_FOUND', `"${place.blob}" has no snapshot "${at.snapshot ?? ''}"`);
    return [...read.pages.keys()]
      .sort((a, b) => a - b)
      .map((index) => ({ offset: index * PAGE_BYTES, lengthBytes: PAGE_BYTES }))
      .filter(({ offset }) => offset >= at.offset && offset < at.offset + at.lengthBytes);
  }

  async resetSequenceNumber(place: BlobPlace, at: { etag: string }): Promise<void> {
    const blob = this.#need(place);
    if (etag(blob) !== at.etag) throw new LeewardError('CONFLICT', `"${place.blob}" changed meanwhile`);
    blob.sequenceNumber = 0;
    blob.changes += 1;
  }

  async remove(place: BlobPlace): Promise<void> {
    this.#blobs.delete(key(place));
  }

  /** What the access port does to a container with page blobs. */
  removeContainer({ account, container }: ContainerPlace): void {
    for (const name of [...this.#blobs.keys()]) {
      if (name.startsWith(`${account}/${container}/`)) this.#blobs.delete(name);
    }
  }

  url(place: BlobPlace): string {
    return `memory://${key(place)}`;
  }

  /** What no port can: keys of all blobs there are. */
  places(): string[] {
    return [...this.#blobs.keys()];
  }

  /** What no port can: a blob under another name, in the place of one that was there. */
  move(from: BlobPlace, to: BlobPlace): void {
    const blob = this.#need(from);
    this.drop(from);
    this.#blobs.set(key(to), blob);
  }

  /** What no port can: a blob is gone at once. */
  drop(place: BlobPlace): void {
    this.#blobs.delete(key(place));
  }

  /** What no port can: one bit of the blob is another, in silence. Snapshots that were taken keep theirs. */
  rot(place: BlobPlace, offset: number): void {
    const { pages } = this.#need(place);
    const index = Math.floor(offset / PAGE_BYTES);
    const page = pages.get(index)?.slice() ?? new Uint8Array(PAGE_BYTES);
    page[offset % PAGE_BYTES] = (page[offset % PAGE_BYTES] ?? 0) ^ 1;
    pages.set(index, page);
  }

  #need(place: BlobPlace): PageBlob {
    const blob = this.#blobs.get(key(place));
    if (!blob) throw new LeewardError('NOT_FOUND', `there is no page blob "${place.blob}"`);
    return blob;
  }

  /** The blob to change, once the request has proved itself as Azure would demand. */
  #change(place: BlobPlace, at: { offset: number; lengthBytes: number; fence: number }): PageBlob {
    const blob = this.#need(place);
    if (at.offset % PAGE_BYTES !== 0 || at.lengthBytes % PAGE_BYTES !== 0 || at.lengthBytes === 0) {
      throw new Error(`pages ${at.offset}+${at.lengthBytes} are not aligned`);
    }
    // Azurite does not look at the number first; which Azure looks at first is not documented.
    if (at.offset + at.lengthBytes > blob.sizeBytes) {
      throw new LeewardError('CONFLICT', `"${place.blob}" ends before ${at.offset + at.lengthBytes}`);
    }
    if (blob.sequenceNumber !== at.fence) {
      throw new LeewardError('FENCED', `"${place.blob}" has sequence number ${blob.sequenceNumber}, not ${at.fence}`);
    }
    blob.changes += 1;
    return blob;
  }
}

function dropPages(pages: Pages, start: number, end: number): void {
  for (const index of [...pages.keys()])
    if (index * PAGE_BYTES >= start && index * PAGE_BYTES < end) pages.delete(index);
}

function key(place: BlobPlace): string {
  return `${place.account}/${place.container}/${place.blob}`;
}

function etag(blob: PageBlob): string {
  return `"${blob.changes}"`;
}
