/**
 * Storage that fails all the time: 503, connections that are reset before and after a request took effect, torn answers,
 * and requests that arrive long after their sender gave up and tried again. Under all of them every point that is offered
 * is whole, and nothing acknowledged is lost; once they stop, every replica equals its volume.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, open, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { isLeewardError } from '../../src/kernel/errors.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import { VHD_FOOTER_BYTES } from '../../src/vhd/footer.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { Chance, seedOfRun } from '../support/integration/chance.ts';
import { FAULTS } from '../support/integration/fault-proxy.ts';
import type { Choice } from '../support/integration/fault-proxy.ts';
import { LiveSite, register } from '../support/integration/live-site.ts';
import type { LiveVolume } from '../support/integration/live-site.ts';
import { LiveStack, until } from '../support/integration/live-stack.ts';
import { provePoints, stateOf, vhdBytes } from '../support/integration/proof.ts';
import { ProxiedStorage } from '../support/integration/proxied-storage.ts';
import { needs } from '../support/tools.ts';

const FAULTS_LAST_MS = 8_000;
/** Of a thousand requests: every eighth fails. */
const RATES = { busy: 40, 'reset before': 20, 'reset after': 20, torn: 20, late: 25 };
const RESEND_AFTER_MS = 1500;
/** Long enough on a loaded machine; only a failing test waits for it. */
const PATIENCE_MS = 60_000;

const SITE = 'acme/paris';
const SMALL = `${SITE}/shop/small`;
const LARGE = `${SITE}/shop/large`;
const LATE = `${SITE}/shop/late`;
const GROWN = `${SITE}/shop/grown`;

const seed = seedOfRun();
let stack: LiveStack;
let storage: ProxiedStorage;
let site: LiveSite;
let folder = '';
const stopAgent = new AbortController();
const agentRuns: Promise<void>[] = [];

before(async () => {
  stack = await LiveStack.up({ LEEWARD_CLAIM_MS: '2000' });
  storage = await ProxiedStorage.before(stack, seed);
  folder = join(stack.folder, 'site');
  await mkdir(folder);
  const access = await register(stack, SMALL, { volumeBytes: MIB });
  site = await LiveSite.open({ access, folder });
  agentRuns.push(site.siteLink.run(stopAgent.signal, () => undefined));
});

after(async () => {
  stopAgent.abort();
  await Promise.allSettled(agentRuns);
  await site.close();
  await storage.close();
  await stack.close();
});

async function add(volume: string, of: { sizeBytes: number; deltaLiteralBytesMax?: number }): Promise<LiveVolume> {
  await register(stack, volume, { volumeBytes: of.sizeBytes });
  const chance = new Chance(seed, volume.slice(-12));
  return await site.addVolume(volume, { ...of, chance, resendAfterMs: RESEND_AFTER_MS });
}

/** What an outage does to an interval is the replicator's business. */
async function interval(volume: LiveVolume): Promise<void> {
  try {
    await volume.interval();
  } catch (error) {
    if (!isLeewardError(error, 'UNAVAILABLE')) throw error;
  }
}

/** Nothing that the site was told is taken back, and every point is what was recorded for it. */
async function assertStands(volume: LiveVolume, points: number): Promise<void> {
  const { acknowledgedNumber } = volume.replicator.status();
  const { generation, document } = await stateOf(stack.storage, volume.id);
  assert.ok(generation.tip.number >= acknowledgedNumber, `${volume.id}: ${acknowledgedNumber} was acknowledged`);
  assert.equal(document.trouble, null, volume.id);
  await provePoints(stack.storage, volume.id, { contents: volume.contents, count: points });
}

async function appliedAll(volume: LiveVolume): Promise<void> {
  await volume.replicator.waitUntilAcknowledged(PATIENCE_MS);
  const { storedNumber } = volume.replicator.status();
  const applied = async (): Promise<true | undefined> =>
    (await stateOf(stack.storage, volume.id)).generation.applied.number === storedNumber ? true : undefined;
  await until(() => `${volume.id} at ${storedNumber}, seed ${seed}`, PATIENCE_MS, applied);
}

/** So much at once is cleared, and not written. */
async function zero(volume: LiveVolume, of: { offset: number; lengthBytes: number }): Promise<void> {
  const file = await open(join(folder, `${volume.ref.group}-${volume.ref.volume}.img`), 'r+');
  await file.write(Buffer.alloc(of.lengthBytes), 0, of.lengthBytes, of.offset);
  await file.close();
}

async function replicaOf(volume: LiveVolume): Promise<Buffer> {
  const { replica } = (await stateOf(stack.storage, volume.id)).generation;
  return await vhdBytes(stack.storage, replica, { volumeBytes: volume.sizeBytes });
}

