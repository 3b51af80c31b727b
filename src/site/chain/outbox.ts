/**
 * The outbox of a volume: its encoded deltas, each a file of the site's store, with a list of them in memory.
 *
 * Invariants: what is listed here is on stable storage; numbers ascend. Which of them belong to the chain, and which the
 * cloud needs no more, is for the state to say (volume-log.ts).
 */
import type { SiteStore } from '../../ports/site-store.ts';

/** A delta in the outbox. */
export interface StoredDelta {
  readonly number: number;
  readonly sizeBytes: number;
}

export class Outbox {
  readonly #store: Pick<SiteStore, 'putDelta' | 'readDelta' | 'listDeltas' | 'removeDelta'>;
  #deltas: readonly StoredDelta[] = [];

  constructor(store: Pick<SiteStore, 'putDelta' | 'readDelta' | 'listDeltas' | 'removeDelta'>) {
    this.#store = store;
  }

  /** All that it holds, ascending; nothing before the first {@link load}. */
  get deltas(): readonly StoredDelta[] {
    return this.#deltas;
  }

  /** Lists what the store holds: after a start, and after a change that failed. */
  async load(): Promise<void> {
    this.#deltas = await this.#store.listDeltas();
  }

  /** Stores the delta that follows the last. It is durable when this resolves. */
  async put(number: number, encoded: Uint8Array): Promise<void> {
    await this.#store.putDelta(number, encoded);
    this.#deltas = [...this.#deltas, { number, sizeBytes: encoded.length }];
  }

  /** The encoded delta; undefined if it is not here (any more). */
  async read(number: number): Promise<Uint8Array | undefined> {
    return await this.#store.readDelta(number);
  }

  /** Removes everything up to `number`. */
  async forget(number: number): Promise<void> {
    for (const delta of this.#deltas) if (delta.number <= number) await this.#store.removeDelta(delta.number);
    this.#deltas = this.#deltas.filter((delta) => delta.number > number);
  }

  /** Removes everything, also what is not listed here yet. */
  async clear(): Promise<void> {
    await this.load();
    await this.forget(Infinity);
  }
}
