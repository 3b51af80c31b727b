/** Where a command gets the cloud's side from: the environment of an operator, or the local stack that is up. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { hasSettings, readSettings } from '../app/settings.ts';
import type { Settings } from '../app/settings.ts';
import type { Storage } from '../app/storage.ts';
import { LeewardError } from '../kernel/errors.ts';
import { parseSite } from '../kernel/ids.ts';
import type { SiteRef } from '../kernel/ids.ts';
import { parseSiteAccess } from '../site/send/access.ts';
import type { SiteAccess } from '../site/send/access.ts';
import { isMissing } from '../system/durable-file.ts';
import { readPrivateFile } from '../system/private-file.ts';
import { statusOfStack } from '../local/stack/stack.ts';
import type { StackFacts } from '../local/stack/stack.ts';
import type { Places } from './globals.ts';

export interface Cloud {
  readonly settings: Settings;
  readonly storage: Storage;
  /** The local stack, where that is what is used. */
  readonly local: StackFacts | undefined;
}

/**
 * The cloud's side: the settings of the environment if they are there, else those of the local stack. Errors: USAGE,
 * NOT_FOUND when neither is there.
 */
export async function openCloud(places: Places): Promise<Cloud> {
  if (hasSettings()) {
    const settings = readSettings();
    return { settings, storage: await storageOf(settings), local: undefined };
  }
  const local = await localFacts(places);
  const settings = await settingsOf(local);
  return { settings, storage: await storageOf(settings), local };
}

/** The storage of a local stack. */
export async function storageOfStack(local: StackFacts): Promise<Storage> {
  return await storageOf(await settingsOf(local));
}

/** Loads Azure's SDK only now: half the time and memory of a program that never asks the storage itself, as agent and guard. */
async function storageOf(settings: Settings): Promise<Storage> {
  const { openStorage } = await import('../app/storage.ts');
  return openStorage(settings);
}

async function settingsOf(local: StackFacts): Promise<Settings> {
  const values = z
    .looseObject({ Values: z.record(z.string(), z.string()) })
    .parse(JSON.parse(await readFile(local.settingsFile, 'utf8')));
  return readSettings(values.Values);
}

/** The facts of the local stack. Errors: NOT_FOUND when it is not up. */
export async function localFacts(places: Places): Promise<StackFacts> {
  const status = await statusOfStack(places.stack);
  if (!status) {
    throw new LeewardError(
      'NOT_FOUND',
      'no local stack is up and no settings are in the environment: run `leeward local up`, or set what docs/settings.md lists',
    );
  }
  return status.facts;
}

/** Path of a site's access file. */
export function accessFile(places: Places, site: SiteRef): string {
  return join(places.site(site), 'access.json');
}

/** A site's access. Errors: NOT_FOUND, USAGE when others may read the file. */
export async function readAccess(places: Places, site: SiteRef): Promise<SiteAccess> {
  return parseSiteAccess(await readPrivateFile(accessFile(places, site)));
}

/** Names the site that a command works on, where several are kept here. */
export const SITE_OPTION = ['--site <site>', 'TENANT/SITE (default: the only one kept here)'] as const;
const siteSchema = z.object({ site: z.string().optional() });

/** The site that a command means: the named one, or the only one kept here. Errors: USAGE. */
export async function chooseSite(places: Places, named: string | undefined): Promise<SiteRef> {
  if (named !== undefined) return parseSite(named);
  const sites: SiteRef[] = [];
  for (const tenant of await namesIn(places.sites)) {
    for (const site of await namesIn(join(places.sites, tenant))) sites.push({ tenant, site });
  }
  const [only, ...others] = sites;
  if (only && others.length === 0) return only;
  throw new LeewardError(
    'USAGE',
    only
      ? 'several sites are kept here: name one with --site TENANT/SITE'
      : 'no site is kept here: `leeward volume add` makes one',
  );
}

/** As {@link chooseSite}, for a command that is given its site as an argument or with --site. Errors: USAGE when they differ. */
export async function siteGiven(places: Places, argument: string | undefined, command: Command): Promise<SiteRef> {
  const { site: option } = siteSchema.parse(command.opts());
  if (argument !== undefined && option !== undefined && argument !== option) {
    throw new LeewardError('USAGE', `both ${argument} and --site ${option} are given: name one site`);
  }
  return await chooseSite(places, argument ?? option);
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    const found = await readdir(folder, { withFileTypes: true });
    return found.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
