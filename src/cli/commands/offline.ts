/**
 * `leeward machine|group|site offline|online`: takes one out on purpose until an end, so that nothing is decided about it. It is
 * written into the site's folder, whether the agent runs or not, and the cloud hears of it before the command says so; nothing
 * is stopped by it.
 */
import type { Command } from 'commander';
import { z } from 'zod';
import { marksOf } from '../../app/offline.ts';
import { tellOffline } from '../../app/tell-offline.ts';
import type { TellingSite } from '../../app/tell-offline.ts';
import { LeewardError, describeError, isLeewardError } from '../../kernel/errors.ts';
import type { ErrorCode } from '../../kernel/errors.ts';
import { parseGroup, parseSite, siteId } from '../../kernel/ids.ts';
import type { SiteRef } from '../../kernel/ids.ts';
import type { OfflineWord } from '../../protocol/heartbeat.ts';
import { machineOf } from '../../site/agent/config.ts';
import type { SiteConfig } from '../../site/agent/config.ts';
import { clearMark, setMark } from '../../site/agent/marks.ts';
import type { Marked } from '../../site/agent/marks.ts';
import { SystemClock } from '../../system/clock.ts';
import { until, untilSchema, wallMsOf } from '../arguments.ts';
import { SITE_OPTION, chooseSite, readAccess } from '../context.ts';
import { outputOf, placesOf } from '../globals.ts';
import { readSiteConfig } from '../site-config.ts';

const siteSchema = z.object({ site: z.string().optional() });
const offlineSchema = z.object({ until: untilSchema });

const ARGUMENTS = {
  machine: ['<machine>', 'its name in leeward.yaml, or the name of a node'],
  group: ['<group>', 'TENANT/SITE/GROUP'],
  site: ['<site>', 'TENANT/SITE'],
} as const;

export function addOffline(program: Command): void {
  for (const what of ['machine', 'group'] as const) {
    addMarks(program.command(what).description(`a ${what} offline on purpose, with an end`), what);
  }
}

/** Puts `offline` and `online` below the command. */
export function addMarks(below: Command, what: Marked['what']): void {
  const [form, means] = ARGUMENTS[what];
  const of = (name: string): Command => {
    const command = below.command(name).argument(form, means);
    return what === 'machine' ? command.option(...SITE_OPTION) : command;
  };
  of('offline')
    .requiredOption('--until <time>', 'when it counts again: a time, or 90m, 12h, 7d from now; at most 30 days', until)
    .description(`until then nothing is decided about the ${what}; nothing is stopped`)
    .action(async (name: string, _options: unknown, command: Command) => {
      const { marks, mark, site } = await marked(what, name, command);
      const nowWallMs = site.clock.wallMs();
      const untilWallMs = wallMsOf(offlineSchema.parse(command.opts()).until, nowWallMs);
      await setMark(marks, { ...mark, untilWallMs }, nowWallMs);
      const told = { ...mark, until: new Date(untilWallMs).toISOString() };
      await tell(site, mark, {
        isOffline: true,
        otherwise: `it is marked here as offline until ${told.until}, but the cloud does not know that: a failover may follow`,
      });
      outputOf(command).result(told, () => `${what} ${mark.name} is offline on purpose until ${told.until}`);
    });
  of('online')
    .description(`the ${what} counts again`)
    .action(async (name: string, _options: unknown, command: Command) => {
      const { marks, mark, site } = await marked(what, name, command);
      await clearMark(marks, mark);
      await tell(site, mark, {
        isOffline: false,
        otherwise:
          'its mark is taken away here, but the cloud does not know that: it is not failed over until the mark would have ended',
      });
      outputOf(command).result(mark, () => `${what} ${mark.name} counts again`);
    });
}

/** Errors: USAGE, NOT_FOUND for a site that is not kept here, or nothing of that name at it. */
async function marked(what: Marked['what'], name: string, command: Command) {
  const places = placesOf(command);
  const ref = await siteOf(what, name, command);
  const folder = places.site(ref);
  const access = await readAccess(places, ref);
  const config = await readSiteConfig(folder, access, undefined);
  const short = what === 'group' ? parseGroup(name).group : what === 'site' ? siteId(ref) : name;
  const known = what === 'site' ? [short] : what === 'group' ? Object.keys(config.groups) : machinesOf(config);
  if (!known.includes(short)) {
    const there = known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`;
    throw new LeewardError('NOT_FOUND', `leeward.yaml of ${siteId(ref)} says nothing of ${what} ${short}: ${there}`);
  }
  const site = { folder, access, agentSocket: places.agentSocket(ref), clock: new SystemClock() };
  return { marks: marksOf(folder), mark: { what, name: short }, site };
}

/** Has the cloud hear of the mark, or of its end. Errors: as of {@link tellOffline}, and what follows from it. */
async function tell(
  site: TellingSite,
  { what, name }: Marked,
  wanted: { readonly isOffline: boolean; readonly otherwise: string },
): Promise<void> {
  const failed = (code: ErrorCode, why: string): LeewardError =>
    new LeewardError(code, `${what} ${name}: ${wanted.otherwise} (${why}); give the command again`);
  let told: readonly OfflineWord[];
  try {
    told = await tellOffline(site);
  } catch (error) {
    if (!isLeewardError(error)) throw error;
    throw failed(error.code, describeError(error));
  }
  const isOffline = told.some((one) => one.what === what && (what === 'site' || one.name === name));
  if (isOffline !== wanted.isOffline) throw failed('CONFLICT', 'the mark was changed meanwhile, or cannot be read');
}

async function siteOf(what: Marked['what'], name: string, command: Command): Promise<SiteRef> {
  if (what === 'group') return parseGroup(name);
  if (what === 'site') return parseSite(name);
  return chooseSite(placesOf(command), siteSchema.parse(command.opts()).site);
}

function machinesOf({ groups, machines }: SiteConfig): string[] {
  const applications = Object.values(groups).flatMap((group) => Object.values(group.applications));
  return [...new Set([...Object.keys(machines), ...applications.map(machineOf)])];
}
