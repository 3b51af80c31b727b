/**
 * One look of the monitor at a site: what is stored, what its probes see, a decision on each group, and what follows.
 *
 * Invariants: what has not changed is not written; a decision is stored before anything follows from it, and what follows is
 * done again until all of it was: only then is the decision remembered as done. A failover begins before anybody is told of
 * it. A group that is open and bound to a failed run is freed, for nobody else would.
 */
import { groupKind } from '../../documents/group.ts';
import type { GroupDocument } from '../../documents/group.ts';
import type { MonitorDocument } from '../../documents/monitor.ts';
import { planKind } from '../../documents/plan.ts';
import type { Plan } from '../../documents/plan.ts';
import { siteDecisionKind } from '../../documents/site-failure.ts';
import type { SiteDecisionDocument, SiteHistory } from '../../documents/site-failure.ts';
import { heartbeatKind, siteKind, witnessesOf } from '../../documents/site.ts';
import { siteNotesKind } from '../../documents/site-notes.ts';
import type { SiteNotes } from '../../documents/site-notes.ts';
import { DOCUMENTS_AT_ONCE } from '../../documents/store.ts';
import type { Held } from '../../documents/store.ts';
import { isPosting, witnessRecordKind } from '../../documents/witness.ts';
import type { Spoken, Witness } from '../../documents/witness.ts';
import { isLeewardError } from '../../kernel/errors.ts';
import { fewAtOnce } from '../../kernel/few-at-once.ts';
import { groupId, siteId } from '../../kernel/ids.ts';
import type { GroupRef, SiteRef } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import type { Semaphore } from '../../kernel/semaphore.ts';
import { CURRENT_VERSION } from '../../kernel/versions.ts';
import { noteNotice } from '../../notify/notices.ts';
import type { Notice } from '../../notify/notices.ts';
import { observe } from '../../protocol/witness.ts';
import { whyUnfit } from '../bounds/fit.ts';
import { historyOf } from '../decide/gather.ts';
import type { Gathered } from '../decide/gather.ts';
import type { MonitorPorts } from './monitor-ports.ts';
import { askPerson, newestQuestion } from '../asking/question.ts';
import { decideSiteFailure, isOfMonitor } from '../decide/site-failure.ts';
import type { SiteVerdict } from '../decide/site-failure.ts';
import { rememberedWords, siteWords } from './site-words.ts';
import { spoke } from '../decide/spoken.ts';

export interface GroupReport {
  readonly group: string;
  readonly verdict: SiteVerdict['verdict'];
  readonly reason: string;
  /** The stored decision; undefined with `none`. */
  readonly decision: string | undefined;
  /** The run that the decision led to. */
  readonly run: string | undefined;
  /** Since when the monitor has watched no whole window, where that is what the verdict is about. */
  readonly unwatchedSinceMs: number | undefined;
}

/** What all sites of a tick share. */
export interface Pass {
  readonly watch: MonitorDocument;
  /** A turn at the store, and one at sites' own addresses. */
  readonly documentsTurn: Semaphore;
  readonly probesTurn: Semaphore;
  /** Does `work`; what it throws is one of the tick's troubles. */
  readonly attempt: <T>(what: string, work: () => Promise<T>) => Promise<T | undefined>;
}

/** How much later than it was a time of watching is written, where nothing else is: an idle site is no write at each tick. */
const WATCHED_GRAIN_MS = 60_000;

/** Looks at a site by its groups. Errors: NOT_FOUND, UNAVAILABLE and others of the store; a group's own are troubles. */
export async function passOverSite(
  ports: MonitorPorts,
  pass: Pass,
  groups: readonly [GroupRef, ...GroupRef[]],
): Promise<readonly GroupReport[]> {
  const [site] = groups;
  const known = await pass.documentsTurn.run(() => readSite(ports, site));
  const probes = await askProbes(ports, pass, known);
  return await pass.documentsTurn.run(async () => {
    const spoken = new Map([...known.records, ...probes.map(({ name, spoken: said }) => [name, said] as const)]);
    const reports: GroupReport[] = [];
    const watched: SiteNotes['groups'] = [];
    for (const group of groups) {
      const before = known.notes?.value.groups.find((one) => one.group === groupId(group));
      const looked = await pass.attempt(groupId(group), () => lookAt(ports, pass, { group, before, known, spoken }));
      if (looked) reports.push(looked.report);
      const after = looked?.after ?? before;
      if (after) watched.push(after);
    }
    const words = await tellWords(ports, pass, known);
    await remember(ports, site, { before: known.notes, probes, groups: watched, words });
    return reports;
  });
}

