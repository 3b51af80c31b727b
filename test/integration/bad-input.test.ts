/**
 * Bad input over the real thing: the functions in their host, over Azurite. It is refused with one clear line that names the
 * field; nothing that counts has changed; what came through a queue lies aside, body and reason; what is only too new waits.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { siteKind } from '../../src/documents/site.ts';
import { currentGeneration, volumeKind } from '../../src/documents/volume.ts';
import { CONTAINERS, QUEUES, documents as names, poisonQueue } from '../../src/kernel/names.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import { deriveKey, sign } from '../../src/protocol/signed.ts';
import type { MessageKind, SignedMessage } from '../../src/protocol/signed.ts';
import { craft, rawFrame } from '../delta/craft.ts';
import type { Crafted } from '../delta/craft.ts';
import { resigned } from '../support/resigned.ts';
import { KEY_SECRET, SiteFixture } from '../support/site-fixture.ts';
import type { SiteDelta } from '../support/site-fixture.ts';
import { Doors, QUIET } from '../support/integration/doors.ts';
import { LiveStack, until } from '../support/integration/live-stack.ts';
import { zstdCompressSync } from 'node:zlib';

const refusalSchema = z.strictObject({ error: z.strictObject({ code: z.string(), message: z.string() }) });
const reasonSchema = z.looseObject({ code: z.string(), reason: z.string(), atMs: z.int() });

const TOO_NEW = { format: 2, oldestReader: 2, oldestWriter: 2 };

let stack: LiveStack;
let doors: Doors;
/** A site with two deltas applied, and another one of the same tenant. */
let berlin: SiteFixture;
let paris: SiteFixture;

before(async () => {
  stack = await LiveStack.up(QUIET);
  doors = await Doors.open(stack);
  const { account, documents } = stack.storage;
  berlin = await new SiteFixture({ account }).register(documents);
  const volume = { tenant: 'acme', site: 'paris', group: 'erp', volume: 'data' };
  paris = await new SiteFixture({ account, volume }).register(documents);
  for (const { key } of [berlin, paris]) {
    const answer = await doors.post('heartbeat', JSON.stringify(sign(key, 'heartbeat', { counter: 1000 })));
    assert.equal(answer.status, 200, answer.text);
  }
  for (const marker of ['m1', 'm2']) await doors.put(QUEUES.deltas, text(berlin.inline(berlin.next({ marker }))));
  await applied(berlin, 2);
});

after(async () => {
  await stack.close();
});

function text(message: unknown): string {
  return JSON.stringify(message);
}

async function stateOf(site: SiteFixture) {
  const { value, etag } = await stack.storage.documents.need(volumeKind, site.documentName);
  return { value, etag, generation: currentGeneration(value) };
}

async function applied(site: SiteFixture, number: number): Promise<void> {
  await until(
    () => `delta ${number} of ${site.id}`,
    40_000,
    async () => ((await stateOf(site)).generation.applied.number === number ? true : undefined),
  );
}

/** The replica itself: any write, resize or raised fence changes one of these. */
async function replicaOf(site: SiteFixture): Promise<unknown> {
  const properties = await stack.storage.replicas.properties(site.replica);
  assert.ok(properties);
  const { applied: done, tip, claim, epoch, snapshots } = (await stateOf(site)).generation;
  return { properties, done, tip, claim, epoch, snapshots };
}

