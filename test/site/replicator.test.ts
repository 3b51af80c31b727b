import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDelta } from '../../src/delta/delta.ts';
import type { DeltaHead } from '../../src/delta/head.ts';
import { currentGeneration, volumeKind } from '../../src/documents/volume.ts';
import { CHAIN_START } from '../../src/kernel/chain-point.ts';
import { LeewardError } from '../../src/kernel/errors.ts';
import { NO_DIGEST } from '../../src/kernel/hash.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import { envelopeSchema } from '../../src/protocol/envelope.ts';
import { heartbeatSchema } from '../../src/protocol/heartbeat.ts';
import { readPayload, signedMessageSchema } from '../../src/protocol/signed.ts';
import { BLOCK_BYTES } from '../../src/ranges/blocks.ts';
import { endTerm } from '../../src/replica/chain/chain.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { MemoryCloud } from '../support/memory-cloud.ts';
import { MemorySite } from '../support/memory-site.ts';

function envelopes(cloud: MemoryCloud) {
  return cloud.messages.map((text) => readPayload(signedMessageSchema.parse(JSON.parse(text)), envelopeSchema));
}

async function siteWith(volumeBytes: number, options: { accessMs?: number } = {}) {
  const cloud = await MemoryCloud.make({ volumeBytes, ...options });
  return { cloud, site: new MemorySite(cloud) };
}

async function settle(cloud: MemoryCloud, round: () => Promise<void>): Promise<void> {
  await cloud.work();
  await round();
}

test('the first copy and what changes after it arrive, and an interval without changes sends nothing', async () => {
  const { cloud, site } = await siteWith(3 * MIB + 2 * KIB);
  for (let at = 0; at < 200 * KIB; at += 1) site.volume.bytes[at] = (at * 7) % 251;
  site.volume.bytes.fill(9, 3 * MIB);
  const { siteLink, replicator } = await site.start();

  const first = await replicator.replicateOnce();
  assert.deepEqual(first.numbers, [1]);
  assert.equal(first.changedBytes, 202 * KIB, 'zeros are not sent');
  assert.equal(first.unsent, undefined);
  assert.deepEqual(await cloud.work(), ['applied']);
  assertSameBytes(await cloud.replica(), site.volume.bytes);
  await siteLink.round();
  assert.equal(replicator.status().acknowledgedNumber, 1);
  assert.equal(replicator.status().waitingBytes, 0);
  assert.equal(replicator.status().firstCopyDone, true);
  assert.deepEqual(await site.store.listDeltas(), []);

  const sent = cloud.messages.length;
  assert.deepEqual((await replicator.replicateOnce()).numbers, []);
  await siteLink.round();
  assert.equal(cloud.messages.length, sent);

  // To zeros, from zeros, and in the short block at the end.
  site.volume.bytes.fill(0, 4 * KIB, 12 * KIB);
  site.volume.bytes[2 * MIB + 5] = 1;
  site.volume.bytes[3 * MIB + 2 * KIB - 1] = 77;
  const second = await replicator.replicateOnce();
  assert.deepEqual(second.numbers, [2]);
  assert.equal(second.changedBytes, 8 * KIB + 4 * KIB + 2 * KIB);
  assert.deepEqual(await cloud.work(), ['applied']);
  assertSameBytes(await cloud.replica(), site.volume.bytes);
  const { snapshots } = currentGeneration(await cloud.storage.volume(cloud.site));
  assert.deepEqual(
    snapshots.map(({ number, marker, consistency }) => ({ number, marker, consistency })),
    [
      { number: 1, marker: 'p-1', consistency: 'crash' },
      { number: 2, marker: 'p-2', consistency: 'crash' },
    ],
  );
});

test('a volume of zeros becomes one empty delta with a marker', async () => {
  const { cloud, site } = await siteWith(MIB);
  const { replicator } = await site.start();
  const { numbers, changedBytes } = await replicator.replicateOnce();
  assert.deepEqual(numbers, [1]);
  assert.equal(changedBytes, 0);
  assert.deepEqual(await cloud.work(), ['applied']);
  assert.equal(currentGeneration(await cloud.storage.volume(cloud.site)).snapshots.length, 1);
  assert.deepEqual((await replicator.replicateOnce()).numbers, []);
});

