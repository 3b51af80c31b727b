/** `leeward site admit|rules`: which disks of a site become volumes without being registered; and `site offline|online`. */
import type { Command } from 'commander';
import { z } from 'zod';
import { admissionRuleSchema } from '../../documents/admission.ts';
import type { AdmissionRule } from '../../documents/admission.ts';
import { groupKind } from '../../documents/group.ts';
import { siteKind } from '../../documents/site.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { parseGroup, parseSite, siteId } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import { firstIssue } from '../../kernel/schema.ts';
import { openCloud } from '../context.ts';
import { outputOf, placesOf } from '../globals.ts';
import { table } from '../output.ts';
import { addMarks } from './offline.ts';

/** More would be a registry, and slow down every message that names a source. */
const RULES_MAX = 100;

const admitSchema = z.object({ remove: z.boolean().default(false) });

export function addSite(program: Command): void {
  const site = program
    .command('site')
    .description('rules by which disks of a site become volumes; the site offline on purpose');
  site
    .command('admit')
    .argument('<group>', 'TENANT/SITE/GROUP that the volumes belong to; it must be registered')
    .argument('<match>', "sources to admit, such as 'web-*/*'; a star stands for any characters")
    .option('--remove', 'take the rule away; volumes that it admitted stay', false)
    .description('add a rule behind those there are: the first that matches decides')
    .action(admit);
  addMarks(site, 'site');
  site.command('rules').argument('<site>', 'TENANT/SITE').description('list the rules in their order').action(rules);
}

async function admit(groupName: string, match: string, _options: unknown, command: Command): Promise<void> {
  const group = parseGroup(groupName);
  const { remove } = admitSchema.parse(command.opts());
  const parsed = admissionRuleSchema.safeParse({ match, group: group.group });
  if (!parsed.success) throw new LeewardError('USAGE', `rule: ${firstIssue(parsed.error)}`);
  const { documents } = (await openCloud(placesOf(command))).storage;
  await documents.need(groupKind, names.group(group));
  const { value } = await documents.update(siteKind, names.site(group), (site) => {
    const others = (site.admission ?? []).filter((rule) => rule.match !== match || rule.group !== group.group);
    const admission = remove ? others : [...others, parsed.data];
    if (admission.length > RULES_MAX) {
      throw new LeewardError('REFUSED', `site ${siteId(group)} has ${RULES_MAX} rules, and no more fit: join some`);
    }
    return { ...site, admission };
  });
  show(command, value.admission ?? []);
}

async function rules(name: string, _options: unknown, command: Command): Promise<void> {
  const { documents } = (await openCloud(placesOf(command))).storage;
  const { value } = await documents.need(siteKind, names.site(parseSite(name)));
  show(command, value.admission ?? []);
}

function show(command: Command, admission: readonly AdmissionRule[]): void {
  outputOf(command).result(admission, () =>
    table(
      admission.map(({ match, group }) => [match, group]),
      ['source', 'group'],
    ),
  );
}
