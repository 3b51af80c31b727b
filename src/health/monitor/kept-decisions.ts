/**
 * How long decisions on sites are kept.
 *
 * Invariant: what anything still refers to stays for ever: what a run was begun by, what people were asked about, the newest
 * decision of a group, and the one that the monitor knows as carried out. So only alerts and reports of the past are removed.
 */
import { monitorKind } from '../../documents/monitor.ts';
import { siteNotesKind } from '../../documents/site-notes.ts';
import type { Documents } from '../../documents/store.ts';
import { fewAtOnce } from '../../kernel/few-at-once.ts';
import { parseGroup } from '../../kernel/ids.ts';
import { documents as names, parseDecisionDocument } from '../../kernel/names.ts';

/** What one call removes at most, and at once. */
const AT_A_TIME_MAX = 5000;
const AT_ONCE = 8;

/** Verdicts that neither a run nor a question follows from. */
const UNREFERRED = ['alert', 'report'];

interface Listed {
  readonly name: string;
  readonly group: string;
  readonly decision: string;
  readonly verdict: string | undefined;
  readonly madeMs: number;
}

/**
 * Removes alerts and reports that were made more than `keptMs` ago, but a group's newest decision; how many. Can be
 * interrupted and repeated at any time. Errors: UNAVAILABLE, DENIED, VERSION_TOO_NEW, DOCUMENT_INVALID.
 */
export async function removeOldDecisions(
  documents: Documents,
  { keptMs }: { readonly keptMs: number },
): Promise<number> {
  const { serviceNowMs } = await documents.readWithTime(monitorKind, names.monitor);
  const old = async function* (): AsyncGenerator<string> {
    let found = 0;
    for await (const ofGroup of byGroup(documents)) {
      for (const name of await removable(documents, ofGroup, serviceNowMs - keptMs)) {
        yield name;
        found += 1;
        if (found === AT_A_TIME_MAX) return;
      }
    }
  };
  const removed = await fewAtOnce(AT_ONCE, old(), async (name) => documents.remove(name));
  return removed.length;
}

/** All decisions, those of one group together: a listing is in the order of names. */
async function* byGroup(documents: Documents): AsyncGenerator<readonly Listed[]> {
  let together: Listed[] = [];
  for await (const { name, labels } of documents.list(names.allDecisions)) {
    const parsed = parseDecisionDocument(name);
    if (!parsed) continue;
    const madeMs = Number(labels['made']);
    // Whoever wrote it: one without its time is neither old nor the newest, and keeps no other.
    if (!Number.isFinite(madeMs)) continue;
    if (together[0] && together[0].group !== parsed.group) {
      yield together;
      together = [];
    }
    together.push({ name, ...parsed, verdict: labels['verdict'], madeMs });
  }
  if (together.length > 0) yield together;
}

async function removable(
  documents: Documents,
  decisions: readonly Listed[],
  beforeMs: number,
): Promise<readonly string[]> {
  const newestMs = Math.max(...decisions.map(({ madeMs }) => madeMs));
  const old = decisions.filter(
    ({ verdict = '', madeMs }) => UNREFERRED.includes(verdict) && madeMs <= beforeMs && madeMs < newestMs,
  );
  const [first] = old;
  if (!first) return [];
  const notes = await documents.read(siteNotesKind, names.siteNotes(parseGroup(first.group)));
  const done = notes?.value.groups.find(({ group }) => group === first.group)?.done;
  return old.filter(({ decision }) => decision !== done).map(({ name }) => name);
}
