/** What a delta sets, piece by piece, wherever the content comes from. */
import type { Delta } from './delta.ts';
import type { DeltaExtent, OutsideReference } from './extents.ts';
import type { LiteralRange, Literals } from './literals.ts';
import { refuse } from './problem.ts';

/** A range with what it becomes: `bytes`, or `zerosBytes` zeros. Offset and length are multiples of 512. */
export type DeltaPiece =
  { readonly offset: number; readonly bytes: Uint8Array } | { readonly offset: number; readonly zerosBytes: number };

/** Gives the content of a reference, all of it. */
export type OutsideContent = (reference: OutsideReference) => Uint8Array;

/**
 * The pieces of a delta in ascending order, from its literal bytes and from `content`, which is asked once for each outside
 * reference, in the extents' order. `lettingGo` of each frame after the last extent that needs it: for the last walk.
 */
export function* piecesOf(
  { extents, frames }: Pick<Delta, 'extents' | 'frames'>,
  literals: Literals,
  content: OutsideContent,
  { lettingGo }: { readonly lettingGo: boolean } = { lettingGo: false },
): Generator<DeltaPiece, void> {
  const lastUses = lettingGo ? lastUsesOf(extents, literals, frames.length) : undefined;
  let position = 0;
  for (const [index, extent] of extents.entries()) {
    const { kind, offset, lengthBytes } = extent;
    switch (kind) {
      case 'zeros':
        yield { offset, zerosBytes: lengthBytes };
        break;
      case 'prior':
      case 'journal':
        yield { offset, bytes: content({ ...extent, index }) };
        break;
      case 'literal':
      case 'own': {
        const range = { at: kind === 'own' ? extent.at : position, lengthBytes };
        for (const { at, bytes } of stepsOf(literals, range)) {
          yield { offset: offset + at - range.at, bytes };
          const frame = literals.frameAt(at);
          if (lastUses?.[frame] === index) literals.letGo(frame);
        }
        if (kind === 'literal') position += lengthBytes;
      }
    }
  }
}

/** A range of the literal bytes, cut where frames end. */
export function* stepsOf(
  literals: Literals,
  { at, lengthBytes }: LiteralRange,
): Generator<{ readonly at: number; readonly bytes: Uint8Array }, void> {
  for (let done = 0; done < lengthBytes;) {
    const bytes = literals.from(at + done).subarray(0, lengthBytes - done);
    yield { at: at + done, bytes };
    done += bytes.length;
  }
}

/** Refuses to give any content: for a delta that has to hold all that it sets. */
export function noContent({ index, kind }: OutsideReference): never {
  const problem = `refers to content outside (${kind}), without which the delta cannot be used`;
  return refuse({ field: `extent ${index}, kind`, problem });
}

/** For each frame the last extent that takes anything from it. */
function lastUsesOf(extents: readonly DeltaExtent[], literals: Literals, frameCount: number): Int32Array {
  const lastUses = new Int32Array(frameCount).fill(-1);
  let position = 0;
  for (const [index, extent] of extents.entries()) {
    if (extent.kind !== 'literal' && extent.kind !== 'own') continue;
    const start = extent.kind === 'own' ? extent.at : position;
    const end = start + extent.lengthBytes;
    lastUses.fill(index, literals.frameAt(start), literals.frameAt(end - 1) + 1);
    if (extent.kind === 'literal') position = end;
  }
  return lastUses;
}
