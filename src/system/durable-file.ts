/**
 * Files that are written wholly or not at all.
 *
 * Invariant: when a write resolves, the file and its name are on stable storage; after a crash at any moment there is
 * the old file or the new one. That takes four steps: write beside it, fsync, rename, fsync of the folder.
 */
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Ending of files that a crash may leave behind; they mean nothing. */
export const TEMPORARY_SUFFIX = '.tmp';

/** Puts `data` at `path`, replacing what is there. `mode` is that of the new file, also when one is replaced. */
export async function writeDurably(path: string, data: Uint8Array | string, mode = 0o600): Promise<void> {
  const beside = `${path}${TEMPORARY_SUFFIX}`;
  // A leftover would keep its own mode.
  await rm(beside, { force: true });
  const file = await open(beside, 'wx', mode);
  try {
    await file.writeFile(data);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, path);
  await syncFolder(dirname(path));
}

/** Makes the names in a folder durable: a rename or a removal. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Makes a folder and those above it, durably; one that is there is well. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let folder = path; folder !== dirname(first); folder = dirname(folder)) await syncFolder(dirname(folder));
}

/** The file's bytes; undefined if there is none. */
export async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** True for the error of a file that does not exist. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/**
 * Gives the file `from` the second name `to` unless something has that already: unlike a write, it shows only what is complete.
 * Whether it did.
 */
export async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}
