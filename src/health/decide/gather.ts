/**
 * The history that a decision on one group is made from, put together from documents. Pure: the monitor reads those, and
 * `simulate` makes them up.
 *
 * Invariant: the history ends at the tick's own time; a word of a witness that is not configured is not in it.
 */
import { lastGrantBoundMs } from '../../documents/group.ts';
import type { GroupDocument } from '../../documents/group.ts';
import type { MonitorDocument } from '../../documents/monitor.ts';
import type { Plan } from '../../documents/plan.ts';
import type { Question, SiteHistory } from '../../documents/site-failure.ts';
import type { HeartbeatDocument } from '../../documents/site.ts';
import type { Held } from '../../documents/store.ts';
import type { Spoken, Witness } from '../../documents/witness.ts';
import { watchedUntilMs } from './spoken.ts';
import { NOT_THROUGH } from './watch.ts';

type Read<T> = Pick<Held<T>, 'value' | 'lastModifiedMs'>;

export interface Gathered {
  readonly watch: Pick<MonitorDocument, 'lastTickMs' | 'awakeSinceMs' | 'canarySinceMs'>;
  readonly group: Read<GroupDocument>;
  readonly plan: Pick<Plan, 'mode' | 'consents' | 'windowMs' | 'noAnswer' | 'alertAfterMs'>;
  /** The inequalities of the plan that do not hold now (src/health/bounds/fit.ts). */
  readonly unfit?: readonly string[];
  readonly heartbeat: Read<HeartbeatDocument> | undefined;
  readonly witnesses: readonly Witness[];
  /** What the witnesses have said, by their names. */
  readonly spoken: ReadonlyMap<string, Spoken>;
  readonly question: Question | null;
  /** The last time at which the monitor had watched a whole window, as its notes have it. */
  readonly watchedMs: number | undefined;
}

/** The history of one group at the time of the tick. */
export function historyOf(gathered: Gathered): SiteHistory {
  const { watch, plan, unfit = [], heartbeat, witnesses, spoken, question } = gathered;
  const { term, phase, holder, run, renewals, guards = [], group, lease } = gathered.group.value;
  const { lastTickMs: nowMs, awakeSinceMs, canarySinceMs } = watch;
  const { mode, consents, windowMs, noAnswer, alertAfterMs } = plan;
  const lastHeartbeatMs = heartbeat?.lastModifiedMs ?? null;
  const word = heartbeat?.value.heartbeat.groups?.find((one) => one.group === group);
  const said = heartbeat?.value.said?.find((one) => one.group === group);
  const wish = said?.wish && word?.wants ? { ...said.wish, reason: word.wants.reason } : null;
  const offlineUntilMs = Math.max(word?.offlineUntilMs ?? 0, heartbeat?.value.heartbeat.offlineUntilMs ?? 0);
  return {
    nowMs,
    term,
    phase,
    holder,
    run,
    renewals,
    lastRenewalMs: renewals > 0 ? lastGrantBoundMs(gathered.group.value, gathered.group.lastModifiedMs) : null,
    keep: lease === 'keep',
    guards: guards.map(({ node }) => node),
    lastHeartbeatMs,
    nodes: word?.nodes ?? [],
    // The word is as new as its heartbeat, which the service stamps a little later than the time at which the word was noted.
    siteWord: said && lastHeartbeatMs !== null ? { ...said.word, lastSeenMs: lastHeartbeatMs } : null,
    wish,
    offlineUntilMs: offlineUntilMs > 0 ? offlineUntilMs : null,
    mode,
    consents,
    windowMs,
    ...(unfit.length > 0 && { unfit: [...unfit] }),
    noAnswer,
    question,
    awakeSinceMs,
    canarySinceMs: canarySinceMs === NOT_THROUGH ? null : canarySinceMs,
    watchedMs: watchedUntilMs(gathered.watchedMs, { nowMs, awakeSinceMs, windowMs }),
    alertAfterMs,
    witnesses: witnesses.map((witness) => ({
      ...witness,
      spoken: witness.kind === 'heartbeat' ? null : (spoken.get(witness.name) ?? null),
    })),
  };
}
