/**
 * How the application's files get onto its volume, which is an image file: by a mount where that is allowed, else through
 * debugfs, which writes files into the file system of an image without any right of its own.
 *
 * Invariants: between `rest` and `wake` the image holds everything that the waiting application has written, and no byte of
 * it changes; all that is known of it stands in files, so that any process can do either.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { LeewardError, describeError } from '../kernel/errors.ts';
import { findTool } from '../local/machines/tools.ts';
import { putWhole } from './application-control.ts';
import { APPLICATION_FOLDER } from './file-system.ts';
import { systemTool } from './tools.ts';

/** Folders of one volume, each of its own. */
export interface VolumeFolders {
  readonly image: string;
  readonly mountPoint: string;
  readonly work: string;
}

export const openedVolumeSchema = z.object({
  image: z.string(),
  mountPoint: z.string(),
  work: z.string(),
  /** Why it is not mounted; null where it is. */
  unmounted: z.string().nullable(),
});
export type OpenedVolume = z.infer<typeof openedVolumeSchema>;

/** The image mounted, or why not. */
export async function openApplicationVolume(of: VolumeFolders, mayMount: boolean): Promise<OpenedVolume> {
  const why = mayMount ? await mount(of) : 'a mount was not wanted';
  if (why !== null) await mkdir(of.work, { recursive: true });
  return { ...of, unmounted: why };
}

/** Why it cannot be mounted; null where it is now. */
async function mount({ image, mountPoint }: VolumeFolders): Promise<string | null> {
  if (process.getuid?.() !== 0) return 'only root may mount it';
  if (findTool('fsfreeze') === undefined) return 'fsfreeze is not installed';
  await mkdir(mountPoint, { recursive: true });
  try {
    await systemTool('mount', ['-o', 'loop,nodev,nosuid,noexec', image, mountPoint]);
    return null;
  } catch (error) {
    return `a mount is not allowed here: ${describeError(error)}`;
  }
}

/** Where the application writes. */
export function folderOf({ mountPoint, unmounted, work }: OpenedVolume): string {
  return unmounted === null ? join(mountPoint, APPLICATION_FOLDER) : work;
}

/** How its files get onto the volume, in words. */
export function describeVolume({ unmounted }: OpenedVolume): string {
  return unmounted === null
    ? 'on a mount of the volume, frozen while the volume is read'
    : `in a folder whose files are put into the volume through debugfs, since ${unmounted}`;
}

/** Called while the application waits: the image stands still, and has everything. */
export async function rest(volume: OpenedVolume): Promise<void> {
  if (volume.unmounted === null) await systemTool('fsfreeze', ['--freeze', volume.mountPoint]);
  else await putIntoImage(volume);
}

/** Lets the volume change again. Can be repeated. */
export async function wake({ mountPoint, unmounted }: OpenedVolume): Promise<void> {
  // It fails where nothing is frozen.
  if (unmounted === null) await systemTool('fsfreeze', ['--unfreeze', mountPoint]).catch(() => undefined);
}

/** Called once nobody writes any more. Can be repeated. */
export async function closeVolume(volume: OpenedVolume): Promise<void> {
  if (volume.unmounted !== null || !existsSync(folderOf(volume))) return;
  await wake(volume);
  await systemTool('umount', [volume.mountPoint]);
}

const insideSchema = z.record(z.string(), z.string());

async function putIntoImage({ image, work }: OpenedVolume): Promise<void> {
  /** What of the work folder lies in the image: name → size and time of the version that does. */
  const listFile = `${work}.inside.json`;
  const inside = insideSchema.parse(JSON.parse(await readFile(listFile, 'utf8').catch(() => '{}')));
  const commands: string[] = [];
  let writes = 0;
  for (const name of await readdir(work)) {
    // The index of the write-ahead log: SQLite makes it anew.
    if (name.endsWith('-shm')) continue;
    const { size, mtimeNs } = await stat(join(work, name), { bigint: true });
    const version = `${size} ${mtimeNs}`;
    if (inside[name] === version) continue;
    if (name in inside) commands.push(`rm /${APPLICATION_FOLDER}/${name}`);
    commands.push(`write "${join(work, name)}" /${APPLICATION_FOLDER}/${name}`);
    inside[name] = version;
    writes += 1;
  }
  if (writes === 0) return;
  await writeFile(`${work}.debugfs`, `${commands.join('\n')}\n`);
  const said = await systemTool('debugfs', ['-w', '-f', `${work}.debugfs`, image]);
  // It ends well whatever becomes of a command, but says each file that it made.
  const made = said.split('\n').filter((line) => line.startsWith('Allocated inode')).length;
  if (made !== writes) {
    throw new LeewardError('PLATFORM_FAILED', `debugfs wrote ${made} of ${writes} files into the volume`);
  }
  await putWhole(listFile, JSON.stringify(inside));
}
