/**
 * close: from here on no lease is renewed. One write over the version that was read, which bounds every lease that was ever
 * granted in the term: by its time of writing, or by the earlier time that the binding of the run left, if no renewal was
 * counted since.
 *
 * Invariant: a run that the monitor started does not close a site whose signs of life speak against its decision: a heartbeat
 * or a renewal since then refuses it, and the run is undone. A renewal competes with the close for the same document.
 */
import type { Documents } from '../../documents/store.ts';
import { groupKind } from '../../documents/group.ts';
import type { RunDocument } from '../../documents/run.ts';
import { siteDecisionKind } from '../../documents/site-failure.ts';
import type { SiteHistory } from '../../documents/site-failure.ts';
import { heartbeatKind } from '../../documents/site.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { groupId } from '../../kernel/ids.ts';
import type { GroupRef } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import { isEndedByRenewal, whyNotAnyMore } from '../../health/decide/heard-again.ts';
import { closed } from '../../health/term/term.ts';
import type { Step } from '../ports.ts';

export const close: Step = async ({ ports, group, run }) => {
  const { documents } = ports;
  const name = names.group(group);
  const before = await documents.need(groupKind, name);
  if (before.value.closing?.run !== run.run) {
    const history = await historyOf(documents, group, run);
    if (history) await checkStillSo(documents, group, history);
    await documents.update(groupKind, name, (found, { lastModifiedMs }) => {
      const after = closed(found, { run: run.run, actor: run.actor, lastModifiedMs });
      if (after && history && isEndedByRenewal(history) && found.renewals > history.renewals) {
        throw new LeewardError('REFUSED', `${groupId(group)}: the site renewed its lease since the decision`);
      }
      return after;
    });
  }
  return { kind: 'done', detail: 'closed: no lease is granted any more' };
};

/** What the monitor decided from, for a run that it started. */
async function historyOf(
  documents: Documents,
  group: GroupRef,
  { actor }: RunDocument,
): Promise<SiteHistory | undefined> {
  if (actor.kind !== 'function') return undefined;
  return (await documents.need(siteDecisionKind, names.decision(group, actor.decision))).value.history;
}

async function checkStillSo(documents: Documents, group: GroupRef, history: SiteHistory): Promise<void> {
  const heartbeat = await documents.read(heartbeatKind, names.heartbeat(group));
  const why = whyNotAnyMore(history, groupId(group), heartbeat);
  if (why !== undefined) throw new LeewardError('REFUSED', `${groupId(group)}: ${why}`);
}
