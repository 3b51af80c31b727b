/**
 * What a generation begins from, in the state and the index of its volume: from the question to the cloud until delta 1
 * can follow.
 *
 * Invariants: the phases only go forward, filling, listed, ready, each durable before what follows from it; the index is
 * changed while the base is filled, and not again before the cloud has compared it; nothing of this changes a chain that
 * has a delta.
 */
import { LeewardError } from '../../kernel/errors.ts';
import { cutBehind, forgetBlocks, noteHashes } from './block-index.ts';
import type { KeptVolume } from './kept-volume.ts';
import type { BaseOrigin, ReplicationState } from './replication-state.ts';

export class BaseLog {
  readonly #kept: KeptVolume;

  constructor(kept: KeptVolume) {
    this.#kept = kept;
  }

  /** From now on the site asks to write a first copy of this size as raw pages. */
  async askDirect(directBytes: number): Promise<void> {
    await this.#kept.change(async () => {
      await this.#kept.writeState({ ...this.#kept.needState(), directBytes });
    });
  }

  /** The generation, of which nothing was made yet, begins from a base after all. Nothing if that is known. */
  async take(from: BaseOrigin): Promise<void> {
    await this.#kept.change(async () => {
      const state = this.#kept.needState();
      if (state.base !== null || state.last.number > 0) return;
      await this.#kept.writeState({ ...state, base: { from, phase: 'filling' } });
    });
  }

  /**
   * Takes into the index what the base of this generation holds by now: hashes of blocks from `offset` on. With `durable`
   * everything that was taken so far survives. Errors: CONFLICT once the base is filled, or another generation began.
   */
  async fill(
    generation: number,
    part: { readonly offset: number; readonly hashes: Uint8Array; readonly durable: boolean },
  ): Promise<void> {
    const { store } = this.#kept;
    await this.#kept.changeIndex(async () => {
      this.#needFilling(generation);
      await noteHashes(store, part);
      if (part.durable) await store.syncIndex();
    });
  }

  /**
   * The base is filled, of a volume of this size: the index stays as it is until the cloud has compared it. With
   * `unknown` it was filled by an earlier life of this site, of which nothing is left: nothing is believed of it. Errors:
   * those of {@link fill}.
   */
  async close(
    generation: number,
    { volumeBytes, unknown }: { readonly volumeBytes: number; readonly unknown: boolean },
  ): Promise<void> {
    const { store } = this.#kept;
    await this.#kept.changeIndex(async () => {
      const { state, base } = this.#needFilling(generation);
      await cutBehind(store, volumeBytes);
      const all = { offset: 0, lengthBytes: volumeBytes };
      await forgetBlocks(store, unknown ? [all] : [], volumeBytes);
      await this.#kept.writeState({ ...state, volumeBytes, base: { ...base, phase: 'listed' } });
    });
  }

  /** The cloud has the base, whose digest is what delta 1 follows. Nothing if that is known. */
  async open(digest: string): Promise<void> {
    await this.#kept.change(async () => {
      const state = this.#kept.needState();
      if (state.base?.phase !== 'listed') return;
      const start = { number: 0, digest };
      const base = { ...state.base, phase: 'ready' } as const;
      await this.#kept.writeState({ ...state, last: start, acknowledged: start, base });
    });
  }

  /**
   * The volume has this size before delta 1. What is behind the end that was compared is unknown then: the recovery point
   * that the base was copied from may have been longer.
   */
  async grow(volumeBytes: number): Promise<void> {
    await this.#kept.changeIndex(async () => {
      const state = this.#kept.needState();
      const { last, volumeBytes: comparedBytes } = state;
      if (last.number > 0 || comparedBytes === null || volumeBytes <= comparedBytes) return;
      const added = { offset: comparedBytes, lengthBytes: volumeBytes - comparedBytes };
      await forgetBlocks(this.#kept.store, [added], volumeBytes);
      await this.#kept.writeState({ ...state, volumeBytes });
    });
  }

  #needFilling(generation: number): { state: ReplicationState; base: NonNullable<ReplicationState['base']> } {
    const state = this.#kept.needState();
    const { base } = state;
    if (state.generation === generation && base?.phase === 'filling') return { state, base };
    throw new LeewardError('CONFLICT', `${this.#kept.volume}: generation ${generation} takes no raw pages any more`);
  }
}
