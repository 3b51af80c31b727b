/**
 * Writing a delta anew with references in the place of what was chosen.
 *
 * Invariant: the result has the digest of the delta that it was made of: whatever a reference stands for, its content is
 * taken from that delta.
 */
import type { Delta } from '../../delta/delta.ts';
import { DeltaWriter } from '../../delta/write.ts';
import type { DeltaWriteOptions } from '../../delta/write.ts';
import { PAGE_BYTES } from '../../kernel/units.ts';
import { BLOCK_BYTES } from '../../ranges/blocks.ts';
import { BLOCK_PAGES, literalBytesOf } from './blocks.ts';
import type { DeltaBlocks } from './blocks.ts';
import { goesOn, isNeighbour } from './choice.ts';
import type { Choice } from './choice.ts';

/** What to write. */
export interface Reduction {
  readonly delta: Delta;
  readonly blocks: DeltaBlocks;
  readonly choice: Choice;
  /** Names of the journal entries that {@link Choice}.source counts. */
  readonly sources: readonly string[];
  readonly packing: Pick<DeltaWriteOptions, 'zstdLevel' | 'limits'>;
}

/** What was written. */
export interface Written {
  readonly bytes: Uint8Array;
  /** Where each block that stayed literal stands in the literal bytes of what was written, in pages; -1 for the others. */
  readonly writtenPages: Int32Array;
}

/**
 * Writes it. Holds the delta's literal bytes and the result. Errors: DELTA_INVALID when the outbox's file is damaged;
 * LIMIT_EXCEEDED.
 */
export function writeReduced(reduction: Reduction): Written {
  return new Reducer(reduction).run();
}

class Reducer {
  readonly #of: Reduction;
  readonly #literals: Uint8Array;
  readonly #writer: DeltaWriter;
  readonly #writtenPages: Int32Array;
  #next = 0;

  constructor(reduction: Reduction) {
    this.#of = reduction;
    this.#literals = literalBytesOf(reduction.delta);
    this.#writer = new DeltaWriter(reduction.delta.head, reduction.packing);
    this.#writtenPages = new Int32Array(reduction.blocks.keys.length).fill(-1);
  }

  run(): Written {
    const { delta } = this.#of;
    let at = 0;
    for (const { kind, offset, lengthBytes } of delta.extents) {
      if (kind === 'zeros') this.#writer.zeros(offset, lengthBytes);
      if (kind !== 'literal') continue;
      this.#literal({ offset, at, end: at + lengthBytes });
      at += lengthBytes;
    }
    const { bytes } = this.#writer.finish({ marker: delta.head.marker });
    return { bytes, writtenPages: this.#writtenPages };
  }

  /** One literal extent, whose bytes lie from `at` to `end`: runs of references, and what lies between them. */
  #literal({ offset, at, end }: { offset: number; at: number; end: number }): void {
    const { pages } = this.#of.blocks;
    const blockAt = (index: number): number => (pages[index] ?? Infinity) * PAGE_BYTES;
    let done = at;
    const literalUpTo = (stop: number): void => {
      if (stop > done) this.#writer.literal(offset + done - at, this.#literals.subarray(done, stop));
      done = stop;
    };
    while (blockAt(this.#next) < end) {
      const from = this.#next;
      if (this.#of.choice.kind[from] === 'literal') {
        this.#writtenPages[from] = (this.#writer.literalBytes + blockAt(from) - done) / PAGE_BYTES;
        this.#next = from + 1;
        continue;
      }
      // What comes before goes first: a repeat refers to literal bytes that are written already.
      literalUpTo(blockAt(from));
      this.#next = this.#runEnd(from);
      done += (this.#next - from) * BLOCK_BYTES;
      this.#reference(offset + blockAt(from) - at, this.#literals.subarray(blockAt(from), done), from);
    }
    literalUpTo(end);
  }

  /** The first block after `from` that the same reference does not cover. */
  #runEnd(from: number): number {
    const { blocks, choice } = this.#of;
    let to = from + 1;
    while (to < blocks.keys.length && choice.kind[to] === choice.kind[from] && isNeighbour(blocks, to)) {
      const goesOnHere = {
        literal: () => false,
        own: () => this.#ownPage(to) === this.#ownPage(to - 1) + BLOCK_PAGES,
        prior: () => goesOn(choice.place, to, 1),
        journal: () => goesOn(choice.place, to, BLOCK_PAGES) && choice.source[to] === choice.source[to - 1],
      }[choice.kind[to] ?? 'literal'];
      if (!goesOnHere()) break;
      to += 1;
    }
    return to;
  }

  #reference(offset: number, content: Uint8Array, block: number): void {
    const { choice, sources } = this.#of;
    const place = choice.place[block] ?? -1;
    switch (choice.kind[block]) {
      case 'own':
        this.#writer.own(offset, this.#ownPage(block) * PAGE_BYTES, content);
        break;
      case 'prior':
        this.#writer.prior(offset, place * BLOCK_BYTES, content);
        break;
      case 'journal':
        this.#writer.journal(
          offset,
          { entry: sources[choice.source[block] ?? -1] ?? '', at: place * PAGE_BYTES },
          content,
        );
        break;
      case 'literal':
      case undefined:
    }
  }

  #ownPage(block: number): number {
    return this.#writtenPages[this.#of.choice.place[block] ?? -1] ?? -1;
  }
}
