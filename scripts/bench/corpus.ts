/**
 * The corpus: real files of this machine, in an ext4 image.
 *
 * Which files and in which order follows from the seed and the files' paths alone: the same machine gives the same corpus.
 * Programs and libraries, documentation and data, and the text of packages have a share each.
 */
import { execFile } from 'node:child_process';
import { createHash, hash } from 'node:crypto';
import { cp, mkdir, readdir, stat } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { constants, zstdCompressSync } from 'node:zlib';
import { findTool } from '../../src/local/machines/tools.ts';
import { MIB, roundUp } from '../../src/kernel/units.ts';
import { BLOCK_BYTES, dataRanges, eachPart, sumOf } from './ranges.ts';

const run = promisify(execFile);

const PROJECT = join(import.meta.dirname, '../..');

/** Folders and their shares; what a machine does not have is left out, and the others fill its place. */
const SOURCES = ['/usr/bin', '/usr/lib', '/usr/share', join(PROJECT, 'node_modules')];

/** One file of this size says no more than many smaller ones. */
const FILE_BYTES_MAX = 16 * MIB;

export interface CorpusFile {
  readonly path: string;
  readonly sizeBytes: number;
}

/**
 * Files of `folders` that fill blocks of `bytes` in all, or a little more; each folder gives an equal share as long as it has
 * files. By the order of their paths' hashes, so that neighbours in the result are strangers.
 */
export async function chooseFiles(of: {
  readonly seed: string;
  readonly bytes: number;
  readonly folders?: readonly string[];
}): Promise<CorpusFile[]> {
  const pools: string[][] = [];
  for (const folder of of.folders ?? SOURCES) {
    if (existsSync(folder)) pools.push(shuffled(await filesIn(folder), of.seed));
  }
  const chosen: CorpusFile[] = [];
  const taken = pools.map(() => 0);
  for (let total = 0; total < of.bytes;) {
    const least = taken.reduce(
      (best, bytes, index) => ((pools[index]?.length ?? 0) > 0 && bytes < (taken[best] ?? Infinity) ? index : best),
      pools.findIndex((pool) => pool.length > 0),
    );
    const path = pools[least]?.pop();
    if (path === undefined) break;
    const { size } = await stat(path);
    if (size === 0 || size > FILE_BYTES_MAX) continue;
    chosen.push({ path, sizeBytes: size });
    const blocks = roundUp(size, BLOCK_BYTES);
    taken[least] = (taken[least] ?? 0) + blocks;
    total += blocks;
  }
  return chosen;
}

function shuffled(paths: readonly string[], seed: string): string[] {
  return paths
    .map((path) => ({ path, key: hash('sha256', `${seed} ${path}`) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ path }) => path);
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

export interface Image {
  readonly path: string;
  readonly sizeBytes: number;
  /** Bytes of the blocks that are not all zeros. */
  readonly dataBytes: number;
  /** Data bytes for each byte that zstd, level 3 on 1 MiB, makes of them. */
  readonly compressionRatio: number;
}

/** Makes an ext4 image of `files` at `image`; each is copied below `staging` first, which stays. */
export async function makeImage(of: {
  readonly files: readonly CorpusFile[];
  readonly staging: string;
  readonly image: string;
  readonly sizeBytes: number;
  readonly uuid?: string;
}): Promise<Image> {
  const { files, image, sizeBytes, staging, uuid = '6c656577-6172-4462-8e63-68636f727075' } = of;
  for (const { path } of files) {
    const to = join(staging, path);
    await mkdir(dirname(to), { recursive: true });
    await cp(path, to, { preserveTimestamps: true });
  }
  await run(findTool('mke2fs') ?? 'mke2fs', [
    ...['-q', '-t', 'ext4', '-b', String(BLOCK_BYTES), '-m', '0', '-U', uuid],
    ...['-E', `lazy_itable_init=0,lazy_journal_init=0,hash_seed=${uuid}`],
    ...['-d', staging, image, `${sizeBytes / MIB}M`],
  ]);
  const dataBytes = sumOf(await dataRanges(image, BLOCK_BYTES, Infinity));
  return { path: image, sizeBytes, dataBytes, compressionRatio: await compressionRatioOf(image) };
}

/** As the replicator compresses: zstd at level 3, frames of 1 MiB, blocks of zeros left out. */
async function compressionRatioOf(image: string): Promise<number> {
  let [rawBytes, packedBytes] = [0, 0];
  await packedFrames(image, (raw, packed) => {
    rawBytes += raw.length;
    packedBytes += packed.length;
  });
  return rawBytes / packedBytes;
}

/** Calls `take` with each 1 MiB of the image's data and what zstd makes of it. */
async function packedFrames(image: string, take: (raw: Buffer, packed: Buffer) => void): Promise<void> {
  const frame = Buffer.alloc(MIB);
  const zeros = Buffer.alloc(BLOCK_BYTES);
  let filled = 0;
  const flush = (): void => {
    if (filled === 0) return;
    const raw = frame.subarray(0, filled);
    take(raw, zstdCompressSync(raw, { params: { [constants.ZSTD_c_compressionLevel]: 3 } }));
    filled = 0;
  };
  await eachPart(image, (bytes) => {
    for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
      const block = bytes.subarray(at, at + BLOCK_BYTES);
      if (block.equals(zeros.subarray(0, block.length))) continue;
      filled += block.copy(frame, filled);
      if (filled === frame.length) flush();
    }
  });
  flush();
}

/** One zstd pass and one hash pass over the image's data: what any sender that compresses and checks has to spend. */
export async function compressAndHash(image: string): Promise<string> {
  const digest = createHash('sha256');
  await packedFrames(image, (raw) => {
    digest.update(raw);
  });
  return digest.digest('hex');
}
