/** Requests that the storage answered, without those that come whether anything happens or not. */
import { setTimeout as sleep } from 'node:timers/promises';
import { QUEUES } from '../../src/kernel/names.ts';
import { kindOf, readRequests } from '../../src/local/stack/stack.ts';
import type { LoggedRequest } from '../../src/local/stack/stack.ts';
import type { LiveStack } from '../../test/support/integration/live-stack.ts';

/** By then a request that was answered is in the log. */
const SETTLE_MS = 400;

/** Requests by kind. */
export type Counts = ReadonlyMap<string, number>;

/** Counts the requests that `work` causes, once they are all logged. */
export async function requestsOf(stack: LiveStack, work: () => Promise<void>): Promise<Counts> {
  await sleep(SETTLE_MS);
  const sinceMs = Date.now();
  await work();
  await sleep(SETTLE_MS);
  const requests: LoggedRequest[] = [];
  for await (const request of readRequests(stack.facts.stateDir, { sinceMs })) requests.push(request);
  return countCaused(requests);
}

/**
 * Of a list of requests, those that were caused by what happened. Left out is what the functions host asks for itself, its
 * leases and keys, and each look at a queue of deltas or runs that found nothing: there is one look for every message
 * that was deleted, at most.
 */
export function countCaused(requests: readonly LoggedRequest[]): Counts {
  const counts = new Map<string, number>();
  let [looks, messages] = [0, 0];
  for (const request of requests) {
    const kind = kindOf(request);
    if (request.path.startsWith('azure-webjobs-')) continue;
    if (kind === 'get messages' && isPolled(request)) {
      looks += 1;
      continue;
    }
    if (kind === 'delete message') messages += 1;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const found = Math.min(looks, messages);
  if (found > 0) counts.set('get messages', (counts.get('get messages') ?? 0) + found);
  return counts;
}

/** Whether the host looks into this queue by itself; a poison queue is looked into by the sweep alone. */
function isPolled({ path }: LoggedRequest): boolean {
  return Object.values(QUEUES).some((queue) => path === `${queue}/messages`);
}

export function totalOf(counts: Counts): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

/** "put page 1, put blob 2, …", the most frequent first. */
export function describeCounts(counts: Counts): string {
  return [...counts]
    .toSorted(([a, many], [b, more]) => more - many || (a < b ? -1 : 1))
    .map(([kind, count]) => `${kind} ${count}`)
    .join(', ');
}
