/** `leeward person add|remove|list|tell`: who is told what happens at a site, and who is asked before a failover. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { z } from 'zod';
import { peopleKind, personSchema } from '../../documents/people.ts';
import type { PeopleDocument, Person } from '../../documents/people.ts';
import { siteKind } from '../../documents/site.ts';
import type { Documents } from '../../documents/store.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { parseSite, siteId } from '../../kernel/ids.ts';
import type { SiteRef } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import { firstIssue } from '../../kernel/schema.ts';
import { CURRENT_VERSION } from '../../kernel/versions.ts';
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
  await documents.need(siteKind, names.site(site));
  await documents.createOrRead(peopleKind, names.people(site), {
    version: CURRENT_VERSION,
    site: siteId(site),
    people: [],
  } satisfies PeopleDocument);
  const changed = await change(documents, site, (people) => [
    ...people.filter((person) => person.name !== name),
    parsed.data,
  ]);
  show(command, changed);
}

async function remove(siteName: string, name: string, _options: unknown, command: Command): Promise<void> {
  const site = parseSite(siteName);
  const { documents } = (await openCloud(placesOf(command))).storage;
  const changed = await change(documents, site, (people) => {
    if (people.some((person) => person.name === name)) return people.filter((person) => person.name !== name);
    throw new LeewardError('NOT_FOUND', `site ${siteId(site)} has no person "${name}"`);
  });
  show(command, changed);
}

async function list(siteName: string, _options: unknown, command: Command): Promise<void> {
  const { documents } = (await openCloud(placesOf(command))).storage;
  const site = parseSite(siteName);
  await documents.need(siteKind, names.site(site));
  show(command, (await documents.read(peopleKind, names.people(site)))?.value.people ?? []);
}

async function tell(siteName: string, text: string, _options: unknown, command: Command): Promise<void> {
  const { documents, clock } = (await openCloud(placesOf(command))).storage;
  const site = parseSite(siteName);
  await documents.need(siteKind, names.site(site));
  const id = `told-${clock.wallMs()}`;
  await noteNotice(documents, { id, severity: 'info', site: siteId(site), title: text, text: '' });
  outputOf(command).result({ id: `${siteId(site)}/${id}` }, () => `noted as ${siteId(site)}/${id}`);
}

/** Two people with one webhook are refused before anything is written: the document's schema says it too late and less clearly. */
async function change(
  documents: Documents,
  site: SiteRef,
  by: (people: readonly Person[]) => readonly Person[],
): Promise<readonly Person[]> {
  const { value } = await documents.update(peopleKind, names.people(site), (document) => {
    const people = [...by(document.people)];
    const shared = people.find((person) =>
      people.some((other) => other.name !== person.name && other.webhook === person.webhook),
    );
    if (shared) {
      throw new LeewardError(
        'REFUSED',
        `webhook "${shared.webhook}" reaches somebody else already, who would have this person's links: give each their own`,
      );
    }
    return { ...document, people };
  });
  return value.people;
}

function show(command: Command, people: readonly Person[]): void {
  outputOf(command).result(people, () =>
    table(
      people.map(({ name, role, webhook, shape }) => [name, role, webhook, shape]),
      ['name', 'role', 'webhook', 'shape'],
    ),
  );
}
