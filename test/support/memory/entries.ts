/** Immutable entries in memory. */
import { LeewardError } from '../../../src/kernel/errors.ts';
import type { BlobPlace, ContainerPlace } from '../../../src/kernel/places.ts';
import type { EntryStore, ListedEntry } from '../../../src/ports/entries.ts';

export class MemoryEntries implements EntryStore {
  readonly #entries = new Map<string, Uint8Array>();

  async create(place: BlobPlace, bytes: Uint8Array): Promise<'created' | 'exists'> {
    const key = `${prefixOf(place)}${place.blob}`;
    if (this.#entries.has(key)) return 'exists';
    this.#entries.set(key, new Uint8Array(bytes));
    return 'created';
  }

  async read(place: BlobPlace, bytesMax: number): Promise<Uint8Array | undefined> {
    const bytes = this.#entries.get(`${prefixOf(place)}${place.blob}`);
    if (bytes && bytes.length > bytesMax) {
      throw new LeewardError('DELTA_INVALID', `entry "${place.blob}" has ${bytes.length} bytes, more than ${bytesMax}`);
    }
    return bytes?.slice();
  }

  async *list(place: ContainerPlace, prefix: string): AsyncIterable<ListedEntry> {
    const container = prefixOf(place);
    const found = [...this.#entries].filter(([key]) => key.startsWith(container + prefix));
    found.sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [key, bytes] of found) yield { name: key.slice(container.length), sizeBytes: bytes.length };
  }
}

function prefixOf(place: ContainerPlace): string {
  return `${place.account}/${place.container}/`;
}
