/**
 * What the index tells the cloud to compare a replica with, and what becomes of the index where they differ.
 *
 * Invariants: a range list is of one state of the chain, or there is none; a repair is heeded once, and is durable in the
 * index before the state says so.
 */
import type { ByteRange } from '../../kernel/byte-range.ts';
import type { RangeList } from '../../ranges/list.ts';
import { forgetBlocks, rangeHashesOf } from './block-index.ts';
import type { KeptVolume } from './kept-volume.ts';

export class ComparisonLog {
  readonly #kept: KeptVolume;

  constructor(kept: KeptVolume) {
    this.#kept = kept;
  }

  /**
   * The range list of the base while the cloud compares it, afterwards that of the newest delta's state. Undefined where
   * that delta carries no marker, some block is unknown, or the index was changed meanwhile: nothing waits for this.
   */
  async rangeList(): Promise<RangeList | undefined> {
    const kept = this.#kept;
    const [state, changes] = await kept.change(async () => [kept.needState(), kept.indexChanges] as const);
    const { volume, generation, last, markedNumber, volumeBytes, base } = state;
    const isBase = base?.phase === 'listed';
    if (volumeBytes === null || (!isBase && (last.number === 0 || markedNumber !== last.number))) return undefined;
    const { hashes, allKnown } = await rangeHashesOf(kept.store, volumeBytes);
    // What is unknown of a base comes out as different, and is sent.
    if (kept.indexChanges !== changes || (!allKnown && !isBase)) return undefined;
    return { volume, generation, number: last.number, digest: last.digest, volumeBytes, hashes };
  }

  /** A range list was handed over. */
  async noteListed(atMs: number): Promise<void> {
    await this.#kept.change(async () => {
      await this.#kept.writeState({ ...this.#kept.needState(), listedAtMs: atMs });
    });
  }

  /** Makes the ranges of a repair unknown, so that the next interval sends them. Nothing if that was done. */
  async repair({ id, ranges }: { readonly id: string; readonly ranges: readonly ByteRange[] }): Promise<void> {
    if (this.#kept.state?.repaired === id) return;
    await this.#kept.changeIndex(async () => {
      const state = this.#kept.needState();
      // Of a volume of which nothing was sent, nothing is believed.
      if (state.volumeBytes === null) return;
      await forgetBlocks(this.#kept.store, ranges, state.volumeBytes);
      await this.#kept.writeState({ ...state, repaired: id });
    });
  }
}