describe('heartbeats and lease requests', () => {
  const beat = (counter = 2000): Record<string, unknown> => ({ counter });
  const signed = (payload: unknown, kind: MessageKind = 'heartbeat'): SignedMessage => sign(berlin.key, kind, payload);
  const of = (signer: string, name = 'k1'): SignedMessage =>
    sign(deriveKey(KEY_SECRET, { signer, name }), 'heartbeat', beat());

  const CASES: readonly (readonly [string, () => string | Uint8Array, number, string, RegExp])[] = [
    ['nothing', () => '', 400, 'MESSAGE_INVALID', /^the body is empty$/],
    ['no JSON', () => 'counter=1', 400, 'MESSAGE_INVALID', /^the body is not JSON$/],
    ['half of JSON', () => text(signed(beat())).slice(0, -10), 400, 'MESSAGE_INVALID', /^the body is not JSON$/],
    ['no UTF-8', () => Buffer.from('{"signer":"\xff"}', 'latin1'), 400, 'MESSAGE_INVALID', /^the body is not JSON$/],
    ['null', () => 'null', 400, 'MESSAGE_INVALID', /not a signed heartbeat message: the whole: /],
    ['too large', () => 'x'.repeat(7 * MIB), 400, 'MESSAGE_INVALID', /^the body has 7340032 bytes, at most 6291456/],
    [
      '5,001 volumes',
      () => text(signed({ counter: 2000, volumes: volumes(5001) })),
      400,
      'MESSAGE_INVALID',
      /volumes: /,
    ],
    ['no signature', () => text({ ...signed(beat()), mac: undefined }), 400, 'MESSAGE_INVALID', /: mac: /],
    ['no key', () => text({ ...signed(beat()), key: undefined }), 400, 'MESSAGE_INVALID', /: key: /],
    [
      'a wrong signature',
      () => text({ ...signed(beat()), mac: '0'.repeat(64) }),
      401,
      'SIGNATURE_INVALID',
      /not signed/,
    ],
    [
      'another payload',
      () => text({ ...signed(beat()), payload: '{"counter":3000}' }),
      401,
      'SIGNATURE_INVALID',
      /not s/,
    ],
    [
      "another site's key",
      () => text({ ...of('acme/paris'), signer: 'acme/berlin' }),
      401,
      'SIGNATURE_INVALID',
      /not s/,
    ],
    ['a key that is not active', () => text(of('acme/berlin', 'k2')), 401, 'SIGNATURE_INVALID', /"k2" .*not .*active/],
    ['an operator', () => text(of('operator/alice')), 404, 'NOT_FOUND', /no site "sites\/operator/],
    ['a signer that is no site', () => text(of('../state')), 400, 'IDENTIFIER_INVALID', /tenant "\.\."/],
    ['an unknown site', () => text(of('acme/rome')), 404, 'NOT_FOUND', /no site "sites\/acme\/rome\.json"/],
    [
      'a delta',
      () => text(signed(beat(), 'delta')),
      400,
      'MESSAGE_INVALID',
      /^kind: expected "heartbeat", got "delta"$/,
    ],
    [
      'a delta by another name',
      () => text({ ...signed(beat(), 'delta'), kind: 'heartbeat' }),
      401,
      'SIGNATURE_INVALID',
      /./,
    ],
    ['no counter', () => text(signed({})), 400, 'MESSAGE_INVALID', /^heartbeat message: counter: /],
    ['a counter in words', () => text(signed({ counter: '7' })), 400, 'MESSAGE_INVALID', /: counter: .*number/],
    ['a counter that was there', () => text(signed(beat(1000))), 409, 'REFUSED', /counter 1000 is not above 1000/],
    ['an older counter', () => text(signed(beat(1))), 409, 'REFUSED', /counter 1 is not above 1000/],
    [
      "another site's volume",
      () => text(signed({ counter: 2000, volumes: volumes(1, 'acme/paris') })),
      409,
      'REFUSED',
      /"acme\/paris\/erp\/v0" is not one of this site's/,
    ],
    [
      "another site's group",
      () => text(signed({ counter: 2000, groups: [{ group: 'acme/paris/erp', term: 1, lease: 'held' }] })),
      409,
      'REFUSED',
      /"acme\/paris\/erp" is not one of this site's/,
    ],
    [
      'a newer format',
      () => text(resigned(berlin.key, { ...signed(beat()), version: TOO_NEW })),
      503,
      'VERSION_TOO_NEW',
      /needs format 2/,
    ],
    [
      "a newer format by nobody's word",
      () => text({ ...signed(beat()), version: TOO_NEW }),
      401,
      'SIGNATURE_INVALID',
      /not s/,
    ],
  ];

  function volumes(count: number, site = 'acme/berlin'): unknown[] {
    const numbers = Array.from({ length: count }, (_, index) => index);
    return numbers.map((index) => ({ volume: `${site}/erp/v${index}`, generation: 1, stored: 0, waitingBytes: 0 }));
  }

  async function assertRefusedBy(path: string, case_: (typeof CASES)[number]): Promise<void> {
    const [, body, status, code, form] = case_;
    const [etags, from] = [await doors.etags(), doors.logEnd()];
    const answer = await doors.post(path, body());
    assert.equal(answer.status, status, answer.text);
    const { error } = refusalSchema.parse(JSON.parse(answer.text));
    assert.equal(error.code, code);
    assert.match(error.message, form);
    assert.doesNotMatch(error.message, /\n/);
    assert.equal(answer.headers.get('retry-after') !== null, status === 503);
    await doors.hears(new RegExp(`information \\[${path} [^\\]]+\\] ${code}: `), from);
    assert.deepEqual(await doors.etags(), etags);
  }

  for (const case_ of CASES) {
    test(`heartbeat: ${case_[0]}`, async () => {
      await assertRefusedBy('heartbeat', case_);
    });
  }

  test('a site whose key was revoked', async () => {
    const { documents, account } = stack.storage;
    const volume = { tenant: 'acme', site: 'madrid', group: 'erp', volume: 'data' };
    const madrid = await new SiteFixture({ account, volume }).register(documents);
    const held = await documents.need(siteKind, names.site(volume));
    await documents.replace(siteKind, held, { ...held.value, keys: [{ name: 'k1', state: 'revoked' as const }] });
    const message = text(sign(madrid.key, 'heartbeat', beat()));
    await assertRefusedBy('heartbeat', ['', () => message, 401, 'SIGNATURE_INVALID', /"k1" .*not .*active/]);
  });

  test('lease requests pass the same door', async () => {
    for (const [payload, status, code, form] of [
      [{}, 400, 'MESSAGE_INVALID', /lease message: groups: /],
      [{ groups: [] }, 400, 'MESSAGE_INVALID', /lease message: groups: /],
      [{ groups: [{ group: 'acme/berlin/erp', nonce: 'again' }] }, 400, 'MESSAGE_INVALID', /groups\.0\.nonce: /],
    ] as const) {
      await assertRefusedBy('lease', ['', () => text(signed(payload, 'lease')), status, code, form]);
    }
    const unsigned = text({ ...signed({}, 'lease'), mac: '0'.repeat(64) });
    await assertRefusedBy('lease', ['', () => unsigned, 401, 'SIGNATURE_INVALID', /not signed/]);
  });

  test("another site's group gets no lease, and keeps its document", async () => {
    const etags = await doors.etags();
    const nonce = 'a'.repeat(32);
    const answer = await doors.post('lease', text(signed({ groups: [{ group: 'acme/paris/erp', nonce }] }, 'lease')));
    assert.equal(answer.status, 200);
    assert.partialDeepStrictEqual(JSON.parse(answer.text), { groups: [{ granted: false, leaseMs: 0 }] });
    assert.deepEqual(await doors.etags(), etags);
  });

  test('the routes take no other method, and status asks for its key', async () => {
    const { functionsUrl } = stack.facts;
    assert.equal((await fetch(`${functionsUrl}/api/heartbeat`)).status, 404);
    assert.equal((await fetch(`${functionsUrl}/api/status/acme/berlin`)).status, 401);
  });
});

describe('messages in the queues', () => {
  /** A delta that would come next, as nobody makes it; what it claims to be is what it says. */
  function crafted(of: Crafted): SignedMessage {
    const of3 = { number: 3, predecessor: berlin.digestAt(2), digest: 'd'.repeat(64) };
    const bytes = craft({ volumeBytes: berlin.volumeBytes, ...of3, ...of });
    return berlin.inline({ generation: 1, term: 1, ...of3, bytes, marker: undefined });
  }

  /** The next delta of a second writer that nobody hears of, so that the model stays where the cloud is. */
  function next(): SiteDelta {
    return berlin.forkAt(2).next();
  }

  function changed(delta: SiteDelta, bytes: Uint8Array): SignedMessage {
    return berlin.inline({ ...delta, bytes });
  }

  function flipped(bytes: Uint8Array, at: number): Uint8Array {
    const copy = Buffer.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  }

  const SITE = 'acme/berlin';
  const NOBODY = 'unverified';

  const MESSAGES: readonly (readonly [string, string, () => unknown, string, RegExp])[] = [
    ['rubbish', NOBODY, () => 'hello', 'MESSAGE_INVALID', /not a signed delta or ranges message: /],
    ['a number', NOBODY, () => 123, 'MESSAGE_INVALID', /not a signed delta or ranges message: /],
    ["somebody else's JSON", NOBODY, () => ({ id: 7, dequeueCount: 0 }), 'MESSAGE_INVALID', /: version: /],
    ['a heartbeat', NOBODY, () => sign(berlin.key, 'heartbeat', {}), 'MESSAGE_INVALID', /^kind: expected "delta"/],
    [
      'a wrong signature',
      NOBODY,
      () => ({ ...berlin.inline(next()), mac: 'f'.repeat(64) }),
      'SIGNATURE_INVALID',
      /not signed/,
    ],
    ['an unknown site', NOBODY, () => stranger(), 'NOT_FOUND', /no site "sites\/evil\/corp\.json"/],
    [
      'an envelope that is none',
      SITE,
      () => sign(berlin.key, 'delta', { volume: berlin.id }),
      'MESSAGE_INVALID',
      /delta message: generation: /,
    ],
    [
      'neither inline nor entry',
      SITE,
      () => sign(berlin.key, 'delta', berlin.claims(next())),
      'MESSAGE_INVALID',
      /exactly one of "inline" and "entry"/,
    ],
    [
      "another site's volume",
      'acme/paris',
      () => sign(paris.key, 'delta', JSON.parse(berlin.inline(next()).payload)),
      'SIGNATURE_INVALID',
      /^volume: .* is not a volume of acme\/paris/,
    ],
    [
      "another site's journal",
      SITE,
      () => sign(berlin.key, 'delta', { ...berlin.claims(next()), entry: '../journal/x.delta' }),
      'MESSAGE_INVALID',
      /^entry: /,
    ],
    ['an entry that is not there', SITE, () => berlin.naming(next()), 'NOT_FOUND', /^entry: the journal has no /],
    [
      'an unknown volume',
      SITE,
      () => berlin.inline(next(), { volume: 'acme/berlin/erp/ghost' }),
      'NOT_FOUND',
      /volume acme\/berlin\/erp\/ghost is not registered/,
    ],
    [
      'a lie about the number',
      SITE,
      () => berlin.inline(next(), { number: 4 }),
      'MESSAGE_INVALID',
      /^number: the envelope says 4, the delta 3/,
    ],
    ['a lie about the size', SITE, () => berlin.inline(next(), { sizeBytes: 1 }), 'MESSAGE_INVALID', /^sizeBytes: /],
    [
      'cut short',
      SITE,
      () => changed(next(), next().bytes.subarray(0, -7)),
      'DELTA_INVALID',
      /delta: total bytes \(byte 16\): cut short/,
    ],
    [
      'a flipped bit in the head',
      SITE,
      () => changed(next(), flipped(next().bytes, 50)),
      'DELTA_INVALID',
      /delta: head CRC/,
    ],
    [
      'a flipped bit in the content',
      SITE,
      () => changed(next(), flipped(next().bytes, next().bytes.length - 20)),
      'DELTA_INVALID',
      /delta: frame 0, CRC/,
    ],
    [
      'overlapping extents',
      SITE,
      () =>
        crafted({
          extents: [
            { offset: 0, length: 1024, kind: 1 },
            { offset: 512, length: 512, kind: 1 },
          ],
        }),
      'DELTA_INVALID',
      /extent 1, offset .*: 512 overlaps/,
    ],
    [
      'past the end',
      SITE,
      () => crafted({ extents: [{ offset: berlin.volumeBytes, length: 512, kind: 1 }] }),
      'DELTA_INVALID',
      /extent 0, length .*past the volume's end at 65536/,
    ],
    ['1 GiB announced', SITE, () => bomb(1024 * MIB), 'LIMIT_EXCEEDED', /frame 0, raw bytes .*frameRawBytesMax/],
    [
      '64 KiB announced, 64 MiB inside',
      SITE,
      () => bomb(64 * KIB),
      'DELTA_INVALID',
      /frame 0.*zstd does not give 65536/,
    ],
    [
      'another digest than its content',
      SITE,
      () => crafted({ frames: [rawFrame(Buffer.alloc(512, 1))], extents: [{ offset: 0, length: 512, kind: 0 }] }),
      'DELTA_INVALID',
      /digest \(byte 88\)/,
    ],
    [
      'another term',
      SITE,
      () => berlin.inline(berlin.forkAt(2).next({ head: { term: 7 } })),
      'REFUSED',
      /term: the volume is at 1, the delta names 7/,
    ],
    [
      'another generation',
      SITE,
      () => berlin.inline(berlin.forkAt(2).next({ head: { generation: 2 } })),
      'REFUSED',
      /generation: the volume is at 1, the delta names 2/,
    ],
    [
      'a fork',
      SITE,
      () => berlin.inline(berlin.forkAt(1).next({ marker: 'rival' })),
      'DELTA_FORKED',
      /number: the chain has another delta 2/,
    ],
  ];

  function stranger(): SignedMessage {
    const site = new SiteFixture({ volume: { tenant: 'evil', site: 'corp', group: 'erp', volume: 'data' } });
    return site.inline(site.next());
  }

  /** zstd of 64 MiB of zeros in one frame that says that it holds `rawBytes`. */
  function bomb(rawBytes: number): SignedMessage {
    const stored = zstdCompressSync(Buffer.alloc(64 * MIB));
    return crafted({
      frames: [{ compression: 1, stored, rawBytes }],
      extents: [{ offset: 0, length: 65_536, kind: 0 }],
    });
  }

  test('each is refused with its reason and kept aside; the replica is untouched', async () => {
    const [replica, from] = [await replicaOf(berlin), doors.logEnd()];
    const sent = MESSAGES.map(([what, site, make, code, form], index) => {
      const message = make();
      // The host hands JSON over as an object, so what is kept is the same JSON written anew.
      return { what, site, body: text(message), code, form, queue: index % 2 === 0 ? QUEUES.deltas : QUEUES.bulk };
    });
    await Promise.all(sent.map(({ queue, body }) => doors.put(queue, body)));
    for (const { what, site, body, code, form } of sent) {
      const kept = await doors.aside(site, body === '"hello"' ? 'hello' : body);
      assert.equal(kept.body, body === '"hello"' ? 'hello' : body, what);
      const told = reasonSchema.parse(JSON.parse(kept.reason));
      assert.equal(told.code, code, `${what}: ${told.reason}`);
      assert.match(told.reason, form, what);
      assert.doesNotMatch(told.reason, /[\n\u0000-\u001f]/, what);
      const logged = told.reason.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
      await doors.hears(new RegExp(`warning \\[ingest(-bulk)? [^\\]]+\\] refused: ${logged}; kept aside as `), from);
    }
    await doors.queuesEmpty();
    assert.deepEqual(await replicaOf(berlin), replica);
    const { trouble } = (await stateOf(berlin)).value;
    assert.equal(trouble?.code, 'DELTA_FORKED', 'a fork is told until a person has looked');
  });

  test('a damaged, a cut and a strange journal entry: refused, and asked for again in another form', async () => {
    const replica = await replicaOf(berlin);
    const delta = next();
    const other = paris.forkAt(0).next();
    for (const [form, bytes] of [
      ['literal-5', flipped(delta.bytes, delta.bytes.length - 20)],
      ['literal-6', delta.bytes.subarray(0, 100)],
      ['literal-7', other.bytes],
    ] as const) {
      await stack.storage.entries.create(berlin.entryPlace(delta, form), bytes);
      const message = text(berlin.naming(delta, form));
      await doors.put(QUEUES.deltas, message);
      const told = reasonSchema.parse(JSON.parse((await doors.aside('acme/berlin', message)).reason));
      assert.equal(told.code, 'DELTA_INVALID', told.reason);
    }
    assert.deepEqual(await replicaOf(berlin), replica);
    const { resend } = (await stateOf(berlin)).value;
    assert.partialDeepStrictEqual(resend, [{ number: 3, form: 'literal-8' }]);
  });

  test('what is not even base64 ends aside too, by way of the poison queue and the sweep', async () => {
    await doors.put(QUEUES.deltas, '%%% no base64 %%%', true);
    await until(
      () => 'a poison message',
      20_000,
      async () => ((await doors.queueLengths())[poisonQueue(QUEUES.deltas)] === 1 ? true : undefined),
    );
    await doors.callByHand('sweep');
    const { body, reason } = await doors.aside('unverified', '%%% no base64 %%%');
    assert.equal(body, '%%% no base64 %%%');
    assert.match(reason, /not a signed delta or ranges message/);
    await doors.queuesEmpty();
  });

  test('a sound delta goes through after all of them', async () => {
    const delta = berlin.next({ marker: 'm3' });
    const message = await berlin.put(stack.storage.entries, delta, 'literal-8');
    await doors.put(QUEUES.deltas, text(message));
    await applied(berlin, 3);
    const { value, generation } = await stateOf(berlin);
    assert.deepEqual(value.resend, []);
    assert.equal(generation.snapshots.length, 3);
  });

  test('a missing journal is a fault of the cloud: the message is not refused for it', async () => {
    const { account, documents } = stack.storage;
    const volume = { tenant: 'acme', site: 'oslo', group: 'erp', volume: 'data' };
    const oslo = await new SiteFixture({ account, volume }).register(documents);
    const from = doors.logEnd();
    await doors.put(QUEUES.deltas, text(oslo.inline(oslo.next())));
    await doors.hears(/error \[ingest [^\]]+\] failed after .*the container "journal-acme-oslo-\w+" is missing/, from);
    await stack.storage.access.ensureContainer(oslo.journal);
    await applied(oslo, 1);
  });
});

