/** Extents: which pages a delta sets, and the rule that each must keep beside the one before. */
import { PAGE_BYTES } from '../kernel/units.ts';
import { EXTENT_AT } from './layout.ts';
import type { Report } from './problem.ts';

/** A range of whole pages that a delta sets. */
export interface DeltaExtent {
  readonly kind: 'literal' | 'zeros';
  /** From the volume's first byte, a multiple of 512. */
  readonly offset: number;
  /** A multiple of 512, from 512. */
  readonly lengthBytes: number;
}

/**
 * Reports each fault of the extent number `index` (from 0); `endBefore` is where the one before ended, `at` where its
 * entry lies, if it lies anywhere yet.
 */
export function checkExtent(
  extent: { readonly offset: number; readonly lengthBytes: number },
  where: { index: number; endBefore: number; volumeBytes: number; at?: number },
  report: Report,
): void {
  const { offset, lengthBytes } = extent;
  const field = (name: string, at: number): { field: string; at?: number } => ({
    field: `extent ${where.index}, ${name}`,
    ...(where.at === undefined ? {} : { at: where.at + at }),
  });
  const offsetField = field('offset', EXTENT_AT.offset);
  const lengthField = field('length', EXTENT_AT.length);
  if (!Number.isSafeInteger(offset) || offset < 0 || offset % PAGE_BYTES !== 0) {
    report({ ...offsetField, problem: `${offset} is no multiple of ${PAGE_BYTES} up to 2^53 - 1` });
  } else if (offset < where.endBefore) {
    report({
      ...offsetField,
      problem: `${offset} overlaps or precedes the extent before, which ends at ${where.endBefore}`,
    });
  }
  if (!Number.isSafeInteger(lengthBytes) || lengthBytes < PAGE_BYTES || lengthBytes % PAGE_BYTES !== 0) {
    report({
      ...lengthField,
      problem: `${lengthBytes} is no multiple of ${PAGE_BYTES} from ${PAGE_BYTES} to 2^53 - 1`,
    });
  } else if (offset + lengthBytes > where.volumeBytes) {
    const problem = `${lengthBytes} bytes from ${offset} reach past the volume's end at ${where.volumeBytes}`;
    report({ ...lengthField, problem });
  }
}
