/**
 * Medians and interleaved pairs. A machine's speed drifts with its load, so two things are compared only with what ran
 * right beside them, and which of the two runs first alternates.
 */

/** The median; of an even count the mean of the middle two. Throws for none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  if (upper === undefined || lower === undefined) throw new Error('the median of nothing');
  return (lower + upper) / 2;
}

export interface Pair<Ours, Bare> {
  readonly ours: Ours;
  readonly bare: Bare;
}

/** Runs `count` pairs, one thing at a time: ours first, then bare first, and so on. */
export async function interleavedPairs<Ours, Bare>(
  count: number,
  runs: { ours(index: number): Promise<Ours>; bare(index: number): Promise<Bare> },
): Promise<Pair<Ours, Bare>[]> {
  const pairs: Pair<Ours, Bare>[] = [];
  for (let index = 0; index < count; index += 1) {
    if (index % 2 === 0) {
      const ours = await runs.ours(index);
      pairs.push({ ours, bare: await runs.bare(index) });
    } else {
      const bare = await runs.bare(index);
      pairs.push({ ours: await runs.ours(index), bare });
    }
  }
  return pairs;
}

/** The median of the pairs' own ratios. */
export function medianRatio<Ours, Bare>(
  pairs: readonly Pair<Ours, Bare>[],
  of: { ours(ours: Ours): number; bare(bare: Bare): number },
): number {
  return median(pairs.map(({ ours, bare }) => of.ours(ours) / of.bare(bare)));
}

/** The median of one field. */
export function medianOf<Key extends string>(runs: readonly Readonly<Record<Key, number>>[], key: Key): number {
  return median(runs.map((run) => run[key]));
}
