/**
 * Another vendor's replicator: a sender in Python's standard library, written from docs/delta-format.md,
 * docs/site-protocol.md and docs/range-format.md alone, against the real functions. All it is given is the site's access file.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { BlobServiceClient } from '@azure/storage-blob';
import { z } from 'zod';
import { describeDelta } from '../../src/delta/describe.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import { readStorageConnection } from '../../src/local/stack/stack.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { Leeward } from '../support/command.ts';
import { assertNoCredential } from '../support/credentials.ts';
import { Chance, seedOfRun } from '../support/integration/chance.ts';
import type { Choice } from '../support/integration/fault-proxy.ts';
import { LiveStack, until } from '../support/integration/live-stack.ts';
import { stateOf, vhdBytes } from '../support/integration/proof.ts';
import { ProxiedStorage } from '../support/integration/proxied-storage.ts';
import { needs } from '../support/tools.ts';

const SENDER = join(import.meta.dirname, '../third-party/sender.py');
const VOLUME = 'acme/lyon/shop/data';
/** More than one delta's content, and no multiple of a block. */
const VOLUME_BYTES = 18 * MIB + 512;
const PATIENCE_MS = 60_000;

const reportSchema = z.object({
  done: z.boolean(),
  volumes: z.array(z.object({ volume: z.string(), stored: z.int(), trouble: z.string().nullable() })),
});

