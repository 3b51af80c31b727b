/** What is in the outbox: how much of it waits or was given up, and when it is forgotten. */
import { monitorKind } from '../documents/monitor.ts';
import type { Documents } from '../documents/store.ts';
import { fewAtOnce } from '../kernel/few-at-once.ts';
import type { SiteRef } from '../kernel/ids.ts';
import { documents as names, noticeId } from '../kernel/names.ts';

/** What one call removes at most, and at once. */
const AT_A_TIME_MAX = 5000;
const AT_ONCE = 8;
/** Names that a status lists. */
const LISTED_MAX = 20;

export interface NoticesStatus {
  /** Notices that somebody has yet to be reached by. */
  readonly waiting: number;
  /** Notices that somebody was never reached by, and the newest of their ids. */
  readonly undeliverable: number;
  readonly undeliverableIds: readonly string[];
}

/** How a site's notices stand: one listing. Errors: UNAVAILABLE, DENIED. */
export async function noticesStatus(documents: Documents, site: SiteRef): Promise<NoticesStatus> {
  let waiting = 0;
  const given: { id: string; madeMs: number }[] = [];
  for await (const { name, labels } of documents.list(names.noticesOf(site))) {
    if (labels['state'] === 'waiting') waiting += 1;
    if (labels['state'] === 'undeliverable') {
      given.push({ id: noticeId(name), madeMs: Number(labels['made']) });
    }
  }
  const newest = given.sort((a, b) => b.madeMs - a.madeMs).slice(0, LISTED_MAX);
  return { waiting, undeliverable: given.length, undeliverableIds: newest.map(({ id }) => id) };
}

/**
 * Removes notices that were made more than `keptMs` ago and that nobody is sent any more; how many. Can be interrupted and
 * repeated at any time. Errors: UNAVAILABLE, DENIED, VERSION_TOO_NEW.
 */
export async function removeOldNotices(documents: Documents, { keptMs }: { readonly keptMs: number }): Promise<number> {
  const { serviceNowMs } = await documents.readWithTime(monitorKind, names.monitor);
  const old = async function* (): AsyncGenerator<string> {
    let found = 0;
    for await (const { name, labels } of documents.list(names.allNotices)) {
      if (labels['state'] === 'waiting' || !(Number(labels['made']) + keptMs <= serviceNowMs)) continue;
      yield name;
      found += 1;
      if (found === AT_A_TIME_MAX) return;
    }
  };
  const removed = await fewAtOnce(AT_ONCE, old(), async (name) => documents.remove(name));
  return removed.length;
}
