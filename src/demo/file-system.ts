/** The demo's own volume: an ext4 file system in an image file, made from real files of this checkout. */
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { LeewardError } from '../kernel/errors.ts';
import { MIB } from '../kernel/units.ts';
import { findTool } from '../local/machines/tools.ts';
import { systemTool } from './tools.ts';

/** The application's folder in the file system. */
export const APPLICATION_FOLDER = 'shop';

const IMAGE_MIB = 48;

/** The project's own files, and something bigger that every checkout has. What is missing is left out. */
const SOURCES = ['README.md', 'LICENSE', 'package.json', 'docs', 'src', 'functions', 'node_modules/typescript/lib'];

/** Folders of translations, and a second copy of the compiler: enough is enough. */
const LEFT_OUT = /typescript\/lib\/(?:_tsc\.js$|[a-z]{2}(?:-[a-z]{2})?(?:\/|$))/;

/** How many of the files are read back after the failover, and the largest that is. */
const SAMPLE_FILES = 6;
const SAMPLE_BYTES_MAX = 2 * MIB;

export interface MadeFileSystem {
  readonly fileCount: number;
  readonly fileBytes: number;
  /** Some of the files, spread over all of them: paths in the file system. */
  readonly sample: readonly string[];
}

/** Errors: USAGE where a tool is missing that making or reading a file system takes. */
export function checkFileSystemTools(): void {
  for (const tool of ['mke2fs', 'debugfs']) {
    if (findTool(tool) !== undefined) continue;
    throw new LeewardError(
      'USAGE',
      `${tool} is not installed (Debian package e2fsprogs); or give a volume: --volume PATH`,
    );
  }
}

/**
 * Copies the files to `from` and makes `image` of them: each file in it has the content of the file of the same path
 * under `from`.
 */
export async function makeFileSystem(of: { project: string; from: string; image: string }): Promise<MadeFileSystem> {
  for (const source of SOURCES) {
    const path = join(of.project, source);
    if (!existsSync(path)) continue;
    await mkdir(dirname(join(of.from, source)), { recursive: true });
    await cp(path, join(of.from, source), { recursive: true, filter: (file) => !LEFT_OUT.test(file) });
  }
  const files = await filesIn(of.from);
  await mkdir(join(of.from, APPLICATION_FOLDER));
  await systemTool('mke2fs', [
    ...['-q', '-t', 'ext4', '-b', '4096', '-i', '16384', '-m', '0', '-L', 'leeward-demo'],
    // Otherwise the kernel goes on making the file system after it was mounted, and nothing ever stands still.
    ...['-E', 'lazy_itable_init=0,lazy_journal_init=0'],
    ...['-d', of.from, of.image, `${IMAGE_MIB}M`],
  ]);
  const small = files.filter((file) => file.sizeBytes <= SAMPLE_BYTES_MAX);
  const step = Math.max(1, Math.floor(small.length / SAMPLE_FILES));
  return {
    fileCount: files.length,
    fileBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
    sample: small
      .filter((_, index) => index % step === 0)
      .slice(0, SAMPLE_FILES)
      .map((file) => relative(of.from, file.path)),
  };
}

async function filesIn(folder: string): Promise<{ path: string; sizeBytes: number }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return await Promise.all(paths.toSorted().map(async (path) => ({ path, sizeBytes: (await stat(path)).size })));
}
