/**
 * `seed.queue` and `seed.cpu`: the first copy of a volume through compression, journal, queue, decompression and pages, by
 * the real site against the real functions, beside a bare SDK loop that moves the same bytes.
 */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { serializeSiteAccess, withVolume } from '../../src/site/access.ts';
import { journalContainer } from '../../src/kernel/names.ts';
import { parseVolume } from '../../src/kernel/ids.ts';
import { MIB } from '../../src/kernel/units.ts';
import { writePrivateFile } from '../../src/system/private-file.ts';
import { register } from '../../test/support/integration/live-site.ts';
import type { BenchContext, Benchmark } from './benchmark.ts';
import { openStack } from './bench-stack.ts';
import type { BenchStack } from './bench-stack.ts';
import { besideTools } from './beside.ts';
import type { Image } from './corpus.ts';
import { saveEntries } from './entries.ts';
import { runPart, spentSchema } from './part.ts';
import { cpuSecondsOf } from './process-use.ts';
import { BLOCK_BYTES, WRITE_BYTES_MAX, dataRanges, sumOf } from './ranges.ts';
import { describeImage, seedImage } from './seed-corpus.ts';
import { interleavedPairs, median, medianRatio } from './statistics.ts';

const siteSchema = spentSchema.extend({ changedBytes: z.number(), storedBytes: z.number(), deltas: z.number() });
const bareSchema = spentSchema.extend({ passesCpuSeconds: z.number() });

type OurRun = z.infer<typeof siteSchema> & { readonly hostCpuSeconds: number };
type BareRun = z.infer<typeof bareSchema>;

export const seedQueue: Benchmark = {
  names: ['seed.queue', 'seed.cpu'],
  async run(context) {
    const image = await seedImage(context);
    const stack = await openStack(context);
    try {
      return await measure(context, stack, image);
    } finally {
      await stack.close();
    }
  },
};

async function measure(context: BenchContext, stack: BenchStack, image: Image): ReturnType<Benchmark['run']> {
  const { connectionStringFile } = stack.stack.facts;
  // Warms up host and Azurite, and says what the bare loop has to move.
  await ourRun(context, stack, { image, name: 'warm' });
  const staged = await stagedFiles(context, stack);
  const ranges = await dataRanges(image.path, BLOCK_BYTES, WRITE_BYTES_MAX);
  const bare = (name: string): Promise<BareRun> =>
    runPart(
      'seed-bare.ts',
      { connectionStringFile, container: `bare-${name}`, image: image.path, staged, ranges, passes: true },
      bareSchema,
    );
  await bare('warm');
  const pairs = await interleavedPairs(context.pairs, {
    ours: async (index) => {
      const run = await ourRun(context, stack, { image, name: `run-${index}` });
      context.tell(
        `  ours ${seconds(run.elapsedMs)}, CPU site ${run.cpuSeconds.toFixed(1)} s, host ${run.hostCpuSeconds.toFixed(1)} s`,
      );
      return run;
    },
    bare: async (index) => {
      const run = await bare(`run-${index}`);
      context.tell(
        `  bare ${seconds(run.elapsedMs)}, CPU ${run.cpuSeconds.toFixed(1)} s, passes ${run.passesCpuSeconds.toFixed(1)} s`,
      );
      return run;
    },
  });
  const ours = pairs.map((pair) => pair.ours);
  const bares = pairs.map((pair) => pair.bare);
  const moved = `${(sumOf(ranges) / MIB).toFixed(0)} MiB in ${ranges.length} ranges, staged as ${((ours[0]?.storedBytes ?? 0) / MIB).toFixed(0)} MiB`;
  const beside = await besideTools(context, stack.stack, image.path);
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

const GROUP = 'seed/volume';

/** A site and a volume of their own for each run. */
async function ourRun(
  context: BenchContext,
  { stack, hostPid }: BenchStack,
  { image, name }: { image: Image; name: string },
): Promise<OurRun> {
  const volume = `bench/${name}/${GROUP}`;
  const folder = join(context.folder, `site-${name}`);
  await mkdir(folder);
  const access = await register(stack, volume, { volumeBytes: image.sizeBytes });
  const accessFile = join(folder, 'access.json');
  await writePrivateFile(accessFile, serializeSiteAccess(withVolume(access, volume, image.path)));
  const before = await cpuSecondsOf(hostPid);
  const run = await runPart('seed-site.ts', { accessFile, folder }, siteSchema);
  return { ...run, hostCpuSeconds: (await cpuSecondsOf(hostPid)) - before };
}

/** What the warming run put into the journal, as files. */
async function stagedFiles({ folder }: BenchContext, { stack }: BenchStack): Promise<string[]> {
  const to = join(folder, 'staged');
  await saveEntries(stack.storage, journalContainer(parseVolume(`bench/warm/${GROUP}`)), to);
  return (await readdir(to)).sort().map((name) => join(to, name));
}

function medianOf<Key extends string>(runs: readonly Readonly<Record<Key, number>>[], key: Key): number {
  return median(runs.map((run) => run[key]));
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
