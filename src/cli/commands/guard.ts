/** `leeward guard add|remove|run`: the small process that alone starts and stops a group's applications on a node. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { addGuard as addGuardTo, removeGuard } from '../../app/guards.ts';
import { openGuard } from '../../app/guard.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { groupId, nodeSchema, parseGroup } from '../../kernel/ids.ts';
import type { GroupRef } from '../../kernel/ids.ts';
import { newGuardAccess, parseGuardAccess, serializeGuardAccess } from '../../site/guard/access.ts';
import { makeFolder } from '../../system/durable-file.ts';
import { readPrivateFile, writePrivateFile } from '../../system/private-file.ts';
import { seconds, word } from '../arguments.ts';
import { openCloud } from '../context.ts';
import { outputOf, placesOf } from '../globals.ts';
import type { Places } from '../globals.ts';
import { stopOnSignals } from '../stop-on-signals.ts';

const runSchema = z.object({ node: z.string(), application: z.string().min(1), stop: z.number(), kill: z.number() });

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
  of('remove').description('the group has no guard on this node any more').action(remove);
  of('run')
    .requiredOption('--application <command>', 'what to run under the lease, by /bin/sh')
    .option('--stop <seconds>', 'how long it may take to stop in order', seconds, 10)
    .option('--kill <seconds>', 'how long killing it may take', seconds, 2)
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
      `next: leeward guard run ${groupId(group)} --node ${node} --application COMMAND`,
    ].join('\n'),
  );
}

async function remove(name: string, _options: unknown, command: Command): Promise<void> {
  const [group, node] = [parseGroup(name), nodeOf(command)];
  const { storage } = await openCloud(placesOf(command));
  await removeGuard(storage.documents, group, node);
  outputOf(command).result({ group: groupId(group), node }, () => `${groupId(group)}: no guard on ${node} any more`);
}

async function run(name: string, _options: unknown, command: Command): Promise<void> {
  const [group, node, output] = [parseGroup(name), nodeOf(command), outputOf(command)];
  const { application, stop, kill } = runSchema.parse(command.opts());
  const places = placesOf(command);
  const folder = folderOf(places, group, node);
  const guard = await openGuard({
    access: parseGuardAccess(await readPrivateFile(join(folder, 'access.json'))),
    folder,
    agentSocket: places.agentSocket(group),
    group: group.group,
    command: ['/bin/sh', '-c', application],
    times: { stopMs: stop * 1000, killMs: kill * 1000, answerMs: ANSWER_MS },
    tell: (line) => {
      output.say(line);
    },
  });
  await guard.run(stopOnSignals().signal);
}
