/** What is known of a site, as the status function and the command tell it. */
import { siteStatus } from '../failover/status.ts';
import type { SiteStatus } from '../failover/status.ts';
import { refusalsKind } from '../documents/refusals.ts';
import type { Refusals } from '../documents/refusals.ts';
import type { Documents } from '../documents/store.ts';
import { LeewardError } from '../kernel/errors.ts';
import { siteId } from '../kernel/ids.ts';
import type { SiteRef } from '../kernel/ids.ts';
import { documents as names } from '../kernel/names.ts';
import { noticesStatus } from '../notify/kept.ts';
import type { NoticesStatus } from '../notify/kept.ts';

export interface KnownSiteStatus extends SiteStatus {
  readonly notices: NoticesStatus;
  /** What was refused of whatever anybody sent to the whole deployment: by door, then by the error's code. */
  readonly refused: Refusals['counts'];
}

/** As `siteStatus`, but a site of which nothing is known is NOT_FOUND: an empty answer would look like a healthy one. */
export async function knownSiteStatus(documents: Documents, site: SiteRef): Promise<KnownSiteStatus> {
  const [status, notices, refusals] = await Promise.all([
    siteStatus(documents, site),
    noticesStatus(documents, site),
    documents.read(refusalsKind, names.refusals),
  ]);
  const refused = refusals?.value.counts ?? {};
  if (status.heartbeat !== null || status.groups.length > 0) return { ...status, notices, refused };
  throw new LeewardError('NOT_FOUND', `nothing is known of a site ${siteId(site)}: \`leeward volume add\` makes one`);
}
