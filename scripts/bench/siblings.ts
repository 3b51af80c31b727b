/**
 * `wire.siblings`: what two sibling volumes cost on the wire: two machines of one make, most of whose files are the same,
 * on file systems that lay them out differently. All that passes between the site and the cloud is counted, heartbeats
 * with their answers, entries, messages and whatever is asked of an index; against what restic stores of the same two
 * images, one after the other.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { openSite } from '../../src/app/site.ts';
import { LeewardError } from '../../src/kernel/errors.ts';
import { MIB } from '../../src/kernel/units.ts';
import { findTool } from '../../src/local/machines/tools.ts';
import { withVolume } from '../../src/site/send/access.ts';
import { register } from '../../test/support/integration/live-site.ts';
import { intercept } from '../../test/support/memory/intercept.ts';
import type { BenchContext, Benchmark } from './benchmark.ts';
import { onStack } from './bench-stack.ts';
import { chooseFiles, makeImage } from './corpus.ts';
import type { Image } from './corpus.ts';
import { describeImage } from './seed-corpus.ts';

const run = promisify(execFile);

const SEED = 'leeward siblings 1';
const FILE_BYTES = 128 * MIB;
const IMAGE_BYTES = 256 * MIB;
/** Of so many files each has one that the other does not have. */
const OWN_EVERY = 10;
const SITE = 'bench/siblings/group';
const ASK_MS = 250;

export const siblings: Benchmark = {
  names: ['wire.siblings'],
  async run(context) {
    const restic = findTool('restic');
    if (restic === undefined) throw new LeewardError('USAGE', 'restic is not installed: nothing to hold it against');
    const images = await siblingImages(context);
    const theirBytes = await resticBytes(context, restic, images);
    const ourBytes = await sentBytes(context, images);
    const [first = 0, second = 0] = ourBytes;
    const [theirFirst = 0, theirSecond = 0] = theirBytes;
    const detail =
      `ours ${mib(first)} + ${mib(second)} MiB, restic ${mib(theirFirst)} + ${mib(theirSecond)} MiB; ` +
      `two of ${images.map(describeImage).join(' and ')}; ${100 / OWN_EVERY} % of the files of each its own`;
    return [{ name: 'wire.siblings', value: (first + second) / (theirFirst + theirSecond), detail }];
  },
};

/** Two images: most files in both, some in one of them only. */
async function siblingImages({ folder, tell }: BenchContext): Promise<Image[]> {
  const files = await chooseFiles({ seed: SEED, bytes: FILE_BYTES });
  const images: Image[] = [];
  for (const [which, uuid] of UUIDS.entries()) {
    const own = files.filter((_, index) => index % OWN_EVERY !== which);
    const staging = join(folder, `sibling-${which}`);
    await mkdir(staging);
    const image = await makeImage({ files: own, staging, image: `${staging}.img`, sizeBytes: IMAGE_BYTES, uuid });
    await rm(staging, { recursive: true });
    tell(`  sibling ${which + 1}: ${own.length} files, ${describeImage(image)}`);
    images.push(image);
  }
  return images;
}

/** A file system hashes its directories by its own: that alone makes two of them differ. */
const UUIDS = ['6c656577-6172-4462-8e63-686669727374', '6c656577-6172-4462-8e63-7365636f6e64'];

/** Bytes that each volume costs, in the order in which they are first copied. */
async function sentBytes(context: BenchContext, images: readonly Image[]): Promise<number[]> {
  return onStack(context, async ({ stack }) => {
    let counted = 0;
    let access: Awaited<ReturnType<typeof register>> | undefined;
    for (const [index, image] of images.entries()) {
      const volume = `${SITE}/volume-${index}`;
      const registered = await register(stack, volume, { volumeBytes: image.sizeBytes });
      access = withVolume(access ?? registered, volume, image.path);
    }
    if (!access) throw new Error('no volumes');
    const site = await openSite({
      folder: join(context.folder, 'siblings-site'),
      access,
      wrapLink: (link) =>
        intercept(link, async ({ method, args, proceed }) => {
          const answer = await proceed();
          const sent = args.reduce<number>((sum, part) => sum + wireBytes(part), 0);
          // A queue takes its texts as base64.
          counted += (method === 'sendMessage' ? (sent * 4) / 3 : sent) + wireBytes(answer);
          return answer;
        }),
    });
    try {
      const each: number[] = [];
      for (const replicator of site.replicators) {
        counted = 0;
        const { unsent } = await replicator.replicateOnce();
        if (unsent) throw unsent;
        for (;;) {
          await site.siteLink.round();
          const { appliedNumber, storedNumber } = replicator.status();
          if (appliedNumber === storedNumber) break;
          await sleep(ASK_MS);
        }
        each.push(counted);
        context.tell(`  ours: ${mib(counted)} MiB`);
      }
      return each;
    } finally {
      await site.close();
    }
  });
}

function wireBytes(part: unknown): number {
  if (part === undefined) return 0;
  if (part instanceof Uint8Array) return part.length;
  return Buffer.byteLength(typeof part === 'string' ? part : JSON.stringify(part));
}

/** What restic's repository grows by with each image. */
async function resticBytes(
  { folder, tell }: BenchContext,
  restic: string,
  images: readonly Image[],
): Promise<number[]> {
  const repository = join(folder, 'siblings-restic');
  const env = { ...process.env, RESTIC_PASSWORD: randomBytes(16).toString('hex') };
  await run(restic, ['-r', repository, '--no-cache', 'init'], { env });
  const each: number[] = [];
  let before = 0;
  for (const { path } of images) {
    await run(restic, ['-r', repository, '--no-cache', 'backup', '--compression', 'auto', path], { env });
    const now = await folderBytes(repository);
    each.push(now - before);
    tell(`  restic: ${mib(now - before)} MiB`);
    before = now;
  }
  await rm(repository, { recursive: true });
  return each;
}

async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return bytes;
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(1);
}
