/**
 * Memory for ranges of volumes that are on their way as raw pages: so many for all volumes of a site together.
 *
 * Invariants: never more buffers than `count` are out; whoever has waited longest gets the next one that comes back; when
 * none is out, none is kept.
 */
import { Semaphore } from '../../kernel/semaphore.ts';
import { RANGE_BYTES } from '../../ranges/blocks.ts';

export class RangeBuffers {
  readonly #turns: Semaphore;
  #spare: Uint8Array[] = [];
  #out = 0;

  constructor(count: number) {
    this.#turns = new Semaphore(count);
  }

  /** A buffer of a range, with whatever content; {@link giveBack} it once. Rejects with the signal's reason. */
  async take(signal?: AbortSignal): Promise<Uint8Array> {
    await this.#turns.take({ signal });
    this.#out += 1;
    return this.#spare.pop() ?? new Uint8Array(RANGE_BYTES);
  }

  giveBack(buffer: Uint8Array): void {
    this.#out -= 1;
    this.#spare.push(buffer);
    if (this.#out === 0 && !this.#turns.isWanted()) this.#spare = [];
    this.#turns.end();
  }
}
