/** What is known of a site, as the status function and the command tell it. */
import { siteStatus } from '../failover/status.ts';
import type { SiteStatus } from '../failover/status.ts';
import type { Documents } from '../documents/store.ts';
import { LeewardError } from '../kernel/errors.ts';
import { siteId } from '../kernel/ids.ts';
import type { SiteRef } from '../kernel/ids.ts';
import { noticesStatus } from '../notify/kept.ts';
import type { NoticesStatus } from '../notify/kept.ts';

export interface KnownSiteStatus extends SiteStatus {
  readonly notices: NoticesStatus;
}

/** As `siteStatus`, but a site of which nothing is known is NOT_FOUND: an empty answer would look like a healthy one. */
export async function knownSiteStatus(documents: Documents, site: SiteRef): Promise<KnownSiteStatus> {
  const [status, notices] = await Promise.all([siteStatus(documents, site), noticesStatus(documents, site)]);
  if (status.heartbeat !== null || status.groups.length > 0) return { ...status, notices };
  throw new LeewardError('NOT_FOUND', `nothing is known of a site ${siteId(site)}: \`leeward volume add\` makes one`);
}
