/** A site at work: heartbeats and intervals side by side, while one volume's first copy, disk or line takes its time. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { LeewardError, describeError } from '../../src/kernel/errors.ts';
import { Semaphore } from '../../src/kernel/semaphore.ts';
import { MIB } from '../../src/kernel/units.ts';
import { envelopeSchema } from '../../src/protocol/envelope.ts';
import { readPayload, signedMessageSchema } from '../../src/protocol/signed.ts';
import { workForEver, workOnce } from '../../src/site/loops.ts';
import type { SiteNews } from '../../src/site/loops.ts';
import { Replicator } from '../../src/site/replicator.ts';
import type { ReplicatorOptions } from '../../src/site/replicator.ts';
import { SiteLink } from '../../src/site/send/site-link.ts';
import { sharedWork } from '../../src/site/work/shared-work.ts';
import { MemoryCloud } from '../support/memory-cloud.ts';
import { MemoryVolume } from '../support/memory-site.ts';
import { intercept } from '../support/memory/intercept.ts';
import type { PortCall } from '../support/memory/intercept.ts';
import { MemorySiteStore } from '../support/memory/site-store.ts';
import { WakingClock } from '../support/memory/waking-clock.ts';
import { SiteFixture } from '../support/site-fixture.ts';

/** How often the cloud of these tests wants to hear from a site. */
const EVERY_MS = 1000;

class SlowVolume extends MemoryVolume {
  /** How long reading a MiB takes. */
  slowly: () => Promise<void> = async () => undefined;

  override async read(offset: number, into: Uint8Array): Promise<void> {
    await this.slowly();
    await super.read(offset, into);
  }
}

class BusySite {
  readonly cloud: MemoryCloud;
  readonly clock: WakingClock;
  readonly siteLink: SiteLink;
  readonly replicators: Replicator[] = [];
  readonly work = sharedWork();
  readonly stopping = new AbortController();
  readonly news: SiteNews[] = [];
  /** When each heartbeat was sent, on boot time. */
  readonly beats: number[] = [];
  /** How long putting an entry takes. */
  putMs = 0;

  private constructor(cloud: MemoryCloud) {
    this.cloud = cloud;
    this.clock = new WakingClock(cloud.storage.clock);
    const { clock } = this;
    const { key } = cloud.site;
    this.siteLink = new SiteLink({ site: key.signer, key, clock, link: cloud, store: new MemorySiteStore() });
    cloud.before = async (request) => {
      if (request === 'putEntry') await clock.sleep(this.putMs);
      if (request !== 'heartbeat') return;
      this.beats.push(clock.bootMs());
      // The cloud is quick: what was sent so far is in the replica.
      await cloud.work();
    };
  }

  static async make(): Promise<BusySite> {
    return new BusySite(await MemoryCloud.make({ volumeBytes: MIB }));
  }

  /** Another volume, of random bytes, whose store's calls go through `around`. */
  async volume(
    name: string,
    sizeBytes: number,
    options: Partial<ReplicatorOptions> = {},
    around: (call: PortCall) => Promise<unknown> = async ({ proceed }) => proceed(),
  ): Promise<{ readonly replicator: Replicator; readonly source: SlowVolume }> {
    const { cloud, clock, siteLink, work } = this;
    const ref = { ...cloud.site.ref, volume: name };
    const { id } = await new SiteFixture({ volume: ref, volumeBytes: sizeBytes }).register(cloud.storage.documents);
    const source = new SlowVolume(sizeBytes);
    source.bytes.set(randomBytes(sizeBytes));
    const store = intercept(new MemorySiteStore(), around);
    const shared = { siteLink, clock, work, zstdLevel: 0, deltaLiteralBytesMax: MIB, resendAfterMs: 20_000 };
    const replicator = await Replicator.open({ ...shared, volume: id, source, store, ...options });
    this.replicators.push(replicator);
    return { replicator, source };
  }

  options() {
    return {
      waitMs: 300_000,
      signal: this.stopping.signal,
      tell: (news: SiteNews) => {
        this.news.push(news);
      },
    };
  }

  /** The longest time without a heartbeat since `sinceBootMs`. */
  longestSilenceMs(sinceBootMs: number): number {
    const times = [sinceBootMs, ...this.beats.filter((at) => at >= sinceBootMs), this.clock.bootMs()];
    return Math.max(...times.slice(1).map((at, index) => at - (times[index] ?? at)));
  }

  /** Volume and number of each delta that a message told of. */
  get sent(): string[] {
    return this.cloud.messages.map((text) => {
      const { volume = '', number } = readPayload(signedMessageSchema.parse(JSON.parse(text)), envelopeSchema);
      return `${volume.split('/').at(-1) ?? ''} ${number}`;
    });
  }
}

