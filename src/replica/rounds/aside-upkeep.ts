/**
 * The part of upkeep that is of no volume: what was set aside and is old goes.
 *
 * Invariants: what is kept aside is kept long enough for somebody to look; its age is counted on the service's clock. It
 * can be interrupted and repeated at any time: body and reason go each by their own age.
 */
import { monitorKind } from '../../documents/monitor.ts';
import type { Documents } from '../../documents/store.ts';
import { fewAtOnce } from '../../kernel/few-at-once.ts';
import { CONTAINERS, documents as names } from '../../kernel/names.ts';
import type { EntryStore } from '../../ports/entries.ts';

/** What one call removes at most: whoever can send can have had a million messages refused. */
const AT_A_TIME_MAX = 5000;

/** Requests under way at once. */
const AT_ONCE = 8;

/**
 * Removes what was set aside in `account` more than `keptMs` ago; how many blobs went. Errors: UNAVAILABLE, DENIED,
 * VERSION_TOO_NEW.
 */
export async function removeOldAside(
  { documents, entries }: { readonly documents: Documents; readonly entries: EntryStore },
  { account, keptMs }: { readonly account: string; readonly keptMs: number },
): Promise<number> {
  // Any answer tells the service's time, also the one that there is no such document.
  const { serviceNowMs } = await documents.readWithTime(monitorKind, names.monitor);
  const container = { account, container: CONTAINERS.aside };
  const old = async function* (): AsyncGenerator<string> {
    let found = 0;
    for await (const { name, createdAtMs } of entries.list(container, '')) {
      if (createdAtMs + keptMs > serviceNowMs) continue;
      yield name;
      found += 1;
      if (found === AT_A_TIME_MAX) return;
    }
  };
  const removed = await fewAtOnce(AT_ONCE, old(), async (blob) => entries.remove({ ...container, blob }));
  return removed.length;
}
