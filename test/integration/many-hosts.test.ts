/**
 * Many workers on one storage: three functions hosts take deltas of several volumes that arrive out of order, doubled,
 * delayed and early, from both queues. Every replica becomes the model, and each delta takes effect exactly once.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { QueueServiceClient } from '@azure/storage-queue';
import { z } from 'zod';
import type { DeltaPiece } from '../../src/delta/delta.ts';
import { PAGE_BYTES, KIB, MIB } from '../../src/kernel/units.ts';
import { QUEUES } from '../../src/kernel/names.ts';
import { readStorageConnection } from '../../src/local/stack/stack.ts';
import type { SignedMessage } from '../../src/protocol/signed.ts';
import { replicaBlobBytes } from '../../src/vhd/footer.ts';
import { spawnHost } from '../local/host/host-process.ts';
import type { HostProcess } from '../local/host/host-process.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { Chance, seedOfRun } from '../support/integration/chance.ts';
import type { Exchange } from '../support/integration/fault-proxy.ts';
import { LiveStack, until } from '../support/integration/live-stack.ts';
import { stateOf, vhdBytes } from '../support/integration/proof.ts';
import { ProxiedStorage } from '../support/integration/proxied-storage.ts';
import { KEY_SECRET, SiteFixture } from '../support/site-fixture.ts';
import type { SiteDelta } from '../support/site-fixture.ts';

const PROJECT = join(import.meta.dirname, '../..');
const HOSTS = 3;
const DELTAS = 16;
const MARKER_EVERY = 4;
const DELAY_S_MAX = 3;
/** Long enough on a loaded machine; only a failing test waits for it. */
const PATIENCE_MS = 90_000;

/** What is held of a document's writes: how far the volume had come with each. */
const writtenSchema = z.looseObject({
  current: z.int(),
  generations: z.record(z.string(), z.looseObject({ applied: z.looseObject({ number: z.int(), digest: z.string() }) })),
});

