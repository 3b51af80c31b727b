/** Immutable entries in memory. */
import { LeewardError } from '../../../src/kernel/errors.ts';
import type { Clock } from '../../../src/kernel/clock.ts';
import type { BlobPlace, ContainerPlace } from '../../../src/kernel/places.ts';
import type { EntryStore, ListedEntry } from '../../../src/ports/entries.ts';

export class MemoryEntries implements EntryStore {
  readonly #entries = new Map<string, { readonly bytes: Uint8Array; readonly createdAtMs: number }>();
  readonly #clock: Pick<Clock, 'wallMs'>;

  /** Where nobody asks for the age of an entry, no clock is needed. */
  constructor(clock: Pick<Clock, 'wallMs'> = { wallMs: () => 0 }) {
    this.#clock = clock;
  }

  async create(place: BlobPlace, bytes: Uint8Array): Promise<'created' | 'exists'> {
    const key = `${prefixOf(place)}${place.blob}`;
    if (this.#entries.has(key)) return 'exists';
    this.#entries.set(key, { bytes: new Uint8Array(bytes), createdAtMs: this.#clock.wallMs() });
    return 'created';
  }

  /** What no port can: for damage, and for a store that forgot its promise. */
  overwrite(place: BlobPlace, bytes: Uint8Array): void {
    const kept = { bytes: new Uint8Array(bytes), createdAtMs: this.#clock.wallMs() };
    this.#entries.set(`${prefixOf(place)}${place.blob}`, kept);
  }

  async read(place: BlobPlace, bytesMax: number): Promise<Uint8Array | undefined> {
    const bytes = this.#entries.get(`${prefixOf(place)}${place.blob}`)?.bytes;
    if (bytes && bytes.length > bytesMax) {
      throw new LeewardError('DELTA_INVALID', `entry "${place.blob}" has ${bytes.length} bytes, more than ${bytesMax}`);
    }
    return bytes?.slice();
  }

  async readPart(place: BlobPlace, at: { offset: number; lengthBytes: number }): Promise<Uint8Array | undefined> {
    return this.#entries.get(`${prefixOf(place)}${place.blob}`)?.bytes.slice(at.offset, at.offset + at.lengthBytes);
  }

  async remove(place: BlobPlace): Promise<void> {
    this.#entries.delete(`${prefixOf(place)}${place.blob}`);
  }

  async *list(place: ContainerPlace, prefix: string): AsyncIterable<ListedEntry> {
    const container = prefixOf(place);
    const found = [...this.#entries].filter(([key]) => key.startsWith(container + prefix));
    found.sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [key, { bytes, createdAtMs }] of found) {
      yield { name: key.slice(container.length), sizeBytes: bytes.length, createdAtMs };
    }
  }
}

function prefixOf(place: ContainerPlace): string {
  return `${place.account}/${place.container}/`;
}
