/**
 * Renews the leases of a site's groups (docs/site-protocol.md, "Lease").
 *
 * Invariants: a lease is granted only after the write that records it succeeded, so that the document's time of writing
 * bounds every lease; one write renews a group for all guards that ask in one request; only a group that is open and held
 * by the site is renewed, and the write that renews is made over exactly the version that was found so; a group that has
 * guards is renewed for those alone, and nobody by a question that was granted before; one group's trouble never spoils the
 * answer for the others.
 */
import { groupKind } from '../../documents/group.ts';
import type { GroupDocument } from '../../documents/group.ts';
import { DOCUMENTS_AT_ONCE } from '../../documents/store.ts';
import type { Documents } from '../../documents/store.ts';
import { describeError } from '../../kernel/errors.ts';
import { fewAtOnce } from '../../kernel/few-at-once.ts';
import { parseGroup, siteId } from '../../kernel/ids.ts';
import type { SiteRef } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import { CURRENT_VERSION } from '../../kernel/versions.ts';
import { leaseRequestSchema } from '../../protocol/lease.ts';
import type { Grant, LeaseAnswer, LeaseRequest } from '../../protocol/lease.ts';
import { deriveKey, guardKey, guardOf, sign } from '../../protocol/signed.ts';
import { openSiteMessage } from './site-message.ts';
import { isNext, lastGranted, renewed, whyNoLease } from '../term/term.ts';

export interface LeasePorts {
  readonly documents: Documents;
  /** The secret that keys are derived from. */
  readonly keySecret: Uint8Array;
}

type Question = LeaseRequest['groups'][number];
type Answered = LeaseAnswer['groups'][number];

/** What became of a group, for all who asked for it. */
interface Renewal {
  /** As it is now; undefined where that is not known. */
  readonly group: GroupDocument | undefined;
  /** Of the questions that it was renewed for, none. */
  readonly refusals: ReadonlyMap<Question, Refusal>;
}

interface Refusal {
  readonly reason: string;
  /** Whether another question of who asked may be granted at once. */
  readonly isStale: boolean;
}

/**
 * Renews every group of the request that may be renewed, and says of the others why not. Errors: as
 * {@link openSiteMessage}. A grant that was written and whose answer is lost costs nothing but a later end of the term.
 */
export async function renewLeases(ports: LeasePorts, data: unknown): Promise<LeaseAnswer> {
  const { site, key, payload } = await openSiteMessage(ports, data, { kind: 'lease', schema: leaseRequestSchema });
  const byGroup = Map.groupBy(payload.groups, ({ group }) => group);
  const answers = await fewAtOnce(DOCUMENTS_AT_ONCE, byGroup.entries(), async ([group, questions]) => {
    const renewal = await renew(ports.documents, site, { group, asker: guardOf(key), questions });
    return questions.map((question) => answer(ports, site, question, renewal));
  });
  return { version: CURRENT_VERSION, groups: answers.flat() };
}

async function renew(
  documents: Documents,
  site: SiteRef,
  of: { readonly group: string; readonly asker: string | undefined; readonly questions: readonly Question[] },
): Promise<Renewal> {
  const group = parseGroup(of.group);
  const refuseAll = (reason: string) => new Map(of.questions.map((question) => [question, { reason, isStale: false }]));
  if (siteId(group) !== siteId(site)) {
    return { group: undefined, refusals: refuseAll(`it is not a group of ${siteId(site)}`) };
  }
  let refusals = new Map<Question, Refusal>();
  let seen: GroupDocument | undefined;
  try {
    const { value } = await documents.update(groupKind, names.group(group), (found) => {
      seen = found;
      refusals = new Map();
      for (const question of of.questions) {
        const refusal = whyRefused(found, question, of.asker);
        if (refusal) refusals.set(question, refusal);
      }
      // What nobody is granted is no renewal: it would only put off the end of a term.
      return renewed(
        found,
        of.questions.filter((question) => !refusals.has(question)),
      );
    });
    return { group: value, refusals };
  } catch (error) {
    return { group: seen, refusals: refuseAll(describeError(error)) };
  }
}

/** Undefined where a lease is to be granted. `asker` is the guard that signed. */
function whyRefused(group: GroupDocument, question: Question, asker: string | undefined): Refusal | undefined {
  const reason = whyNoLease(group) ?? whyNotFor(group, question, asker);
  if (reason !== undefined) return { reason, isStale: false };
  if (isNext(group, question)) return undefined;
  return { reason: 'another question was granted since the one that it names', isStale: true };
}

/** Why a question gets no lease whatever the group's state; undefined where it may. */
function whyNotFor({ guards = [] }: GroupDocument, { node }: Question, asker: string | undefined): string | undefined {
  if (asker !== undefined && node !== asker) return `the guard on ${asker} asks for itself alone`;
  if (node === undefined) return guards.length === 0 ? undefined : 'its guards alone are granted leases';
  return guards.some((guard) => guard.node === node) ? undefined : `it has no guard on ${node}`;
}

function answer({ keySecret }: LeasePorts, site: SiteRef, question: Question, { group, refusals }: Renewal): Answered {
  const { nonce, node } = question;
  const refusal = refusals.get(question);
  const isGranted = refusal === undefined && group !== undefined;
  const grant: Grant = {
    group: question.group,
    nonce,
    granted: isGranted,
    term: group?.term ?? 0,
    leaseMs: isGranted ? group.leaseMs : 0,
    ...(group?.lease && { lease: group.lease }),
    ...(refusal && { reason: refusal.reason }),
    ...(refusal?.isStale === true && group && { after: lastGranted(group, node) }),
    ...(group?.closing && { closing: { term: group.term, run: group.closing.run } }),
  };
  if (node === undefined) return grant;
  const key = deriveKey(keySecret, { signer: siteId(site), name: guardKey(node) });
  return { ...grant, sealed: sign(key, 'grant', grant) };
}
