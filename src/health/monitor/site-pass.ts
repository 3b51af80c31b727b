/**
 * One look of the monitor at a site: what is stored, what its probes see, a decision on each group, and what follows.
 *
 * Invariants: what follows from a decision is done again until all of it was: only then is the decision remembered as done. A
 * group that is open and bound to a failed run is freed, for nobody else would.
 */
import { groupKind } from '../../documents/group.ts';
import type { GroupDocument } from '../../documents/group.ts';
import { planKind } from '../../documents/plan.ts';
import type { SiteHistory } from '../../documents/site-failure.ts';
import { heartbeatKind, siteKind, witnessesOf } from '../../documents/site.ts';
import { siteNotesKind } from '../../documents/site-notes.ts';
import type { SiteNotes } from '../../documents/site-notes.ts';
import type { Documents, Held } from '../../documents/store.ts';
import { isPosting, witnessRecordKind } from '../../documents/witness.ts';
import type { Spoken, Witness } from '../../documents/witness.ts';
import { groupId } from '../../kernel/ids.ts';
import type { GroupRef, SiteRef } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import { observe } from '../../protocol/witness.ts';
import { newestQuestion } from '../asking/question.ts';
import { whyUnfit } from '../bounds/fit.ts';
import { historyOf } from '../decide/gather.ts';
import type { Gathered } from '../decide/gather.ts';
import { decideSiteFailure } from '../decide/site-failure.ts';
import type { SiteVerdict } from '../decide/site-failure.ts';
import { spoke } from '../decide/spoken.ts';
import { carryOut, runAgain } from './decision-work.ts';
import type { MonitorPorts } from './monitor-ports.ts';
import { remember, tellWords } from './notes.ts';
import type { Pass } from './pass.ts';

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
    const noted: SiteNotes['groups'] = [];
    for (const group of groups) {
      const before = known.notes?.value.groups.find((one) => one.group === groupId(group));
      const looked = await pass.attempt(groupId(group), () => lookAt(ports, pass, { group, before, known, spoken }));
      if (looked) reports.push(looked.report);
      const after = looked?.after ?? before;
      if (after) noted.push(after);
    }
    const { documents } = ports;
    const told = known.notes?.value.words ?? [];
    const words = known.heartbeat
      ? await tellWords(documents, pass, { heartbeat: known.heartbeat.value, before: told })
      : [];
    await remember(documents, site, { before: known.notes, now: { probes, groups: noted, words } });
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
  { monitor, probesTurn }: Pass,
  known: Known,
): Promise<SiteNotes['probes']> {
  const atMs = monitor.lastTickMs;
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
  const [held, plan] = await Promise.all([withoutFailedRun(ports, group), documents.read(planKind, names.plan(group))]);
  if (!plan) return undefined;
  const { witnesses, heartbeat } = known;
  const word = heartbeat?.value.heartbeat.groups?.find((one) => one.group === groupId(group));
  // Settings may have changed since the plan was stored, and sites set their own times.
  const unfit = whyUnfit({ plan: plan.value, group: held.value, witnesses, word, gapMs: ports.gapMs });
  const facts = { watch: pass.monitor, group: held, plan: plan.value, unfit, heartbeat, witnesses, spoken };
  const { history, verdict } = await decideOn(documents, group, { ...facts, watchedMs: before?.watchedMs });
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
      unwatchedSinceMs: verdict.subject === 'monitor' ? history.watchedMs : undefined,
    },
    after: isDone ? { ...after, done: decision } : after,
  };
}

/**
 * The verdict on a group, and the history that it follows from. People's question and answer are read only where they
 * can change the verdict, which is one that asks somebody: otherwise each tick would take a request more for every group of a
 * site that is well.
 */
async function decideOn(
  documents: Documents,
  group: GroupRef,
  facts: Omit<Gathered, 'question'>,
): Promise<{ readonly history: SiteHistory; readonly verdict: SiteVerdict }> {
  const unasked = historyOf({ ...facts, question: null });
  const verdict = decideSiteFailure(unasked);
  if (verdict.verdict !== 'ask') return { history: unasked, verdict };
  const history = historyOf({ ...facts, question: await newestQuestion(documents, group, unasked.term) });
  return { history, verdict: decideSiteFailure(history) };
}

function failed(run: string): string {
  return `run ${run} of this decision failed before its close; once the cause is gone, a person orders anew`;
}

/** The group's document, free of a run that has failed. */
async function withoutFailedRun({ documents, failover }: MonitorPorts, group: GroupRef): Promise<Held<GroupDocument>> {
  const held = await documents.need(groupKind, names.group(group));
  const { phase, run } = held.value;
  if (phase !== 'open' || run === null || !(await failover.freeOfFailedRun(group, run))) return held;
  return await documents.need(groupKind, names.group(group));
}
