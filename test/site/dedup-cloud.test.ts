/** Deduplication from end to end: the site's replicators, and the cloud's own ingest and engine, over storage in memory. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { currentGeneration } from '../../src/documents/volume.ts';
import { LeewardError } from '../../src/kernel/errors.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import { parseJournalEntry } from '../../src/kernel/names.ts';
import { SiteLink } from '../../src/site/send/site-link.ts';
import { Replicator } from '../../src/site/replicator.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { MemoryCloud } from '../support/memory-cloud.ts';
import { MemoryContentIndex } from '../support/memory/content-index.ts';
import { MemorySiteStore } from '../support/memory/site-store.ts';
import { MemoryVolume } from '../support/memory-site.ts';
import { ACCOUNT, SiteFixture } from '../support/site-fixture.ts';

const VOLUME_BYTES = 4 * MIB;
const DAY_MS = 86_400_000;

class Siblings {
  readonly cloud: MemoryCloud;
  readonly siteLink: SiteLink;
  readonly content = new MemoryContentIndex();

  private constructor(cloud: MemoryCloud) {
    const { key } = cloud.site;
    this.cloud = cloud;
    this.siteLink = new SiteLink({
      site: key.signer,
      key,
      clock: cloud.storage.clock,
      link: cloud,
      store: new MemorySiteStore(),
    });
  }

  static async make(): Promise<Siblings> {
    return new Siblings(await MemoryCloud.make({ volumeBytes: VOLUME_BYTES }));
  }

  async volume(name: string): Promise<Sibling> {
    const ref = { ...this.cloud.site.ref, volume: name };
    const fixture =
      name === this.cloud.site.ref.volume
        ? this.cloud.site
        : await new SiteFixture({ volume: ref, volumeBytes: VOLUME_BYTES }).register(this.cloud.storage.documents);
    const source = new MemoryVolume(VOLUME_BYTES);
    const replicator = await Replicator.open({
      volume: fixture.id,
      source,
      store: new MemorySiteStore(),
      siteLink: this.siteLink,
      clock: this.cloud.storage.clock,
      content: this.content,
    });
    return { fixture, source, replicator };
  }

  /** An interval, and what the cloud makes of it; the replica is the volume then. Gives the bytes that were sent. */
  async replicate({ fixture, source, replicator }: Sibling): Promise<number> {
    const before = replicator.status().sentBytes;
    await replicator.replicateOnce();
    for (let round = 0; round < 5; round += 1) {
      await this.cloud.work();
      await this.siteLink.round();
    }
    const { storedNumber, acknowledgedNumber, sentBytes, trouble } = replicator.status();
    assert.equal(acknowledgedNumber, storedNumber, trouble);
    const { replica } = currentGeneration(await this.cloud.storage.volume(fixture));
    const { storage } = this.cloud;
    const bytes = await storage.replicas.read(replica, { offset: 0, lengthBytes: VOLUME_BYTES });
    assertSameBytes(bytes, source.bytes, fixture.id);
    return sentBytes - before;
  }

  /** The forms in which a volume's deltas came into the journal, in order of their names. */
  async forms({ fixture }: Sibling): Promise<string[]> {
    const forms: string[] = [];
    for await (const { name } of this.cloud.storage.entries.list(fixture.journal, `${fixture.ref.group}/`)) {
      const entry = parseJournalEntry(name);
      if (entry?.volume === fixture.ref.volume) forms.push(`${entry.number} ${entry.form}`);
    }
    return forms;
  }
}

interface Sibling {
  readonly fixture: SiteFixture;
  readonly source: MemoryVolume;
  readonly replicator: Replicator;
}

