/**
 * `seed.queue` and `seed.cpu`: the first copy of a volume through compression, journal, queue, decompression and pages, by
 * the real site against the real functions, beside a bare SDK loop that moves the same bytes.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MIB } from '../../src/kernel/units.ts';
import type { BenchContext, Benchmark } from './benchmark.ts';
import { onStack } from './bench-stack.ts';
import type { BenchStack } from './bench-stack.ts';
import { besideTools } from './beside.ts';
import type { Image } from './corpus.ts';
import { saveEntries } from './entries.ts';
import { BLOCK_BYTES, WRITE_BYTES_MAX, dataRanges, sumOf } from './ranges.ts';
import { describeImage, seedImage } from './seed-corpus.ts';
import { bareRun, ourRun, seconds, seedJournal } from './seed-runs.ts';
import type { OurRun } from './seed-runs.ts';
import { interleavedPairs, medianOf, medianRatio } from './statistics.ts';

export const seedQueue: Benchmark = {
  names: ['seed.queue', 'seed.cpu'],
  async run(context) {
    const image = await seedImage(context);
    return onStack(context, async (bench) => measure(context, bench, image));
  },
};

async function measure(context: BenchContext, bench: BenchStack, image: Image): ReturnType<Benchmark['run']> {
  // Warms up host and Azurite, and says what the bare loop has to move.
  const { storedBytes } = await ourRun(context, bench, { image, name: 'warm', transport: 'queue' });
  const staged = await stagedFiles(context, bench);
  const ranges = await dataRanges(image.path, BLOCK_BYTES, WRITE_BYTES_MAX);
  await bareRun(context, bench, { image, name: 'warm', staged, ranges });
  const pairs = await interleavedPairs(context.pairs, {
    ours: async (index) => ourRun(context, bench, { image, name: `run-${index}`, transport: 'queue' }),
    bare: async (index) => bareRun(context, bench, { image, name: `run-${index}`, staged, ranges }),
  });
  const ours = pairs.map((pair) => pair.ours);
  const bares = pairs.map((pair) => pair.bare);
  const moved = `${mib(sumOf(ranges))} MiB in ${ranges.length} ranges, staged as ${mib(storedBytes)} MiB`;
  const beside = await besideTools(context, bench.stack, image.path);
  return [
    {
      name: 'seed.queue',
      value: medianRatio(pairs, { ours: (run) => run.elapsedMs, bare: (run) => run.elapsedMs }),
      detail: `ours ${seconds(medianOf(ours, 'elapsedMs'))}, bare loop ${seconds(medianOf(bares, 'elapsedMs'))}; ${moved}; ${describeImage(image)}${beside}`,
    },
    {
      name: 'seed.cpu',
      value: medianRatio(pairs, { ours: ourCpu, bare: (run) => run.cpuSeconds + run.passesCpuSeconds }),
      detail:
        `site ${medianOf(ours, 'cpuSeconds').toFixed(1)} s and host ${medianOf(ours, 'hostCpuSeconds').toFixed(1)} s, ` +
        `bare loop ${medianOf(bares, 'cpuSeconds').toFixed(1)} s and passes ${medianOf(bares, 'passesCpuSeconds').toFixed(1)} s`,
    },
  ];
}

function ourCpu(run: OurRun): number {
  return run.cpuSeconds + run.hostCpuSeconds;
}

/** What the warming run put into the journal, as files. */
async function stagedFiles({ folder }: BenchContext, { stack }: BenchStack): Promise<string[]> {
  const to = join(folder, 'staged');
  await saveEntries(stack.storage, seedJournal('warm'), to);
  return (await readdir(to)).sort().map((name) => join(to, name));
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(0);
}