test('heartbeats go out as often as the cloud asks for them through a first copy that takes long to send', async () => {
  const site = await BusySite.make();
  await site.volume('disk', 20 * MIB);
  site.putMs = 60_000;
  const begun = site.clock.bootMs();
  await site.clock.passUntil(workOnce(site, site.options()));
  assert.ok(site.clock.bootMs() - begun >= 20 * site.putMs);
  assert.ok(site.longestSilenceMs(begun) <= EVERY_MS, `${site.longestSilenceMs(begun)} ms of silence`);
  // Acknowledgements are heard meanwhile: nothing is sent twice.
  assert.equal(site.sent.length, 20);
});

test('they go out while a volume is read, compared and stored however slowly, and while it hears an answer', async () => {
  const site = await BusySite.make();
  const { source } = await site.volume('disk', 8 * MIB, {}, async ({ method, proceed }) => {
    if (method === 'writeIndex' || method === 'writeState') await site.clock.sleep(30_000);
    return await proceed();
  });
  await site.volume('other', MIB);
  source.slowly = () => site.clock.sleep(30_000);
  const begun = site.clock.bootMs();
  let otherDoneMs = Infinity;
  const options = site.options();
  await site.clock.passUntil(
    workOnce(site, {
      ...options,
      tell: (news) => {
        options.tell(news);
        if (news.volume?.endsWith('/other') === true) otherDoneMs = site.clock.bootMs() - begun;
      },
    }),
  );
  assert.ok(site.clock.bootMs() - begun > 500_000);
  assert.ok(site.longestSilenceMs(begun) <= EVERY_MS, `${site.longestSilenceMs(begun)} ms of silence`);
  assert.ok(otherDoneMs < 5000, `the other volume waited ${otherDoneMs} ms`);
});

test('while one volume makes its first copy, another keeps its interval', async () => {
  const site = await BusySite.make();
  await site.volume('large', 60 * MIB);
  const small = await site.volume('small', MIB);
  site.putMs = 13_000;
  const everyMs = (volume: string): number => (volume.endsWith('/small') ? 60_000 : 600_000);
  const options = site.options();
  let changes = 0;
  const working = workForEver(site, {
    ...options,
    everyMs,
    tell: (news) => {
      options.tell(news);
      assert.ok('acknowledged' in news, 'error' in news ? describeError(news.error) : '');
      if (news.volume.endsWith('/large')) site.stopping.abort(new LeewardError('UNAVAILABLE', 'stopped'));
      changes += 1;
      small.source.bytes[changes * 4096] = changes;
    },
  });
  const begun = site.clock.bootMs();
  await site.clock.passUntil(working);
  const minutes = (site.clock.bootMs() - begun) / 60_000;
  const made = small.replicator.status().acknowledgedNumber;
  assert.ok(minutes > 3 && made >= Math.floor(minutes), `${made} deltas of the small volume in ${minutes} minutes`);
});

test('volumes take turns: no more deltas at a time than are allowed, and none waits for all of another', async () => {
  const site = await BusySite.make();
  const work = { ...sharedWork(), making: new Semaphore(1) };
  let [inMemory, most] = [0, 0];
  const stored: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    await site.volume(name, 3 * MIB, { work }, async ({ method, args, proceed }) => {
      if (method !== 'putDelta') return await proceed();
      inMemory += 1;
      most = Math.max(most, inMemory);
      await site.clock.sleep(100);
      inMemory -= 1;
      stored.push(`${name} ${String(args[0])}`);
      return await proceed();
    });
  }
  await site.clock.passUntil(workOnce(site, site.options()));
  assert.equal(most, 1);
  const rounds = [1, 2, 3].map((number) => ['a', 'b', 'c'].map((name) => `${name} ${number}`));
  assert.deepEqual(stored, rounds.flat());
});

test('a volume that is read for long and has hardly changed holds up no other: its delta ends early', async () => {
  const site = await BusySite.make();
  const work = { ...sharedWork(), making: new Semaphore(1) };
  const long = await site.volume('long', 60 * MIB, { work });
  const short = await site.volume('short', MIB, { work });
  await site.clock.passUntil(workOnce(site, site.options()));
  for (const { source } of [long, short]) source.bytes[0] = (source.bytes[0] ?? 0) ^ 1;
  const [before, begun] = [long.replicator.status().storedNumber, site.clock.bootMs()];
  long.source.slowly = () => site.clock.sleep(5000);
  let shortDoneMs = Infinity;
  await site.clock.passUntil(
    workOnce(site, {
      ...site.options(),
      tell: ({ volume }) => {
        if (volume?.endsWith('/short') === true) shortDoneMs = site.clock.bootMs() - begun;
      },
    }),
  );
  assert.ok(site.clock.bootMs() - begun > 290_000);
  assert.ok(shortDoneMs < 30_000, `${shortDoneMs} ms`);
  // What had changed, and then the marker, since only the whole of it stands as the volume stood.
  assert.deepEqual(long.replicator.status().storedNumber - before, 2);
  assert.equal(long.replicator.status().acknowledgedNumber, before + 2);
});