test('a sibling volume costs the wire what it has alone, and its replica is whole', async () => {
  const siblings = await Siblings.make();
  const [one, two] = [await siblings.volume('data'), await siblings.volume('log')];
  one.source.bytes.set(randomBytes(2 * MIB));
  two.source.bytes.set(one.source.bytes);
  two.source.bytes.set(randomBytes(64 * KIB), 3 * MIB);
  const first = await siblings.replicate(one);
  const second = await siblings.replicate(two);
  assert(first > 2 * MIB && second < 68 * KIB, `${first} and ${second} bytes`);
  assert.deepEqual(await siblings.forms(two), ['1 literal-1', '1 refs-1']);
  // Moved within the volume, from one state to the next.
  two.source.bytes.copyWithin(2 * MIB + 128 * KIB, MIB, MIB + 512 * KIB);
  assert((await siblings.replicate(two)) < 4 * KIB);
  assert.deepEqual(await siblings.forms(two), ['1 literal-1', '1 refs-1', '2 literal-1', '2 refs-1']);
});

test('nothing refers to the journal of a cloud that keeps entries for a day only, as it says', async () => {
  for (const { journalKeptMs, forms } of [
    { journalKeptMs: DAY_MS, forms: ['1 literal-1'] },
    { journalKeptMs: DAY_MS + 3_600_000, forms: ['1 literal-1', '1 refs-1'] },
  ]) {
    const siblings = await Siblings.make();
    siblings.cloud.journalKeptMs = journalKeptMs;
    const [one, two] = [await siblings.volume('data'), await siblings.volume('log')];
    one.source.bytes.set(randomBytes(2 * MIB));
    two.source.bytes.set(one.source.bytes);
    await siblings.replicate(one);
    await siblings.replicate(two);
    assert.deepEqual(await siblings.forms(two), forms);
  }
});

test('a reference whose source is gone is asked for, answered with all its bytes, and not made again', async () => {
  const siblings = await Siblings.make();
  const [one, two, three] = [await siblings.volume('data'), await siblings.volume('log'), await siblings.volume('tmp')];
  one.source.bytes.set(randomBytes(2 * MIB));
  await siblings.replicate(one);
  for await (const { name } of siblings.cloud.storage.entries.list(one.fixture.journal, '')) {
    await siblings.cloud.storage.entries.remove({
      account: ACCOUNT,
      container: one.fixture.journal.container,
      blob: name,
    });
  }
  two.source.bytes.set(one.source.bytes);
  assert((await siblings.replicate(two)) > 2 * MIB);
  assert.deepEqual(await siblings.forms(two), ['1 literal-1', '1 refs-1']);
  // What the second one referred to is forgotten, and its own entry was never noted for content that was known.
  three.source.bytes.set(one.source.bytes);
  assert((await siblings.replicate(three)) > 2 * MIB);
  assert.deepEqual(await siblings.forms(three), ['1 literal-1']);
});

test('an entry that could not be put is put again as it was', async () => {
  const siblings = await Siblings.make();
  const [one, two] = [await siblings.volume('data'), await siblings.volume('log')];
  one.source.bytes.set(randomBytes(2 * MIB));
  two.source.bytes.set(one.source.bytes);
  let failures = 0;
  siblings.cloud.before = (request) => {
    if (request !== 'putEntry' || failures >= 4) return;
    failures += 1;
    if (failures % 2 === 1) throw new LeewardError('UNAVAILABLE', 'the network is gone');
  };
  assert((await siblings.replicate(one)) > 2 * MIB);
  assert((await siblings.replicate(two)) < 4 * KIB);
  assert.equal(failures, 4);
  assert.deepEqual(await siblings.forms(one), ['1 literal-1']);
  assert.deepEqual(await siblings.forms(two), ['1 literal-1', '1 refs-1']);
});

test('content that a delta holds twice travels once', async () => {
  const siblings = await Siblings.make();
  const one = await siblings.volume('data');
  const content = randomBytes(MIB);
  for (const offset of [0, MIB, 3 * MIB]) one.source.bytes.set(content, offset);
  const sentBytes = await siblings.replicate(one);
  assert(sentBytes < MIB + 4 * KIB, `${sentBytes} bytes`);
  assert.deepEqual(await siblings.forms(one), ['1 literal-1']);
  // And what refers to it finds its content where it stands there.
  const two = await siblings.volume('log');
  two.source.bytes.set(content, 2 * MIB);
  assert((await siblings.replicate(two)) < 4 * KIB);
});
