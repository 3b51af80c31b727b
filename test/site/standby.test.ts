/** A site whose term has ended sends nothing but what it is asked for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { volumeKind } from '../../src/documents/volume.ts';
import { QUEUES } from '../../src/kernel/names.ts';
import { MIB } from '../../src/kernel/units.ts';
import { endTerm } from '../../src/replica/chain/chain.ts';
import { MemoryCloud } from '../support/memory-cloud.ts';
import { MemorySite } from '../support/memory-site.ts';

test('a damaged delta up to the cut is sent again, so that the drain comes to its end', async () => {
  const cloud = await MemoryCloud.make({ volumeBytes: MIB });
  const { storage } = cloud;
  const site = new MemorySite(cloud);
  const { siteLink, replicator } = await site.start();
  site.volume.bytes.fill(1, 0, 4096);
  await replicator.replicateOnce();
  await cloud.work();
  await siteLink.round();
  // The second delta is acknowledged, and its worker dies before it writes; then its entry rots.
  site.volume.bytes.fill(2, 0, 4096);
  await replicator.replicateOnce();
  for (const queue of [QUEUES.deltas, QUEUES.bulk]) {
    for (const message of await storage.queues.take(queue, { countMax: 32, hiddenMs: 1000 })) await message.done();
  }
  const dying = storage.worker({ budgetMs: 1000 }, async ({ port, proceed }) => {
    if (port === 'replicas') throw new Error('the worker died');
    return await proceed();
  });
  await assert.rejects(dying.ingest.receive(JSON.parse(cloud.messages.at(-1) ?? ''), QUEUES.deltas), /worker died/);
  const read = storage.entries.read.bind(storage.entries);
  storage.entries.read = async (place, bytesMax) => {
    const bytes = await read(place, bytesMax);
    const isRotten = place.blob.includes('/0000000002-') && place.blob.endsWith('literal-1.delta');
    return bytes && isRotten ? bytes.map((byte, at) => (at === 100 ? byte ^ 1 : byte)) : bytes;
  };
  storage.clock.advance(60_000);

  const { engine } = storage.worker({ budgetMs: 1000 });
  const cut = await engine.endTerm(cloud.site.ref, 1);
  assert.equal(cut.number, 2);
  await assert.rejects(engine.drain(cloud.site.ref), { code: 'DELTA_INVALID' });
  const sent = cloud.messages.length;
  await siteLink.round();
  assert.equal(cloud.messages.length, sent + 1);
  await cloud.work();
  assert.equal(await engine.drain(cloud.site.ref), 'drained');
  assert.match(replicator.status().trouble ?? '', /on standby/);
});

test('a site on standby stays so while a further answer is heeded, and when that fails', async () => {
  const cloud = await MemoryCloud.make({ volumeBytes: MIB });
  const { documents } = cloud.storage;
  const site = new MemorySite(cloud);
  const { siteLink, replicator } = await site.start();
  site.volume.bytes.fill(1, 0, 4096);
  await replicator.replicateOnce();
  await cloud.work();
  await documents.update(volumeKind, cloud.site.documentName, (document) => endTerm(document, 1));
  await siteLink.heartbeat();
  const repair = { id: 'one', ranges: [{ offset: 0, lengthBytes: 4096 }], sinceMs: 0 };
  await documents.update(volumeKind, cloud.site.documentName, (document) => ({ ...document, repair }));
  let meanwhile: string | undefined;
  site.store.writeState = async () => {
    meanwhile = replicator.status().trouble;
    throw new Error('no space left');
  };
  await assert.rejects(siteLink.heartbeat(), /no space left/);
  assert.match(meanwhile ?? '', /on standby/);
  await assert.rejects(replicator.replicateOnce(), { code: 'REFUSED', message: /on standby/ });
});

test('what waits is not sent on standby, and an ask that cannot be met stops no other', async () => {
  const cloud = await MemoryCloud.make({ volumeBytes: MIB });
  const site = new MemorySite(cloud);
  const { siteLink, replicator } = await site.start();
  cloud.before = (request) => {
    if (request === 'sendMessage') throw new Error('the line is cut');
  };
  for (const byte of [1, 2, 3]) {
    site.volume.bytes[0] = byte;
    await assert.rejects(replicator.replicateOnce(), /line is cut/);
  }
  cloud.before = () => undefined;
  const readDelta = site.store.readDelta.bind(site.store);
  site.store.readDelta = async (number) => {
    const bytes = await readDelta(number);
    return bytes && number === 1 ? bytes.map((byte, at) => (at === 100 ? byte ^ 1 : byte)) : bytes;
  };
  await cloud.storage.documents.update(volumeKind, cloud.site.documentName, (document) => ({
    ...(endTerm(document, 1) ?? document),
    resend: [
      { generation: 1, number: 1, form: 'literal-1' },
      { generation: 1, number: 9, form: 'literal-1' },
      { generation: 1, number: 2, form: 'unknown' },
      { generation: 1, number: 2, form: 'literal-1' },
    ],
  }));
  await assert.rejects(siteLink.round(), { code: 'REFUSED', message: /delta 1 / });
  assert.equal(cloud.messages.length, 1);
  assert.deepEqual(
    cloud.entries.map((entry) => /0000000(\d+)-/.exec(entry)?.[1]),
    ['002'],
  );
});
