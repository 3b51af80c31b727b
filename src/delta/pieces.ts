/** What a delta sets, piece by piece, wherever the content comes from. */
import type { DeltaExtent, OutsideReference } from './extents.ts';
import type { HeadAndTables } from './head.ts';
import type { Literals } from './literals.ts';
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
  { extents, frames }: Pick<HeadAndTables, 'extents' | 'frames'>,
  literals: Literals,
  content: OutsideContent,
  { lettingGo }: { readonly lettingGo: boolean } = { lettingGo: false },
): Generator<DeltaPiece, void> {
  const lastUses = lettingGo ? lastUsesOf(extents, literals, frames.length) : undefined;
  let position = 0;
  let index = -1;
  for (const extent of extents) {
    index += 1;
    const { kind, offset, lengthBytes } = extent;
    if (kind === 'zeros') {
      yield { offset, zerosBytes: lengthBytes };
      continue;
    }
    if (kind === 'prior' || kind === 'journal') {
      yield { offset, bytes: content({ ...extent, index }) };
      continue;
    }
    const start = kind === 'own' ? extent.at : position;
    for (let done = 0; done < lengthBytes;) {
      const bytes = literals.from(start + done, lengthBytes - done);
      yield { offset: offset + done, bytes };
      const frame = lastUses === undefined ? -1 : literals.frameAt(start + done);
      if (lastUses?.[frame] === index) literals.letGo(frame);
      done += bytes.length;
    }
    if (kind === 'literal') position += lengthBytes;
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
  let index = -1;
  for (const extent of extents) {
    index += 1;
    if (extent.kind !== 'literal' && extent.kind !== 'own') continue;
    const start = extent.kind === 'own' ? extent.at : position;
    const end = start + extent.lengthBytes;
    lastUses.fill(index, literals.frameAt(start), literals.frameAt(end - 1) + 1);
    if (extent.kind === 'literal') position = end;
  }
  return lastUses;
}
