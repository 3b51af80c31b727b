/**
 * How the application's files get onto its volume, which is an image file: by a mount where that is allowed, else through
 * debugfs, which writes files into the file system of an image without any right of its own.
 *
 * Invariant: between `rest` and `wake` the image holds everything that the waiting application has written, and no byte of
 * it changes.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LeewardError, describeError } from '../kernel/errors.ts';
import { findTool } from '../local/machines/tools.ts';
import { APPLICATION_FOLDER } from './file-system.ts';
import { systemTool } from './tools.ts';

export interface ApplicationVolume {
  /** Where the application writes. */
  readonly folder: string;
  /** In words, for people. */
  readonly how: string;
  /** Called while the application waits. */
  rest(): Promise<void>;
  /** Lets the volume change again. Can be repeated. */
  wake(): Promise<void>;
  /** Called once nobody writes any more; `folder` may be gone then. Can be repeated. */
  close(): Promise<void>;
}

/** Folders of one volume, each of its own. */
export interface VolumeFolders {
  readonly image: string;
  readonly mountPoint: string;
  readonly work: string;
}

/** The image mounted, or why not and written through debugfs instead. */
export async function openApplicationVolume(of: VolumeFolders, mayMount: boolean): Promise<ApplicationVolume> {
  if (!mayMount) return await imageVolume(of, 'a mount was not wanted');
  if (process.getuid?.() !== 0) return await imageVolume(of, 'only root may mount it');
  if (findTool('fsfreeze') === undefined) return await imageVolume(of, 'fsfreeze is not installed');
  try {
    return await mountedVolume(of);
  } catch (error) {
    return await imageVolume(of, `a mount is not allowed here: ${describeError(error)}`);
  }
}

async function mountedVolume({ image, mountPoint }: VolumeFolders): Promise<ApplicationVolume> {
  await mkdir(mountPoint, { recursive: true });
  await systemTool('mount', ['-o', 'loop,nodev,nosuid,noexec', image, mountPoint]);
  let mounted = true;
  let frozen = false;
  const wake = async (): Promise<void> => {
    if (!frozen) return;
    frozen = false;
    await systemTool('fsfreeze', ['--unfreeze', mountPoint]);
  };
  return {
    folder: join(mountPoint, APPLICATION_FOLDER),
    how: 'on a mount of the volume, frozen while the volume is read',
    async rest() {
      frozen = true;
      await systemTool('fsfreeze', ['--freeze', mountPoint]);
    },
    wake,
    async close() {
      await wake();
      if (mounted) await systemTool('umount', [mountPoint]);
      mounted = false;
    },
  };
}

/** Ends a mount that its owner left behind when it was killed; none is well. */
export async function endMount({ mountPoint }: VolumeFolders): Promise<void> {
  if (!existsSync(join(mountPoint, APPLICATION_FOLDER))) return;
  await systemTool('fsfreeze', ['--unfreeze', mountPoint]).catch(() => undefined);
  await systemTool('umount', [mountPoint]);
}

async function imageVolume({ image, work }: VolumeFolders, reason: string): Promise<ApplicationVolume> {
  await mkdir(work, { recursive: true });
  /** What of the work folder lies in the image: name → size and time of the version that does. */
  const inside = new Map<string, string>();
  return {
    folder: work,
    how: `in a folder whose files are put into the volume through debugfs, since ${reason}`,
    async rest() {
      const commands: string[] = [];
      let writes = 0;
      for (const name of await readdir(work)) {
        // The index of the write-ahead log: SQLite makes it anew.
        if (name.endsWith('-shm')) continue;
        const { size, mtimeNs } = await stat(join(work, name), { bigint: true });
        const version = `${size} ${mtimeNs}`;
        if (inside.get(name) === version) continue;
        if (inside.has(name)) commands.push(`rm /${APPLICATION_FOLDER}/${name}`);
        commands.push(`write "${join(work, name)}" /${APPLICATION_FOLDER}/${name}`);
        inside.set(name, version);
        writes += 1;
      }
      if (writes === 0) return;
      const list = `${work}.debugfs`;
      await writeFile(list, `${commands.join('\n')}\n`);
      const said = await systemTool('debugfs', ['-w', '-f', list, image]);
      // It ends well whatever becomes of a command, but says each file that it made.
      const made = said.split('\n').filter((line) => line.startsWith('Allocated inode')).length;
      if (made !== writes) {
        throw new LeewardError('PLATFORM_FAILED', `debugfs wrote ${made} of ${writes} files into the volume`);
      }
    },
    wake: async () => undefined,
    close: async () => undefined,
  };
}
