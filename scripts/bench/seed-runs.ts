/** The runs that the seed benchmarks compare: the real site with the real functions, and the bare loop. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { ByteRange } from '../../src/kernel/byte-range.ts';
import { journalContainer } from '../../src/kernel/names.ts';
import { parseVolume } from '../../src/kernel/ids.ts';
import { serializeSiteAccess, withVolume } from '../../src/site/send/access.ts';
import { writePrivateFile } from '../../src/system/private-file.ts';
import { register } from '../../test/support/integration/live-site.ts';
import type { BenchContext } from './benchmark.ts';
import type { BenchStack } from './bench-stack.ts';
import type { Image } from './corpus.ts';
import { runPart, spentSchema } from './part.ts';
import { cpuSecondsOf } from './process-use.ts';

const siteSchema = spentSchema.extend({ storedMs: z.number(), storedBytes: z.number(), pagesMs: z.number() });
const bareSchema = spentSchema.extend({ passesCpuSeconds: z.number() });

export type OurRun = z.infer<typeof siteSchema> & { readonly hostCpuSeconds: number };
export type BareRun = z.infer<typeof bareSchema>;

/** One first copy of `image`, by a site and of a volume of their own. */
export async function ourRun(
  { folder: parent, tell }: BenchContext,
  { stack, hostPid }: BenchStack,
  { image, name, transport }: { image: Image; name: string; transport: 'direct' | 'queue' },
): Promise<OurRun> {
  const volume = seedVolume(name);
  const folder = join(parent, `site-${transport}-${name}`);
  await mkdir(folder);
  const access = await register(stack, volume, { volumeBytes: image.sizeBytes });
  const accessFile = join(folder, 'access.json');
  await writePrivateFile(accessFile, serializeSiteAccess(withVolume(access, volume, image.path)));
  const before = await cpuSecondsOf(hostPid);
  const site = await runPart('seed-site.ts', { accessFile, folder, transport }, siteSchema);
  const run = { ...site, hostCpuSeconds: (await cpuSecondsOf(hostPid)) - before };
  const cpu = `CPU site ${run.cpuSeconds.toFixed(1)} s, host ${run.hostCpuSeconds.toFixed(1)} s`;
  tell(`  ours ${seconds(run.elapsedMs)}, all sent after ${seconds(run.storedMs)}, ${cpu}`);
  return run;
}

/** The volume of {@link ourRun}. */
export function seedVolume(name: string): string {
  return `bench/${name}/seed/volume`;
}

/** The container in which {@link ourRun} has its deltas. */
export function seedJournal(name: string): string {
  return journalContainer(parseVolume(seedVolume(name)));
}

/** One bare loop. */
export async function bareRun(
  { tell }: BenchContext,
  { stack }: BenchStack,
  of: { image: Image; name: string; staged: readonly string[]; ranges: readonly ByteRange[] },
): Promise<BareRun> {
  const { image, name, ranges, staged } = of;
  const { connectionStringFile } = stack.facts;
  const argument = { connectionStringFile, container: `bare-${name}`, image: image.path, staged, ranges, passes: true };
  const run = await runPart('seed-bare.ts', argument, bareSchema);
  const cpu = `CPU ${run.cpuSeconds.toFixed(1)} s, passes ${run.passesCpuSeconds.toFixed(1)} s`;
  tell(`  bare ${seconds(run.elapsedMs)}, ${cpu}`);
  return run;
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
