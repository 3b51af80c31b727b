/**
 * The way from a simulated site to the cloud: HTTP functions that run in processes of their own and die like all others,
 * and storage by URLs whose credential ends when it says so. What is uploaded may arrive damaged.
 */
import { receiveHeartbeat } from '../../src/health/doors/heartbeat.ts';
import { LeewardError } from '../../src/kernel/errors.ts';
import type { AccessIssuer } from '../../src/ports/access.ts';
import type { CloudLink } from '../../src/ports/cloud-link.ts';
import type { HeartbeatAnswer } from '../../src/protocol/heartbeat.ts';
import type { LeaseAnswer } from '../../src/protocol/lease.ts';
import type { SignedMessage } from '../../src/protocol/signed.ts';
import { answerVolumes } from '../../src/replica/answer/volumes-answer.ts';
import { heedWord } from '../../src/replica/intake/site-word.ts';
import { MemoryAccess } from '../support/memory/access.ts';
import { MemoryReplicaStore } from '../support/memory/replica-store.ts';
import { ACCOUNT, KEY_SECRET } from '../support/site-fixture.ts';
import type { Cloud } from './cloud.ts';
import { Mortal } from './faults.ts';
import { override } from './override.ts';
import type { World } from './world.ts';

/** How long a site waits for an answer. */
const TIMEOUT_MS = 30_000;

/** How long a credential lives. */
const ACCESS_MS = 600_000;

export class SimulatedLink implements CloudLink {
  readonly #world: World;
  readonly #cloud: Cloud;
  readonly #damageRate: number;
  /** Makes URLs; its containers are not used. */
  readonly #urls = new MemoryAccess(new MemoryReplicaStore());

  constructor(world: World, cloud: Cloud) {
    this.#world = world;
    this.#cloud = cloud;
    this.#damageRate = world.random.pick([0, 0.05, 0.2]);
  }

  async heartbeat(message: SignedMessage): Promise<HeartbeatAnswer> {
    const { scheduler, pace } = this.#world;
    const { documents, ports } = this.#cloud.worker(new Mortal(scheduler));
    const { replicas, entries, access } = ports;
    if (!access) throw new Error('a world without containers');
    const tell = (line: string): void => {
      this.#judge(line);
    };
    const heard = receiveHeartbeat(
      {
        documents,
        access: override<AccessIssuer>(this.#urls, {
          ensureContainer: async (place) => access.ensureContainer(place),
          removeContainer: async (place) => access.removeContainer(place),
        }),
        keySecret: KEY_SECRET,
        accessMs: ACCESS_MS,
        everyMs: pace.heartbeatMs,
        journalKeptMs: 7 * 86_400_000,
        heed: async (word, nowMs) => heedWord({ documents, replicas, entries, access }, word, nowMs),
        answerVolumes: async (of) => answerVolumes({ documents, access: this.#urls, tell }, of),
        tell,
      },
      message,
    );
    // What goes wrong after nobody waits any more is nobody's.
    heard.catch(() => undefined);
    const late = scheduler.sleep(TIMEOUT_MS).then(() => {
      throw new LeewardError('UNAVAILABLE', 'the heartbeat: no answer');
    });
    late.catch(() => undefined);
    return Promise.race([heard, late]);
  }

  async lease(): Promise<LeaseAnswer> {
    throw new Error('there are no leases here');
  }

  async putEntry(containerUrl: string, name: string, bytes: Uint8Array): Promise<void> {
    const { random, areFaults, storage } = this.#world;
    const isDamaged = random.chance(this.#damageRate) && areFaults;
    const arrives = isDamaged ? bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte)) : bytes;
    await storage.entries.create({ account: ACCOUNT, container: this.#open(containerUrl), blob: name }, arrives);
  }

  async putPages(blobUrl: string, offset: number, bytes: Uint8Array): Promise<void> {
    const { replicas } = this.#world.storage;
    const [container = '', ...blob] = this.#open(blobUrl).split('/');
    const place = { account: ACCOUNT, container, blob: blob.join('/') };
    // A URL of what is gone opens nothing.
    const found = await replicas.properties(place);
    if (!found) throw new LeewardError('UNAVAILABLE', 'storage answered 404 ContainerNotFound');
    if (offset + bytes.length > found.sizeBytes) throw new LeewardError('UNAVAILABLE', 'storage answered 416');
    await replicas.writePages(place, { offset, bytes, fence: found.sequenceNumber });
  }

  async sendMessage(queueUrl: string, text: string): Promise<void> {
    await this.#world.storage.queues.send(this.#open(queueUrl), text);
  }

  #open(text: string): string {
    const url = new URL(text);
    if (Number(url.searchParams.get('ends')) <= this.#world.scheduler.wallMs()) {
      throw new LeewardError('DENIED', 'storage answered 403 AuthenticationFailed');
    }
    return url.pathname.slice(1);
  }

  /** What the cloud could not heed of the site's word, it may only have failed to. */
  #judge(line: string): void {
    if (!/no answer|changed meanwhile/.test(line)) this.#world.report(line);
  }
}
