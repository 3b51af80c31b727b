/**
 * Typed documents over the state store.
 *
 * Invariants: a document is checked against its schema when it is read and again before it is written; a newer format
 * is refused before anything else is looked at; a change is written only over the version it was made from; fields
 * that this program does not know survive a rewrite.
 */
import type { z } from 'zod';
import { LeewardError, isLeewardError } from '../kernel/errors.ts';
import { checkStored, parseStored } from '../kernel/json.ts';
import { checkVersion } from '../kernel/versions.ts';
import type { Version } from '../kernel/versions.ts';
import type { Labels, StateStore } from '../ports/state.ts';

/** A kind of document: its schema, and the labels that a listing shows. */
export interface DocumentKind<T extends { version: Version }> {
  readonly what: string;
  readonly schema: z.ZodType<T>;
  readonly labels?: (value: T) => Labels;
}

/** A document that was read or written, with what a change of it must name. */
export interface Held<T> {
  readonly name: string;
  readonly value: T;
  readonly etag: string;
  /** When the service took it, on the service's clock. */
  readonly lastModifiedMs: number;
}

/** How a document was read that is to be written. */
export interface Reading {
  /** The service's time of the answer. */
  readonly serviceNowMs: number;
  /** An earlier write met somebody else's, or, where storage repeated it, its own effect. */
  readonly isAgain: boolean;
}

/** How often a document is read again after somebody else's change before a write of it gives up with CONFLICT. */
const WRITE_TRIES = 10;

/** How many documents one request reads at once: the requests of one function call stay few. */
export const DOCUMENTS_AT_ONCE = 16;

export class Documents {
  readonly #store: StateStore;

  constructor(store: StateStore) {
    this.#store = store;
  }

  /** Undefined if there is none. Errors: VERSION_TOO_NEW, DOCUMENT_INVALID, UNAVAILABLE. */
  async read<T extends { version: Version }>(kind: DocumentKind<T>, name: string): Promise<Held<T> | undefined> {
    return (await this.readWithTime(kind, name)).held;
  }

  /** As {@link read}, with the service's time of the answer. */
  async readWithTime<T extends { version: Version }>(
    kind: DocumentKind<T>,
    name: string,
  ): Promise<{ held: Held<T> | undefined; serviceNowMs: number }> {
    const { document, serviceNowMs } = await this.#store.read(name);
    if (!document) return { held: undefined, serviceNowMs };
    const value = parse(kind, name, document.text);
    return {
      held: { name, value, etag: document.etag, lastModifiedMs: document.lastModifiedMs },
      serviceNowMs,
    };
  }

  /** As {@link read}, but a missing document is NOT_FOUND. */
  async need<T extends { version: Version }>(kind: DocumentKind<T>, name: string): Promise<Held<T>> {
    const held = await this.read(kind, name);
    if (!held) throw isMissing(kind, name);
    return held;
  }

  /** Errors: CONFLICT if it exists. */
  async create<T extends { version: Version }>(kind: DocumentKind<T>, name: string, value: T): Promise<Held<T>> {
    const checked = check(kind, name, value);
    const answer = await this.#store.create(name, serialize(checked), kind.labels?.(checked));
    return { name, value: checked, ...answer };
  }

  /**
   * Creates the document, or finds the one that is there: an earlier attempt's, or somebody else's. Repeatable. Errors:
   * those of reading.
   */
  async createOrRead<T extends { version: Version }>(
    kind: DocumentKind<T>,
    name: string,
    value: T,
  ): Promise<{ readonly held: Held<T>; readonly isNew: boolean }> {
    try {
      return { held: await this.create(kind, name, value), isNew: true };
    } catch (error) {
      if (!isLeewardError(error, 'CONFLICT')) throw error;
      return { held: await this.need(kind, name), isNew: false };
    }
  }

  /** Writes `value` over exactly the version that `held` is. Errors: CONFLICT, VERSION_TOO_NEW. */
  async replace<T extends { version: Version }>(kind: DocumentKind<T>, held: Held<T>, value: T): Promise<Held<T>> {
    checkVersion(held.value, inErrors(kind, held.name), 'rewrite');
    const checked = check(kind, held.name, value);
    const answer = await this.#store.replace(held.name, serialize(checked), held.etag, kind.labels?.(checked));
    return { name: held.name, value: checked, ...answer };
  }

  /**
   * Reads, changes and writes until the write meets the version that was read. `change` must be repeatable; when it
   * returns undefined nothing is written and what was read comes back. Errors: NOT_FOUND, CONFLICT after many tries.
   */
  async update<T extends { version: Version }>(
    kind: DocumentKind<T>,
    name: string,
    change: (value: T, held: Held<T>) => T | undefined,
  ): Promise<Held<T>> {
    const { held } = await this.record(kind, name, (found) => {
      if (!found) throw isMissing(kind, name);
      return change(found.value, found) ?? found.value;
    });
    return held;
  }

  /**
   * As {@link update}, for a document that may not be there yet: `next` makes the new one of what was found. Where it gives
   * the very value that was found, nothing is written. Gives the service's time of the last reading too. Errors: CONFLICT
   * after many tries, VERSION_TOO_NEW, DOCUMENT_INVALID, UNAVAILABLE.
   */
  async record<T extends { version: Version }>(
    kind: DocumentKind<T>,
    name: string,
    next: (found: Held<T> | undefined, at: Reading) => T,
  ): Promise<{ readonly held: Held<T>; readonly serviceNowMs: number }> {
    for (let tries = 1; ; tries += 1) {
      const { held: found, serviceNowMs } = await this.readWithTime(kind, name);
      const value = next(found, { serviceNowMs, isAgain: tries > 1 });
      if (value === found?.value) return { held: found, serviceNowMs };
      try {
        const held = found ? await this.replace(kind, found, value) : await this.create(kind, name, value);
        return { held, serviceNowMs };
      } catch (error) {
        if (tries >= WRITE_TRIES || !isLeewardError(error, 'CONFLICT')) throw error;
      }
    }
  }

  /** Removes a document that nobody writes any more; repeatable. Errors: UNAVAILABLE, DENIED. */
  async remove(name: string): Promise<void> {
    await this.#store.remove(name);
  }

  /** Names under a prefix, with their labels. */
  list(prefix: string): AsyncIterable<{ readonly name: string; readonly labels: Labels }> {
    return this.#store.list(prefix);
  }
}

function serialize(value: unknown): string {
  return `${JSON.stringify(value, undefined, 1)}\n`;
}

function parse<T extends { version: Version }>(kind: DocumentKind<T>, name: string, text: string): T {
  return parseStored(text, { what: inErrors(kind, name), schema: kind.schema, use: 'read' });
}

function check<T extends { version: Version }>(kind: DocumentKind<T>, name: string, data: unknown): T {
  return checkStored(data, { what: inErrors(kind, name), schema: kind.schema });
}

function isMissing(kind: { readonly what: string }, name: string): LeewardError {
  return new LeewardError('NOT_FOUND', `there is no ${inErrors(kind, name)}`);
}

function inErrors({ what }: { readonly what: string }, name: string): string {
  return `${what} "${name}"`;
}
