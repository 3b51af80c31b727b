/**
 * `seed.direct`: the first copy of a volume as raw pages, until the last of them is acknowledged, beside a bare SDK loop that
 * writes the same ranges of 4 MiB, those of zeros left out. What comes after that, which no bare loop has, is told beside it.
 */
import { LeewardError } from '../../src/kernel/errors.ts';
import { MIB } from '../../src/kernel/units.ts';
import type { BenchContext, Benchmark } from './benchmark.ts';
import { onStack } from './bench-stack.ts';
import type { BenchStack } from './bench-stack.ts';
import { besideTools } from './beside.ts';
import type { Image } from './corpus.ts';
import { WRITE_BYTES_MAX, dataRanges, sumOf } from './ranges.ts';
import { describeImage, seedImage } from './seed-corpus.ts';
import { bareRun, ourRun, seconds } from './seed-runs.ts';
import { interleavedPairs, medianOf, medianRatio } from './statistics.ts';

/** Deltas of a first copy that went as pages hold next to nothing. */
const DELTAS_SHARE_MAX = 0.1;

export const seedDirect: Benchmark = {
  names: ['seed.direct'],
  async run(context) {
    const image = await seedImage(context);
    return onStack(context, async (bench) => measure(context, bench, image));
  },
};

async function measure(context: BenchContext, bench: BenchStack, image: Image): ReturnType<Benchmark['run']> {
  const { storedBytes } = await ourRun(context, bench, { image, name: 'warm', transport: 'direct' });
  if (storedBytes * image.compressionRatio > image.dataBytes * DELTAS_SHARE_MAX) {
    throw new LeewardError(
      'REFUSED',
      'the site sent its first copy through the journal: this checkout has no direct transport',
    );
  }
  const ranges = await dataRanges(image.path, WRITE_BYTES_MAX, WRITE_BYTES_MAX);
  await bareRun(context, bench, { image, name: 'warm', staged: [], ranges });
  const pairs = await interleavedPairs(context.pairs, {
    ours: async (index) => ourRun(context, bench, { image, name: `run-${index}`, transport: 'direct' }),
    bare: async (index) => bareRun(context, bench, { image, name: `run-${index}`, staged: [], ranges }),
  });
  const ours = medianOf(
    pairs.map((pair) => pair.ours),
    'elapsedMs',
  );
  const bare = medianOf(
    pairs.map((pair) => pair.bare),
    'elapsedMs',
  );
  const publishedRatio = medianRatio(pairs, { ours: (run) => run.elapsedMs, bare: (run) => run.elapsedMs });
  const moved = `${(sumOf(ranges) / MIB).toFixed(0)} MiB in ${ranges.length} ranges`;
  const beside = await besideTools(context, bench.stack, image.path);
  return [
    {
      name: 'seed.direct',
      value: medianRatio(pairs, { ours: (run) => run.pagesMs, bare: (run) => run.elapsedMs }),
      detail: `bare loop ${seconds(bare)}; copied, compared and published after ${seconds(ours)}, ${publishedRatio.toFixed(2)} of it; ${moved}; ${describeImage(image)}${beside}`,
    },
  ];
}
