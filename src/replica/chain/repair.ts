/** Repairs: ranges that the site is asked to send literally, whatever its index says of them. */
import type { VolumeDocument } from '../../documents/volume.ts';
import type { ByteRange } from '../../kernel/byte-range.ts';
import { bytesOf, joinDifferences } from '../../ranges/differences.ts';

/** The site is asked for these ranges, beside those that it is asked for already. Without any, nothing changes. */
export function askForRepair(
  document: VolumeDocument,
  of: { readonly id: string; readonly ranges: readonly ByteRange[]; readonly nowMs: number },
): VolumeDocument {
  if (bytesOf(of.ranges) === 0) return document;
  const ranges = joinDifferences(document.repair?.ranges ?? [], of.ranges);
  return { ...document, repair: { id: of.id, ranges, sinceMs: document.repair?.sinceMs ?? of.nowMs } };
}