describe('storage that fails all the time', () => {
  test('tears, loses and repeats nothing, and every volume arrives once it stops', async (t) => {
    const volumes = [
      { volume: await add(SMALL, { sizeBytes: MIB }), count: 4, bytesMax: 4 * KIB, everyMs: 150 },
      { volume: await add(LARGE, { sizeBytes: 6 * MIB }), count: 3, bytesMax: MIB, everyMs: 700 },
    ];
    try {
      storage.setRates(RATES);
      // However few requests a slow machine makes: each fault meets a write, and pages come late.
      for (const fault of FAULTS) storage.blobs.spoilNext(({ method }) => method === 'PUT', fault);
      storage.blobs.spoilNext(({ comp }) => comp === 'page', 'late');
      const endMs = performance.now() + FAULTS_LAST_MS;
      const loops = volumes.map(async ({ volume, count, bytesMax, everyMs }) => {
        const changes = new Chance(seed, volume.ref.volume);
        while (performance.now() < endMs) {
          await interval(volume);
          await assertStands(volume, 1);
          await sleep(changes.between(everyMs / 2, everyMs));
          await volume.change(changes, { count, bytesMax });
        }
      });
      await Promise.all(loops);
      for (const { volume } of volumes) await assertStands(volume, Infinity);
      storage.setRates({});
      await storage.settled();

      for (const { volume } of volumes) {
        await interval(volume);
        await appliedAll(volume);
        assertSameBytes(await replicaOf(volume), await volume.read(), volume.id);
        const { storedNumber } = volume.replicator.status();
        const points = await provePoints(stack.storage, volume.id, { contents: volume.contents, count: Infinity });
        t.diagnostic(`${volume.id}: ${storedNumber} deltas, replica equal, ${points} points equal`);
      }
      assert.deepEqual(await stack.setAside(), [], 'nothing is set aside');
      for (const fault of FAULTS)
        assert.ok(storage.blobs.count(fault) > 0, `no request was ever spoiled as "${fault}"`);
      assert.match(storage.blobs.log.join('\n'), /PUT \S+\.vhd page: late by/);
      const counts = FAULTS.map((fault) => `${fault} ${storage.blobs.count(fault)}/${storage.queues.count(fault)}`);
      t.diagnostic(`seed ${seed}; blobs/queues: ${counts.join(', ')}`);
    } catch (error) {
      t.diagnostic(`seed ${seed}\n${storage.tale()}`);
      throw error;
    } finally {
      storage.setRates({});
    }
  });

  test('a stranger reads the replica, and finds it equal', needs('qemu-img'), async () => {
    for (const volume of site.volumes) {
      const image = join(folder, `${volume.ref.volume}.raw`);
      const vhd = join(folder, `${volume.ref.volume}.vhd`);
      const { replica, volumeBytes } = (await stateOf(stack.storage, volume.id)).generation;
      const { sizeBytes = 0 } = (await stack.storage.replicas.properties(replica)) ?? {};
      await writeFile(vhd, await stack.storage.replicas.read(replica, { offset: 0, lengthBytes: sizeBytes }));
      await writeFile(image, await volume.read());
      assert.equal(volumeBytes, volume.sizeBytes);
      const args = ['compare', '-f', 'vpc', '-F', 'raw', vhd, image];
      assert.match((await promisify(execFile)('qemu-img', args)).stdout, /identical/);
    }
  });
});

