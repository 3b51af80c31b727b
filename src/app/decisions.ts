/** A group's stored decisions, for people: which there are, and what one was made of. */
import { groupKind } from '../documents/group.ts';
import { siteDecisionKind } from '../documents/site-failure.ts';
import type { SiteDecisionDocument } from '../documents/site-failure.ts';
import { DOCUMENTS_AT_ONCE } from '../documents/store.ts';
import type { Documents } from '../documents/store.ts';
import { LeewardError, describeError } from '../kernel/errors.ts';
import { fewAtOnce } from '../kernel/few-at-once.ts';
import { groupId, parseGroup } from '../kernel/ids.ts';
import type { GroupRef } from '../kernel/ids.ts';
import { documents as names } from '../kernel/names.ts';

const DECISION_FORM = /^(.+)\/([a-z0-9][a-z0-9-]{0,118})$/;

/** A decision by its id, TENANT/SITE/GROUP/DECISION, as notices and runs name it. Errors: USAGE, NOT_FOUND. */
export async function decisionOf(documents: Documents, id: string): Promise<SiteDecisionDocument> {
  const [, group = '', decision = ''] = DECISION_FORM.exec(id) ?? [];
  if (decision === '') throw new LeewardError('USAGE', 'name a decision: TENANT/SITE/GROUP/DECISION');
  return (await documents.need(siteDecisionKind, names.decision(parseGroup(group), decision))).value;
}

/** All of a group's, oldest first, and a line for each that cannot be read. Errors: NOT_FOUND for a group that is not there. */
export async function decisionsOf(
  documents: Documents,
  group: GroupRef,
): Promise<{ readonly decisions: readonly SiteDecisionDocument[]; readonly unreadable: readonly string[] }> {
  await documents.need(groupKind, names.group(group));
  const unreadable: string[] = [];
  const found = await fewAtOnce(DOCUMENTS_AT_ONCE, documents.list(names.decisionsOf(group)), async ({ name }) => {
    try {
      return [(await documents.need(siteDecisionKind, name)).value];
    } catch (error) {
      unreadable.push(`a decision on ${groupId(group)}: ${describeError(error)}`);
      return [];
    }
  });
  return { decisions: found.flat().toSorted((a, b) => a.history.nowMs - b.history.nowMs), unreadable };
}
