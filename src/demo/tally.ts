/**
 * Counts what the replication cost in requests, from the storage's own access log: nothing is instrumented for it.
 *
 * What serves the site's deltas is told apart from what goes on whether anything changes or not (polling of queues,
 * heartbeats, leases, the monitor), by what was asked for.
 */
import type { SiteRef } from '../kernel/ids.ts';
import { CONTAINERS, QUEUES, documents as names, journalContainer } from '../kernel/names.ts';
import { kindOf, readRequests } from '../local/stack/stack.ts';
import type { LoggedRequest, RequestWindow } from '../local/stack/stack.ts';

export interface Tally {
  /** Requests that served deltas, by kind, the most frequent first. */
  readonly forDeltas: Readonly<Record<string, number>>;
  /** All other requests of that time. */
  readonly standing: number;
}

/** Counts the storage requests of a window. */
export async function tallyRequests(stateDir: string, site: SiteRef, window: RequestWindow): Promise<Tally> {
  const counts = new Map<string, number>();
  let standing = 0;
  for await (const request of readRequests(stateDir, window)) {
    const kind = kindOf(request);
    if (servesDeltas(request, site, kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    else standing += 1;
  }
  const sorted = [...counts].toSorted(([, a], [, b]) => b - a);
  return { forDeltas: Object.fromEntries(sorted), standing };
}

function servesDeltas({ path }: LoggedRequest, site: SiteRef, kind: string): boolean {
  // A queue is polled whether there is anything in it or not.
  if (kind === 'get messages' || kind === 'get queue properties') return false;
  return [
    `${CONTAINERS.replicas}/${site.tenant}/${site.site}/`,
    `${CONTAINERS.state}/${names.volumesOfSite(site)}`,
    `${journalContainer(site)}/`,
    `${QUEUES.deltas}/`,
    `${QUEUES.bulk}/`,
  ].some((prefix) => path.startsWith(prefix));
}