test('each kind of write that lands after its retry, and after the deltas that follow, changes nothing', async (t) => {
  const replica =
    (more: Choice): Choice =>
    (request) =>
      request.path.endsWith('/shop/late/00000001.vhd') && request.method === 'PUT' && more(request);
  const { blobs, queues } = storage;
  const held = [
    { what: 'making the blob', statuses: [409, 412], proxy: blobs, fits: replica(({ comp }) => comp === undefined) },
    {
      what: 'writing pages',
      statuses: [412],
      proxy: blobs,
      fits: replica(({ comp, headers }) => comp === 'page' && headers['x-ms-page-write'] === 'update'),
    },
    {
      what: 'clearing pages',
      statuses: [412],
      proxy: blobs,
      fits: replica(({ comp, headers }) => comp === 'page' && headers['x-ms-page-write'] === 'clear'),
    },
    { what: 'raising the fence', statuses: [200], proxy: blobs, fits: replica(({ comp }) => comp === 'properties') },
    { what: 'a snapshot', statuses: [412], proxy: blobs, fits: replica(({ comp }) => comp === 'snapshot') },
    {
      what: 'a change of the state',
      statuses: [412],
      proxy: blobs,
      fits: (({ method, path }) => method === 'PUT' && path.endsWith('/shop/late.json')) satisfies Choice,
    },
    {
      what: "the site's journal entry",
      statuses: [403, 409, 412],
      proxy: blobs,
      fits: (({ method, path }) =>
        method === 'PUT' && path.includes('/shop/late/') && path.endsWith('.delta')) satisfies Choice,
    },
    {
      what: 'a message',
      statuses: [201],
      proxy: queues,
      fits: (({ method, path }) => method === 'POST' && path.endsWith('/leeward-bulk/messages')) satisfies Choice,
    },
    {
      what: 'the end of a message',
      statuses: [404],
      proxy: queues,
      fits: (({ method, path }) => method === 'DELETE' && path.includes('/leeward-')) satisfies Choice,
    },
  ].map(({ proxy, fits, ...rest }) => ({ ...rest, request: proxy.holdNext(fits) }));

  const volume = await add(LATE, { sizeBytes: MIB });
  const changes = new Chance(seed, 'late changes');
  await interval(volume);
  await appliedAll(volume);
  for (let count = 0; count < 3; count += 1) {
    await volume.change(changes, { count: 12, bytesMax: 4 * KIB });
    await zero(volume, { offset: count * 256 * KIB, lengthBytes: 256 * KIB });
    await interval(volume);
    await appliedAll(volume);
  }
  for (const { what, request } of held) {
    const limit = sleep(PATIENCE_MS, undefined, { ref: false }).then(() =>
      assert.fail(`no request for ${what} was caught`),
    );
    await Promise.race([request.caught, limit]);
  }
  const replicaBefore = await replicaOf(volume);
  const stateBefore = await stateOf(stack.storage, LATE);
  for (const { what, statuses, request } of held) {
    const status = await request.release();
    t.diagnostic(`${what}, late: ${status}`);
    assert.ok(statuses.includes(status), `${what}: ${status}`);
  }
  assertSameBytes(await replicaOf(volume), replicaBefore, 'after the late writes');
  assert.deepEqual((await stateOf(stack.storage, LATE)).generation.applied, stateBefore.generation.applied);

  // It goes on from there, and the message that came late is known to have come.
  await volume.change(changes, { count: 3, bytesMax: 4 * KIB });
  await interval(volume);
  await appliedAll(volume);
  assertSameBytes(await replicaOf(volume), await volume.read(), LATE);
  await provePoints(stack.storage, LATE, { contents: volume.contents, count: Infinity });
  assert.deepEqual(await stack.setAside(), [], 'nothing is set aside');
});

test('a growth that lands after its retry, and after the volume shrank again, does not make the blob larger', async () => {
  const volume = await add(GROWN, { sizeBytes: MIB });
  const path = join(folder, `${volume.ref.group}-${volume.ref.volume}.img`);
  const replicate = async (volumeBytes: number): Promise<void> => {
    await truncate(path, volumeBytes);
    await volume.change(new Chance(seed, 'grown changes'), { count: 4, bytesMax: 4 * KIB });
    await interval(volume);
    await appliedAll(volume);
    const { generation } = await stateOf(stack.storage, GROWN);
    assert.equal(generation.volumeBytes, volumeBytes);
    const { sizeBytes } = (await stack.storage.replicas.properties(generation.replica)) ?? {};
    assert.equal(sizeBytes, volumeBytes + VHD_FOOTER_BYTES);
    const bytes = await vhdBytes(stack.storage, generation.replica, { volumeBytes });
    assertSameBytes(bytes, await volume.read(), `${GROWN} at ${volumeBytes}`);
  };
  await replicate(MIB);
  const grow = storage.blobs.holdNext(
    ({ path: blob, headers }) => blob.endsWith('/grown/00000001.vhd') && 'x-ms-blob-content-length' in headers,
  );
  await replicate(3 * MIB);
  await grow.caught;
  const shrink = storage.blobs.holdNext(
    ({ path: blob, headers }) => blob.endsWith('/grown/00000001.vhd') && 'x-ms-blob-content-length' in headers,
  );
  await replicate(2 * MIB);
  await shrink.caught;
  assert.deepEqual([await grow.release(), await shrink.release()], [412, 412]);
  await replicate(2 * MIB);
  await replicate(4 * MIB);
  assert.deepEqual(await stack.setAside(), [], 'nothing is set aside');
});

test('a heartbeat that was recorded without an answer is not taken for a repeated one', async () => {
  for (const fault of ['reset after', 'torn', 'late'] as const) {
    storage.blobs.spoilNext(({ method, path }) => method === 'PUT' && path.endsWith(`/heartbeats/${SITE}.json`), fault);
    const spoiled = storage.blobs.count(fault);
    await site.siteLink.heartbeat();
    assert.equal(storage.blobs.count(fault), spoiled + 1);
    await storage.settled();
  }
});
