/**
 * A site over a real stack: its link to the cloud, and volumes in image files that it changes and replicates.
 *
 * Invariant: what a volume held is recorded before its interval begins, so that there is a record of whatever may arrive
 * in the cloud, whoever is killed when. A volume is changed only between its intervals.
 */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { open, readFile, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { registerVolume } from '../../../src/app/register.ts';
import { parseVolume } from '../../../src/kernel/ids.ts';
import type { VolumeRef } from '../../../src/kernel/ids.ts';
import type { CloudLink } from '../../../src/ports/cloud-link.ts';
import { newSiteAccess, signingKey } from '../../../src/site/send/access.ts';
import type { SiteAccess } from '../../../src/site/send/access.ts';
import { SiteLink } from '../../../src/site/send/site-link.ts';
import { Replicator } from '../../../src/site/replicator.ts';
import { SystemClock } from '../../../src/system/clock.ts';
import { HttpCloudLink } from '../../../src/system/cloud-link.ts';
import { openSiteStore } from '../../../src/system/site-store.ts';
import { openVolumeSource } from '../../../src/system/volume-source.ts';
import type { Chance } from './chance.ts';
import type { LiveStack } from './live-stack.ts';

/** Nothing is granted a lease here, and the least that a plan allows is waited for. */
const LEASE_MS = 1000;

/** Registers a volume, its group and plan, and gives its site's access. */
export async function register(
  stack: LiveStack,
  volume: string,
  of: { volumeBytes: number; leaseMs?: number; pauseMs?: number },
): Promise<SiteAccess> {
  const { facts, storage } = stack;
  const { key } = await registerVolume(storage, {
    volume: parseVolume(volume),
    volumeBytes: of.volumeBytes,
    leaseMs: of.leaseMs ?? LEASE_MS,
    assumptions: { driftPpm: 1000, pauseMs: of.pauseMs ?? 200, killMs: 200 },
    stopMs: 100,
    plan: {
      mode: 'report',
      consents: [],
      windowMs: Math.max(10_000, of.leaseMs ?? 0),
      noAnswer: 'no',
      answerMs: 60_000,
      alertAfterMs: 600_000,
    },
    timing: { gapMs: 5000, everyMs: 1000 },
    target: {
      location: facts.location,
      subnet: facts.subnetId,
      image: facts.imageId,
      size: 'Standard_D2s_v5',
      probe: { port: 8080, path: '/health' },
    },
  });
  return newSiteAccess({ key, functionsUrl: facts.functionsUrl });
}

/** What a volume held when an interval began: the content of that interval's marker, the first above `after`. */
export interface Content {
  readonly after: number;
  readonly sha256: string;
}

/** SHA-256 of what the volume held at marker `number`. */
export function contentAt(contents: readonly Content[], number: number): string {
  const content = contents.findLast(({ after }) => after < number);
  assert.ok(content, `nothing was recorded for marker ${number}`);
  return content.sha256;
}

export interface LiveSiteOptions {
  readonly access: SiteAccess;
  /** Keeps the site's state, and the image files. */
  readonly folder: string;
  readonly wrapLink?: (link: CloudLink) => CloudLink;
}

export class LiveSite {
  readonly siteLink: SiteLink;
  readonly volumes: LiveVolume[] = [];
  readonly #folder: string;
  readonly #clock: SystemClock;
  readonly #closing: (() => Promise<void>)[];

  private constructor(of: {
    siteLink: SiteLink;
    folder: string;
    clock: SystemClock;
    closing: (() => Promise<void>)[];
  }) {
    this.siteLink = of.siteLink;
    this.#folder = of.folder;
    this.#clock = of.clock;
    this.#closing = of.closing;
  }

  static async open({ access, folder, wrapLink }: LiveSiteOptions): Promise<LiveSite> {
    const clock = new SystemClock();
    const store = await openSiteStore(join(folder, 'agent'));
    const plain = new HttpCloudLink(access);
    const link = wrapLink?.(plain) ?? plain;
    const siteLink = new SiteLink({ site: access.site, key: signingKey(access), clock, link, store });
    return new LiveSite({ siteLink, folder, clock, closing: [() => store.close()] });
  }

  /** A volume of random content that is replicated from now on; it is registered already. */
  async addVolume(
    volume: string,
    of: {
      chance: Chance;
      sizeBytes: number;
      resendAfterMs: number;
      deltaLiteralBytesMax?: number;
      record?: (content: Content) => Promise<void>;
    },
  ): Promise<LiveVolume> {
    const ref = parseVolume(volume);
    const path = join(this.#folder, `${ref.group}-${ref.volume}.img`);
    await writeFile(path, of.chance.bytes(of.sizeBytes));
    const source = await openVolumeSource(path);
    this.#closing.push(() => source.close());
    const store = await openSiteStore(join(this.#folder, 'volumes', ref.group, ref.volume));
    this.#closing.push(() => store.close());
    const replicator = await Replicator.open({
      volume,
      source,
      store,
      siteLink: this.siteLink,
      clock: this.#clock,
      resendAfterMs: of.resendAfterMs,
      ...(of.deltaLiteralBytesMax !== undefined && { deltaLiteralBytesMax: of.deltaLiteralBytesMax }),
    });
    const file = await open(path, 'r+');
    this.#closing.push(() => file.close());
    const live = new LiveVolume({ ref, path, sizeBytes: of.sizeBytes, replicator, file, record: of.record });
    this.volumes.push(live);
    return live;
  }

  async close(): Promise<void> {
    for (const close of this.#closing.splice(0).toReversed()) await close();
  }
}

export class LiveVolume {
  readonly ref: VolumeRef;
  readonly sizeBytes: number;
  readonly replicator: Replicator;
  readonly contents: Content[] = [];
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #record: ((content: Content) => Promise<void>) | undefined;

  constructor(of: {
    ref: VolumeRef;
    path: string;
    sizeBytes: number;
    replicator: Replicator;
    file: FileHandle;
    record: ((content: Content) => Promise<void>) | undefined;
  }) {
    this.ref = of.ref;
    this.sizeBytes = of.sizeBytes;
    this.replicator = of.replicator;
    this.#path = of.path;
    this.#file = of.file;
    this.#record = of.record;
  }

  get id(): string {
    return this.replicator.volume;
  }

  /** Overwrites `count` ranges of up to `bytesMax` bytes each; one of eight becomes zeros. */
  async change(chance: Chance, of: { count: number; bytesMax: number }): Promise<void> {
    for (let done = 0; done < of.count; done += 1) {
      const length = chance.between(1, Math.min(of.bytesMax, this.sizeBytes));
      const offset = chance.between(0, this.sizeBytes - length);
      const bytes = chance.between(1, 8) === 1 ? Buffer.alloc(length) : chance.bytes(length);
      await this.#file.write(bytes, 0, length, offset);
    }
  }

  /** One interval. What it throws is the replicator's. */
  async interval(): Promise<void> {
    const content = { after: this.replicator.status().storedNumber, sha256: hash('sha256', await this.read()) };
    this.contents.push(content);
    await this.#record?.(content);
    await this.replicator.replicateOnce();
  }

  async read(): Promise<Buffer> {
    return await readFile(this.#path);
  }
}
