/**
 * The hashes of what the last deltas set to literal bytes, as they were found while the volume was read: whoever sends a
 * delta soon after it was made need not compute them again.
 *
 * Invariant: memory only, and bounded. What is not remembered can be computed from the delta.
 */
import type { BlockRun } from './block-index.ts';

/** Deltas whose hashes are remembered till they are sent: what 1 GiB of literal bytes makes, in 4 MiB of memory. */
const REMEMBERED_MAX = 64;

export class LiteralHashes {
  /** By digest; the oldest first. */
  readonly #ofDeltas = new Map<string, Uint8Array>();

  /** Hashes of the literal blocks of the delta with this digest, in their order; undefined where they are forgotten. */
  of(digest: string): Uint8Array | undefined {
    return this.#ofDeltas.get(digest);
  }

  /** Takes them from all that the delta sets. */
  remember(digest: string, runs: readonly BlockRun[]): void {
    this.#ofDeltas.set(digest, Buffer.concat(runs.flatMap(({ hashes }) => hashes ?? [])));
    const [oldest] = this.#ofDeltas.keys();
    if (oldest !== undefined && this.#ofDeltas.size > REMEMBERED_MAX) this.#ofDeltas.delete(oldest);
  }
}