test('a large interval becomes several deltas in a chain, only the last with a marker', async () => {
  const { cloud, site } = await siteWith(64 * KIB);
  site.volume.bytes.forEach((_, at) => (site.volume.bytes[at] = (at >> 8) + 1));
  const { replicator } = await site.start({ deltaLiteralBytesMax: 5 * BLOCK_BYTES });
  const heads: DeltaHead[] = [];
  cloud.before = (request, text) => {
    if (request !== 'sendMessage' || typeof text !== 'string') return;
    const { inline = '' } = readPayload(signedMessageSchema.parse(JSON.parse(text)), envelopeSchema);
    heads.push(openDelta(Buffer.from(inline, 'base64')).head);
  };
  const { numbers } = await replicator.replicateOnce();
  assert.deepEqual(numbers, [1, 2, 3, 4]);
  assert.deepEqual(
    heads.map(({ marker }) => marker?.name),
    [undefined, undefined, undefined, 'p-4'],
  );
  assert.deepEqual(
    heads.map(({ predecessor }) => predecessor),
    [NO_DIGEST, ...heads.slice(0, -1).map(({ digest }) => digest)],
  );
  await cloud.work();
  assertSameBytes(await cloud.replica(), site.volume.bytes);
});

test('deltas are compressed as hard as is asked for', async () => {
  const stored: number[] = [];
  for (const options of [{ zstdLevel: 0 }, {}, { zstdLevel: 19 }]) {
    const { cloud, site } = await siteWith(MIB);
    site.volume.bytes.set(Buffer.from(Array.from({ length: 40_000 }, (_, index) => `${index * index} `).join('')));
    const { replicator } = await site.start(options);
    stored.push((await replicator.replicateOnce()).storedBytes);
    await cloud.work();
    assertSameBytes(await cloud.replica(), site.volume.bytes);
  }
  const [none = 0, usual = 0, hard = 0] = stored;
  assert.ok(none > usual && usual > hard, stored.join(' > '));
});

test('a delta that does not fit a message goes by the journal', async () => {
  const { cloud, site } = await siteWith(256 * KIB);
  // Bytes that do not compress.
  site.volume.bytes.set(Buffer.from(cloud.site.key.secret));
  for (let at = 32; at < 200 * KIB; at += 1) {
    site.volume.bytes[at] =
      ((site.volume.bytes[at - 32] ?? 0) * 167 + (site.volume.bytes[at - 7] ?? 0) * 13 + (at >> 3)) & 255;
  }
  const { replicator } = await site.start();
  await replicator.replicateOnce();
  const [envelope] = envelopes(cloud);
  assert.equal(envelope?.inline, undefined);
  assert.deepEqual(cloud.entries, [envelope?.entry]);
  assert.deepEqual(await cloud.work(), ['applied']);
  assertSameBytes(await cloud.replica(), site.volume.bytes);
});

test('a volume that vanishes, shrinks or grows while it is read is not sent', async () => {
  for (const happen of ['gone', 'shrink', 'grow'] as const) {
    const { cloud, site } = await siteWith(4 * MIB);
    site.volume.bytes.fill(5);
    const { replicator } = await site.start();
    let reads = 0;
    site.volume.onRead = () => {
      reads += 1;
      if (reads !== 4) return;
      if (happen === 'gone') site.volume.isGone = true;
      else {
        const bytes = new Uint8Array(happen === 'grow' ? 5 * MIB : 3 * MIB);
        bytes.fill(5);
        site.volume.bytes = bytes;
      }
    };
    await assert.rejects(replicator.replicateOnce(), { code: 'SOURCE_CHANGED' }, happen);
    assert.deepEqual(cloud.messages, []);
    assert.deepEqual(await site.store.listDeltas(), []);

    // Given back as it was, the volume goes on.
    site.volume.onRead = () => undefined;
    site.volume.isGone = false;
    site.volume.bytes = new Uint8Array(4 * MIB).fill(5);
    assert.deepEqual((await replicator.replicateOnce()).numbers, [1]);
  }
});