test('it ends soon when it is told to, whatever is under way, and goes on from there', async () => {
  for (const slow of ['reading', 'sending'] as const) {
    const site = await BusySite.make();
    const { source, replicator } = await site.volume('disk', 40 * MIB);
    if (slow === 'reading') source.slowly = () => site.clock.sleep(10_000);
    else site.putMs = 10_000;
    const { clock } = site;
    const working = workForEver(site, { ...site.options(), everyMs: () => 60_000 });
    await clock.passUntil(clock.sleep(95_000));
    site.stopping.abort(new LeewardError('UNAVAILABLE', 'stopped'));
    const [stopped, sent] = [clock.bootMs(), site.sent.length];
    await clock.passUntil(working);
    assert.ok(clock.bootMs() - stopped <= 10_000, `${slow}: ${clock.bootMs() - stopped} ms`);
    assert.ok(site.sent.length <= sent + 1, slow);
    assert.deepEqual(site.news, [], slow);

    source.slowly = async () => undefined;
    site.putMs = 0;
    await clock.passUntil(workOnce(site, { ...site.options(), signal: new AbortController().signal }));
    assert.equal(replicator.status().waitingBytes, 0);
    assert.ok(replicator.status().firstCopyDone);
  }
});

test('what nobody foresaw in one of its loops ends them all', async () => {
  const site = await BusySite.make();
  await site.volume('disk', MIB);
  const options = site.options();
  const everyMs = (): number => {
    if (site.beats.length > 3) throw new TypeError('nobody thought of that');
    return 5000;
  };
  await site.clock.passUntil(assert.rejects(workForEver(site, { ...options, everyMs }), TypeError));
  const { length } = site.beats;
  await site.clock.passUntil(site.clock.sleep(60_000));
  assert.equal(site.beats.length, length);
});

test('a volume whose own disk fails is told of, and stops neither itself for good nor another', async () => {
  const site = await BusySite.make();
  let fails = true;
  const broken = await site.volume('broken', MIB, {}, async ({ method, proceed }) => {
    if (fails && method === 'putDelta') throw new Error('ENOSPC: no space left on device');
    return await proceed();
  });
  const sound = await site.volume('sound', MIB);
  const working = workForEver(site, { ...site.options(), everyMs: () => 60_000 });
  await site.clock.passUntil(site.clock.sleep(30_000));
  assert.equal(sound.replicator.status().acknowledgedNumber, 1);
  await site.clock.passUntil(site.clock.sleep(150_000));
  const told = site.news.filter((news) => 'error' in news && /ENOSPC/.test(describeError(news.error)));
  assert.equal(told.length, 1, 'what stays the same is told once');
  fails = false;
  await site.clock.passUntil(site.clock.sleep(60_000));
  assert.equal(broken.replicator.status().acknowledgedNumber, 1);
  site.stopping.abort();
  await site.clock.passUntil(working);
});

test('a heartbeat that is under way is not doubled, and one that another part asked for just now serves all', async () => {
  const site = await BusySite.make();
  const { clock, cloud, siteLink } = site;
  await site.volume('a', MIB);
  const { before } = cloud;
  let [underWay, most] = [0, 0];
  cloud.before = async (request, body) => {
    await before(request, body);
    if (request !== 'heartbeat') return;
    underWay += 1;
    most = Math.max(most, underWay);
    await clock.sleep(5000);
    underWay -= 1;
  };
  const running = siteLink.run(site.stopping.signal, () => undefined);
  const asked = [siteLink.heartbeat(), siteLink.heartbeat({ volume: 'a' }), siteLink.heartbeat()];
  await clock.passUntil(clock.sleep(4000));
  assert.equal(site.beats.length, 1);
  await clock.passUntil(Promise.all(asked));
  await clock.passUntil(clock.sleep(60_000));
  assert.equal(most, 1);
  const sent = site.beats.length;
  await siteLink.heartbeat({ maxAgeMs: 12_000 });
  assert.equal(site.beats.length, sent);
  site.stopping.abort();
  await clock.passUntil(running);
});
