/**
 * What follows from the monitor's decision on a group: it is stored, a run begins, a person is asked, people are told.
 *
 * Invariants: a decision is stored before anything follows from it, and a failover begins before anybody is told of it; each
 * part is named after the decision, so that whoever does it again meets its own work.
 */
import { siteDecisionKind } from '../../documents/site-failure.ts';
import type { SiteDecisionDocument, SiteHistory } from '../../documents/site-failure.ts';
import type { Plan } from '../../documents/plan.ts';
import { groupId, siteId } from '../../kernel/ids.ts';
import type { GroupRef } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import { CURRENT_VERSION } from '../../kernel/versions.ts';
import { noteNotice } from '../../notify/notices.ts';
import type { Notice } from '../../notify/notices.ts';
import { askPerson } from '../asking/question.ts';
import type { SiteVerdict } from '../decide/site-failure.ts';
import type { MonitorPorts } from './monitor-ports.ts';
import type { Pass } from './pass.ts';

export interface Decided {
  readonly group: GroupRef;
  readonly plan: Plan;
  /** The decision's name. */
  readonly decision: string;
  readonly verdict: SiteVerdict;
  readonly history: SiteHistory;
}

export interface StartedRun {
  readonly run: string;
  readonly state: string;
}

/** The run of a decision that was carried out in full: it is begun once more, which only finds it. Undefined without one. */
export async function runAgain(ports: MonitorPorts, pass: Pass, decided: Decided): Promise<StartedRun | undefined> {
  const { group, decision, verdict } = decided;
  if (verdict.verdict !== 'fail-over') return undefined;
  return await startRun(ports, pass, { group, decision, reason: verdict.reason });
}

/** Stores the decision and does what follows from it. Whether all of it was done. Errors: those of the store. */
export async function carryOut(
  ports: MonitorPorts,
  pass: Pass,
  decided: Decided,
): Promise<{ readonly run: StartedRun | undefined; readonly isDone: boolean }> {
  const { group, plan, decision, verdict, history } = decided;
  const made: SiteDecisionDocument = {
    version: CURRENT_VERSION,
    decision,
    group: groupId(group),
    actor: actorOf(decision),
    verdict: verdict.verdict,
    reason: verdict.reason,
    history,
  };
  const { held } = await ports.documents.createOrRead(siteDecisionKind, names.decision(group, decision), made);
  const stored = held.value;
  const told = async (how: Telling): Promise<boolean> =>
    verdict.subject === 'monitor' ||
    (await pass.attempt(groupId(group), () => tell(ports, group, stored, how))) === true;
  switch (verdict.verdict) {
    case 'fail-over': {
      const run = await startRun(ports, pass, { group, decision, reason: stored.reason });
      const isTold = await told({ severity: 'critical', title: 'Failing over:' });
      return { run, isDone: isTold && run !== undefined };
    }
    case 'ask': {
      // The question itself reaches everybody, whoever may answer it.
      const asked = await pass.attempt(groupId(group), () =>
        askPerson(ports, {
          group,
          term: history.term,
          decision,
          about: verdict.about,
          kind: verdict.kind,
          // From when it was first asked, however often this is repeated.
          untilMs: stored.history.nowMs + plan.answerMs,
          why: stored.reason,
        }),
      );
      return { run: undefined, isDone: asked !== undefined };
    }
    case 'alert':
      return { run: undefined, isDone: await told({ severity: 'warning', title: 'Something is wrong with' }) };
    case 'report':
      return { run: undefined, isDone: await told({ severity: 'critical', title: 'A person has to decide on' }) };
    case 'none':
      return { run: undefined, isDone: true };
  }
}

async function startRun(
  { failover }: MonitorPorts,
  { attempt }: Pass,
  { group, decision, reason }: Pick<Decided, 'group' | 'decision'> & { readonly reason: string },
): Promise<StartedRun | undefined> {
  return await attempt(groupId(group), () =>
    failover.startRun({
      group,
      kind: 'unplanned',
      actor: actorOf(decision),
      reason,
      order: `decision ${decision}`,
    }),
  );
}

function actorOf(decision: string): { readonly kind: 'function'; readonly name: string; readonly decision: string } {
  return { kind: 'function', name: 'monitor', decision };
}

type Telling = Pick<Notice, 'severity' | 'title'>;

async function tell(
  { documents }: MonitorPorts,
  group: GroupRef,
  { decision, reason, history }: SiteDecisionDocument,
  { severity, title }: Telling,
): Promise<true> {
  await noteNotice(documents, {
    id: decision,
    severity,
    site: siteId(group),
    group: groupId(group),
    title: `${title} ${groupId(group)}`,
    text: `${reason}. Decision ${decision}: leeward explain ${groupId(group)}/${decision}`,
    atMs: history.nowMs,
  });
  return true;
}
