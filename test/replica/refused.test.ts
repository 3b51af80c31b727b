/** What a message must not do: whatever is wrong with it, it ends aside with one line that says why, and changes nothing. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { siteKind } from '../../src/documents/site.ts';
import { LeewardError } from '../../src/kernel/errors.ts';
import { QUEUES, documents as names, poisonQueue } from '../../src/kernel/names.ts';
import { PAGE_BYTES } from '../../src/kernel/units.ts';
import { deriveKey, sign } from '../../src/protocol/signed.ts';
import { failsWith } from '../support/fails-with.ts';
import { FORMAT_NINE, resigned } from '../support/resigned.ts';
import { KEY_SECRET, SiteFixture } from '../support/site-fixture.ts';
import { deliver, reasonOf, sound, start } from './start.ts';

/** A volume at delta 2, and its document's text then. */
async function atTwo() {
  const context = await start();
  for (let count = 0; count < 2; count += 1) await context.worker.receive(context.site.inline(context.site.next()));
  return { ...context, before: await context.storage.volume(context.site) };
}

describe('messages that are none are set aside, and the state stays as it is:', () => {
  for (const [what, message] of [
    ['empty text', ''],
    ['a word', 'hello'],
    ['half of JSON', '{"version":'],
    ['a number as text', '123'],
    ['a number', 123],
    ['true', true],
    ['null', null],
    ['nothing', undefined],
    ['a list', []],
    ['an empty object', {}],
    ['a long text', 'x'.repeat(60_000)],
    ['a deep object', JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`)],
  ] as const) {
    test(what, async () => {
      const { storage, site, worker, before } = await atTwo();
      const reason = await reasonOf(storage, await worker.receive(message));
      assert.match(reason, /^not a signed delta or ranges message: /);
      assert.deepEqual(await storage.volume(site), before);
    });
  }
});

describe('messages that nobody may send are set aside, and the state stays as it is:', () => {
  test('one changed letter of the payload', async () => {
    const { storage, site, worker, before } = await atTwo();
    const message = site.inline(site.next());
    const reason = await reasonOf(
      storage,
      await worker.receive({ ...message, payload: message.payload.replace('"number":3', '"number":4') }),
    );
    assert.match(reason, /not signed with key "k1" of acme\/berlin/);
    assert.deepEqual(await storage.volume(site), before);
  });

  test("another site's signature on a volume that is not its own", async () => {
    const { storage, site, worker, before } = await atTwo();
    const other = new SiteFixture({ volume: { tenant: 'acme', site: 'paris', group: 'erp', volume: 'data' } });
    await other.register(storage.documents);
    const envelope: unknown = JSON.parse(site.inline(site.next()).payload);
    const reason = await reasonOf(storage, await worker.receive(sign(other.key, 'delta', envelope)));
    assert.match(reason, /volume: acme\/berlin\/erp\/data is not a volume of acme\/paris/);
    assert.deepEqual(await storage.volume(site), before);
  });

  test("another site's name on one's own signature", async () => {
    const { storage, site, worker } = await atTwo();
    const message = site.inline(site.next());
    assert.match(await reasonOf(storage, await worker.receive({ ...message, signer: 'acme/paris' })), /not signed/);
  });

  test('a heartbeat is no delta', async () => {
    const { storage, site, worker } = await atTwo();
    const reason = await reasonOf(storage, await worker.receive(sign(site.key, 'heartbeat', { counter: 1 })));
    assert.match(reason, /kind: expected "delta" or "ranges", got "heartbeat"/);
  });

  test('a heartbeat that is renamed to a delta is not signed as one', async () => {
    const { storage, site, worker } = await atTwo();
    const message = { ...sign(site.key, 'heartbeat', { counter: 1 }), kind: 'delta' };
    assert.match(await reasonOf(storage, await worker.receive(message)), /not signed/);
  });

  test('a site that is not registered', async () => {
    const { storage, worker } = await atTwo();
    const stranger = new SiteFixture({ volume: { tenant: 'evil', site: 'corp', group: 'erp', volume: 'data' } });
    const reason = await reasonOf(storage, await worker.receive(stranger.inline(stranger.next())));
    assert.match(reason, /there is no site "sites\/evil\/corp\.json"/);
  });

  test('a signer whose name is a path', async () => {
    const { storage, worker } = await atTwo();
    for (const signer of ['../../volumes', 'acme/berlin/../x', 'a'.repeat(80), 'acme/BERLIN']) {
      const key = deriveKey(KEY_SECRET, { signer, name: 'k1' });
      assert.match(await reasonOf(storage, await worker.receive(sign(key, 'delta', {}))), /tenant|site/);
    }
  });

  test('a revoked key, once its memory has run out', async () => {
    const { storage, site, worker } = await atTwo();
    const held = await storage.documents.need(siteKind, names.site(site.ref));
    const keys = [{ name: 'k1', state: 'revoked' as const }];
    await storage.documents.replace(siteKind, held, { ...held.value, keys });
    storage.clock.advance(60_000);
    assert.match(await reasonOf(storage, await worker.receive(site.inline(site.next()))), /is not active/);
  });

  test('a volume that is not registered', async () => {
    const { storage, site, worker } = await atTwo();
    const ghost = new SiteFixture({ volume: { ...site.ref, volume: 'ghost' } });
    const reason = await reasonOf(storage, await worker.receive(ghost.inline(ghost.next())));
    assert.match(reason, /volume acme\/berlin\/erp\/ghost is not registered/);
  });
});

describe('envelopes that are wrong are set aside, and the chain goes on:', () => {
  for (const [what, changed, expected] of [
    ['another number than the delta', { number: 9 }, /number: the envelope says 9, the delta 3/],
    ['another digest', { digest: 'f'.repeat(64) }, /digest: the envelope says f{64}/],
    ['another length', { sizeBytes: 17 }, /sizeBytes: the envelope says 17/],
    ['a length of nothing', { sizeBytes: 0 }, /sizeBytes/],
    ['an absurd length', { sizeBytes: 2 ** 53 - 1 }, /sizeBytes/],
    ['an absurd number', { number: 2 ** 32 }, /number/],
    ['number 0', { number: 0 }, /number/],
    ['a number as text', { number: '3' }, /number/],
    ['a negative number', { number: -1 }, /number/],
    ['inline bytes and an entry', { entry: 'x' }, /exactly one of "inline" and "entry"/],
    ['neither inline bytes nor an entry', { inline: undefined }, /exactly one of "inline" and "entry"/],
    ['inline bytes that are not base64', { inline: 'not base64!' }, /inline/],
    ['empty inline bytes', { inline: '' }, /prologue/],
    ['an entry that is no name', { inline: undefined, entry: '../../state/volumes/x.json' }, /entry/],
    ['an entry of a name that is too long', { inline: undefined, entry: 'x'.repeat(401) }, /entry: .*400/],
    ['an entry of a made-up name', { inline: undefined, entry: 'erp/data/00000001/3-x-literal-0.delta' }, /entry/],
    ['a volume that is a path', { volume: '../../../etc' }, /volume/],
  ] as const) {
    test(what, async () => {
      const { storage, site, worker, before } = await atTwo();
      const reason = await reasonOf(storage, await worker.receive(site.inline(site.next(), changed)));
      assert.match(reason, expected);
      const { generations, resend } = await storage.volume(site);
      assert.deepEqual(generations, before.generations);
      assert.ok(
        resend.every(({ number }) => number === 3),
        'the site is never asked for what it has not made',
      );
      await worker.receive(site.inline(site.forkAt(2).next()));
      assert.equal((await storage.generation(site)).applied.number, 3);
    });
  }

  test("an entry of another volume's journal", async () => {
    const { storage, site, worker, before } = await atTwo();
    const other = new SiteFixture({ volume: { ...site.ref, volume: 'other' } });
    await other.register(storage.documents);
    const delta = other.next();
    await other.put(storage.entries, delta);
    const message = sign(site.key, 'delta', { ...site.claims(delta), entry: other.entryName(delta) });
    assert.match(await reasonOf(storage, await worker.receive(message)), /entry/);
    assert.deepEqual((await storage.volume(site)).generations, before.generations);
  });
});

describe('deltas that do not belong here are set aside, and nothing of them is applied:', () => {
  test('of a term that the volume does not have', async () => {
    for (const term of [2, 99]) {
      const { storage, site, worker, before } = await atTwo();
      site.term = term;
      const reason = await reasonOf(storage, await worker.receive(site.inline(site.next())));
      assert.equal(reason, `delta of ${site.id} refused: term: the volume is at 1, the delta names ${term}`);
      assert.deepEqual(await storage.volume(site), before);
    }
  });

  test('of a generation that the volume does not have', async () => {
    const { storage, site, worker, before } = await atTwo();
    site.generation = 2;
    assert.match(
      await reasonOf(storage, await worker.receive(site.inline(site.next()))),
      /generation: the volume is at 1/,
    );
    assert.deepEqual(await storage.volume(site), before);
  });

  test('with extents past its own end, made by a program that does not check', async () => {
    const { storage, site, worker, before } = await atTwo();
    const delta = site.next();
    const bytes = Buffer.from(delta.bytes);
    bytes.fill(0xff, 160, 200);
    const reason = await reasonOf(storage, await worker.receive(site.inline({ ...delta, bytes })));
    assert.match(reason, /^delta: /);
    assert.deepEqual((await storage.volume(site)).generations, before.generations);
  });

  test('cut short, or with a flipped bit anywhere', async () => {
    const { storage, site, worker, before } = await atTwo();
    const delta = site.next();
    for (let at = 0; at < delta.bytes.length; at += 41) {
      const bytes = Buffer.from(delta.bytes);
      bytes.writeUInt8(bytes.readUInt8(at) ^ 0x10, at);
      await reasonOf(storage, await worker.receive(site.inline({ ...delta, bytes })));
    }
    for (const length of [1, 100, delta.bytes.length - 1]) {
      await reasonOf(storage, await worker.receive(site.inline({ ...delta, bytes: delta.bytes.subarray(0, length) })));
    }
    assert.deepEqual((await storage.volume(site)).generations, before.generations);
    assert.equal((await worker.receive(site.inline(delta))).outcome, 'applied');
    await sound(storage, site, { applied: 3 });
  });

  test('longer than any delta may be: refused without being read', async () => {
    const { storage, site, worker, before } = await atTwo();
    const delta = site.next();
    await storage.entries.create(site.entryPlace(delta), new Uint8Array(19 * 1024 * 1024));
    assert.match(await reasonOf(storage, await worker.receive(site.naming(delta))), /more than 18874368/);
    assert.deepEqual((await storage.volume(site)).generations, before.generations);
  });

  test('after the cut, and only what the chain held is applied', async () => {
    const { storage, site, worker } = await atTwo();
    const late = site.inline(site.next());
    const cut = await worker.engine.endTerm(site.ref, 1);
    assert.equal(cut.number, 2);
    const reason = await reasonOf(storage, await worker.receive(late));
    assert.equal(reason, `delta of ${site.id} refused: term: 1 has ended at delta 2, this is 3`);
    assert.equal(await worker.engine.drain(site.ref), 'drained');
    await sound(storage, site, { applied: 2 });
  });
});

describe('what is too new', () => {
  test('a message goes back to its queue with a delay, unchanged, and is set aside nowhere', async () => {
    const { storage, site, worker } = await atTwo();
    const message = { ...resigned(site.key, { ...site.inline(site.next()), version: FORMAT_NINE }), extra: 1 };
    const outcome = await worker.receive(message);
    assert.equal(outcome.outcome, 'waits');
    assert.deepEqual(storage.queues.texts(QUEUES.deltas), [JSON.stringify(message)]);
    assert((storage.queues.nextVisibleMs(QUEUES.deltas) ?? 0) > storage.clock.wallMs());
    assert.deepEqual(storage.queues.texts(poisonQueue(QUEUES.deltas)), []);
  });

  test('a message that names a newer format and that nobody signed is set aside, and is no poison for ever', async () => {
    const { storage, site, worker } = await atTwo();
    const junk = { version: FORMAT_NINE, kind: 'delta', signer: 'x/y', key: 'k1', payload: '{}', mac: '0'.repeat(64) };
    for (const message of [junk, { ...site.inline(site.next()), version: FORMAT_NINE }]) {
      assert.match(await reasonOf(storage, await worker.receive(message)), /is not signed with key "k1"/);
      assert.equal(await worker.ingest.isSound(JSON.stringify(message)), false);
    }
    assert.deepEqual(storage.queues.texts(QUEUES.deltas), []);
  });

  test('a volume document that a newer program wrote lets its messages wait', async () => {
    for (const version of [
      { format: 9, oldestReader: 9, oldestWriter: 9 },
      { format: 9, oldestReader: 1, oldestWriter: 9 },
    ]) {
      const { storage, site, worker } = await atTwo();
      const { document } = await storage.state.read(site.documentName);
      assert(document);
      const value = { ...(await storage.volume(site)), version };
      await storage.state.replace(site.documentName, JSON.stringify(value), document.etag, {});
      assert.equal((await worker.receive(site.inline(site.next()))).outcome, 'waits');
    }
  });

  test('typed by hand there is no queue to go back to, and it says so', async () => {
    const { site, worker } = await atTwo();
    const message = resigned(site.key, { ...site.inline(site.next()), version: FORMAT_NINE });
    await assert.rejects(worker.ingest.receive(message, undefined), failsWith('VERSION_TOO_NEW'));
  });

  test('fields that nobody knows yet do no harm, and survive in the document', async () => {
    const { storage, site, worker } = await atTwo();
    const { document } = await storage.state.read(site.documentName);
    assert(document);
    const value = { ...(await storage.volume(site)), tomorrow: { x: 1 } };
    await storage.state.replace(site.documentName, JSON.stringify(value), document.etag, {});
    await worker.receive(site.inline(site.next(), { tomorrow: true }));
    assert.deepEqual((await storage.volume(site))['tomorrow'], { x: 1 });
  });
});

describe('faults that are not the message’s', () => {
  for (const code of ['DENIED', 'PLATFORM_FAILED', 'UNAVAILABLE', 'DOCUMENT_INVALID', 'NOT_FOUND'] as const) {
    test(`a storage that answers ${code} while a delta is applied sets no sound message aside`, async () => {
      const { storage, site } = await atTwo();
      let broken = true;
      const worker = storage.worker({}, async ({ port, proceed }) => {
        if (broken && port === 'replicas') throw new LeewardError(code, 'storage says no');
        return proceed();
      });
      const message = site.inline(site.next());
      await assert.rejects(worker.receive(message));
      broken = false;
      storage.clock.advance(60_000);
      assert.notEqual((await deliver(worker, message)).outcome, 'set-aside');
      await sound(storage, site, { applied: 3 });
    });
  }

  test('a state that cannot be read sets no sound message aside', async () => {
    for (const code of ['DENIED', 'PLATFORM_FAILED', 'UNAVAILABLE'] as const) {
      const { storage, site } = await atTwo();
      const worker = storage.worker({}, async ({ port, proceed }) => {
        if (port === 'state') throw new LeewardError(code, 'storage says no');
        return proceed();
      });
      await assert.rejects(worker.receive(site.inline(site.next())));
    }
  });

  test('a page write that fails leaves a delta that the next worker finishes', async () => {
    const { storage, site, worker } = await atTwo();
    let left = 1;
    const failing = storage.worker({}, async ({ method, proceed }) => {
      if (method === 'writePages' && left-- > 0) throw new LeewardError('UNAVAILABLE', 'no answer');
      return proceed();
    });
    const pages = Array.from({ length: 6 }, (_, index) => ({
      offset: index * 4 * PAGE_BYTES,
      bytes: Buffer.alloc(PAGE_BYTES, index + 1),
    }));
    await assert.rejects(failing.receive(site.inline(site.next({ extents: pages }))));
    storage.clock.advance(60_000);
    assert.deepEqual((await worker.sweep()).advanced, [site.id]);
    await sound(storage, site, { applied: 3 });
  });
});
