/** `leeward guard add|remove|run`: the small process that alone starts and stops a group's applications on a node. */
import { join } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { z } from 'zod';
import { addGuard as addGuardTo, removeGuard } from '../../app/registered-guards.ts';
import { ARMS, forgetGuard, runGuard } from '../../app/guard-process.ts';
import type { GuardedLaunch } from '../../app/guard-process.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { groupId, nodeSchema, parseGroup } from '../../kernel/ids.ts';
import type { GroupRef } from '../../kernel/ids.ts';
import { USUAL_STOP } from '../../protocol/stop-times.ts';
import { newGuardAccess, parseGuardAccess, serializeGuardAccess } from '../../site/guard/access.ts';
import { SystemClock } from '../../system/clock.ts';
import { makeFolder } from '../../system/durable-file.ts';
import { readPrivateFile, writePrivateFile } from '../../system/private-file.ts';
import { stopSeconds, word } from '../arguments.ts';
import { openCloud } from '../context.ts';
import { outputOf, placesOf } from '../globals.ts';
import type { Places } from '../globals.ts';
import { logOption, logSchema, serviceLog } from '../service-log.ts';
import { readSiteConfig, siteConfigFile } from '../site-config.ts';
import { stopOnSignals } from '../stop-on-signals.ts';

const runOptionsSchema = z.object({
  application: z.string().min(1).optional(),
  config: z.string().optional(),
  stop: z.number().optional(),
  kill: z.number().optional(),
  arm: z.enum(ARMS).optional(),
  watchdog: z.string(),
  log: logSchema,
});

/** How long what runs goes on after a jump of the clocks without an answer: docs/safety.md. */
const ANSWER_MS = 3000;

export function addGuard(program: Command): void {
  const guard = program.command('guard').description('what alone starts and stops a group on a node, under its lease');
  const of = (name: string): Command =>
    guard
      .command(name)
      .argument('<group>', 'TENANT/SITE/GROUP')
      .requiredOption('--node <node>', 'name of the node: lower-case letters, digits and hyphens', word);
  of('add').description('make the guard known to the cloud, and keep its key here').action(add);
  of('remove')
    .description('the group has no guard on this node any more; without another group there its key is revoked')
    .action(remove);
  of('run')
    .option('--application <command>', 'a single command to run, in place of what leeward.yaml says')
    .option('--config <file>', "what is said of the site (default: leeward.yaml in the site's folder)", word)
    .option('--stop <seconds>', 'how long all of it may take to stop in order', stopSeconds)
    .option('--kill <seconds>', 'how long killing what is left may take', stopSeconds)
    .addOption(
      new Option(
        '--arm <how>',
        'what stops it when the guard cannot (default: systemd where it can, else process)',
      ).choices(ARMS),
    )
    .option('--watchdog <device>', 'the watchdog, for --arm watchdog', '/dev/watchdog0')
    .addOption(logOption())
    .description('guard until SIGTERM; what runs then goes on, and the next guard takes it over')
    .action(run);
}

function nodeOf(command: Command): string {
  const parsed = nodeSchema.safeParse(command.opts()['node']);
  if (parsed.success) return parsed.data;
  throw new LeewardError('USAGE', '--node: up to 26 lower-case letters, digits and hyphens inside');
}

function folderOf(places: Places, group: GroupRef, node: string): string {
  return join(places.site(group), 'guards', node);
}

async function add(name: string, _options: unknown, command: Command): Promise<void> {
  const [group, node, places] = [parseGroup(name), nodeOf(command), placesOf(command)];
  const { storage, settings } = await openCloud(places);
  const key = await addGuardTo(storage, group, node);
  const folder = folderOf(places, group, node);
  await makeFolder(folder);
  const access = newGuardAccess({ key, node, functionsUrl: settings.LEEWARD_PUBLIC_URL });
  await writePrivateFile(join(folder, 'access.json'), serializeGuardAccess(access));
  outputOf(command).result({ group: groupId(group), node }, () =>
    [
      `${groupId(group)}: its applications on ${node} start under the lease of the guard there, and not otherwise`,
      `next: leeward guard run ${groupId(group)} --node ${node}`,
    ].join('\n'),
  );
}

async function remove(name: string, _options: unknown, command: Command): Promise<void> {
  const [group, node, places] = [parseGroup(name), nodeOf(command), placesOf(command)];
  const { storage } = await openCloud(places);
  const isRevoked = await removeGuard(storage.documents, group, node);
  const folder = folderOf(places, group, node);
  const output = outputOf(command);
  if (!(await forgetGuard(folder, group.group, isRevoked))) {
    output.say(`${folder} stays: a guard runs there, or what it started; end it, and repeat this`);
  }
  output.result({ group: groupId(group), node, isRevoked }, () =>
    [
      `${groupId(group)}: no guard on ${node} any more`,
      ...(isRevoked ? [`its key is revoked: a guard that comes later needs another name of the node`] : []),
    ].join('\n'),
  );
}

async function run(name: string, _options: unknown, command: Command): Promise<void> {
  const [group, node] = [parseGroup(name), nodeOf(command)];
  const options = runOptionsSchema.parse(command.opts());
  const places = placesOf(command);
  const folder = folderOf(places, group, node);
  const access = parseGuardAccess(await readPrivateFile(join(folder, 'access.json')));
  const { applications, stopMs, killMs } = await plannedLaunches(options, places.site(group), {
    group: group.group,
    node,
  });
  await runGuard(
    {
      access,
      folder,
      agentSocket: places.agentSocket(group),
      group: group.group,
      applications,
      times: {
        stopMs: options.stop === undefined ? stopMs : Math.ceil(options.stop * 1000),
        killMs: options.kill === undefined ? killMs : Math.ceil(options.kill * 1000),
        answerMs: ANSWER_MS,
      },
      arm: options.arm,
      watchdog: options.watchdog,
      tell: serviceLog(options.log, new SystemClock()),
    },
    stopOnSignals().signal,
  );
}

interface PlannedLaunches {
  readonly applications: readonly GuardedLaunch[];
  readonly stopMs: number;
  readonly killMs: number;
}

/** What is to run: one command, or what the site's configuration says of this group on this node. */
async function plannedLaunches(
  options: z.infer<typeof runOptionsSchema>,
  siteFolder: string,
  { group, node }: { group: string; node: string },
): Promise<PlannedLaunches> {
  const { application, config } = options;
  if (application !== undefined) {
    const launch = { kind: 'command', command: application } as const;
    return { applications: [{ name: 'main', dependsOn: [], launch }], ...USUAL_STOP };
  }
  const planned = (await readSiteConfig(siteFolder, undefined, config)).groups[group];
  const applications = Object.entries(planned?.applications ?? {})
    .filter(([, one]) => one.node === node)
    .map(([name, { dependsOn, run }]) => ({ name, dependsOn, launch: run }));
  if (planned === undefined || applications.length === 0) {
    const file = siteConfigFile(siteFolder, config);
    const why = `${file}: it says of no application of group ${group} on node ${node}`;
    throw new LeewardError('USAGE', `${why}: write it there, or give --application COMMAND`);
  }
  return { applications, stopMs: planned.stopMs, killMs: planned.killMs };
}