test('an interval that broke off after full deltas is given its marker by the next one', async () => {
  const { cloud, site } = await siteWith(2 * MIB);
  site.volume.bytes.fill(1, 0, 12 * BLOCK_BYTES);
  const { replicator } = await site.start({ deltaLiteralBytesMax: 4 * BLOCK_BYTES });
  site.volume.onRead = (offset) => {
    if (offset === MIB) throw new LeewardError('SOURCE_CHANGED', 'cut off');
  };
  await assert.rejects(replicator.replicateOnce(), { code: 'SOURCE_CHANGED' });
  assert.equal(replicator.status().storedNumber, 2);
  assert.equal(replicator.status().firstCopyDone, false);

  // What was still to be stored was changed back meanwhile: only the marker is due.
  site.volume.onRead = () => undefined;
  site.volume.bytes.fill(0, 8 * BLOCK_BYTES);
  const next = await replicator.replicateOnce();
  assert.deepEqual({ numbers: next.numbers, changedBytes: next.changedBytes }, { numbers: [3], changedBytes: 0 });
  assert.equal(replicator.status().firstCopyDone, true);
  await cloud.work();
  assertSameBytes(await cloud.replica(), site.volume.bytes);
});

test('an outage stops neither making nor keeping; afterwards everything arrives in order', async () => {
  const { cloud, site } = await siteWith(MIB, { accessMs: 60_000 });
  const { siteLink, replicator } = await site.start();
  await replicator.replicateOnce();
  await settle(cloud, () => siteLink.round());
  cloud.before = () => {
    throw new LeewardError('UNAVAILABLE', 'the line is cut');
  };
  for (let interval = 1; interval <= 3; interval += 1) {
    site.volume.bytes[interval * BLOCK_BYTES] = interval;
    const { numbers, unsent } = await replicator.replicateOnce();
    assert.deepEqual(numbers, [interval + 1]);
    assert.equal(unsent?.code, 'UNAVAILABLE');
  }
  // Longer than the access lives.
  cloud.storage.clock.advance(3_600_000);
  cloud.before = () => undefined;
  await replicator.sendDue();
  assert.deepEqual(
    envelopes(cloud).map(({ number }) => number),
    [1, 2, 3, 4],
  );
  await settle(cloud, () => siteLink.round());
  assert.equal(replicator.status().acknowledgedNumber, 4);
  assertSameBytes(await cloud.replica(), site.volume.bytes);
});

test('an access that storage refuses is renewed once, however wrong the wall clock is', async () => {
  const { cloud, site } = await siteWith(MIB);
  const { replicator } = await site.start();
  let denied = 0;
  cloud.before = (request) => {
    if (request !== 'sendMessage' || denied > 0) return;
    denied += 1;
    throw new LeewardError('DENIED', 'storage answered 403');
  };
  await replicator.replicateOnce();
  assert.equal(cloud.heartbeats, 2);
  assert.equal(cloud.messages.length, 1);

  cloud.before = (request) => {
    if (request === 'sendMessage') throw new LeewardError('DENIED', 'storage answered 403');
  };
  site.volume.bytes[0] = 1;
  const { unsent } = await replicator.replicateOnce();
  assert.equal(unsent?.code, 'DENIED');
  assert.equal(cloud.heartbeats, 3);
});

