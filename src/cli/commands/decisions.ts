/** `leeward decisions` and `leeward explain`: what the monitor decided on a group, or a site on a machine, and why. */
import type { Command } from 'commander';
import { z } from 'zod';
import { decisionOf, decisionsOf } from '../../app/decisions.ts';
import type { SiteDecisionDocument } from '../../documents/site-failure.ts';
import { explain, timeline } from '../../health/decide/explain.ts';
import { decideSiteFailure } from '../../health/decide/site-failure.ts';
import { groupId, parseGroup, parseSite } from '../../kernel/ids.ts';
import { isMachineDecision } from '../../site/agent/decisions.ts';
import { chooseSite, openCloud } from '../context.ts';
import { showDecisions } from '../decision-list.ts';
import { outputOf, placesOf } from '../globals.ts';
import { table } from '../output.ts';
import { explainOfSite, listOfSite } from './site-decisions.ts';

const siteSchema = z.object({ site: z.string().optional() });

export function addDecisions(program: Command): void {
  program
    .command('decisions')
    .argument('<group or site>', 'TENANT/SITE/GROUP, or TENANT/SITE of a site that is kept here')
    .description('what the monitor decided on a group, or a site itself on its machines, oldest first')
    .action(list);
  program
    .command('explain')
    .argument('<id>', "as `decisions` lists it: TENANT/SITE/GROUP/DECISION, or MACHINE.NUMBER for a site's own")
    .option('--site <site>', "TENANT/SITE of a site's own decision (default: the only one kept here)")
    .description('a decision, replayed from what it was made of, in words and as a timeline')
    .action(tell);
}

async function list(name: string, _options: unknown, command: Command): Promise<void> {
  const output = outputOf(command);
  if (name.split('/').length === 2) {
    await listOfSite(parseSite(name), command);
    return;
  }
  const group = parseGroup(name);
  const { storage } = await openCloud(placesOf(command));
  const { decisions, unreadable } = await decisionsOf(storage.documents, group);
  for (const line of unreadable) output.say(line);
  const told = decisions.map((made) => ({
    id: idOf(made),
    atMs: made.history.nowMs,
    verdict: made.verdict,
    reason: made.reason,
  }));
  showDecisions(command, groupId(group), told);
}

async function tell(id: string, _options: unknown, command: Command): Promise<void> {
  if (isMachineDecision(id)) {
    const { site } = siteSchema.parse(command.opts());
    await explainOfSite(id, await chooseSite(placesOf(command), site), command);
    return;
  }
  const { storage } = await openCloud(placesOf(command));
  const made = await decisionOf(storage.documents, id);
  const { verdict, reason, votes } = decideSiteFailure(made.history);
  const isSame = verdict === made.verdict && reason === made.reason;
  const data = { id: idOf(made), ...made, replayed: { verdict, reason, votes, isSame } };
  outputOf(command).result(data, () =>
    [...explain(made), '', table(timeline(made.history).map((line) => [line]))].join('\n'),
  );
}

function idOf({ group, decision }: SiteDecisionDocument): string {
  return `${group}/${decision}`;
}