describe('what is too new for this program', () => {
  /** Waits until the queues hold as many messages as this, none of them in poison. */
  async function waiting(lengths: Record<string, number>): Promise<void> {
    await until(
      () => `waiting messages`,
      20_000,
      async () => (JSON.stringify(await filled()) === JSON.stringify(lengths) ? true : undefined),
    );
  }

  async function filled(): Promise<Record<string, number>> {
    return Object.fromEntries(Object.entries(await doors.queueLengths()).filter(([, length]) => length > 0));
  }

  test('a message of a newer format waits in its queue, a volume of a newer format keeps its messages waiting', async () => {
    const [replica, from] = [await replicaOf(berlin), doors.logEnd()];
    const newer = resigned(berlin.key, { ...berlin.inline(berlin.forkAt(3).next()), version: TOO_NEW });
    const operator = deriveKey(KEY_SECRET, { signer: 'operator/alice', name: 'k1' });
    await doors.put(QUEUES.deltas, text(newer));
    await doors.put(QUEUES.bulk, text(newer));
    await doors.put(QUEUES.failover, text(resigned(operator, { ...sign(operator, 'order', {}), version: TOO_NEW })));
    await doors.hears(
      /\[ingest [^\]]+\] put back into leeward-deltas: this delta message needs format 2 to read/,
      from,
    );
    await doors.hears(
      /\[ingest-bulk [^\]]+\] put back into leeward-bulk: this delta message needs format 2 to read/,
      from,
    );
    await doors.hears(/\[failover [^\]]+\] put back: this order message needs format 2 to read/, from);
    await waiting({ [QUEUES.deltas]: 1, [QUEUES.bulk]: 1, [QUEUES.failover]: 1 });

    const document = doors.blobs.getContainerClient(CONTAINERS.state).getBlockBlobClient(paris.documentName);
    const original = await document.downloadToBuffer();
    const held = z.looseObject({}).parse(JSON.parse(original.toString('utf8')));
    for (const version of [{ ...TOO_NEW, oldestReader: 1 }, TOO_NEW]) {
      const tooNew = Buffer.from(text({ ...held, version, fromTomorrow: true }));
      const { etag } = await document.upload(tooNew, tooNew.length);
      const mark = doors.logEnd();
      const delta = paris.forkAt(0).next({ marker: `for-${version.oldestReader}` });
      await doors.put(QUEUES.deltas, text(paris.inline(delta)));
      const use = version.oldestReader === 1 ? 'rewrite' : 'read';
      await doors.hears(new RegExp(`put back into leeward-deltas: volume ".*" needs format 2 to ${use} it`), mark);
      assert.equal((await document.getProperties()).etag, etag);
    }
    await waiting({ [QUEUES.deltas]: 3, [QUEUES.bulk]: 1, [QUEUES.failover]: 1 });
    assert.deepEqual(await replicaOf(berlin), replica);

    // The other volumes go on, and their site hears of them.
    await doors.put(QUEUES.deltas, text(berlin.inline(berlin.next({ marker: 'm4' }))));
    await applied(berlin, 4);
    const answer = await doors.post('heartbeat', text(sign(paris.key, 'heartbeat', { counter: 5000 })));
    assert.partialDeepStrictEqual(JSON.parse(answer.text), { site: 'acme/paris', volumes: [] });
    await document.upload(original, original.length);
  });
});

test('no log holds a credential', async () => {
  const keys = [berlin, paris].map(({ key }) => Buffer.from(key.secret).toString('base64'));
  await doors.assertNoCredentialLogged(keys);
  const answer = await doors.post('heartbeat', text(sign(berlin.key, 'heartbeat', { counter: 9000 })));
  assert.match(answer.text, /sig=/, 'the answer to the site itself has them: this check would find one');
  await doors.assertNoCredentialLogged(keys);
});