test('what is not acknowledged is sent again, but not while acknowledgements come in', async () => {
  const { cloud, site } = await siteWith(MIB);
  const { siteLink, replicator } = await site.start({ resendAfterMs: 10_000 });
  site.volume.bytes[0] = 1;
  await replicator.replicateOnce();
  site.volume.bytes[0] = 2;
  await replicator.replicateOnce();
  const [first = ''] = cloud.messages;
  await siteLink.round();
  assert.equal(cloud.messages.length, 2, 'too early');

  // Only the first one arrives: the second waits, from that progress on.
  const lost = await cloud.storage.queues.take('leeward-bulk', { countMax: 32, hiddenMs: 1 });
  for (const message of lost) await message.done();
  cloud.storage.clock.advance(9_000);
  await cloud.storage.queues.send('leeward-bulk', first);
  await settle(cloud, () => siteLink.round());
  assert.equal(replicator.status().acknowledgedNumber, 1);
  cloud.storage.clock.advance(9_000);
  await siteLink.round();
  assert.equal(cloud.messages.length, 2, 'something was acknowledged 9 s ago');
  cloud.storage.clock.advance(1_000);
  await siteLink.round();
  assert.equal(cloud.messages.length, 3);
  await settle(cloud, () => siteLink.round());
  assert.equal(replicator.status().acknowledgedNumber, 2);
  assertSameBytes(await cloud.replica(), site.volume.bytes);
});

test('a delta that the cloud asks for again goes into an entry of the form that it asks for, once', async () => {
  const { cloud, site } = await siteWith(MIB);
  const { siteLink, replicator } = await site.start();
  site.volume.bytes[0] = 1;
  await replicator.replicateOnce();
  const name = cloud.site.documentName;
  await cloud.storage.documents.update(volumeKind, name, (document) => ({
    ...document,
    resend: [{ generation: 1, number: 1, form: 'literal-3' }],
  }));
  await siteLink.round();
  await siteLink.round();
  const asked = envelopes(cloud).slice(1);
  assert.equal(asked.length, 1);
  assert.match(asked[0]?.entry ?? '', /^erp\/data\/00000001\/0000000001-[0-9a-f]{64}-literal-3\.delta$/);

  // Put again even where this form was the first one, and the name is taken here.
  await cloud.storage.documents.update(volumeKind, name, (document) => ({
    ...document,
    resend: [{ generation: 1, number: 1, form: 'literal-1' }],
  }));
  await siteLink.round();
  assert.deepEqual(
    cloud.entries.map((entry) => entry.slice(-15)),
    ['literal-3.delta', 'literal-1.delta'],
  );

  // One that is in the replica and gone here cannot be sent again: it says so, and holds up nothing else.
  await settle(cloud, () => siteLink.round());
  await cloud.storage.documents.update(volumeKind, name, (document) => ({
    ...document,
    resend: [{ generation: 1, number: 1, form: 'literal-4' }],
  }));
  await siteLink.heartbeat();
  site.volume.bytes[0] = 2;
  const { unsent } = await replicator.replicateOnce();
  assert.equal(unsent?.code, 'REFUSED');
  assert.match(unsent.message, /delta 1 .* new generation/);
  assert.equal(envelopes(cloud).at(-1)?.number, 2);
});

test('what is acknowledged is kept until it is applied, so that a lost journal entry can be asked for', async () => {
  const { cloud, site } = await siteWith(MIB);
  const { siteLink, replicator } = await site.start();
  site.volume.bytes[0] = 1;
  await replicator.replicateOnce();
  const head = envelopes(cloud)[0];
  // The tip has moved on; the worker died before it applied anything.
  await cloud.storage.documents.update(volumeKind, cloud.site.documentName, (document) => {
    const generation = currentGeneration(document);
    const tip = { number: 1, digest: head?.digest ?? '' };
    return { ...document, generations: { '1': { ...generation, tip } } };
  });
  await siteLink.round();
  const { acknowledgedNumber, waitingBytes } = replicator.status();
  assert.deepEqual({ acknowledgedNumber, waitingBytes }, { acknowledgedNumber: 1, waitingBytes: 0 });
  assert.equal((await site.store.listDeltas()).length, 1);

  // After a restart as well.
  const again = await site.start();
  await cloud.storage.documents.update(volumeKind, cloud.site.documentName, (document) => ({
    ...document,
    resend: [{ generation: 1, number: 1, form: 'literal-1' }],
  }));
  await again.siteLink.round();
  assert.equal(cloud.entries.length, 1);
  await cloud.work();
  assertSameBytes(await cloud.replica(), site.volume.bytes);
  await again.siteLink.round();
  assert.deepEqual(await site.store.listDeltas(), []);
});

