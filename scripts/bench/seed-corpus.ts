/** The volume of the seed benchmarks: 1 GiB of ext4 with about 250 MiB of data. Made once in a bench. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { GIB, MIB } from '../../src/kernel/units.ts';
import type { BenchContext } from './benchmark.ts';
import { chooseFiles, makeImage } from './corpus.ts';
import type { Image } from './corpus.ts';

const SEED = 'leeward seed 1';
const FILE_BYTES = 245 * MIB;

const made = new Map<string, Promise<Image>>();

export async function seedImage(context: BenchContext): Promise<Image> {
  const image = made.get(context.folder) ?? makeSeedImage(context);
  made.set(context.folder, image);
  return image;
}

async function makeSeedImage({ folder, tell }: BenchContext): Promise<Image> {
  const [staging, path] = [join(folder, 'seed-files'), join(folder, 'seed.img')];
  await mkdir(staging);
  const files = await chooseFiles({ seed: SEED, bytes: FILE_BYTES });
  const image = await makeImage({ files, staging, image: path, sizeBytes: GIB });
  await rm(staging, { recursive: true });
  tell(`corpus of the first copy: ${files.length} files, ${describeImage(image)}`);
  return image;
}

export function describeImage({ compressionRatio, dataBytes, sizeBytes }: Image): string {
  return `${mib(dataBytes)} MiB of data in ${mib(sizeBytes)} MiB of ext4, compression ratio ${compressionRatio.toFixed(2)}`;
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(0);
}
