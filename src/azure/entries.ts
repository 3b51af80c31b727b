/** Immutable entries on block blobs: created under If-None-Match, never written again. */
import type { BlockBlobClient, ContainerClient } from '@azure/storage-blob';
import { LeewardError, isLeewardError } from '../kernel/errors.ts';
import type { BlobPlace, ContainerPlace } from '../kernel/places.ts';
import type { EntryStore, ListedEntry } from '../ports/entries.ts';
import type { StorageAccounts } from './clients.ts';
import { letGo } from './body.ts';
import { calling, isPastEnd } from './errors.ts';

export class BlobEntries implements EntryStore {
  readonly #accounts: StorageAccounts;

  constructor(accounts: StorageAccounts) {
    this.#accounts = accounts;
  }

  async create(place: BlobPlace, bytes: Uint8Array): Promise<'created' | 'exists'> {
    try {
      await calling(`creating the entry "${place.blob}"`, async () =>
        this.#client(place).upload(bytes, bytes.length, { conditions: { ifNoneMatch: '*' } }),
      );
      return 'created';
    } catch (error) {
      if (isLeewardError(error, 'CONFLICT')) return 'exists';
      if (!isLeewardError(error, 'NOT_FOUND')) throw error;
      // Whatever was to be kept is as sound as before: it must not be taken for what is missing.
      throw new LeewardError('UNAVAILABLE', `the container "${place.container}" is missing`, { cause: error });
    }
  }

  async read(place: BlobPlace, bytesMax: number): Promise<Uint8Array | undefined> {
    try {
      return await calling(`reading the entry "${place.blob}"`, async () => {
        const answer = await this.#client(place).download();
        const { contentLength = 0, readableStreamBody } = answer;
        if (contentLength > bytesMax) {
          letGo(readableStreamBody);
          throw new LeewardError(
            'DELTA_INVALID',
            `entry "${place.blob}" has ${contentLength} bytes, more than ${bytesMax}`,
          );
        }
        const bytes = new Uint8Array(contentLength);
        let filled = 0;
        for await (const chunk of readableStreamBody ?? []) {
          const part = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
          bytes.set(part, filled);
          filled += part.length;
        }
        if (filled !== contentLength)
          throw new LeewardError('UNAVAILABLE', `entry "${place.blob}": the answer was cut short`);
        return bytes;
      });
    } catch (error) {
      if (isLeewardError(error, 'NOT_FOUND')) return undefined;
      throw error;
    }
  }

  async readPart(place: BlobPlace, at: { offset: number; lengthBytes: number }): Promise<Uint8Array | undefined> {
    try {
      return await calling(`reading ${at.lengthBytes} bytes at ${at.offset} of the entry "${place.blob}"`, async () => {
        try {
          const { readableStreamBody } = await this.#client(place).download(at.offset, at.lengthBytes);
          const parts: Buffer[] = [];
          for await (const chunk of readableStreamBody ?? [])
            parts.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
          return Buffer.concat(parts);
        } catch (error) {
          if (isPastEnd(error)) return new Uint8Array(0);
          throw error;
        }
      });
    } catch (error) {
      if (isLeewardError(error, 'NOT_FOUND')) return undefined;
      throw error;
    }
  }

  async remove(place: BlobPlace): Promise<void> {
    await calling(`removing the entry "${place.blob}"`, async () => this.#client(place).deleteIfExists());
  }

  async *list(place: ContainerPlace, prefix: string): AsyncIterable<ListedEntry> {
    const entries = this.#container(place).listBlobsFlat({ prefix });
    for (;;) {
      const next = await calling(`listing the entries "${prefix}"`, async () => entries.next());
      if (next.done === true) return;
      const { name, properties } = next.value;
      const createdAtMs = (properties.createdOn ?? properties.lastModified).getTime();
      yield { name, sizeBytes: properties.contentLength ?? 0, createdAtMs };
    }
  }

  #container(place: ContainerPlace): ContainerClient {
    return this.#accounts.named(place.account).blobs.getContainerClient(place.container);
  }

  #client(place: BlobPlace): BlockBlobClient {
    return this.#container(place).getBlockBlobClient(place.blob);
  }
}