test('a full outbox makes the scan wait for acknowledgements', async () => {
  const { cloud, site } = await siteWith(MIB);
  for (let block = 0; block < 40; block += 1) site.volume.bytes[block * BLOCK_BYTES] = block + 1;
  const outboxBytesMax = 1000;
  const { replicator } = await site.start({ deltaLiteralBytesMax: 4 * BLOCK_BYTES, outboxBytesMax });
  let waitingMax = 0;
  let waited = 0;
  cloud.before = async (request) => {
    waitingMax = Math.max(waitingMax, replicator.status().waitingBytes);
    if (request !== 'heartbeat') return;
    waited += 1;
    // The cloud comes round to its work now and then.
    if (waited % 3 === 0) await cloud.work();
  };
  const { numbers, storedBytes } = await replicator.replicateOnce();
  assert.equal(numbers.length, 10);
  assert.ok(storedBytes > 2 * outboxBytesMax);
  assert.ok(waitingMax <= outboxBytesMax, `${waitingMax} bytes waited`);
  await replicator.waitUntilAcknowledged(60_000);
  assertSameBytes(await cloud.replica(), site.volume.bytes);
});

test('a chain that somebody else continued is a fork: the replicator stops and says so', async () => {
  const { cloud, site } = await siteWith(MIB);
  const { siteLink, replicator } = await site.start();
  site.volume.bytes[0] = 1;
  await replicator.replicateOnce();
  await settle(cloud, () => siteLink.round());
  await cloud.storage.documents.update(volumeKind, cloud.site.documentName, (document) => {
    const generation = currentGeneration(document);
    const tip = { number: 2, digest: 'ab'.repeat(32) };
    return { ...document, generations: { '1': { ...generation, tip } } };
  });
  await siteLink.heartbeat();
  assert.match(replicator.status().trouble ?? '', /never made here/);
  site.volume.bytes[0] = 2;
  await assert.rejects(replicator.replicateOnce(), { code: 'DELTA_FORKED' });
});

test('another delta of the same number is a fork, too', async () => {
  const { cloud, site } = await siteWith(MIB);
  const { siteLink, replicator } = await site.start();
  for (const value of [1, 2]) {
    site.volume.bytes[0] = value;
    await replicator.replicateOnce();
  }
  await cloud.storage.documents.update(volumeKind, cloud.site.documentName, (document) => {
    const generation = currentGeneration(document);
    return { ...document, generations: { '1': { ...generation, tip: { number: 1, digest: 'ab'.repeat(32) } } } };
  });
  await siteLink.heartbeat();
  assert.match(replicator.status().trouble ?? '', /another delta 1 than the one made here/);
  assert.equal((await site.store.listDeltas()).length, 2, 'nothing is forgotten');
});

test('a store that was set back stops sending until it is right again', async () => {
  const { cloud, site } = await siteWith(MIB);
  const { siteLink, replicator } = await site.start();
  site.volume.bytes[0] = 1;
  await replicator.replicateOnce();
  await settle(cloud, () => siteLink.round());
  const right = await cloud.storage.volume(cloud.site);
  await cloud.storage.documents.update(volumeKind, cloud.site.documentName, (document) => {
    const generation = { ...currentGeneration(document), tip: CHAIN_START, snapshots: [] };
    return {
      ...document,
      published: null,
      generations: { '1': { ...generation, applied: { ...CHAIN_START, sourceTimeMs: 0 } } },
    };
  });
  await siteLink.heartbeat();
  await assert.rejects(replicator.replicateOnce(), { code: 'REFUSED', message: /set back/ });
  await cloud.storage.documents.update(volumeKind, cloud.site.documentName, () => right);
  await siteLink.heartbeat();
  assert.deepEqual((await replicator.replicateOnce()).numbers, []);
});

