/** What a delta sets, piece by piece, wherever the content comes from. */
import type { Delta } from './delta.ts';
import type { OutsideReference } from './extents.ts';
import type { LiteralReader } from './literals.ts';
import { refuse } from './problem.ts';

/** A range with what it becomes: `bytes`, or `zerosBytes` zeros. Offset and length are multiples of 512. */
export type DeltaPiece =
  { readonly offset: number; readonly bytes: Uint8Array } | { readonly offset: number; readonly zerosBytes: number };

/** Gives the content of a reference, all of it. */
export type OutsideContent = (reference: OutsideReference) => Uint8Array;

/**
 * The pieces of a delta in ascending order, from its literal bytes and from `content`, which is asked once for each outside
 * reference, in the extents' order. A piece's bytes are valid until the next step only.
 */
export function* piecesOf(delta: Delta, literals: LiteralReader, content: OutsideContent): Generator<DeltaPiece, void> {
  let position = 0;
  for (const [index, extent] of delta.extents.entries()) {
    const { kind, offset, lengthBytes } = extent;
    switch (kind) {
      case 'zeros':
        yield { offset, zerosBytes: lengthBytes };
        break;
      case 'literal':
        yield* inSteps(literals, { offset, lengthBytes, at: position });
        position += lengthBytes;
        break;
      case 'own':
        yield* inSteps(literals, extent);
        break;
      case 'prior':
      case 'journal':
        yield { offset, bytes: content({ ...extent, index }) };
    }
  }
}

/** Refuses to give any content: for a delta that has to hold all that it sets. */
export function noContent({ index, kind }: OutsideReference): never {
  const problem = `refers to content outside (${kind}), without which the delta cannot be used`;
  return refuse({ field: `extent ${index}, kind`, problem });
}

function* inSteps(
  literals: LiteralReader,
  { offset, lengthBytes, at }: { offset: number; lengthBytes: number; at: number },
): Generator<DeltaPiece, void> {
  for (let done = 0; done < lengthBytes;) {
    const bytes = literals(at + done).subarray(0, lengthBytes - done);
    yield { offset: offset + done, bytes };
    done += bytes.length;
  }
}