describe('a sender of another vendor', needs('python3'), () => {
  const seed = seedOfRun();
  const chance = new Chance(seed, 'third');
  let stack: LiveStack;
  let storage: ProxiedStorage;
  let folder = '';
  let image = '';
  let access = '';
  const said: string[] = [];

  before(async () => {
    stack = await LiveStack.up({ LEEWARD_HEARTBEAT_MS: '250' });
    storage = await ProxiedStorage.before(stack, seed);
    folder = join(stack.folder, 'vendor');
    await mkdir(folder);
    image = join(folder, 'disk.img');
    const content = Buffer.alloc(VOLUME_BYTES);
    chance.bytes(17 * MIB).copy(content);
    content
      .fill('compressible ', 3 * MIB, 5 * MIB)
      .fill(0, 8 * MIB, 9 * MIB)
      .fill('the end', VOLUME_BYTES - 512);
    await writeFile(image, content);
    const leeward = new Leeward(folder, storage.settings);
    const target = ['--image', stack.facts.imageId, '--subnet', stack.facts.subnetId, '--location', 'local'];
    await leeward.json(['volume', 'add', VOLUME, '--source', image, ...target]);
    access = join(folder, '.leeward/sites/acme/lyon/access.json');
  });

  after(async () => {
    await storage.close();
    await stack.close();
  });

  /** One run of the sender; `meanwhile` is done while it runs. */
  async function send(meanwhile: () => Promise<void> = async () => undefined): Promise<z.infer<typeof reportSchema>> {
    const child = spawn('python3', ['-B', SENDER, access, join(folder, 'state'), '--wait', '60']);
    const kill = (): void => void child.kill('SIGKILL');
    process.once('exit', kill);
    const [out, talk, ended] = [text(child.stdout), text(child.stderr), once(child, 'close')];
    try {
      await meanwhile();
    } catch (error) {
      kill();
      throw error;
    } finally {
      await ended;
      process.removeListener('exit', kill);
      said.push(await out, await talk);
    }
    assert.equal(child.exitCode, 0, `${await out}\n${await talk}\nseed ${seed}`);
    return reportSchema.parse(JSON.parse(await out));
  }

  async function change(of: { offset: number; bytes: Buffer }): Promise<void> {
    const file = await open(image, 'r+');
    await file.write(of.bytes, 0, of.bytes.length, of.offset);
    await file.close();
  }

  async function assertEqual(number: number): Promise<void> {
    const { document, generation } = await stateOf(stack.storage, VOLUME);
    assert.equal(document.trouble, null);
    assert.equal(generation.applied.number, number);
    assert.equal(generation.snapshots.at(-1)?.number, number, 'the last delta has a marker');
    const { replica, volumeBytes } = generation;
    assertSameBytes(await vhdBytes(stack.storage, replica, { volumeBytes }), await readFile(image), VOLUME);
  }

  test('its first copy arrives, in as many deltas as it takes', async () => {
    assert.partialDeepStrictEqual(await send(), { done: true, volumes: [{ volume: VOLUME, stored: 2 }] });
    await assertEqual(2);
  });

  test('an interval without changes sends nothing', async () => {
    assert.partialDeepStrictEqual(await send(), { done: true, volumes: [{ stored: 2 }] });
    await assertEqual(2);
  });

  test('small changes travel in the message, large ones by the journal; both arrive', async () => {
    await change({ offset: 700, bytes: chance.bytes(5000) });
    await change({ offset: 6 * MIB, bytes: Buffer.alloc(64 * KIB) });
    await send();
    await assertEqual(3);
    await change({ offset: 2 * MIB, bytes: chance.bytes(300 * KIB) });
    await change({ offset: VOLUME_BYTES - 512, bytes: chance.bytes(512) });
    await send();
    await assertEqual(4);
    assert.match(said.join('\n'), /delta 3 sent inline\n/);
    assert.match(said.join('\n'), /delta 4 sent as literal-1\n/);
  });

  test('a damaged entry is asked for, and sent again in another form', async () => {
    await change({ offset: 10 * MIB, bytes: chance.bytes(200 * KIB) });
    // The message cannot be sent before its entry was damaged.
    storage.queues.setRates({ busy: 1000 });
    await send(async () => {
      const { journal } = (await stateOf(stack.storage, VOLUME)).generation;
      const container = BlobServiceClient.fromConnectionString(
        await readStorageConnection(stack.facts),
      ).getContainerClient(journal.container);
      const name = await until(
        () => 'an entry of delta 5',
        PATIENCE_MS,
        async () => {
          for await (const blob of container.listBlobsFlat({ prefix: 'shop/data/00000001/0000000005-' }))
            return blob.name;
          return undefined;
        },
      );
      const bytes = await container.getBlobClient(name).downloadToBuffer();
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 20) ^ 1, bytes.length - 20);
      await container.getBlockBlobClient(name).upload(bytes, bytes.length);
      storage.queues.setRates({});
    });
    await assertEqual(5);
    assert.match(said.join('\n'), /delta 5 sent as literal-2\n/);
  });

  test('what it sends is what the page says: every entry is sound, and gzip is used where it pays', async () => {
    const { journal } = (await stateOf(stack.storage, VOLUME)).generation;
    let compressed = 0;
    let entries = 0;
    for await (const { name } of stack.storage.entries.list(journal, 'shop/data/')) {
      const bytes = await stack.storage.entries.read({ ...journal, blob: name }, 32 * MIB);
      assert.ok(bytes);
      const described = describeDelta(bytes);
      if (name.endsWith('literal-1.delta') && name.includes('/0000000005-')) continue;
      assert.deepEqual(described.problems, [], name);
      entries += 1;
      if (JSON.stringify(described).includes('gzip')) compressed += 1;
    }
    assert.ok(entries >= 5, `${entries} entries`);
    assert.ok(compressed > 0, 'some frame is gzip');
  });

  test('an outage in the middle is outlived', async () => {
    await change({ offset: 12 * MIB, bytes: chance.bytes(100 * KIB) });
    const isEntry: Choice = ({ method, path }) => method === 'PUT' && path.endsWith('.delta');
    const isMessage: Choice = ({ method, path }) => method === 'POST' && path.endsWith('/messages');
    storage.blobs.spoilNext(isEntry, 'busy');
    const late = storage.blobs.holdNext(isEntry);
    storage.blobs.spoilNext(isEntry, 'torn');
    for (const fault of ['busy', 'reset before', 'reset after'] as const) storage.queues.spoilNext(isMessage, fault);
    await send();
    // It has sent the entry again: what comes late is told that it exists.
    assert.equal(await late.release(), 403);
    assert.match(storage.tale(), /PUT \S+0000000006-\S+: torn 201/);
    assert.match(storage.tale(), /POST \S+\/messages: reset after 201/);
    await assertEqual(6);
  });

  test('a volume that grows and shrinks keeps its replica', async () => {
    await truncate(image, 21 * MIB);
    await change({ offset: 20 * MIB, bytes: chance.bytes(4096) });
    await send();
    await assertEqual(7);
    await truncate(image, 16 * MIB + 1024);
    await send();
    await assertEqual(8);
  });

  test('a second writer of the chain finds out, and stops', async () => {
    const copy = join(folder, 'copy');
    await cp(join(folder, 'state'), copy, { recursive: true });
    await change({ offset: MIB, bytes: chance.bytes(4096) });
    await send();
    await assertEqual(9);
    const failed = promisify(execFile)('python3', ['-B', SENDER, access, copy, '--wait', '1']);
    const { stdout } = await failed.catch((error: unknown) => z.object({ stdout: z.string() }).parse(error));
    assert.match(reportSchema.parse(JSON.parse(stdout)).volumes[0]?.trouble ?? '', /two writers/);
    await assertEqual(9);
  });

  test('a sender that lost its folder gets a generation that begins from the last point, and sends what differs', async () => {
    await rm(join(folder, 'state'), { recursive: true });
    await change({ offset: 5 * MIB, bytes: chance.bytes(20_000) });
    await send();
    const { generation } = await stateOf(stack.storage, VOLUME);
    assert.equal(generation.generation, 2);
    await assertEqual(1);
    let sentBytes = 0;
    for await (const { sizeBytes } of stack.storage.entries.list(generation.journal, 'shop/data/00000002/0')) {
      sentBytes += sizeBytes;
    }
    assert.ok(sentBytes > 0 && sentBytes < 5 * MIB, `${sentBytes} bytes were sent`);
  });

  test('it says no credential', async () => {
    const { key } = z
      .object({ key: z.object({ secret: z.string() }) })
      .parse(JSON.parse(await readFile(access, 'utf8')));
    assertNoCredential(said.join('\n'), 'the sender', [key.secret]);
  });
});
