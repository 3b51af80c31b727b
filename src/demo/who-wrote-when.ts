/**
 * Who wrote when: the last row that the application wrote at the site, by its own database, and the first file that the
 * machine in the cloud wrote to its disk, by its own clock. Both run on this machine's clock.
 */
import { join } from 'node:path';
import { folderOf } from './application-volume.ts';
import { DATABASE, newestRowWallMs } from './database.ts';
import { APPLICATION_FOLDER } from './file-system.ts';
import type { RecoveredDisk } from './recovered-disk.ts';
import type { Site } from './site.ts';

/** Written by the stack image as it starts (src/local/machines/guest/init): seconds since 1970. */
const FIRST_WRITE = `${APPLICATION_FOLDER}/first-write-in-the-cloud`;

export interface Writes {
  readonly lastAtSiteWallMs: number;
  /** In whole seconds, cut off: not later than the write. Null where no machine boots. */
  readonly firstInCloudWallMs: number | null;
  /** From the one to the other; null where no machine boots. */
  readonly betweenSeconds: number | null;
}

/** Undefined where nothing is written to the volume. */
export async function whoWroteWhen(site: Site, disk: RecoveredDisk): Promise<Writes | undefined> {
  if (!site.opened) return undefined;
  const lastAtSiteWallMs = newestRowWallMs(join(folderOf(site.opened), DATABASE));
  if (disk.kind === 'simulated') return { lastAtSiteWallMs, firstInCloudWallMs: null, betweenSeconds: null };
  const firstInCloudWallMs = Number(Buffer.from(await disk.file(FIRST_WRITE)).toString('utf8')) * 1000;
  return { lastAtSiteWallMs, firstInCloudWallMs, betweenSeconds: (firstInCloudWallMs - lastAtSiteWallMs) / 1000 };
}
