/** A site with one volume in memory, for tests of the replicator: it can be stopped and started again over its stores. */
import { LeewardError } from '../../src/kernel/errors.ts';
import type { SiteStore } from '../../src/ports/site-store.ts';
import type { VolumeProperties, VolumeSource } from '../../src/ports/volume-source.ts';
import { SiteLink } from '../../src/site/send/site-link.ts';
import { Replicator } from '../../src/site/replicator.ts';
import type { ReplicatorOptions } from '../../src/site/replicator.ts';
import type { CloudLink } from '../../src/ports/cloud-link.ts';
import type { ManualClock } from './memory/clock.ts';
import type { MemoryCloud } from './memory-cloud.ts';
import { MemorySiteStore } from './memory/site-store.ts';
import type { SiteFixture } from './site-fixture.ts';

/** What a site needs to know of the cloud that it belongs to. */
export interface SiteCloud extends CloudLink {
  readonly site: Pick<SiteFixture, 'id' | 'key' | 'volumeBytes'>;
  readonly storage: { readonly clock: ManualClock };
}

/** A volume whose bytes a test writes. */
export class MemoryVolume implements VolumeSource {
  bytes: Uint8Array;
  isGone = false;
  known: VolumeProperties = {};
  /** Called before each read. */
  onRead: (offset: number) => void = () => undefined;

  constructor(sizeBytes: number) {
    this.bytes = new Uint8Array(sizeBytes);
  }

  async sizeBytes(): Promise<number> {
    if (this.isGone) throw new LeewardError('SOURCE_CHANGED', 'the volume is gone');
    return this.bytes.length;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.onRead(offset);
    if (this.isGone || offset + into.length > this.bytes.length) {
      throw new LeewardError('SOURCE_CHANGED', 'the volume is gone or shrank');
    }
    into.set(this.bytes.subarray(offset, offset + into.length));
  }

  async properties(): Promise<VolumeProperties> {
    return this.known;
  }

  async close(): Promise<void> {
    // Nothing is open.
  }
}

/** What a site keeps over a restart. */
export class MemorySite<Cloud extends SiteCloud = MemoryCloud> {
  readonly volume: MemoryVolume;
  readonly store = new MemorySiteStore();
  readonly agentStore = new MemorySiteStore();
  readonly cloud: Cloud;

  constructor(cloud: Cloud) {
    this.cloud = cloud;
    this.volume = new MemoryVolume(cloud.site.volumeBytes);
  }

  /** Starts it, over its store or a faulty wrapper of it. */
  async start(
    options: Partial<ReplicatorOptions> = {},
    store: SiteStore = this.store,
  ): Promise<{ siteLink: SiteLink; replicator: Replicator }> {
    const { clock } = this.cloud.storage;
    const siteLink = new SiteLink({
      site: this.cloud.site.key.signer,
      key: this.cloud.site.key,
      clock,
      link: this.cloud,
      store: this.agentStore,
    });
    const replicator = await Replicator.open({
      volume: this.cloud.site.id,
      source: this.volume,
      store,
      siteLink,
      clock,
      ...options,
    });
    return { siteLink, replicator };
  }
}