describe('many hosts on one storage', () => {
  const seed = seedOfRun();
  const chance = new Chance(seed, 'hosts');
  const hosts: HostProcess[] = [];
  const sites: SiteFixture[] = [];
  /** Every change of a volume's document that took effect. */
  const writes = new Map<string, Exchange[]>();
  let refusedWrites = 0;
  let stack: LiveStack;
  let storage: ProxiedStorage;
  let queues: QueueServiceClient;

  before(async () => {
    stack = await LiveStack.up({ LEEWARD_KEY_SECRET: KEY_SECRET.toString('base64'), LEEWARD_CLAIM_MS: '3000' });
    storage = await ProxiedStorage.before(stack, seed);
    queues = QueueServiceClient.fromConnectionString(await readStorageConnection(stack.facts));
    const { account, documents, access } = stack.storage;
    for (const [volume, volumeBytes] of [
      ['one', 64 * KIB],
      ['two', 64 * KIB],
      ['three', MIB],
      ['four', 3 * MIB],
    ] as const) {
      const site = new SiteFixture({
        account,
        volumeBytes,
        volume: { tenant: 'acme', site: 'rome', group: 'shop', volume },
      });
      sites.push(await site.register(documents));
      await access.ensureContainer(site.journal);
      const seen: Exchange[] = [];
      writes.set(site.id, seen);
      storage.blobs.watch(
        ({ method, path }) => method === 'PUT' && path.endsWith(`/state/${site.documentName}`),
        (exchange) => {
          if (exchange.status === 201) seen.push(exchange);
          else refusedWrites += 1;
        },
      );
    }
    for (let more = 1; more < HOSTS; more += 1) hosts.push(await spawnHost(PROJECT, { ...storage.settings }));
    await Promise.all(hosts.map(async (host) => host.ready()));
  });

  after(async () => {
    for (const host of hosts) await host.dispose();
    await storage.close();
    await stack.close();
  });

  /** The next delta of a site, with a few ranges of its own; some large, some zeros. */
  function make(site: SiteFixture, number: number): SiteDelta {
    const pages = site.volumeBytes / PAGE_BYTES;
    const extents: DeltaPiece[] = [];
    let page = 0;
    for (let wanted = chance.between(1, 4); wanted > 0 && page < pages; wanted -= 1) {
      const from = chance.between(page, pages - 1);
      page = chance.between(from + 1, Math.min(pages, from + 400));
      const [offset, lengthBytes] = [from * PAGE_BYTES, (page - from) * PAGE_BYTES];
      extents.push(
        chance.between(1, 5) === 1 ? { offset, zerosBytes: lengthBytes } : { offset, bytes: chance.bytes(lengthBytes) },
      );
    }
    return site.next({ extents, ...(number % MARKER_EVERY === 0 && { marker: `m${number}` }) });
  }

  async function send(message: SignedMessage, of: { delayS: number }): Promise<void> {
    const queue = chance.pick([QUEUES.deltas, QUEUES.bulk]);
    const body = Buffer.from(JSON.stringify(message)).toString('base64');
    await queues.getQueueClient(queue).sendMessage(body, { messageTimeToLive: -1, visibilityTimeout: of.delayS });
  }

  async function messageOf(site: SiteFixture, delta: SiteDelta): Promise<SignedMessage> {
    if (delta.bytes.length <= 30 * KIB && chance.between(1, 3) > 1) return site.inline(delta);
    return await site.put(stack.storage.entries, delta, chance.pick(['literal-1', 'literal-2']));
  }

  test('every replica becomes the model', async (t) => {
    const messages: { message: SignedMessage; delayS: number }[] = [];
    const last: SignedMessage[] = [];
    for (const site of sites) {
      const missing = chance.between(2, 6);
      for (let number = 1; number <= DELTAS; number += 1) {
        const delta = make(site, number);
        const copies = number === missing ? 0 : chance.between(1, 3);
        for (let copy = 0; copy < copies; copy += 1) {
          const delayS = Math.max(0, chance.between(-DELAY_S_MAX, DELAY_S_MAX));
          messages.push({ message: await messageOf(site, delta), delayS });
        }
        // All that comes after it is early, and waits.
        if (number === missing) last.push(await messageOf(site, delta));
      }
    }
    for (let at = messages.length - 1; at > 0; at -= 1) {
      const other = chance.between(0, at);
      const [one, two] = [messages[at], messages[other]];
      if (one && two) [messages[at], messages[other]] = [two, one];
    }
    for (const { message, delayS } of messages) await send(message, { delayS });
    for (const message of last) for (let copy = 0; copy < HOSTS; copy += 1) await send(message, { delayS: 3 });

    for (const site of sites) {
      await until(
        () => `${site.id} at ${DELTAS}, seed ${seed}`,
        PATIENCE_MS,
        async () => ((await appliedOf(site)) === DELTAS ? true : undefined),
      );
    }
    await until(
      () => 'empty queues',
      PATIENCE_MS,
      async () => {
        const left = await Promise.all(
          [QUEUES.deltas, QUEUES.bulk].map(async (name) => queues.getQueueClient(name).getProperties()),
        );
        return left.every(({ approximateMessagesCount }) => approximateMessagesCount === 0) ? true : undefined;
      },
    );
    for (const site of sites) await assertModel(site);
    assert.deepEqual(await stack.setAside(), [], 'nothing is set aside');
    t.diagnostic(`seed ${seed}; ${messages.length + last.length * HOSTS} messages for ${sites.length * DELTAS} deltas`);
  });

  /** The replica and every point are the model, valid VHDs and no longer than they have to be. */
  async function assertModel(site: SiteFixture): Promise<void> {
    const { document, generation } = await stateOf(stack.storage, site.id);
    const { replica, volumeBytes, snapshots } = generation;
    assert.equal(document.trouble, null, site.id);
    assertSameBytes(await vhdBytes(stack.storage, replica, { volumeBytes }), site.bytesAt(DELTAS), site.id);
    const { sizeBytes } = (await stack.storage.replicas.properties(replica)) ?? {};
    assert.equal(sizeBytes, replicaBlobBytes(volumeBytes));
    for (const { number, snapshot } of snapshots) {
      const bytes = await vhdBytes(stack.storage, replica, { volumeBytes, snapshot });
      assertSameBytes(bytes, site.bytesAt(number), `point ${number} of ${site.id}`);
    }
  }

  async function appliedOf(site: SiteFixture): Promise<number> {
    return (await stateOf(stack.storage, site.id)).generation.applied.number;
  }

  test('each delta took effect exactly once, and made its point once', async (t) => {
    for (const site of sites) {
      const numbers = appliedBy(site);
      assert.equal(numbers.at(-1), DELTAS, site.id);
      numbers.forEach((number, at) => {
        assert.ok(number > (numbers[at - 1] ?? 0), `${site.id}: ${number} after ${numbers[at - 1] ?? 0}`);
      });
      const points = (await stateOf(stack.storage, site.id)).generation.snapshots.map(({ number }) => number);
      const marked = Array.from({ length: DELTAS / MARKER_EVERY }, (_, at) => (at + 1) * MARKER_EVERY);
      assert.deepEqual(points, marked, `${site.id}: a point for each marker, and none twice`);
    }
    t.diagnostic(`${refusedWrites} writes of a state came too late and were refused`);
  });

  /** The numbers that `applied` went through, in the order in which the document was written: by its ETags. */
  function appliedBy(site: SiteFixture): number[] {
    const all = writes.get(site.id) ?? [];
    const after = new Map(all.map((write) => [write.request.headers['if-match'], write]));
    assert.equal(after.size, all.length, `${site.id}: no state was written over twice`);
    const etags = new Set(all.map((write) => write.headers.etag));
    let next = all.find(({ request }) => !etags.has(request.headers['if-match']));
    const numbers: number[] = [];
    let walked = 0;
    for (; next; next = after.get(next.headers.etag), walked += 1) {
      const { current, generations } = writtenSchema.parse(JSON.parse(next.body.toString('utf8')));
      const { applied } = generations[String(current)] ?? {};
      assert.ok(applied);
      assert.equal(applied.digest, site.digestAt(applied.number), `${site.id}: applied is the model's`);
      if (applied.number !== (numbers.at(-1) ?? 0)) numbers.push(applied.number);
    }
    assert.equal(walked, all.length, `${site.id}: one history`);
    return numbers;
  }

  test('all of them took part', () => {
    const logs = [stack.hostLog(), ...hosts.map(({ lines }) => lines.join('\n'))];
    const taken = logs.map((log) => log.match(/\[ingest(-bulk)? \S+\] succeeded/g)?.length ?? 0);
    assert.ok(
      taken.every((count) => count > 0),
      `messages taken: ${taken.join(', ')}`,
    );
  });
});
