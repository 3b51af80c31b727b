/** The volume that the demo protects: one of its own with an application, or the user's, which is only ever read. */
import { join, resolve } from 'node:path';
import { LeewardError } from '../kernel/errors.ts';
import { MIB } from '../kernel/units.ts';
import { sourceBytes } from '../system/volume-source.ts';
import { makeFileSystem } from './file-system.ts';

export interface DemoVolume {
  readonly path: string;
  /** Whole pages of 512. */
  readonly sizeBytes: number;
  /** In words. */
  readonly content: string;
  /** What the demo knows of it, where it has made it. */
  readonly own:
    | {
        /** Folder with the same files. */
        readonly from: string;
        /** Some of them: paths in the volume. */
        readonly sample: readonly string[];
      }
    | undefined;
}

/** The user's volume. Errors: USAGE when it cannot be read or is empty. */
export async function userVolume(given: string): Promise<DemoVolume> {
  const path = resolve(given);
  const sizeBytes = await sourceBytes(path);
  if (sizeBytes === 0) throw new LeewardError('USAGE', `${path} is empty: a volume has at least one byte`);
  return { path, sizeBytes, content: 'as it was given, read only', own: undefined };
}

/** An ext4 file system made of real files. */
export async function ownVolume(of: { project: string; folder: string }): Promise<DemoVolume> {
  const [path, from] = [join(of.folder, 'volume.img'), join(of.folder, 'files')];
  const made = await makeFileSystem({ project: of.project, from, image: path });
  const content = `ext4 with ${made.fileCount} files, ${(made.fileBytes / MIB).toFixed(1)} MiB`;
  return { path, sizeBytes: await sourceBytes(path), content, own: { from, sample: made.sample } };
}