interface Known {
  readonly witnesses: readonly Witness[];
  readonly heartbeat: Gathered['heartbeat'];
  readonly notes: Held<SiteNotes> | undefined;
  /** What witnesses that post their words have said. */
  readonly records: readonly (readonly [name: string, spoken: Spoken])[];
}

async function readSite({ documents, everyMs }: MonitorPorts, site: SiteRef): Promise<Known> {
  const [held, heartbeat, notes] = await Promise.all([
    documents.need(siteKind, names.site(site)),
    documents.read(heartbeatKind, names.heartbeat(site)),
    documents.read(siteNotesKind, names.siteNotes(site)),
  ]);
  const witnesses = witnessesOf(held.value, everyMs);
  const posting = witnesses.filter(isPosting);
  const records = await Promise.all(
    posting.map(async ({ name }) => documents.read(witnessRecordKind, names.witness(site, name))),
  );
  return {
    witnesses,
    heartbeat,
    notes,
    records: records.flatMap((record) => (record ? [[record.value.witness, record.value.spoken] as const] : [])),
  };
}

/** What the site's probes have said, this tick's word included; of those that are configured. */
async function askProbes(
  { http }: MonitorPorts,
  { watch, probesTurn }: Pass,
  known: Known,
): Promise<SiteNotes['probes']> {
  const atMs = watch.lastTickMs;
  const asked = known.witnesses.map(async (witness) => {
    const { kind, name, url, everyMs } = witness;
    if (kind !== 'probe' || url === undefined) return [];
    const before = known.notes?.value.probes.find((one) => one.name === name);
    const verdict = await probesTurn.run(() => observe(http, { url, everyMs }));
    return [{ ...before, name, spoken: spoke(before?.spoken, { verdict, atMs }, witness) }];
  });
  return (await Promise.all(asked)).flat();
}

interface Look {
  readonly group: GroupRef;
  readonly before: SiteNotes['groups'][number] | undefined;
  readonly known: Known;
  readonly spoken: ReadonlyMap<string, Spoken>;
}

/** Decides on one group, and does what follows. Undefined for one without a plan. */
async function lookAt(
  ports: MonitorPorts,
  pass: Pass,
  { group, before, known, spoken }: Look,
): Promise<{ readonly report: GroupReport; readonly after: SiteNotes['groups'][number] } | undefined> {
  const { documents } = ports;
  const [held, plan] = await Promise.all([freed(ports, group), documents.read(planKind, names.plan(group))]);
  if (!plan) return undefined;
  const { witnesses, heartbeat } = known;
  const word = heartbeat?.value.heartbeat.groups?.find((one) => one.group === groupId(group));
  // Settings may have changed since the plan was stored, and sites set their own times.
  const unfit = whyUnfit({ plan: plan.value, group: held.value, witnesses, word, gapMs: ports.gapMs });
  const facts = { watch: pass.watch, group: held, plan: plan.value, unfit, heartbeat, witnesses, spoken };
  const decide = (question: Gathered['question']): { history: SiteHistory; verdict: SiteVerdict } => {
    const history = historyOf({ ...facts, question, watchedMs: before?.watchedMs });
    return { history, verdict: decideSiteFailure(history) };
  };
  // Only where nobody was asked as far as is known here does it matter whether somebody was.
  const unasked = decide(null);
  const isAsked = unasked.verdict.verdict === 'ask';
  const { history, verdict } = isAsked ? decide(await newestQuestion(documents, group, held.value.term)) : unasked;
  const after = { ...before, group: groupId(group), watchedMs: history.watchedMs, done: before?.done ?? null };
  const report = {
    group: groupId(group),
    verdict: verdict.verdict,
    reason: verdict.reason,
    decision: undefined,
    run: undefined,
    unwatchedSinceMs: undefined,
  };
  if (verdict.verdict === 'none') return { report, after };
  const decision = `t${history.term}-${verdict.verdict}-${verdict.about}`;
  const decided = { group, plan: plan.value, decision, verdict, history };
  const { run, isDone } =
    after.done === decision
      ? { run: await runAgain(ports, pass, decided), isDone: true }
      : await carryOut(ports, pass, decided);
  return {
    report: {
      ...report,
      decision,
      reason: run?.state === 'failed' ? `${verdict.reason}; ${failed(run.run)}` : verdict.reason,
      run: run?.run,
      unwatchedSinceMs: isOfMonitor(verdict) ? history.watchedMs : undefined,
    },
    after: isDone ? { ...after, done: decision } : after,
  };
}

