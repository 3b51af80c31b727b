/** The state store on block blobs: ETag conditions, metadata as labels, the service's own times. */
import type { ContainerClient } from '@azure/storage-blob';
import { LeewardError, isLeewardError } from '../kernel/errors.ts';
import { DOCUMENT_BYTES_MAX } from '../ports/state.ts';
import type { Labels, ReadAnswer, StateStore, WriteAnswer } from '../ports/state.ts';
import { letGo } from './body.ts';
import { calling } from './errors.ts';

const JSON_TYPE = { blobContentType: 'application/json' };

export class BlobState implements StateStore {
  readonly #container: ContainerClient;

  constructor(container: ContainerClient) {
    this.#container = container;
  }

  async read(name: string): Promise<ReadAnswer> {
    try {
      return await calling(`reading "${name}"`, async () => {
        const answer = await this.#container.getBlobClient(name).download();
        const { etag, lastModified, date, contentLength = 0 } = answer;
        if (contentLength > DOCUMENT_BYTES_MAX) {
          letGo(answer.readableStreamBody);
          throw tooLong(name, contentLength);
        }
        const text = await bodyText(answer.readableStreamBody);
        const lastModifiedMs = timeOf(lastModified, name);
        return { document: { text, etag: etagOf(etag, name), lastModifiedMs }, serviceNowMs: timeOf(date, name) };
      });
    } catch (error) {
      if (!isLeewardError(error, 'NOT_FOUND')) throw error;
      return { document: undefined, serviceNowMs: await this.#serviceNowMs(name) };
    }
  }

  async create(name: string, text: string, labels: Labels = {}): Promise<WriteAnswer> {
    return this.#write(name, text, labels, { ifNoneMatch: '*' });
  }

  async replace(name: string, text: string, etag: string, labels: Labels = {}): Promise<WriteAnswer> {
    return this.#write(name, text, labels, { ifMatch: etag });
  }

  async remove(name: string): Promise<void> {
    await calling(`removing "${name}"`, async () => this.#container.getBlobClient(name).deleteIfExists());
  }

  async *list(prefix: string): AsyncIterable<{ name: string; labels: Labels }> {
    const pages = this.#container.listBlobsFlat({ prefix, includeMetadata: true });
    for (;;) {
      const next = await calling(`listing "${prefix}"`, async () => pages.next());
      if (next.done === true) return;
      yield { name: next.value.name, labels: next.value.metadata ?? {} };
    }
  }

  async #write(
    name: string,
    text: string,
    labels: Labels,
    conditions: { ifMatch: string } | { ifNoneMatch: string },
  ): Promise<WriteAnswer> {
    const body = Buffer.from(text);
    if (body.length > DOCUMENT_BYTES_MAX) throw tooLong(name, body.length);
    return calling(`writing "${name}"`, async () => {
      const options = { conditions, metadata: { ...labels }, blobHTTPHeaders: JSON_TYPE };
      const { etag, lastModified } = await this.#container.getBlockBlobClient(name).upload(body, body.length, options);
      return { etag: etagOf(etag, name), lastModifiedMs: timeOf(lastModified, name) };
    });
  }

  /** The service's time where no document carries it: the container's own answer has it too. */
  async #serviceNowMs(name: string): Promise<number> {
    return calling('asking the storage service for its time', async () =>
      timeOf((await this.#container.getProperties()).date, name),
    );
  }
}

function tooLong(name: string, sizeBytes: number): LeewardError {
  return new LeewardError('DOCUMENT_INVALID', `"${name}" has ${sizeBytes} bytes, at most ${DOCUMENT_BYTES_MAX} may be`);
}

async function bodyText(stream: NodeJS.ReadableStream | undefined): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream ?? []) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

function timeOf(time: Date | undefined, name: string): number {
  if (!time) throw new LeewardError('UNAVAILABLE', `storage answered for "${name}" without a time`);
  return time.getTime();
}

function etagOf(etag: string | undefined, name: string): string {
  if (etag === undefined) throw new LeewardError('UNAVAILABLE', `storage answered for "${name}" without an ETag`);
  return etag;
}
