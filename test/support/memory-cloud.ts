/**
 * The cloud as a site sees it, in one process: the real heartbeat, lease, ingest and engine over storage in memory.
 *
 * Invariant: what a site sends takes the way it takes in Azure; only HTTP and the SAS are played. An access ends when
 * it says so, on the storage's clock.
 */
import assert from 'node:assert/strict';
import { receiveHeartbeat } from '../../src/health/doors/heartbeat.ts';
import { renewLeases } from '../../src/health/doors/lease.ts';
import { LeewardError } from '../../src/kernel/errors.ts';
import { QUEUES, journalContainer } from '../../src/kernel/names.ts';
import { answerVolumes } from '../../src/replica/answer/volumes-answer.ts';
import { heedWord } from '../../src/replica/intake/site-word.ts';
import type { CloudLink } from '../../src/ports/cloud-link.ts';
import { currentGeneration } from '../../src/documents/volume.ts';
import type { HeartbeatAnswer } from '../../src/protocol/heartbeat.ts';
import type { LeaseAnswer } from '../../src/protocol/lease.ts';
import type { SignedMessage } from '../../src/protocol/signed.ts';
import { MemoryStorage } from './data-path.ts';
import type { Worker } from './data-path.ts';
import { ACCOUNT, KEY_SECRET, SiteFixture } from './site-fixture.ts';

export interface MemoryCloudOptions {
  readonly volumeBytes: number;
  readonly accessMs?: number;
}

export class MemoryCloud implements CloudLink {
  readonly storage: MemoryStorage;
  readonly site: SiteFixture;
  readonly #worker: Worker;
  readonly #accessMs: number;
  /** Called before each request takes effect; what it throws is what the site gets. */
  before: (request: keyof CloudLink, body: unknown) => void | Promise<void> = () => undefined;
  /** Every text that was added to a queue, and every entry's name. */
  readonly messages: string[] = [];
  readonly entries: string[] = [];
  heartbeats = 0;
  /** What it says of how long entries are kept. */
  journalKeptMs = 7 * 86_400_000;
  /** What it says of how large a delta may be. */
  limits: HeartbeatAnswer['limits'];

  private constructor(storage: MemoryStorage, site: SiteFixture, accessMs: number) {
    this.storage = storage;
    this.site = site;
    this.#worker = storage.worker();
    this.#accessMs = accessMs;
  }

  /** A cloud that knows one site with one volume. */
  static async make(options: MemoryCloudOptions): Promise<MemoryCloud> {
    const storage = new MemoryStorage();
    const site = await new SiteFixture({ volumeBytes: options.volumeBytes }).register(storage.documents);
    return new MemoryCloud(storage, site, options.accessMs ?? 3_600_000);
  }

  async heartbeat(message: SignedMessage): Promise<HeartbeatAnswer> {
    await this.before('heartbeat', message);
    this.heartbeats += 1;
    const { documents, access } = this.storage;
    const tell = (line: string): void => {
      assert.fail(line);
    };
    return await receiveHeartbeat(
      {
        documents,
        access,
        keySecret: KEY_SECRET,
        accessMs: this.#accessMs,
        everyMs: 1000,
        journalKeptMs: this.journalKeptMs,
        limits: this.limits,
        heed: async (word, nowMs) => heedWord(this.storage, word, nowMs),
        answerVolumes: async (of) => answerVolumes({ documents, access, tell }, of),
        tell,
      },
      message,
    );
  }

  async lease(message: SignedMessage): Promise<LeaseAnswer> {
    await this.before('lease', message);
    return await renewLeases({ documents: this.storage.documents, keySecret: KEY_SECRET }, message);
  }

  async putEntry(containerUrl: string, name: string, bytes: Uint8Array): Promise<void> {
    await this.before('putEntry', bytes);
    const container = this.#open(containerUrl);
    assert.equal(container, journalContainer(this.site.ref));
    this.entries.push(name);
    await this.storage.entries.create({ account: ACCOUNT, container, blob: name }, bytes);
  }

  async putPages(blobUrl: string, offset: number, bytes: Uint8Array): Promise<void> {
    await this.before('putPages', bytes);
    const [container = '', ...blob] = this.#open(blobUrl).split('/');
    const place = { account: ACCOUNT, container, blob: blob.join('/') };
    await this.storage.replicas.writePages(place, { offset, bytes, fence: 0 });
  }

  async sendMessage(queueUrl: string, text: string): Promise<void> {
    await this.before('sendMessage', text);
    const queue = this.#open(queueUrl);
    this.messages.push(text);
    await this.storage.queues.send(queue, text);
  }

  /** Works off what lies in the queues. Gives what became of each message. */
  async work(): Promise<string[]> {
    const outcomes: string[] = [];
    for (const queue of [QUEUES.deltas, QUEUES.bulk]) {
      for (;;) {
        const [message] = await this.storage.queues.take(queue, { countMax: 1, hiddenMs: 1000 });
        if (!message) break;
        const text = Buffer.from(message.body, 'base64').toString('utf8');
        outcomes.push((await this.#worker.ingest.receive(JSON.parse(text), queue)).outcome);
        await message.done();
      }
    }
    return outcomes;
  }

  /** What the timer does: whatever is left to be done without any message. */
  async sweep(): Promise<void> {
    await this.#worker.sweeper.run([]);
  }

  /** The replica's data as it is now. */
  async replica(): Promise<Uint8Array> {
    const { replica, volumeBytes } = currentGeneration(await this.storage.volume(this.site));
    if (!(await this.storage.replicas.properties(replica))) return new Uint8Array(volumeBytes);
    return await this.storage.replicas.read(replica, { offset: 0, lengthBytes: volumeBytes });
  }

  #open(text: string): string {
    const url = new URL(text);
    if (Number(url.searchParams.get('ends')) <= this.storage.clock.wallMs()) {
      throw new LeewardError('DENIED', 'storage answered 403 AuthenticationFailed');
    }
    return url.pathname.slice(1);
  }
}
