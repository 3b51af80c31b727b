/**
 * What the site keeps of one volume: the store, and the state as it was written last.
 *
 * Invariants: all of it is changed in turns (store-turns.ts), each on a store that is whole; the state that is held here
 * is never ahead of the store's.
 */
import { LeewardError } from '../../kernel/errors.ts';
import type { SiteStore } from '../../ports/site-store.ts';
import { parseState, serializeState } from './replication-state.ts';
import type { ReplicationState } from './replication-state.ts';
import { StoreTurns } from './store-turns.ts';

export class KeptVolume {
  /** tenant/site/group/volume */
  readonly volume: string;
  readonly store: SiteStore;
  readonly #turns: StoreTurns;
  #state: ReplicationState | undefined;
  #indexChanges = 0;

  /** `recover` makes the store whole; it begins with {@link readState}. */
  constructor(volume: string, store: SiteStore, recover: () => Promise<void>) {
    this.volume = volume;
    this.store = store;
    this.#turns = new StoreTurns(async () => {
      this.#indexChanges += 1;
      await recover();
    });
  }

  /** Undefined before the first generation was begun. */
  get state(): ReplicationState | undefined {
    return this.#state;
  }

  /** Errors: REFUSED before the first generation was begun. */
  needState(): ReplicationState {
    if (this.#state) return this.#state;
    throw new LeewardError('REFUSED', `${this.volume}: no generation was begun yet: the cloud has not answered so far`);
  }

  /** How often something began that may change the index: whoever reads it meanwhile sees another number afterwards. */
  get indexChanges(): number {
    return this.#indexChanges;
  }

  /** One change at a time, each on a store that is whole: see {@link StoreTurns}.take. */
  async change<T>(change: () => Promise<T>): Promise<T> {
    return await this.#turns.take(change);
  }

  /** As {@link change}, for what changes the index. */
  async changeIndex<T>(change: () => Promise<T>): Promise<T> {
    return await this.#turns.take(async () => {
      this.#indexChanges += 1;
      return await change();
    });
  }

  /** Takes the state that the store has. Part of the recovery. Errors: DOCUMENT_INVALID, VERSION_TOO_NEW. */
  async readState(): Promise<ReplicationState | undefined> {
    const text = await this.store.readState();
    this.#state = text === undefined ? undefined : parseState(text, this.volume);
    return this.#state;
  }

  /** Makes it durable. Part of a change. Errors: DOCUMENT_INVALID, and nothing was written. */
  async writeState(state: ReplicationState): Promise<void> {
    await this.store.writeState(serializeState(state));
    this.#state = state;
  }
}
