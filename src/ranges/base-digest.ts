/**
 * The digest of what a generation begins from: the predecessor that its first delta names (docs/range-format.md, "Digest
 * of a base").
 *
 * Invariant: it is reckoned range by range, so that whoever reckons it can stop after any and go on elsewhere.
 */
import { hash } from 'node:crypto';
import { sha256Hex } from '../kernel/hash.ts';
import type { RangeListHead } from './list.ts';

/** The digest before the first range. */
export function baseDigestStart(of: Pick<RangeListHead, 'volume' | 'generation' | 'volumeBytes'>): string {
  return sha256Hex(`leeward base 1\n${of.volume}\n${of.generation}\n${of.volumeBytes}\n`);
}

/** The digest after one more range, given that before it and the range's hash. */
export function baseDigestNext(before: string, range: Uint8Array): string {
  return hash('sha256', Buffer.concat([Buffer.from(before, 'hex'), range]), 'hex');
}
