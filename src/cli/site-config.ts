/** The configuration of a site that is kept here, leeward.yaml in its folder. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LeewardError } from '../kernel/errors.ts';
import { nameInSite } from '../kernel/ids.ts';
import { parseConfig } from '../site/agent/config-file.ts';
import type { SiteConfig } from '../site/agent/config.ts';
import type { SiteAccess } from '../site/send/access.ts';
import { isMissing } from '../system/durable-file.ts';

const CONFIG_FILE = 'leeward.yaml';

/** Where the configuration of the site in `folder` is, unless the command names another file. */
export function siteConfigFile(folder: string, named: string | undefined): string {
  return named ?? join(folder, CONFIG_FILE);
}

/**
 * The file that is named must be there; the one in the site's folder may be. Without the site's access, as on a node that has
 * only a guard, its volumes are not looked up. Errors: USAGE with everything that is wrong, or where there is no such file.
 */
export async function readSiteConfig(
  folder: string,
  access: SiteAccess | undefined,
  named: string | undefined,
): Promise<SiteConfig> {
  const file = siteConfigFile(folder, named);
  const volumes = access?.volumes.map(({ volume }) => nameInSite(volume));
  try {
    return parseConfig(file, await readFile(file, 'utf8'), volumes);
  } catch (error) {
    if (!isMissing(error)) throw error;
    if (named !== undefined) throw new LeewardError('USAGE', `there is no file ${file}`);
    return parseConfig(file, '', volumes);
  }
}
