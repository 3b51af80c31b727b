/** The decisions that a site made about its machines, from its own folder: no cloud is asked. */
import type { Command } from 'commander';
import { siteDecisions } from '../../app/open-site-watch.ts';
import type { SiteRef } from '../../kernel/ids.ts';
import { siteId } from '../../kernel/ids.ts';
import { listDecisions, readDecision } from '../../site/agent/decisions.ts';
import { explainMachine } from '../../site/decide/explain.ts';
import { showDecisions } from '../decision-list.ts';
import type { ListedDecision } from '../decision-list.ts';
import { outputOf, placesOf } from '../globals.ts';
import { table } from '../output.ts';

/** Those that are kept, each machine's oldest first. */
export async function listOfSite(site: SiteRef, command: Command): Promise<void> {
  const texts = siteDecisions(placesOf(command).site(site));
  const made: ListedDecision[] = [];
  for (const id of await listDecisions(texts)) {
    const { verdict, reason, next, history } = await readDecision(texts, id);
    made.push({ id, atMs: history.nowWallMs, verdict, ...(next && { step: next }), reason });
  }
  showDecisions(command, siteId(site), made);
}

/** One of them, replayed. Errors: NOT_FOUND. */
export async function explainOfSite(id: string, site: SiteRef, command: Command): Promise<void> {
  const decision = await readDecision(siteDecisions(placesOf(command).site(site)), id);
  const explained = explainMachine(decision);
  outputOf(command).result({ ...decision, explained }, () =>
    [
      ...explained.words,
      '',
      table(
        explained.timeline.map(({ atMs, beforeMs, what }) => [
          new Date(atMs).toISOString(),
          `${(-beforeMs / 1000).toFixed(1)} s`,
          what,
        ]),
      ),
    ].join('\n'),
  );
}
