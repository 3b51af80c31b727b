/** Page blobs in memory, with sequence numbers, ETags and snapshots as Azure has them. */
import { LeewardError } from '../../../src/kernel/errors.ts';
import type { BlobPlace } from '../../../src/kernel/places.ts';
import { PAGE_BYTES } from '../../../src/kernel/units.ts';
import { WRITE_BYTES_MAX } from '../../../src/ports/replica-store.ts';
import type { ListedSnapshot, ReplicaProperties, ReplicaStore } from '../../../src/ports/replica-store.ts';

interface PageBlob {
  bytes: Uint8Array;
  sequenceNumber: number;
  changes: number;
  snapshots: Map<string, { bytes: Uint8Array; number: number }>;
}

export class MemoryReplicaStore implements ReplicaStore {
  readonly #blobs = new Map<string, PageBlob>();
  #snapshots = 0;

  async create(place: BlobPlace, sizeBytes: number): Promise<void> {
    if (sizeBytes % PAGE_BYTES !== 0) throw new Error('size is not a multiple of 512');
    if (this.#blobs.has(key(place))) return;
    this.#blobs.set(key(place), {
      bytes: new Uint8Array(sizeBytes),
      sequenceNumber: 0,
      changes: 0,
      snapshots: new Map(),
    });
  }

  async properties(place: BlobPlace): Promise<ReplicaProperties | undefined> {
    const blob = this.#blobs.get(key(place));
    return blob && { sizeBytes: blob.bytes.length, etag: etag(blob), sequenceNumber: blob.sequenceNumber };
  }

  async raiseSequenceNumber(place: BlobPlace, fence: number): Promise<void> {
    const blob = this.#need(place);
    blob.sequenceNumber = Math.max(blob.sequenceNumber, fence);
    blob.changes += 1;
  }

  async writePages(place: BlobPlace, at: { offset: number; bytes: Uint8Array; fence: number }): Promise<void> {
    if (at.bytes.length > WRITE_BYTES_MAX) throw new Error('more than 4 MiB in one write');
    this.#change(place, { ...at, lengthBytes: at.bytes.length }).set(at.bytes, at.offset);
  }

  async clearPages(place: BlobPlace, at: { offset: number; lengthBytes: number; fence: number }): Promise<void> {
    this.#change(place, at).fill(0, at.offset, at.offset + at.lengthBytes);
  }

  async snapshot(place: BlobPlace, at: { etag: string; number: number }): Promise<string> {
    const blob = this.#need(place);
    if (etag(blob) !== at.etag) throw new LeewardError('CONFLICT', `"${place.blob}" changed meanwhile`);
    this.#snapshots += 1;
    const snapshot = `snapshot-${String(this.#snapshots).padStart(8, '0')}`;
    blob.snapshots.set(snapshot, { bytes: blob.bytes.slice(), number: at.number });
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
    const bytes = at.snapshot === undefined ? blob.bytes : blob.snapshots.get(at.snapshot)?.bytes;
    if (!bytes) throw new LeewardError('NOT_FOUND', `"${place.blob}" has no snapshot "${at.snapshot ?? ''}"`);
    return bytes.slice(at.offset, at.offset + at.lengthBytes);
  }

  async copySnapshot(from: BlobPlace & { snapshot: string }, to: BlobPlace): Promise<'copying' | 'done'> {
    if (this.#blobs.has(key(to))) return 'done';
    const source = this.#need(from).snapshots.get(from.snapshot);
    if (!source) throw new LeewardError('NOT_FOUND', `"${from.blob}" has no snapshot "${from.snapshot}"`);
    this.#blobs.set(key(to), { bytes: source.bytes.slice(), sequenceNumber: 0, changes: 0, snapshots: new Map() });
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

  /** The bytes to change, once the request has proved itself as Azure would demand. */
  #change(place: BlobPlace, at: { offset: number; lengthBytes: number; fence: number }): Uint8Array {
    const blob = this.#need(place);
    if (at.offset % PAGE_BYTES !== 0 || at.lengthBytes % PAGE_BYTES !== 0 || at.lengthBytes === 0) {
      throw new Error(`pages ${at.offset}+${at.lengthBytes} are not aligned`);
    }
    if (at.offset + at.lengthBytes > blob.bytes.length) throw new Error('pages past the end of the blob');
    if (blob.sequenceNumber !== at.fence) {
      throw new LeewardError('FENCED', `"${place.blob}" has sequence number ${blob.sequenceNumber}, not ${at.fence}`);
    }
    blob.changes += 1;
    return blob.bytes;
  }
}

function key(place: BlobPlace): string {
  return `${place.account}/${place.container}/${place.blob}`;
}

function etag(blob: PageBlob): string {
  return `"${blob.changes}"`;
}
