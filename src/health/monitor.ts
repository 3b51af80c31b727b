/**
 * The monitor: one tick looks at every group that has a plan, decides, and lets the failover begin.
 *
 * Invariants: a tick may be repeated, overlap another or end anywhere: a decision's name follows from what it was made
 * of, and the run's from the decision, so that a repeated tick meets its own work. The history ends at the tick's own
 * time: what was not yet watched is not judged. One group's trouble does not keep the others from being looked at. Runs
 * that no message moves on any more are resumed first: they are the groups that stand still. A group that is open and bound
 * to a failed run is freed, for nobody else would.
 */
import type { Actor } from '../documents/actor.ts';
import { groupKind, lastGrantBoundMs } from '../documents/group.ts';
import type { GroupDocument } from '../documents/group.ts';
import { decisionKind } from '../documents/monitor.ts';
import type { DecisionDocument, MonitorDocument, SilenceHistory } from '../documents/monitor.ts';
import { planKind } from '../documents/plan.ts';
import { heartbeatKind } from '../documents/site.ts';
import { DOCUMENTS_AT_ONCE } from '../documents/store.ts';
import type { Held } from '../documents/store.ts';
import { describeError } from '../kernel/errors.ts';
import { fewAtOnce } from '../kernel/few-at-once.ts';
import { groupId, parseGroup } from '../kernel/ids.ts';
import type { GroupRef } from '../kernel/ids.ts';
import { documents as names } from '../kernel/names.ts';
import { CURRENT_VERSION } from '../kernel/versions.ts';
import { sendCanary } from './canary.ts';
import type { CanaryPorts } from './canary.ts';
import { decideSilence } from './silence.ts';
import type { Verdict } from './silence.ts';
import { keepWatch } from './watch.ts';

/** What the monitor asks of the failover, as a port: `src/failover` implements it, and the app puts them together. */
export interface FailoverOrders {
  /** Starts a run, or finds the one that this order started before. Errors: REFUSED when the group cannot be moved. */
  startRun(order: {
    group: GroupRef;
    kind: 'unplanned';
    actor: Actor;
    reason: string;
    /** What makes the order this one: the same order meets the same run. */
    order: string;
  }): Promise<{ readonly run: string; readonly state: string }>;
  /** Sends the ticket again of every run that is overdue. Names them, and says which could not be helped, and why. */
  resumeRuns(): Promise<{ readonly resumed: readonly string[]; readonly troubles: readonly string[] }>;
  /** Frees a group that is bound to `run`, if that run has failed. Whether it did. */
  freeOfFailedRun(group: GroupRef, run: string): Promise<boolean>;
}

export interface MonitorPorts extends CanaryPorts {
  readonly failover: FailoverOrders;
  /** A longer gap between two ticks starts the watch anew. */
  readonly gapMs: number;
}

export interface TickReport {
  /** Why the canary did not get through; undefined when it did. */
  readonly canary: string | undefined;
  readonly resumed: readonly string[];
  readonly groups: readonly GroupReport[];
  /** What could not be done, a line each. */
  readonly troubles: readonly string[];
}

export interface GroupReport {
  readonly group: string;
  readonly verdict: Verdict['verdict'];
  readonly reason: string;
  /** The run that the decision led to. */
  readonly run: string | undefined;
}

/** One tick. Errors: UNAVAILABLE when the watch cannot be kept; anything later is one of the report's troubles. */
export async function tick(ports: MonitorPorts): Promise<TickReport> {
  const canary = await sendCanary(ports);
  const watch = await keepWatch(ports.documents, { through: canary === undefined, gapMs: ports.gapMs });
  const troubles: string[] = [];
  const attempt = async <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      troubles.push(`${what}: ${describeError(error)}`);
      return undefined;
    }
  };
  const resumed = await attempt('runs could not be resumed', () => ports.failover.resumeRuns());
  troubles.push(...(resumed?.troubles ?? []));
  const groups = await fewAtOnce(DOCUMENTS_AT_ONCE, ports.documents.list(names.allGroups), ({ name }) =>
    attempt(name, () => lookAt(ports, watch, name)),
  );
  return { canary, resumed: resumed?.resumed ?? [], groups: groups.filter((report) => report !== undefined), troubles };
}

async function lookAt(ports: MonitorPorts, watch: MonitorDocument, name: string): Promise<GroupReport | undefined> {
  const gathered = await gather(ports, watch, name);
  if (!gathered) return undefined;
  const { group, history } = gathered;
  const { verdict, reason } = decideSilence(history);
  const report = { group: groupId(group), verdict, reason, run: undefined };
  if (verdict === 'none') return report;
  const decision = await writeDecision(ports, group, { verdict, reason, history });
  if (decision.verdict !== 'fail-over') return report;
  const started = await ports.failover.startRun({
    group,
    kind: 'unplanned',
    actor: { kind: 'function', name: 'monitor', decision: decision.decision },
    reason: decision.reason,
    order: `decision ${decision.decision}`,
  });
  if (started.state !== 'failed') return { ...report, run: started.run };
  const failed = `run ${started.run} of this decision failed before its close; once the cause is gone, a person orders anew`;
  return { ...report, run: started.run, reason: `${reason}; ${failed}` };
}

/** What is known of a group; undefined for one without a plan. */
async function gather(
  ports: MonitorPorts,
  watch: MonitorDocument,
  name: string,
): Promise<{ group: GroupRef; history: SilenceHistory } | undefined> {
  const { documents } = ports;
  const held = await freed(ports, name);
  const group = parseGroup(held.value.group);
  const plan = await documents.read(planKind, names.plan(group));
  if (!plan) return undefined;
  const heartbeat = await documents.read(heartbeatKind, names.heartbeat(group));
  const { term, phase, holder, run, renewals } = held.value;
  const history: SilenceHistory = {
    nowMs: watch.lastTickMs,
    lastHeartbeatMs: heartbeat?.lastModifiedMs ?? null,
    silenceMs: plan.value.silenceMs,
    awakeSinceMs: watch.awakeSinceMs,
    canarySinceMs: watch.canarySinceMs,
    term,
    phase,
    mode: plan.value.mode,
    renewals,
    lastRenewalMs: renewals > 0 ? lastGrantBoundMs(held.value, held.lastModifiedMs) : null,
    holder,
    run,
  };
  return { group, history };
}

/** The group's document, freed of a run that has failed. */
async function freed({ documents, failover }: MonitorPorts, name: string): Promise<Held<GroupDocument>> {
  const held = await documents.need(groupKind, name);
  const { group, phase, run } = held.value;
  if (phase !== 'open' || run === null || !(await failover.freeOfFailedRun(parseGroup(group), run))) return held;
  return await documents.need(groupKind, name);
}

/** Writes the decision, or finds the one that a tick before wrote on the same silence. */
async function writeDecision(
  { documents }: MonitorPorts,
  group: GroupRef,
  made: { verdict: 'report' | 'fail-over'; reason: string; history: SilenceHistory },
): Promise<DecisionDocument> {
  const { term, lastHeartbeatMs, renewals } = made.history;
  const decision = `t${term}-${made.verdict}-${lastHeartbeatMs ?? 0}-${renewals}`;
  const name = names.decision(group, decision);
  const { held } = await documents.createOrRead(decisionKind, name, {
    version: CURRENT_VERSION,
    decision,
    group: groupId(group),
    actor: { kind: 'function', name: 'monitor', decision },
    ...made,
  });
  return held.value;
}
