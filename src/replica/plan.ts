/**
 * The apply planner, first version: turns a delta's pieces into the requests that write them.
 *
 * Invariants: requests are in ascending order and never touch the same page; each carries the page's final bytes; no
 * write is longer than the largest Put Page; neighbouring pieces share a request. At most one request's bytes are held.
 */
import type { DeltaPiece } from '../delta/delta.ts';
import { WRITE_BYTES_MAX } from '../ports/replica-store.ts';

/** One request to the page blob. The bytes belong to the receiver. */
export type PageRequest =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'clear'; readonly offset: number; readonly lengthBytes: number };

/**
 * The requests for `pieces`, which ascend and do not overlap. Pieces' bytes are copied before the next is taken.
 * `literalBytes` is the sum of theirs: a small delta needs no room for the largest write.
 */
export function* planRequests(pieces: Iterable<DeltaPiece>, literalBytes: number): Generator<PageRequest> {
  const gathered = new Uint8Array(Math.min(WRITE_BYTES_MAX, literalBytes));
  let start = 0;
  let filled = 0;
  const flush = (): PageRequest => {
    const bytes = gathered.slice(0, filled);
    filled = 0;
    return { kind: 'write', offset: start, bytes };
  };
  for (const piece of pieces) {
    if ('zerosBytes' in piece) {
      if (filled > 0) yield flush();
      yield { kind: 'clear', offset: piece.offset, lengthBytes: piece.zerosBytes };
      continue;
    }
    for (let done = 0; done < piece.bytes.length;) {
      if (filled > 0 && (filled === gathered.length || start + filled !== piece.offset + done)) yield flush();
      if (filled === 0) start = piece.offset + done;
      const part = piece.bytes.subarray(done, done + gathered.length - filled);
      gathered.set(part, filled);
      filled += part.length;
      done += part.length;
    }
  }
  if (filled > 0) yield flush();
}
