/**
 * What a replicated volume's site has stored as its chain, and what the volume was at each marker: the model that what the
 * cloud offers is held against.
 *
 * Invariant: a marker's content is the volume's own bytes, which stand still from an interval's first read to its end;
 * nothing of it comes from what the code under test wrote.
 */
import { parseHead } from '../../src/delta/head.ts';
import type { ByteRange } from '../../src/kernel/byte-range.ts';
import { PAGE_BYTES } from '../../src/kernel/units.ts';

interface Made {
  readonly generation: number;
  readonly number: number;
  /** What the volume was, where the delta carries a marker. */
  readonly bytes: Uint8Array | undefined;
}

/** A place in a generation's chain. */
export interface MadePoint {
  readonly generation: number;
  readonly number: number;
  readonly digest: string;
}

export class Ledger {
  readonly #made = new Map<string, Made>();
  readonly #rotten = new Set<string>();
  /** Pages in which a replica may be another than its model, until a repair, by their index. */
  readonly #damaged = new Set<number>();

  /** A delta is durable in the outbox, and the volume holds `bytes`. */
  stored(encoded: Uint8Array, bytes: Uint8Array): void {
    const { generation, number, digest, marker } = parseHead(encoded);
    if (!this.#made.has(digest)) this.#made.set(digest, { generation, number, bytes: marker ? bytes : undefined });
  }

  isMade({ generation, number, digest }: MadePoint): boolean {
    const made = this.#made.get(digest);
    return made?.generation === generation && made.number === number;
  }

  /** What the volume was at this marker; undefined for a delta that nobody made, or that carries none. */
  at(point: MadePoint): Uint8Array | undefined {
    return this.isMade(point) ? this.#made.get(point.digest)?.bytes : undefined;
  }

  /** The cloud's entry of this delta is damaged: what the site cannot give either is lost. */
  rot({ generation, number }: Pick<MadePoint, 'generation' | 'number'>): void {
    this.#rotten.add(`${generation}/${number}`);
  }

  /** Whether some delta of a generation, from a number to another, may be lost. */
  isRotten(generation: number, { from, to }: { readonly from: number; readonly to: number }): boolean {
    for (let number = from; number <= to; number += 1) if (this.#rotten.has(`${generation}/${number}`)) return true;
    return false;
  }

  /** From now on the page at `offset` may be another in the cloud than the chain says. */
  damage(offset: number): void {
    this.#damaged.add(Math.floor(offset / PAGE_BYTES));
  }

  isDamaged(page: number): boolean {
    return this.#damaged.has(page);
  }

  get isAnyDamaged(): boolean {
    return this.#damaged.size > 0;
  }

  /** Whether some page of these ranges was ever damaged. */
  isDamagedWithin(ranges: readonly ByteRange[]): boolean {
    return [...this.#damaged].some((page) =>
      ranges.some(({ offset, lengthBytes }) => page * PAGE_BYTES >= offset && page * PAGE_BYTES < offset + lengthBytes),
    );
  }
}
