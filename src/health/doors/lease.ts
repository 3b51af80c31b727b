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
import type { LeaseAnswer, LeaseQuestion } from '../../protocol/lease.ts';
import { deriveKey, guardKey, guardOf, sign } from '../../protocol/signed.ts';
import { openSiteMessage } from './site-message.ts';
import { grantOf, renewed } from '../term/term.ts';
import type { Renewal } from '../term/term.ts';

export interface LeasePorts {
  readonly documents: Documents;
  /** The secret that keys are derived from. */
  readonly keySecret: Uint8Array;
}

type Answered = LeaseAnswer['groups'][number];

/** What became of a group, for all who asked for it. */
interface Renewed {
  /** As it is now; undefined where that is not known. */
  readonly group: GroupDocument | undefined;
  readonly refusals: Renewal['refusals'];
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
  of: { readonly group: string; readonly asker: string | undefined; readonly questions: readonly LeaseQuestion[] },
): Promise<Renewed> {
  const group = parseGroup(of.group);
  const refuseAll = (reason: string) => new Map(of.questions.map((question) => [question, { reason, isStale: false }]));
  if (siteId(group) !== siteId(site)) {
    return { group: undefined, refusals: refuseAll(`it is not a group of ${siteId(site)}`) };
  }
  let refusals: Renewal['refusals'] = new Map();
  let seen: GroupDocument | undefined;
  try {
    const { value } = await documents.update(groupKind, names.group(group), (found) => {
      seen = found;
      const renewal = renewed(found, of.questions, of.asker);
      refusals = renewal.refusals;
      return renewal.after;
    });
    return { group: value, refusals };
  } catch (error) {
    return { group: seen, refusals: refuseAll(describeError(error)) };
  }
}

function answer({ keySecret }: LeasePorts, site: SiteRef, question: LeaseQuestion, of: Renewed): Answered {
  const grant = grantOf(of.group, question, of.refusals.get(question));
  const { node } = question;
  if (node === undefined) return grant;
  const key = deriveKey(keySecret, { signer: siteId(site), name: guardKey(node) });
  return { ...grant, sealed: sign(key, 'grant', grant) };
}
