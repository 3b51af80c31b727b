/** A site with people, a group of it whose site is down, and the decision that asks: what every test of asking begins with. */
import { groupKind } from '../../src/documents/group.ts';
import { peopleKind } from '../../src/documents/people.ts';
import type { PeopleDocument, Person } from '../../src/documents/people.ts';
import { siteDecisionKind } from '../../src/documents/site-failure.ts';
import type { SiteDecisionDocument, SiteHistory } from '../../src/documents/site-failure.ts';
import type { Documents } from '../../src/documents/store.ts';
import { decideSiteFailure } from '../../src/health/decide/site-failure.ts';
import { groupId, parseGroup, siteId } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';
import { openGroup } from './group.ts';

export const GROUP = parseGroup('acme/berlin/erp');
export const DECISION = 't1-ask-1';

export const PEOPLE: readonly Person[] = [
  { name: 'anna', role: 'approver', webhook: 'anna', shape: 'teams' },
  { name: 'ben', role: 'approver', webhook: 'ben', shape: 'slack' },
  { name: 'board', role: 'reader', webhook: 'board', shape: 'plain' },
];

/** A site that has been silent for a minute. */
export function askingHistory(nowMs: number): SiteHistory {
  const down = {
    verdict: 'down' as const,
    sinceMs: nowMs - 61_000,
    lastSeenMs: nowMs - 1000,
    lastUpMs: nowMs - 71_000,
  };
  return {
    nowMs,
    term: 1,
    phase: 'open',
    holder: 'site',
    run: null,
    renewals: 12,
    lastRenewalMs: nowMs - 64_000,
    keep: false,
    guards: ['a'],
    lastHeartbeatMs: nowMs - 65_000,
    nodes: ['a'],
    siteWord: null,
    wish: null,
    offlineUntilMs: null,
    mode: 'ask',
    consents: [],
    windowMs: 60_000,
    noAnswer: 'no',
    question: null,
    awakeSinceMs: nowMs - 3_600_000,
    canarySinceMs: nowMs - 3_600_000,
    watchedMs: nowMs,
    alertAfterMs: 600_000,
    witnesses: [
      { name: 'heartbeats', kind: 'heartbeat', domain: 'westeurope', everyMs: 10_000, spoken: null },
      { name: 'oslo', kind: 'observer', domain: 'oslo', everyMs: 10_000, spoken: down },
      { name: 'lima', kind: 'observer', domain: 'lima', everyMs: 10_000, spoken: null },
    ],
  };
}

/**
 * Stores people, group and decision. What is stored of the decision is what the production's own function makes of it;
 * the reason that is returned has something in it that no page may take for markup.
 */
export async function storeAsking(
  documents: Documents,
  { nowMs, decision = DECISION }: { nowMs: number; decision?: string },
): Promise<{ why: string }> {
  const people: PeopleDocument = { version: CURRENT_VERSION, site: siteId(GROUP), people: [...PEOPLE] };
  await documents.createOrRead(peopleKind, names.people(GROUP), people);
  await documents.createOrRead(groupKind, names.group(GROUP), openGroup(GROUP));
  const history = askingHistory(nowMs);
  const { verdict, reason } = decideSiteFailure(history);
  const document: SiteDecisionDocument = {
    version: CURRENT_VERSION,
    decision,
    group: groupId(GROUP),
    actor: { kind: 'function', name: 'monitor', decision },
    verdict,
    reason,
    history,
  };
  await documents.create(siteDecisionKind, names.decision(GROUP, decision), document);
  return { why: `${reason}; a <script>site's</script> "word"` };
}
