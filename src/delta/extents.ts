/**
 * Extents: which pages a delta sets and where their content comes from, and the rules that each must keep.
 *
 * Invariant: a reference is to literal bytes or to the state before, never to another reference, so that resolving one
 * always ends after one step.
 */
import { DIGEST_FORM } from '../kernel/hash.ts';
import { entryKind } from '../kernel/names.ts';
import { PAGE_BYTES } from '../kernel/units.ts';
import { EXTENT_AT, REFERENCE_AT } from './layout.ts';
import type { DeltaLimits } from './limits.ts';
import type { Report } from './problem.ts';

/** A range of whole pages that a delta sets, to what it holds itself. */
export interface PlainExtent {
  readonly kind: 'literal' | 'zeros';
  /** From the volume's first byte, a multiple of 512. */
  readonly offset: number;
  /** A multiple of 512, from 512. */
  readonly lengthBytes: number;
}

/** What every extent that refers has. */
interface ReferenceExtent {
  /** From the volume's first byte, a multiple of 512. */
  readonly offset: number;
  /** A multiple of 512, from 512. */
  readonly lengthBytes: number;
  /** Where the content begins in what is referred to, a multiple of 512. */
  readonly at: number;
  /** Of the content, 64 lower-case hexadecimal digits. */
  readonly sha256: string;
}

/** A range that becomes what the delta's own literal bytes are from position `at`. */
export interface OwnExtent extends ReferenceExtent {
  readonly kind: 'own';
}

/** A range that becomes what the volume's state before this delta, in its size of then, has from offset `at`. */
export interface PriorExtent extends ReferenceExtent {
  readonly kind: 'prior';
}

/**
 * A range that becomes what the literal bytes of another delta of the site, the journal's entry `source`, are from position
 * `at`.
 */
export interface JournalExtent extends ReferenceExtent {
  readonly kind: 'journal';
  readonly source: string;
}

export type DeltaExtent = PlainExtent | OwnExtent | PriorExtent | JournalExtent;

/** An extent whose content is not in the delta, with its place in the extent table. */
export type OutsideReference = (PriorExtent | JournalExtent) & { readonly index: number };

/** The outside references among `extents`, in their order. */
export function outsideOf(extents: readonly DeltaExtent[]): OutsideReference[] {
  return extents.flatMap((extent, index) =>
    extent.kind === 'prior' || extent.kind === 'journal' ? [{ ...extent, index }] : [],
  );
}

/** Whether content can be referred to by this journal entry's name: it holds all that it sets. */
export function isSource(entry: string): boolean {
  return entryKind(entry) === 'literal';
}

/** What an extent is held against. */
interface ExtentPlace {
  readonly index: number;
  readonly endBefore: number;
  readonly volumeBytes: number;
  readonly at?: number;
}

/**
 * Reports each fault of the extent number `index` (from 0); `endBefore` is where the one before ended, `at` where its
 * entry lies, if it lies anywhere yet.
 */
export function checkExtent(
  extent: { readonly offset: number; readonly lengthBytes: number },
  where: ExtentPlace,
  report: Report,
): void {
  const { offset, lengthBytes } = extent;
  if (!isPosition(offset)) {
    faultOf(where, report, 'offset', `${offset} is no multiple of ${PAGE_BYTES} up to 2^53 - 1`);
  } else if (offset < where.endBefore) {
    faultOf(
      where,
      report,
      'offset',
      `${offset} overlaps or precedes the extent before, which ends at ${where.endBefore}`,
    );
  }
  if (!isPosition(lengthBytes) || lengthBytes < PAGE_BYTES) {
    faultOf(where, report, 'length', `${lengthBytes} is no multiple of ${PAGE_BYTES} from ${PAGE_BYTES} to 2^53 - 1`);
  } else if (offset + lengthBytes > where.volumeBytes) {
    faultOf(
      where,
      report,
      'length',
      `${lengthBytes} bytes from ${offset} reach past the volume's end at ${where.volumeBytes}`,
    );
  }
}

function faultOf(where: ExtentPlace, report: Report, name: 'offset' | 'length', problem: string): void {
  const at = where.at === undefined ? {} : { at: where.at + EXTENT_AT[name] };
  report({ field: `extent ${where.index}, ${name}`, ...at, problem });
}

/**
 * Reports each fault of the reference that extent number `index` is; `at` is where its entry in the reference table lies,
 * if it lies anywhere yet. `literalBytes` are the delta's own.
 */
export function checkReference(
  { kind, at, lengthBytes, sha256 }: OwnExtent | PriorExtent | JournalExtent,
  where: { index: number; literalBytes: number; at?: number },
  limits: DeltaLimits,
  report: Report,
): void {
  const field = (name: string, offset: number): { field: string; at?: number } => ({
    field: `extent ${where.index}, ${name}`,
    ...(where.at === undefined ? {} : { at: where.at + offset }),
  });
  const end = {
    own: { bytes: where.literalBytes, of: `the delta's ${where.literalBytes} literal bytes` },
    prior: { bytes: limits.volumeBytesMax, of: `any volume's end at ${limits.volumeBytesMax} (volumeBytesMax)` },
    journal: {
      bytes: limits.contentBytesMax,
      of: `any literal bytes' end at ${limits.contentBytesMax} (contentBytesMax)`,
    },
  }[kind];
  if (!isPosition(at)) {
    const problem = `${at} is no multiple of ${PAGE_BYTES} up to 2^53 - 1`;
    report({ ...field('position', REFERENCE_AT.at), problem });
  } else if (at + lengthBytes > end.bytes) {
    const problem = `${lengthBytes} bytes from ${at} reach past ${end.of}`;
    report({ ...field('position', REFERENCE_AT.at), problem });
  }
  if (!DIGEST_FORM.test(sha256)) {
    report({ ...field('content SHA-256', REFERENCE_AT.sha256), problem: 'not 64 lower-case hexadecimal digits' });
  }
}

function isPosition(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value % PAGE_BYTES === 0;
}