test('once the term has ended the site keeps and does not send; a later term of its own goes on', async () => {
  const { cloud, site } = await siteWith(MIB);
  const { siteLink, replicator } = await site.start();
  site.volume.bytes[0] = 1;
  await replicator.replicateOnce();
  await settle(cloud, () => siteLink.round());
  await cloud.storage.documents.update(volumeKind, cloud.site.documentName, (document) => endTerm(document, 1));
  await siteLink.heartbeat();
  site.volume.bytes[0] = 2;
  await assert.rejects(replicator.replicateOnce(), { code: 'REFUSED', message: /on standby/ });
  assert.equal(cloud.messages.length, 1);

  await cloud.storage.documents.update(volumeKind, cloud.site.documentName, (document) => ({
    ...document,
    term: 2,
    generations: { '1': { ...currentGeneration(document), cut: null } },
  }));
  await siteLink.heartbeat();
  assert.deepEqual((await replicator.replicateOnce()).numbers, [2]);
  assert.deepEqual(await cloud.work(), ['applied']);
  assertSameBytes(await cloud.replica(), site.volume.bytes);
});

test('a new generation begins from nothing', async () => {
  const { cloud, site } = await siteWith(MIB);
  const { siteLink, replicator } = await site.start();
  site.volume.bytes.fill(3, 0, 64 * KIB);
  await replicator.replicateOnce();
  await settle(cloud, () => siteLink.round());
  await cloud.storage.documents.update(volumeKind, cloud.site.documentName, (document) => {
    const first = currentGeneration(document);
    const second = {
      ...first,
      generation: 2,
      replica: { ...first.replica, blob: 'second.vhd' },
      applied: { ...CHAIN_START, sourceTimeMs: 0 },
      tip: CHAIN_START,
      snapshots: [],
      epoch: 2,
    };
    return { ...document, current: 2, generations: { ...document.generations, '2': second } };
  });
  await siteLink.heartbeat();
  const { numbers, changedBytes } = await replicator.replicateOnce();
  assert.deepEqual(numbers, [1]);
  assert.equal(changedBytes, 64 * KIB);
  await cloud.work();
  assert.equal(currentGeneration(await cloud.storage.volume(cloud.site)).tip.number, 1);
  assertSameBytes(await cloud.replica(), site.volume.bytes);
});

test('a volume that the cloud does not know, and one of no whole pages, are refused in words', async () => {
  const { cloud, site } = await siteWith(MIB);
  const { replicator } = await site.start({ volume: 'acme/berlin/erp/unknown' });
  await assert.rejects(replicator.replicateOnce(), { code: 'NOT_FOUND', message: /erp\/unknown/ });
  assert.equal(cloud.messages.length, 0);

  const other = await siteWith(MIB);
  other.site.volume.bytes = new Uint8Array(1000);
  const odd = await other.site.start();
  await assert.rejects(odd.replicator.replicateOnce(), { code: 'REFUSED', message: /1000 bytes/ });
});

test("a heartbeat's counter grows over restarts and jumps of the wall clock", async () => {
  const { cloud, site } = await siteWith(MIB);
  const counters: number[] = [];
  cloud.before = (request, message) => {
    if (request === 'heartbeat')
      counters.push(readPayload(signedMessageSchema.parse(message), heartbeatSchema).counter);
  };
  const first = await site.start();
  await first.siteLink.heartbeat();
  await first.siteLink.heartbeat();
  cloud.storage.clock.advance(-1_000_000);
  const second = await site.start();
  await second.siteLink.heartbeat();
  const [one = 0, two, three] = counters;
  assert.deepEqual([two, three], [one + 1, one + 2]);
});

test('waiting for an acknowledgement ends in time and says what is missing', async () => {
  const { cloud, site } = await siteWith(MIB);
  const { replicator } = await site.start();
  await replicator.replicateOnce();
  await assert.rejects(replicator.waitUntilAcknowledged(5000), { code: 'UNAVAILABLE', message: /delta 1/ });
  await cloud.work();
  await replicator.waitUntilAcknowledged(5000);
});
