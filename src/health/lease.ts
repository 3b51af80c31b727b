/**
 * Renews the leases of a site's groups (docs/site-protocol.md, "Lease").
 *
 * Invariants: a lease is granted only after the write that records it succeeded, so that the document's time of writing
 * bounds every lease; only a group that is open and held by the site is renewed, and the write that renews is made over
 * exactly the version that was found so; one group's trouble never spoils the answer for the others.
 */
import { groupKind } from '../documents/group.ts';
import { DOCUMENTS_AT_ONCE } from '../documents/store.ts';
import type { Documents } from '../documents/store.ts';
import { describeError } from '../kernel/errors.ts';
import { fewAtOnce } from '../kernel/few-at-once.ts';
import { parseGroup, siteId } from '../kernel/ids.ts';
import type { SiteRef } from '../kernel/ids.ts';
import { documents as names } from '../kernel/names.ts';
import { CURRENT_VERSION } from '../kernel/versions.ts';
import { leaseRequestSchema } from '../protocol/lease.ts';
import type { LeaseAnswer, LeaseRequest } from '../protocol/lease.ts';
import { openSiteMessage } from './site-message.ts';
import { renewed, whyNoLease } from './term.ts';

export interface LeasePorts {
  readonly documents: Documents;
  /** The secret that keys are derived from. */
  readonly keySecret: Uint8Array;
}

type Asked = LeaseRequest['groups'][number];
type Answered = LeaseAnswer['groups'][number];

/**
 * Renews every group of the request that may be renewed, and says of the others why not. Errors: as
 * {@link openSiteMessage}. A grant that was written and whose answer is lost costs nothing but a later end of the term.
 */
export async function renewLeases(ports: LeasePorts, data: unknown): Promise<LeaseAnswer> {
  const { site, payload } = await openSiteMessage(ports, data, { kind: 'lease', schema: leaseRequestSchema });
  return {
    version: CURRENT_VERSION,
    groups: await fewAtOnce(DOCUMENTS_AT_ONCE, payload.groups, (asked) => renew(ports.documents, site, asked)),
  };
}

async function renew(documents: Documents, site: SiteRef, asked: Asked): Promise<Answered> {
  const echo = { group: asked.group, nonce: asked.nonce };
  const group = parseGroup(asked.group);
  if (siteId(group) !== siteId(site)) {
    return { ...echo, granted: false, term: 0, leaseMs: 0, reason: `it is not a group of ${siteId(site)}` };
  }
  let term = 0;
  let reason: string | undefined;
  try {
    const { value } = await documents.update(groupKind, names.group(group), (found) => {
      term = found.term;
      reason = whyNoLease(found);
      return renewed(found);
    });
    if (reason === undefined) return { ...echo, granted: true, term, leaseMs: value.leaseMs };
  } catch (error) {
    reason = describeError(error);
  }
  return { ...echo, granted: false, term, leaseMs: 0, reason };
}
