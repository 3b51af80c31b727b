/**
 * Carrying a plan out: the plan's ranges, filled with bytes, as the requests to send.
 *
 * Invariants: each request carries its pages' final bytes; at most one request's bytes and the bytes of two reads are
 * held here, besides the piece that is at hand; the pieces are walked once, in order.
 *
 * Reads come after the fence was raised and the state confirmed. From then on only workers on the same delta, in the
 * same epoch, can still write, and what they write to a gap is what it holds already; to a run, the same bytes. So a gap
 * that was read cannot change before it is written, whoever else is at work; should this worker be overtaken by a later
 * delta in between, its write carries the old fence and does not land.
 */
import type { DeltaPiece } from '../../delta/delta.ts';
import { isZeros } from '../../delta/zeros.ts';
import { LeewardError } from '../../kernel/errors.ts';
import type { DataRange } from '../../ports/replica-store.ts';
import type { Plan } from './plan.ts';

/** One request to the page blob. The bytes belong to the receiver. */
export type PageRequest =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'clear'; readonly offset: number; readonly lengthBytes: number };

/** Brings the blob's bytes of a range, all of them. May be called again before the last call has answered. */
export type ReadRange = (range: DataRange) => Promise<Uint8Array>;

/**
 * The requests of `plan`, in ascending order, each made when it is asked for. `pieces` are those of the runs that were
 * planned. A write that turns out to be all zeros becomes a clear, which costs its request and no bytes. Errors: those
 * of `read` and of the pieces; UNAVAILABLE when a read brings fewer bytes than were asked for.
 */
export async function* executePlan(
  plan: Plan,
  pieces: Iterable<DeltaPiece>,
  read: ReadRange,
): AsyncGenerator<PageRequest, void> {
  const old = new OldBytes(plan.reads, read);
  const literals = literalsOf(pieces);
  try {
    let piece = literals.next();
    for (const step of plan.steps) {
      const { offset, lengthBytes } = step;
      if (step.kind === 'clear') {
        yield { kind: 'clear', offset, lengthBytes };
        continue;
      }
      const bytes = new Uint8Array(lengthBytes);
      for (const gap of step.gaps) await old.copy(gap, bytes, offset);
      while (piece.done !== true && piece.value.offset < offset + lengthBytes) {
        const end = overlay(piece.value, bytes, offset);
        // The rest of a piece is the next write's.
        if (end > offset + lengthBytes) break;
        piece = literals.next();
      }
      yield isZeros(bytes, 0, lengthBytes) ? { kind: 'clear', offset, lengthBytes } : { kind: 'write', offset, bytes };
    }
  } finally {
    literals.return();
    await old.settled();
  }
}

interface Bytes {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

function* literalsOf(pieces: Iterable<DeltaPiece>): Generator<Bytes, void> {
  for (const piece of pieces) {
    if ('bytes' in piece) yield piece;
  }
}

/** Copies what `from` has of the range that `into` stands for; returns where `from` ends. */
function overlay(from: Bytes, into: Uint8Array, offset: number): number {
  const start = Math.max(from.offset, offset);
  const end = Math.min(from.offset + from.bytes.length, offset + into.length);
  into.set(from.bytes.subarray(start - from.offset, end - from.offset), start - offset);
  return from.offset + from.bytes.length;
}

/** The planned reads, taken in order; the next one is under way while one is used. */
class OldBytes {
  readonly #ranges: readonly DataRange[];
  readonly #read: ReadRange;
  #current: Bytes = { offset: 0, bytes: new Uint8Array(0) };
  #ahead: Promise<Bytes> | undefined;
  #next = 0;

  constructor(ranges: readonly DataRange[], read: ReadRange) {
    this.#ranges = ranges;
    this.#read = read;
  }

  /** Copies `gap` into `into`, which stands for the range from `offset`. Gaps ascend. */
  async copy(gap: DataRange, into: Uint8Array, offset: number): Promise<void> {
    const end = gap.offset + gap.lengthBytes;
    for (let at = gap.offset; at < end;) {
      while (this.#current.offset + this.#current.bytes.length <= at) this.#current = await this.#take();
      const { offset: from, bytes } = this.#current;
      const upTo = Math.min(end, from + bytes.length);
      into.set(bytes.subarray(at - from, upTo - from), at - offset);
      at = upTo;
    }
  }

  /** Resolves once nothing is under way any more. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#ahead]);
  }

  async #take(): Promise<Bytes> {
    const taken = await (this.#ahead ?? this.#start());
    this.#ahead = this.#next < this.#ranges.length ? this.#start() : undefined;
    // Who waits for it hears of its failure; until then it is nobody's.
    this.#ahead?.catch(() => undefined);
    return taken;
  }

  async #start(): Promise<Bytes> {
    const range = this.#ranges[this.#next];
    if (!range) throw new Error('a plan whose reads do not cover its gaps');
    this.#next += 1;
    const bytes = await this.#read(range);
    if (bytes.length !== range.lengthBytes) {
      const { offset, lengthBytes } = range;
      throw new LeewardError('UNAVAILABLE', `a read of ${lengthBytes} bytes at ${offset} brought ${bytes.length}`);
    }
    return { offset: range.offset, bytes };
  }
}