function failed(run: string): string {
  return `run ${run} of this decision failed before its close; once the cause is gone, a person orders anew`;
}

interface Decided {
  readonly group: GroupRef;
  readonly plan: Plan;
  readonly decision: string;
  readonly verdict: SiteVerdict;
  readonly history: SiteHistory;
}

interface StartedRun {
  readonly run: string;
  readonly state: string;
}

/** The run of a decision that all was done of; undefined where it has none. */
async function runAgain(ports: MonitorPorts, pass: Pass, decided: Decided): Promise<StartedRun | undefined> {
  const { group, decision, verdict } = decided;
  if (verdict.verdict !== 'fail-over') return undefined;
  return await startRun(ports, pass, { group, decision, reason: verdict.reason });
}

/** Stores the decision and does what follows from it. Whether all of it was done. */
async function carryOut(
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
    isOfMonitor(verdict) || (await pass.attempt(groupId(group), () => tell(ports, group, stored, how))) === true;
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

/** What the site says of itself, told where that was remembered before. What cannot be told now is told at the next tick. */
async function tellWords(
  { documents }: MonitorPorts,
  { watch, attempt }: Pass,
  { heartbeat, notes: before }: Known,
): Promise<SiteNotes['words']> {
  if (!heartbeat) return [];
  const known = before?.value.words ?? [];
  const { site, heartbeat: word } = heartbeat.value;
  const said = siteWords(word);
  const remembered = rememberedWords(known, said, watch.lastTickMs);
  return await fewAtOnce(DOCUMENTS_AT_ONCE, remembered.entries(), async ([at, one]) => {
    const of = said[at];
    if (one.isTold || !of || !known.includes(one)) return one;
    const { about, ...notice } = of;
    const id = `${about}-${one.sinceMs}`;
    const told = await attempt(site, async () => {
      await noteNotice(documents, { ...notice, id, site, atMs: one.sinceMs });
      return true;
    });
    return { ...one, isTold: told === true };
  });
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

/** The group's document, freed of a run that has failed. */
async function freed({ documents, failover }: MonitorPorts, group: GroupRef): Promise<Held<GroupDocument>> {
  const held = await documents.need(groupKind, names.group(group));
  const { phase, run } = held.value;
  if (phase !== 'open' || run === null || !(await failover.freeOfFailedRun(group, run))) return held;
  return await documents.need(groupKind, names.group(group));
}

/** Writes what is new of the site. Another tick that was quicker has written as much: the next one goes on from there. */
async function remember(
  { documents }: MonitorPorts,
  site: SiteRef,
  now: { before: Held<SiteNotes> | undefined } & Pick<SiteNotes, 'probes' | 'groups' | 'words'>,
): Promise<void> {
  const { before, probes, groups, words } = now;
  if (before && !isNews(before.value, now)) return;
  try {
    if (before) await documents.replace(siteNotesKind, before, { ...before.value, probes, groups, words });
    else if (groups.length > 0) {
      const fresh = { version: CURRENT_VERSION, site: siteId(site), probes, groups, words };
      await documents.create(siteNotesKind, names.siteNotes(site), fresh);
    }
  } catch (error) {
    if (!isLeewardError(error, 'CONFLICT')) throw error;
  }
}

function isNews(before: SiteNotes, now: Pick<SiteNotes, 'probes' | 'groups' | 'words'>): boolean {
  const { probes, groups, words } = now;
  const isSaid = words.length === before.words.length && words.every((word) => before.words.includes(word));
  if (!isSaid) return true;
  if (probes.length > 0 || before.probes.length > 0 || groups.length !== before.groups.length) return true;
  return groups.some((group) => {
    const known = before.groups.find((one) => one.group === group.group);
    return known?.done !== group.done || group.watchedMs - known.watchedMs >= WATCHED_GRAIN_MS;
  });
}
