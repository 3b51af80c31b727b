/** A site put together on this machine: its link to the cloud and a replicator for each of its volumes. */
import { join } from 'node:path';
import { SiteLink } from '../site/send/site-link.ts';
import type { SiteWord } from '../protocol/heartbeat.ts';
import { signingKey } from '../site/send/access.ts';
import type { SiteAccess } from '../site/send/access.ts';
import { Replicator } from '../site/replicator.ts';
import type { ReplicatorOptions } from '../site/replicator.ts';
import { parseVolume } from '../kernel/ids.ts';
import type { Clock } from '../kernel/clock.ts';
import type { CloudLink } from '../ports/cloud-link.ts';
import type { Quiesce } from '../ports/quiesce.ts';
import type { SigningKey } from '../protocol/signed.ts';
import { HttpCloudLink } from '../system/cloud-link.ts';
import { SystemClock } from '../system/clock.ts';
import { openContentIndex } from '../system/content-index.ts';
import { openSiteStore } from '../system/site-store.ts';
import { openVolumeSource } from '../system/volume-source.ts';
import { sharedWork } from '../site/work/shared-work.ts';
import { LazySource } from './lazy-source.ts';
import { offlineWord } from './offline.ts';

export interface OpenSite {
  readonly siteLink: SiteLink;
  readonly replicators: readonly Replicator[];
  readonly link: CloudLink;
  readonly key: SigningKey;
  readonly clock: Clock;
  close(): Promise<void>;
}

export interface SiteOptions {
  /** Folder that keeps the site's counters, indexes and outboxes. */
  readonly folder: string;
  readonly access: SiteAccess;
  /** Only these volumes; all by default. */
  readonly volumes?: readonly string[];
  /** Puts something between the site and the cloud, such as a cut in a demonstration. */
  readonly wrapLink?: (link: CloudLink) => CloudLink;
  /** What the heartbeat says beside the volumes. Default: what is marked as offline, since nobody looks at what runs there. */
  readonly word?: () => SiteWord;
  /** What makes a volume, by its whole id, stand still while it is read; nothing by default. */
  readonly quiesce?: (volume: string) => Quiesce | undefined;
  /** How its volumes are replicated, where not as usual. */
  readonly replication?: Pick<ReplicatorOptions, 'directFromBytes' | 'rangesEveryMs' | 'pollMs' | 'zstdLevel'>;
}

/**
 * Opens the site. A volume whose source is gone is told by its intervals, not here. Errors: CONFLICT when another process
 * has the folder open; DOCUMENT_INVALID, VERSION_TOO_NEW.
 */
export async function openSite(options: SiteOptions): Promise<OpenSite> {
  const { access, folder } = options;
  const clock = new SystemClock();
  const closing: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closing.splice(0)) await end();
  };
  try {
    const plainLink = new HttpCloudLink(access);
    const link = options.wrapLink?.(plainLink) ?? plainLink;
    const key = signingKey(access);
    const agentStore = await openSiteStore(join(folder, 'agent'));
    closing.push(async () => agentStore.close());
    const content = openContentIndex(join(folder, 'content.sqlite'));
    // Before the agent's store, whose lock is the folder's.
    closing.unshift(async () => {
      content.close();
    });
    const siteLink = new SiteLink({
      site: access.site,
      key,
      clock,
      link,
      store: agentStore,
      word: options.word ?? (async () => offlineWord(folder, clock)),
    });
    const replicators: Replicator[] = [];
    const work = sharedWork();
    for (const { volume, source: path, label, mountPoints } of access.volumes) {
      if (options.volumes && !options.volumes.includes(volume)) continue;
      const ref = parseVolume(volume);
      const source = new LazySource(async () => openVolumeSource(path));
      closing.push(async () => source.close());
      const store = await openSiteStore(join(folder, 'volumes', ref.group, ref.volume));
      closing.push(async () => store.close());
      const shared = { siteLink, clock, content, work, ...options.replication };
      const quiesce = options.quiesce?.(volume);
      const said = { label, mountPoints };
      replicators.push(await Replicator.open({ ...shared, volume, source, store, said, quiesce }));
    }
    return { siteLink, replicators, link, key, clock, close };
  } catch (error) {
    await close();
    throw error;
  }
}
