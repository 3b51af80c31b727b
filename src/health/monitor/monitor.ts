/**
 * The monitor: one tick looks at every site, decides on each of its groups, and lets what follows begin.
 *
 * Invariants: a tick may be repeated, overlap another or end anywhere: a decision's name follows from what it is about, and
 * what follows is named after the decision, so that a repeated tick meets its own work. The history ends at the tick's own
 * time: what was not yet watched is not judged. One site's trouble does not keep the others from being looked at, and one
 * that hangs holds up nobody. Runs that no message moves on any more are resumed first: they are the groups that stand
 * still.
 */
import { DOCUMENTS_AT_ONCE } from '../../documents/store.ts';
import { describeError } from '../../kernel/errors.ts';
import { parseGroup, siteId } from '../../kernel/ids.ts';
import type { GroupRef } from '../../kernel/ids.ts';
import { documents as names, parseGroupDocument } from '../../kernel/names.ts';
import { Semaphore } from '../../kernel/semaphore.ts';
import { noteNotice } from '../../notify/notices.ts';
import { CANARY_SITE, sendCanary } from './canary.ts';
import type { MonitorPorts } from './monitor-ports.ts';
import { passOverSite } from './site-pass.ts';
import type { GroupReport } from './site-pass.ts';
import { keepWatch } from '../decide/watch.ts';

export interface TickReport {
  /** Why the canary did not get through; undefined when it did. */
  readonly canary: string | undefined;
  readonly resumed: readonly string[];
  readonly groups: readonly GroupReport[];
  /** What could not be done, a line each. */
  readonly troubles: readonly string[];
}

export type { GroupReport };

/** Sites' own addresses that are asked at once: each that hangs holds a place until its time-out. */
const PROBES_AT_ONCE = 256;

/** One tick. Errors: UNAVAILABLE when the watch cannot be kept; anything later is one of the report's troubles. */
export async function tick(ports: MonitorPorts): Promise<TickReport> {
  const canary = await sendCanary(ports);
  const monitor = await keepWatch(ports.documents, { through: canary === undefined, gapMs: ports.gapMs });
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
  const pass = {
    monitor,
    attempt,
    documentsTurn: new Semaphore(DOCUMENTS_AT_ONCE),
    probesTurn: new Semaphore(PROBES_AT_ONCE),
  };
  const passes = [...(await groupsBySite(ports, attempt))].map(([site, groups]) =>
    attempt(site, () => passOverSite(ports, pass, groups)),
  );
  const groups = (await Promise.all(passes)).flatMap((reports) => reports ?? []);
  await attempt('the monitor itself', () => tellOfMonitor(ports, groups));
  return { canary, resumed: resumed?.resumed ?? [], groups, troubles };
}

async function groupsBySite(
  { documents }: MonitorPorts,
  attempt: (what: string, work: () => Promise<void>) => Promise<unknown>,
): Promise<ReadonlyMap<string, readonly [GroupRef, ...GroupRef[]]>> {
  const sites = new Map<string, [GroupRef, ...GroupRef[]]>();
  for await (const { name } of documents.list(names.allGroups)) {
    await attempt(name, async () => {
      const group = parseGroup(parseGroupDocument(name) ?? name);
      // Nothing is decided about the canary's group.
      if (siteId(group) === siteId(CANARY_SITE)) return;
      const others = sites.get(siteId(group));
      if (others) others.push(group);
      else sites.set(siteId(group), [group]);
    });
  }
  return sites;
}

/** One notice for all groups where the monitor itself has not watched. */
async function tellOfMonitor({ documents }: MonitorPorts, groups: readonly GroupReport[]): Promise<void> {
  const since = groups.flatMap(({ unwatchedSinceMs = [] }) => unwatchedSinceMs);
  if (since.length === 0) return;
  const sinceMs = Math.min(...since);
  await noteNotice(documents, {
    id: `unwatched-${sinceMs}`,
    severity: 'critical',
    site: siteId(CANARY_SITE),
    title: 'The monitor does not watch',
    text:
      `It has not been awake for a whole window since ${new Date(sinceMs).toISOString()}, ` +
      `which concerns ${since.length} groups: none of them fails over by itself until it has.`,
  });
}
