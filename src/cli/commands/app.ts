/**
 * `leeward app list|offline|start`: single applications, by their guard's own socket, whether the agent runs or not. Taking
 * one offline sets a mark and stops it; only its next start clears that.
 */
import type { Command } from 'commander';
import { z } from 'zod';
import { deskOf } from '../../app/open-site-watch.ts';
import { LeewardError, describeError, isLeewardError } from '../../kernel/errors.ts';
import { siteId } from '../../kernel/ids.ts';
import type { GuardDesk, GuardOrder, GuardStatus } from '../../ports/guard-desk.ts';
import type { ApplicationConfig } from '../../site/agent/config.ts';
import { SystemClock } from '../../system/clock.ts';
import { until, untilSchema, wallMsOf } from '../arguments.ts';
import { SITE_OPTION, chooseSite } from '../context.ts';
import { outputOf, placesOf } from '../globals.ts';
import { table } from '../output.ts';
import { readSiteConfig } from '../site-config.ts';
import { stopOnSignals } from '../stop-on-signals.ts';

const optionsSchema = z.object({
  site: z.string().optional(),
  until: untilSchema.optional(),
});

export function addApp(program: Command): void {
  const app = program.command('app').description('single applications of the site kept here');
  const of = (name: string): Command => app.command(name).option(...SITE_OPTION);
  const name = ['<name>', 'APPLICATION, or GROUP/APPLICATION where several have one name'] as const;
  of('list').description('what there is, where, and what its guard says of it').action(list);
  of('offline')
    .argument(...name)
    .option(
      '--until <time>',
      'when people want it back, which is told and clears nothing: a time, or 90m, 12h, 7d',
      until,
    )
    .description('take it offline on purpose, and stop it with what depends on it; only its next start clears that')
    .action(async (which: string, _options: unknown, command: Command) => {
      const end = optionsSchema.parse(command.opts()).until;
      const nowWallMs = new SystemClock().wallMs();
      const untilWallMs = end && wallMsOf(end, nowWallMs);
      if (untilWallMs !== undefined && untilWallMs <= nowWallMs) {
        throw new LeewardError('USAGE', '--until: that has passed already');
      }
      await order(which, command, (application) => ({ do: 'offline', name: application, untilWallMs }));
    });
  of('start')
    .argument(...name)
    .description('clear its mark, and start it with what depends on it')
    .action(async (which: string, _options: unknown, command: Command) => {
      await order(which, command, (application) => ({ do: 'start', name: application }));
    });
}

/** An application of leeward.yaml. */
interface Here {
  readonly group: string;
  readonly name: string;
  readonly config: ApplicationConfig;
  readonly desk: GuardDesk | undefined;
}

async function applicationsOf(command: Command): Promise<{ readonly site: string; readonly all: readonly Here[] }> {
  const places = placesOf(command);
  const ref = await chooseSite(places, optionsSchema.parse(command.opts()).site);
  const folder = places.site(ref);
  const config = await readSiteConfig(folder, undefined, undefined);
  const all = Object.entries(config.groups).flatMap(([group, { applications }]) =>
    Object.entries(applications).map(([name, said]) => ({
      group,
      name,
      config: said,
      desk: deskOf({ folder, config }, group, said.node),
    })),
  );
  return { site: siteId(ref), all };
}

async function order(which: string, command: Command, orderOf: (name: string) => GuardOrder): Promise<void> {
  const { site, all } = await applicationsOf(command);
  const [found, ...others] = all.filter(({ group, name }) => which === name || which === `${group}/${name}`);
  if (!found) {
    const there = all.map(({ group, name }) => `${group}/${name}`).join(', ');
    throw new LeewardError('NOT_FOUND', `${site} has no application ${which}: it has ${there === '' ? 'none' : there}`);
  }
  if (others.length > 0)
    throw new LeewardError('USAGE', `several groups have an application ${which}: name GROUP/${which}`);
  const { group, name, config, desk } = found;
  if (!desk) throw new LeewardError('NOT_FOUND', `no guard of ${group} on ${config.node} is known here`);
  const asked = orderOf(name);
  await desk.order(asked, stopOnSignals().signal);
  const told = { application: `${group}/${name}`, ...asked };
  outputOf(command).result(told, () =>
    asked.do === 'start' ? `${told.application} was started` : `${told.application} is offline on purpose, and stopped`,
  );
}

async function list(_options: unknown, command: Command): Promise<void> {
  const output = outputOf(command);
  const { all } = await applicationsOf(command);
  const { signal } = stopOnSignals();
  const asked = new Map<string, Promise<GuardStatus | undefined>>();
  const statusOf = async ({ group, config, desk }: Here): Promise<GuardStatus | undefined> => {
    const guard = `${group} on ${config.node}`;
    const status =
      asked.get(guard) ??
      ask(desk, guard, signal, (line) => {
        output.say(line);
      });
    asked.set(guard, status);
    return status;
  };
  const rows = await Promise.all(
    all.map(async (here) => {
      const { group, name, config } = here;
      const said = (await statusOf(here))?.applications.find((one) => one.name === name);
      const untilWallMs = said?.offlineUntilWallMs;
      return {
        application: `${group}/${name}`,
        node: config.node,
        machine: config.machine ?? config.node,
        priority: config.priority,
        state: said?.state ?? 'unknown',
        starts: said?.starts ?? null,
        offlineUntil: untilWallMs === undefined ? null : new Date(untilWallMs).toISOString(),
      };
    }),
  );
  output.result(rows, () =>
    table(
      rows.map(({ application, node, machine, priority, state, starts, offlineUntil }) => [
        application,
        node,
        machine,
        priority,
        offlineUntil === null ? state : `${state} until ${offlineUntil}`,
        starts ?? '',
      ]),
      ['application', 'node', 'machine', 'priority', 'state', 'starts'],
    ),
  );
}

/** What a guard says; undefined, and told, where it cannot be asked. */
async function ask(
  desk: GuardDesk | undefined,
  guard: string,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<GuardStatus | undefined> {
  if (!desk) {
    say(`no guard of ${guard} is known here`);
    return undefined;
  }
  try {
    return await desk.status(signal);
  } catch (error) {
    if (!isLeewardError(error)) throw error;
    say(`the guard of ${guard} cannot be asked: ${describeError(error)}`);
    return undefined;
  }
}
