/** `leeward person add|remove|list|tell`: who is told what happens at a site, and who is asked before a failover. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { z } from 'zod';
import { addPerson as addPersonTo, peopleOf, removePerson } from '../../app/people.ts';
import { personSchema } from '../../documents/people.ts';
import type { Person } from '../../documents/people.ts';
import { siteKind } from '../../documents/site.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { parseSite, siteId } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import { firstIssue } from '../../kernel/schema.ts';
import { noteNotice } from '../../notify/notices.ts';
import { openCloud } from '../context.ts';
import { outputOf, placesOf } from '../globals.ts';
import { table } from '../output.ts';

const addSchema = z.object({ role: z.string(), webhook: z.string().optional(), shape: z.string() });

export function addPerson(program: Command): void {
  const person = program.command('person').description('who is told what happens at a site, and who is asked');
  person
    .command('add')
    .argument('<site>', 'TENANT/SITE')
    .argument('<name>', 'name of the person, for the record')
    .addOption(
      new Option('--role <role>', 'reader: is told; approver: is told, and asked before a failover')
        .choices(personSchema.shape.role.options)
        .default('reader'),
    )
    .option('--webhook <name>', 'name of the webhook that reaches this person alone (default: the name)')
    .addOption(
      new Option('--shape <shape>', 'what the webhook takes')
        .choices(personSchema.shape.shape.options)
        .default('plain'),
    )
    .description('add a person, or change one; the address of the webhook is in the setting LEEWARD_WEBHOOKS')
    .action(add);
  person
    .command('remove')
    .argument('<site>', 'TENANT/SITE')
    .argument('<name>', 'name of the person')
    .description('remove a person; links that were sent to it open nothing from then on')
    .action(remove);
  person.command('list').argument('<site>', 'TENANT/SITE').description('list the people of a site').action(list);
  person
    .command('tell')
    .argument('<site>', 'TENANT/SITE')
    .argument('<text>', 'what to tell')
    .description('send everybody a notice, to see whether it arrives')
    .action(tell);
}

async function add(siteName: string, name: string, _options: unknown, command: Command): Promise<void> {
  const site = parseSite(siteName);
  const { role, webhook = name, shape } = addSchema.parse(command.opts());
  const parsed = personSchema.safeParse({ name, role, webhook, shape });
  if (!parsed.success) throw new LeewardError('USAGE', `person: ${firstIssue(parsed.error)}`);
  const { documents } = (await openCloud(placesOf(command))).storage;
  show(command, await addPersonTo(documents, site, parsed.data));
}

async function remove(siteName: string, name: string, _options: unknown, command: Command): Promise<void> {
  const site = parseSite(siteName);
  const { documents } = (await openCloud(placesOf(command))).storage;
  show(command, await removePerson(documents, site, name));
}

async function list(siteName: string, _options: unknown, command: Command): Promise<void> {
  const { documents } = (await openCloud(placesOf(command))).storage;
  show(command, await peopleOf(documents, parseSite(siteName)));
}

async function tell(siteName: string, text: string, _options: unknown, command: Command): Promise<void> {
  const { documents, clock } = (await openCloud(placesOf(command))).storage;
  const site = parseSite(siteName);
  await documents.need(siteKind, names.site(site));
  const id = `told-${clock.wallMs()}`;
  await noteNotice(documents, { id, severity: 'info', site: siteId(site), title: text, text: '' });
  outputOf(command).result({ id: `${siteId(site)}/${id}` }, () => `noted as ${siteId(site)}/${id}`);
}

function show(command: Command, people: readonly Person[]): void {
  outputOf(command).result(people, () =>
    table(
      people.map(({ name, role, webhook, shape }) => [name, role, webhook, shape]),
      ['name', 'role', 'webhook', 'shape'],
    ),
  );
}
