/**
 * How what a delta refers to in the state before it is read: neighbours together.
 *
 * Invariant: how many reads a delta costs follows from its own tables alone, so that it is refused before any is made; a
 * read holds no more than {@link READ_BYTES}, or one reference that is longer, so that their number bounds the bytes too.
 */
import { KIB, MIB } from '../kernel/units.ts';
import type { DeltaExtent, PriorExtent } from './extents.ts';

/** Bytes between two references that are rather read than skipped: a request costs more than they do. */
const GAP_BYTES = 64 * KIB;

/** What a read of several references reaches over at most. */
const READ_BYTES = MIB;

/** A range of the state before, in which `references` lie: at least one. */
export interface PriorRead<Reference> {
  readonly offset: number;
  readonly lengthBytes: number;
  readonly references: readonly Reference[];
}

/** The reads that all of `references` take, in ascending order: docs/delta-format.md, "Reference table". */
export function* priorReads<Reference extends Pick<PriorExtent, 'at' | 'lengthBytes'>>(
  references: readonly Reference[],
): Generator<PriorRead<Reference>> {
  let together: Reference[] = [];
  let [offset, end] = [0, 0];
  for (const reference of references.toSorted((a, b) => a.at - b.at)) {
    const referenceEnd = reference.at + reference.lengthBytes;
    if (together.length > 0 && (reference.at > end + GAP_BYTES || referenceEnd > offset + READ_BYTES)) {
      yield { offset, lengthBytes: end - offset, references: together };
      together = [];
    }
    if (together.length === 0) [offset, end] = [reference.at, 0];
    together.push(reference);
    end = Math.max(end, referenceEnd);
  }
  if (together.length > 0) yield { offset, lengthBytes: end - offset, references: together };
}

/** How many they are of a delta's extents. */
export function countPriorReads(extents: readonly DeltaExtent[]): number {
  return [...priorReads(extents.filter((extent) => extent.kind === 'prior'))].length;
}
