/** A state store in memory that keeps every promise of the port. */
import type { Clock } from '../../../src/kernel/clock.ts';
import { LeewardError } from '../../../src/kernel/errors.ts';
import { DOCUMENT_BYTES_MAX } from '../../../src/ports/state.ts';
import type { Labels, ReadAnswer, StateStore, StoredDocument, WriteAnswer } from '../../../src/ports/state.ts';

export class MemoryState implements StateStore {
  readonly #clock: Clock;
  readonly #documents = new Map<string, StoredDocument & { labels: Labels }>();
  #writes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async read(name: string): Promise<ReadAnswer> {
    return { document: this.#documents.get(name), serviceNowMs: this.#clock.wallMs() };
  }

  async create(name: string, text: string, labels: Labels = {}): Promise<WriteAnswer> {
    if (this.#documents.has(name)) throw new LeewardError('CONFLICT', `"${name}" exists`);
    return this.#write(name, text, labels);
  }

  async replace(name: string, text: string, etag: string, labels: Labels = {}): Promise<WriteAnswer> {
    if (this.#documents.get(name)?.etag !== etag) throw new LeewardError('CONFLICT', `"${name}" changed meanwhile`);
    return this.#write(name, text, labels);
  }

  async remove(name: string): Promise<void> {
    this.#documents.delete(name);
  }

  async *list(prefix: string): AsyncIterable<{ name: string; labels: Labels }> {
    const found = [...this.#documents].filter(([name]) => name.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [name, { labels }] of found) yield { name, labels };
  }

  #write(name: string, text: string, labels: Labels): WriteAnswer {
    if (Buffer.byteLength(text) > DOCUMENT_BYTES_MAX)
      throw new LeewardError('DOCUMENT_INVALID', `"${name}" is too long`);
    this.#writes += 1;
    // Azure's times have whole seconds; a finer one here would hide faults.
    const lastModifiedMs = Math.floor(this.#clock.wallMs() / 1000) * 1000;
    const document = { text, etag: `"${this.#writes}"`, lastModifiedMs, labels };
    this.#documents.set(name, document);
    return document;
  }
}
