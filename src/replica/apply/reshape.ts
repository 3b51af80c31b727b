/**
 * What a change of size does to a replica, besides the delta's own extents (docs/design.md, "Another size, another name").
 *
 * Invariants: behind the volume's end and up to the footer a replica holds zeros, before and after; where the footer of a
 * smaller replica stood, a larger one holds what the delta sets there, or zeros. No page is set twice.
 */
import type { ByteRange } from '../../kernel/byte-range.ts';
import { VHD_FOOTER_BYTES, replicaDataBytes } from '../../vhd/footer.ts';
import type { PageRun } from '../plan/segments.ts';

/**
 * Ranges, of whole pages, that have to be zeros when a volume of `beforeBytes` has become one of `afterBytes`, unless the delta
 * sets them; ascending, none where the size stays.
 */
export function zerosOfResize(beforeBytes: number, afterBytes: number): readonly ByteRange[] {
  const [before, after] = [replicaDataBytes(beforeBytes), replicaDataBytes(afterBytes)];
  const ranges: ByteRange[] = [];
  if (afterBytes < beforeBytes)
    ranges.push({ offset: afterBytes, lengthBytes: Math.min(beforeBytes, after) - afterBytes });
  if (after > before) ranges.push({ offset: before, lengthBytes: VHD_FOOTER_BYTES });
  return ranges.filter(({ lengthBytes }) => lengthBytes > 0);
}

/** `runs`, which ascend, with zeros in `ranges` wherever no run sets anything; ascending too. */
export function* withZeros(runs: Iterable<PageRun>, ranges: readonly ByteRange[]): Generator<PageRun> {
  const left = ranges.map(({ offset, lengthBytes }) => ({ offset, end: offset + lengthBytes }));
  const zerosUpTo = function* (end: number): Generator<PageRun> {
    for (let next = left[0]; next && next.offset < end; next = left[0]) {
      const stop = Math.min(next.end, end);
      yield { kind: 'zeros', offset: next.offset, lengthBytes: stop - next.offset };
      next.offset = stop;
      if (stop === next.end) left.shift();
    }
  };
  for (const run of runs) {
    yield* zerosUpTo(run.offset);
    yield run;
    const end = run.offset + run.lengthBytes;
    for (let next = left[0]; next && next.offset < end; next = left[0]) {
      next.offset = end;
      if (next.end > end) break;
      left.shift();
    }
  }
  yield* zerosUpTo(Infinity);
}
