/**
 * Carrying a plan out: the plan's ranges, filled with bytes, as the requests to send.
 *
 * Invariants: each request carries its pages' final bytes; bytes that come in large pieces are handed on as they lie, and
 * copied together only where a read fills gaps between them, or the pieces are many and small; at most one request's
 * bytes and the bytes of two reads are held here, besides the piece that is at hand; the pieces are walked once, in order.
 *
 * Reads come after the fence was raised and the state confirmed. From then on only workers on the same delta, in the
 * same epoch, can still write, and what they write to a gap is what it holds already; to a run, the same bytes. So a gap
 * that was read cannot change before it is written, whoever else is at work; should this worker be overtaken by a later
 * delta in between, its write carries the old fence and does not land.
 */
import type { DeltaPiece } from '../../delta/delta.ts';
import { isZeros } from '../../delta/zeros.ts';
import { joined, partsOf } from '../../kernel/byte-parts.ts';
import type { ByteParts } from '../../kernel/byte-parts.ts';
import type { ByteRange } from '../../kernel/byte-range.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { KIB, MIB } from '../../kernel/units.ts';
import type { ApplyPlan, PlanStep } from './plan.ts';

/** One request to the page blob. Its bytes may be the pieces' own. */
export type PageRequest =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Uint8Array | ByteParts }
  | { readonly kind: 'clear'; readonly offset: number; readonly lengthBytes: number };

/** A part costs the one who sends it a call: shorter ones on average are cheaper to copy. */
const PART_BYTES_MIN = 64 * KIB;

/** Zeros between parts. */
const ZEROS = new Uint8Array(MIB);

/** Brings the blob's bytes of a range, all of them. May be called again before the last call has answered. */
export type ReadRange = (range: ByteRange) => Promise<Uint8Array>;

/**
 * The requests of `plan`, in ascending order, each made when it is asked for. `pieces` are those of the runs that were
 * planned; their bytes never change. A write that turns out to be all zeros becomes a clear, which costs its request and
 * no bytes. Errors: those of `read` and of the pieces; UNAVAILABLE when a read brings fewer bytes than were asked for.
 */
export async function* executePlan(
  plan: ApplyPlan,
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
      const end = offset + lengthBytes;
      const found: Bytes[] = [];
      while (piece.done !== true && piece.value.offset < end) {
        found.push(within(piece.value, offset, end));
        // The rest of a piece is the next write's.
        if (piece.value.offset + piece.value.bytes.length > end) break;
        piece = literals.next();
      }
      yield requestOf(step, step.gaps.length === 0 ? inParts(found, offset, end) : await withGaps(step, found, old));
    }
  } finally {
    literals.return();
    await old.settled();
  }
}

type WriteStep = Extract<PlanStep, { kind: 'write' }>;

interface Bytes {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

function* literalsOf(pieces: Iterable<DeltaPiece>): Generator<Bytes, void> {
  for (const piece of pieces) {
    if ('bytes' in piece) yield piece;
  }
}

/** What `piece` has between `offset` and `end`, without a copy. */
function within(piece: Bytes, offset: number, end: number): Bytes {
  const start = Math.max(piece.offset, offset);
  return { offset: start, bytes: piece.bytes.subarray(start - piece.offset, end - piece.offset) };
}

function requestOf({ offset, lengthBytes }: ByteRange, bytes: Uint8Array | ByteParts): PageRequest {
  const isClear = partsOf(bytes).every((part) => isZeros(part, 0, part.length));
  return isClear ? { kind: 'clear', offset, lengthBytes } : { kind: 'write', offset, bytes };
}

/** A write's bytes in one piece: what the gaps hold, and `found` over it. */
async function withGaps(step: WriteStep, found: readonly Bytes[], old: OldBytes): Promise<Uint8Array> {
  const bytes = new Uint8Array(step.lengthBytes);
  for (const gap of step.gaps) await old.copy(gap, bytes, step.offset);
  for (const part of found) bytes.set(part.bytes, part.offset - step.offset);
  return bytes;
}

/** `found`, with zeros wherever they leave a hole from `offset` to `end`. */
function inParts(found: readonly Bytes[], offset: number, end: number): Uint8Array | ByteParts {
  const parts: Uint8Array[] = [];
  let at = offset;
  const zerosUpTo = (stop: number): void => {
    for (; at < stop; at += ZEROS.length) parts.push(ZEROS.subarray(0, stop - at));
    at = stop;
  };
  for (const { offset: start, bytes } of found) {
    zerosUpTo(start);
    parts.push(bytes);
    at = start + bytes.length;
  }
  zerosUpTo(end);
  const all = { parts, lengthBytes: end - offset };
  const [only] = parts;
  if (only && parts.length === 1) return only;
  return parts.length * PART_BYTES_MIN > all.lengthBytes ? joined(all) : all;
}

/** The planned reads, taken in order; the next one is under way while one is used. */
class OldBytes {
  readonly #ranges: readonly ByteRange[];
  readonly #read: ReadRange;
  #current: Bytes = { offset: 0, bytes: new Uint8Array(0) };
  #ahead: Promise<Bytes> | undefined;
  #next = 0;

  constructor(ranges: readonly ByteRange[], read: ReadRange) {
    this.#ranges = ranges;
    this.#read = read;
  }

  /** Copies `gap` into `into`, which stands for the range from `offset`. Gaps ascend. */
  async copy(gap: ByteRange, into: Uint8Array, offset: number): Promise<void> {
    const end = gap.offset + gap.lengthBytes;
    for (let at = gap.offset; at < end;) {
      while (this.#current.offset + this.#current.bytes.length <= at) this.#current = await this.#nextBytes();
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

  async #nextBytes(): Promise<Bytes> {
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
