/**
 * Bases: an upload or an earlier point becomes what a generation begins from. Whatever crashes, and whatever the uploader
 * does meanwhile, the published replica is what it was, and the new one is what its site says or is asked for.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DeltaPiece } from '../../src/delta/delta.ts';
import { currentGeneration, isReady, offeredGeneration, volumeKind } from '../../src/documents/volume.ts';
import type { VolumeDocument } from '../../src/documents/volume.ts';
import { MIB } from '../../src/kernel/units.ts';
import { UPLOAD_BLOB, uploadContainer } from '../../src/kernel/names.ts';
import type { BlobPlace } from '../../src/kernel/places.ts';
import { RANGE_BYTES } from '../../src/ranges/blocks.ts';
import { orderReseed } from '../../src/replica/generation/generations.ts';
import { heedWord } from '../../src/replica/intake/site-word.ts';
import type { VolumeWord } from '../../src/replica/intake/site-word.ts';
import type { Around, MemoryStorage, Worker, WorkerOptions } from '../support/data-path.ts';
import { baseDigestOf, makeList, putList } from '../support/range-lists.ts';
import { replicaProblem } from '../support/replica-check.ts';
import { ACCOUNT, SiteFixture } from '../support/site-fixture.ts';
import type { DeltaWish } from '../support/site-fixture.ts';
import { reasonOf, sound, start } from './start.ts';

/** Two ranges, the second short, and a tail up to the whole MiB. */
const VOLUME_BYTES = RANGE_BYTES + MIB + 512;

function place(site: SiteFixture, generation: number): BlobPlace {
  return { account: ACCOUNT, container: uploadContainer(site.ref, generation), blob: UPLOAD_BLOB };
}

/** The site says something of its volume. */
async function say(storage: MemoryStorage, site: SiteFixture, word: Partial<VolumeWord>): Promise<VolumeDocument> {
  const said = { volume: site.id, generation: site.generation, stored: 0, waitingBytes: 0, ...word };
  await heedWord(storage, said, storage.clock.wallMs());
  return storage.volume(site);
}

/** What a volume holds: something in each range, and at its very end. */
function content(): Uint8Array {
  const bytes = new Uint8Array(VOLUME_BYTES);
  for (const offset of [512, RANGE_BYTES + 4096, VOLUME_BYTES - 512]) bytes.fill(offset % 251, offset, offset + 512);
  return bytes;
}

/** Raw pages, as an uploader writes them: under whatever number stands there. */
async function upload(storage: MemoryStorage, to: BlobPlace, bytes: Uint8Array): Promise<void> {
  const fence = (await storage.replicas.properties(to))?.sequenceNumber ?? 0;
  for (let offset = 0; offset < bytes.length; offset += RANGE_BYTES) {
    await storage.replicas.writePages(to, { offset, bytes: bytes.slice(offset, offset + RANGE_BYTES), fence });
  }
}

/** The same volume in a generation that begins from `bytes`. */
function fromBase(site: SiteFixture, generation: number, bytes: Uint8Array): SiteFixture {
  const digest = baseDigestOf(site.id, generation, bytes);
  return new SiteFixture({ volume: site.ref, generation }, [{ number: 0, digest, bytes }]);
}

/** What the volume, which holds `bytes`, is asked for. */
async function repairOf(storage: MemoryStorage, site: SiteFixture, bytes: Uint8Array): Promise<DeltaPiece[]> {
  const { repair } = await storage.volume(site);
  return (repair?.ranges ?? []).map(({ offset, lengthBytes }) => ({
    offset,
    bytes: bytes.slice(offset, offset + lengthBytes),
  }));
}

/**
 * The generation's first delta, with what is asked for and a marker, and then all is as it should be. `truth` is what the
 * volume holds, where it is not what the base does.
 */
async function publish(storage: MemoryStorage, worker: Worker, next: SiteFixture, truth?: Uint8Array): Promise<void> {
  const repair = truth ? await repairOf(storage, next, truth) : [];
  const extents = repair.length > 0 ? repair : [{ offset: 0, bytes: Buffer.alloc(512, 0xd1) }];
  const outcome = await worker.receive(await next.put(storage.entries, next.next({ extents, marker: 'first' })));
  assert.equal(outcome.outcome, 'applied');
  assert.equal((await storage.volume(next)).published, next.generation);
  await sound(storage, next, { applied: 1, points: 1 });
}

describe('a base that is uploaded', () => {
  test('is opened at once, taken as it was sealed, compared, and begun from', async () => {
    const { storage, site, worker } = await start({ volumeBytes: 64 * 1024 });
    const opened = await say(storage, site, { direct: true, volumeBytes: VOLUME_BYTES });
    assert.equal(currentGeneration(opened).base?.phase, 'open');
    assert.equal(opened.current, 1);
    const to = place(site, 1);
    assert.equal((await storage.replicas.properties(to))?.sizeBytes, 6 * MIB + 512);

    await upload(storage, to, content());
    assert.equal(
      (await worker.receive(await putList(storage.entries, site, { number: 0, bytes: content() }))).outcome,
      'listed',
    );
    const { base, tip, applied, volumeBytes } = await storage.generation(site);
    const digest = baseDigestOf(site.id, 1, content());
    assert.partialDeepStrictEqual(base, { phase: 'ready', digest });
    assert.deepEqual(
      [tip, applied],
      [
        { number: 0, digest },
        { number: 0, digest, sourceTimeMs: 0 },
      ],
    );
    assert.equal(volumeBytes, VOLUME_BYTES);
    assert.equal((await storage.volume(site)).repair, undefined);
    assert.equal(await storage.replicas.properties(to), undefined);
    await publish(storage, worker, fromBase(site, 1, content()));
  });

  test('that differs from its list is repaired where it differs', async () => {
    const { storage, site, worker } = await start({ volumeBytes: 64 * 1024 });
    await say(storage, site, { direct: true, volumeBytes: VOLUME_BYTES });
    const torn = content();
    torn[RANGE_BYTES + 4096] = 0xff;
    await upload(storage, place(site, 1), torn);
    await worker.receive(await putList(storage.entries, site, { number: 0, bytes: content() }));
    const { repair } = await storage.volume(site);
    assert.deepEqual(repair, {
      id: 'base-1',
      ranges: [{ offset: RANGE_BYTES, lengthBytes: MIB + 512 }],
      sinceMs: storage.clock.wallMs(),
    });
    await publish(storage, worker, fromBase(site, 1, torn), content());
    await say(storage, site, { repaired: 'base-1' });
    assert.equal((await storage.volume(site)).repair, undefined);
  });

  test('whose uploader sets sequence numbers and writes where it must not, begins with ours and a footer of ours', async () => {
    const { storage, site, worker } = await start({ volumeBytes: 64 * 1024 });
    await say(storage, site, { direct: true, volumeBytes: VOLUME_BYTES });
    const to = place(site, 1);
    await storage.replicas.raiseSequenceNumber(to, 2 ** 60);
    const junk = { bytes: Buffer.alloc(6 * MIB + 512 - VOLUME_BYTES, 0xee), fence: 2 ** 60 };
    await storage.replicas.writePages(to, { offset: VOLUME_BYTES, ...junk });
    await upload(storage, to, content());
    await worker.receive(await putList(storage.entries, site, { number: 0, bytes: content() }));
    await publish(storage, worker, fromBase(site, 1, content()));
  });

  test('what is written after the seal goes nowhere', async () => {
    const { storage, site } = await start({ volumeBytes: 64 * 1024 });
    await say(storage, site, { direct: true, volumeBytes: VOLUME_BYTES });
    const to = place(site, 1);
    await upload(storage, to, content());
    let writes = 0;
    const late = storage.worker({}, async ({ method, proceed }) => {
      const answer = await proceed();
      if (method === 'snapshot') {
        await upload(storage, to, new Uint8Array(VOLUME_BYTES).fill(0xbb));
        const written = await storage.replicas.read(to, { offset: VOLUME_BYTES - 512, lengthBytes: 512 });
        assert.deepEqual(Buffer.from(written), Buffer.alloc(512, 0xbb));
        writes += 1;
      }
      return answer;
    });
    await late.receive(await putList(storage.entries, site, { number: 0, bytes: content() }));
    assert.equal(writes, 1);
    await publish(storage, storage.worker(), fromBase(site, 1, content()));
  });

  test('that is gone, or has another size, is not begun from: the next generation begins from zeros', async () => {
    for (const spoil of [
      async (storage: MemoryStorage, to: BlobPlace) => storage.replicas.remove(to),
      async (storage: MemoryStorage, to: BlobPlace) => {
        const { etag = '' } = (await storage.replicas.properties(to)) ?? {};
        await storage.replicas.resize(to, { sizeBytes: 512, etag });
      },
    ]) {
      const { storage, site, worker } = await start({ volumeBytes: 64 * 1024 });
      await say(storage, site, { direct: true, volumeBytes: VOLUME_BYTES });
      await spoil(storage, place(site, 1));
      await worker.receive(await putList(storage.entries, site, { number: 0, bytes: content() }));
      const volume = await storage.volume(site);
      assert.equal(volume.current, 2);
      assert.equal(currentGeneration(volume).base, undefined);
      const next = new SiteFixture({ volume: site.ref, generation: 2, volumeBytes: VOLUME_BYTES });
      await publish(storage, worker, next);
    }
  });

  test('no delta is taken before it is ready, and none is a fork', async () => {
    const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
    await say(storage, site, { direct: true, volumeBytes: VOLUME_BYTES });
    assert.match(await reasonOf(storage, await worker.receive(site.inline(site.next()))), /not ready/);
    assert.equal((await storage.volume(site)).trouble, null);
    assert.equal((await storage.generation(site)).tip.number, 0);
  });

  test('is not opened for a volume of which something was sent', async () => {
    const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
    await worker.receive(site.inline(site.next()));
    const before = await storage.volume(site);
    assert.deepEqual(await say(storage, site, { direct: true, volumeBytes: VOLUME_BYTES }), before);
  });

  test('a list that cannot be read is asked for again', async () => {
    const { storage, site, worker } = await start({ volumeBytes: 64 * 1024 });
    await say(storage, site, { direct: true, volumeBytes: VOLUME_BYTES });
    await upload(storage, place(site, 1), content());
    const { place: at, bytes, message } = makeList(site, { number: 0, bytes: content() });
    await storage.entries.create(
      at,
      bytes.map((byte, index) => (index === 520 ? byte ^ 1 : byte)),
    );
    await worker.receive(message);
    assert.partialDeepStrictEqual((await storage.generation(site)).base, { phase: 'comparing', list: null, next: 0 });
    assert.deepEqual((await worker.sweep()).advanced, []);
    const other = content();
    other[0] = 1;
    await worker.receive(await putList(storage.entries, site, { number: 0, bytes: other }));
    assert(isReady(await storage.generation(site)));
    assert.deepEqual((await storage.volume(site)).repair?.ranges, [{ offset: 0, lengthBytes: RANGE_BYTES }]);
  });
});

describe('a generation that begins from a point', () => {
  /** Two points and one delta more; the last point is `m2`. */
  async function begun(): Promise<{ storage: MemoryStorage; site: SiteFixture; worker: Worker }> {
    const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
    for (const marker of ['m1', 'm2', undefined]) {
      const extents = [{ offset: RANGE_BYTES + 512 * site.last, bytes: Buffer.alloc(512, site.last + 1) }];
      await worker.receive(site.inline(site.next(marker === undefined ? { extents } : { extents, marker })));
    }
    return { storage, site, worker };
  }

  test('is what a site gets that has lost what it needs; only what differs is asked for', async () => {
    const { storage, site, worker } = await begun();
    const volume = await say(storage, site, { wants: 'generation', stored: 3 });
    assert.equal(volume.current, 2);
    assert.equal(volume.published, 1);
    assert.equal(currentGeneration(volume).reason, 'the site has lost what it needs to go on');
    await worker.sweep();
    assert.equal((await storage.generation(site)).base?.phase, 'comparing');
    const next = fromBase(site, 2, site.bytesAt(2));
    await worker.receive(await putList(storage.entries, next, { number: 0, bytes: site.bytesAt(3) }));
    const { repair } = await storage.volume(site);
    assert.deepEqual(repair?.ranges, [{ offset: RANGE_BYTES, lengthBytes: MIB + 512 }]);
    assert.equal(await offersOld(storage, site), undefined);
    await publish(storage, worker, next, site.bytesAt(3));
  });

  test('is not offered, and no point of it is named, before deltas have set all that differs of its base', async () => {
    const { storage, site, worker } = await begun();
    await say(storage, site, { wants: 'generation', stored: 3 });
    const next = fromBase(site, 2, site.bytesAt(2));
    const truth = new Uint8Array(VOLUME_BYTES).fill(7);
    await worker.receive(await putList(storage.entries, next, { number: 0, bytes: truth }));
    const old = await storage.volume(site).then(offeredGeneration);
    const stillOld = async (): Promise<void> => {
      assert.deepEqual(offeredGeneration(await storage.volume(site)), old);
    };
    const apply = async (wish: DeltaWish): Promise<void> => {
      assert.equal((await worker.receive(await next.put(storage.entries, next.next(wish)))).outcome, 'applied');
    };
    await apply({ extents: [], marker: 'before' });
    assert.equal((await storage.volume(site)).repair?.id, 'base-2');
    await stillOld();
    // The site's word that it will send it, a half of it, and a marker: what is left is asked for once more.
    assert.equal((await say(storage, next, { repaired: 'base-2' })).repair, undefined);
    const zeros = { offset: 0, zerosBytes: RANGE_BYTES };
    await apply({ extents: [zeros], marker: 'half' });
    const { repair } = await storage.volume(site);
    const left = [{ offset: RANGE_BYTES, lengthBytes: VOLUME_BYTES - RANGE_BYTES }];
    assert.deepEqual([repair?.id, repair?.ranges], ['base-2-2', left]);
    await stillOld();
    assert.deepEqual((await storage.generation(site)).snapshots, []);
    await apply({ extents: left.map(({ offset, lengthBytes }) => ({ offset, bytes: Buffer.alloc(lengthBytes, 7) })) });
    await stillOld();
    await apply({ extents: [], marker: 'true' });
    assert.equal((await storage.volume(site)).published, 2);
    await sound(storage, next, { applied: 4, points: 1 });
  });

  test('is offered once what differs was cut off', async () => {
    const { storage, site, worker } = await begun();
    await say(storage, site, { wants: 'generation', stored: 3 });
    const next = fromBase(site, 2, site.bytesAt(2));
    await worker.receive(await putList(storage.entries, next, { number: 0, bytes: site.bytesAt(3) }));
    await worker.receive(next.inline(next.next({ extents: [], volumeBytes: RANGE_BYTES, marker: 'cut' })));
    assert.equal((await storage.volume(site)).published, 2);
    await sound(storage, next, { applied: 1, points: 1 });
  });

  test('a word that is repeated, of another generation, or after the term has ended, changes nothing', async () => {
    const { storage, site, worker } = await begun();
    const before = await say(storage, site, { wants: 'generation', stored: 3 });
    assert.deepEqual(await say(storage, site, { wants: 'generation', stored: 3 }), before);
    const other = await begun();
    await other.worker.engine.endTerm(other.site.ref, 1);
    const ended = await other.storage.volume(other.site);
    assert.deepEqual(await say(other.storage, other.site, { wants: 'generation' }), ended);
    assert.equal(await worker.engine.drain(site.ref).catch(() => 'no cut'), 'no cut');
  });

  test('a fork begins nothing by itself; a person’s order does', async () => {
    const { storage, site, worker } = await begun();
    const fork = site.forkAt(3);
    await worker.receive(site.inline(site.next()));
    await worker.receive(fork.inline(fork.next({ extents: [{ offset: 0, bytes: Buffer.alloc(512, 9) }] })));
    const before = await storage.volume(site);
    assert.equal(before.trouble?.code, 'DELTA_FORKED');
    assert.deepEqual(await say(storage, site, { wants: 'generation' }), before);
    await storage.documents.update(volumeKind, site.documentName, (document) =>
      orderReseed(document, { from: 'point', reason: 'by hand', sinceMs: 0 }),
    );
    await worker.sweep();
    const after = await storage.volume(site);
    assert.equal(after.current, 2);
    assert.equal(after.trouble, null);
  });

  test('a volume that has grown since the point: what is behind its end is asked for', async () => {
    const { storage, site, worker } = await begun();
    await say(storage, site, { wants: 'generation', stored: 3 });
    const grown = new Uint8Array(3 * RANGE_BYTES);
    grown.set(site.bytesAt(2));
    grown.fill(7, 2 * RANGE_BYTES + 512, 2 * RANGE_BYTES + 1024);
    const next = fromBase(site, 2, site.bytesAt(2));
    await worker.receive(await putList(storage.entries, next, { number: 0, bytes: grown }));
    // The range that the old end cuts is the same but for zeros; the short list of its blocks is not.
    assert.deepEqual((await storage.volume(site)).repair?.ranges, [
      { offset: RANGE_BYTES, lengthBytes: 2 * RANGE_BYTES },
    ]);
    const extents = await repairOf(storage, site, grown);
    await worker.receive(
      await next.put(storage.entries, next.next({ extents, volumeBytes: grown.length, marker: 'grown' })),
    );
    await sound(storage, next, { applied: 1, points: 1 });
  });

  test('a volume that has shrunk since the point', async () => {
    const { storage, site, worker } = await begun();
    await say(storage, site, { wants: 'generation', stored: 3 });
    const next = fromBase(site, 2, site.bytesAt(2));
    const shrunk = site.bytesAt(2).slice(0, RANGE_BYTES);
    await worker.receive(await putList(storage.entries, next, { number: 0, bytes: shrunk }));
    assert.equal((await storage.volume(site)).repair, undefined);
    const extents = [{ offset: 0, bytes: Buffer.alloc(512, 7) }];
    await worker.receive(next.inline(next.next({ extents, volumeBytes: RANGE_BYTES, marker: 'shrunk' })));
    await sound(storage, next, { applied: 1, points: 1 });
  });

  test('a copy that takes its time is looked at again, for a while by the same call and then by the sweep', async () => {
    for (const looks of [3, 25]) {
      const { storage, site } = await begun();
      await say(storage, site, { wants: 'generation', stored: 3 });
      let left = looks;
      const slow = storage.worker({}, async ({ method, proceed }) => {
        left -= method === 'copySnapshot' ? 1 : 0;
        return method === 'copySnapshot' && left > 0 ? 'copying' : proceed();
      });
      await slow.sweep();
      assert.equal((await storage.generation(site)).base?.phase, looks < 10 ? 'comparing' : 'copying');
      for (let sweeps = 0; sweeps < 3; sweeps += 1) await slow.sweep();
      assert.equal((await storage.generation(site)).base?.phase, 'comparing');
    }
  });

  test('a late reset of the copy’s sequence number does not land once a delta was begun', async () => {
    const { storage, site, worker } = await begun();
    await say(storage, site, { wants: 'generation', stored: 3 });
    let reset: (() => Promise<unknown>) | undefined;
    const stalled = storage.worker({}, async ({ method, proceed }) => {
      if (method !== 'resetSequenceNumber') return proceed();
      reset = proceed;
      throw new Error('no answer');
    });
    await stalled.sweep();
    assert(reset);
    const next = fromBase(site, 2, site.bytesAt(2));
    await worker.receive(await putList(storage.entries, next, { number: 0, bytes: site.bytesAt(2) }));
    await worker.receive(next.inline(next.next({ marker: 'first' })));
    await assert.rejects(reset(), /changed meanwhile/);
    await sound(storage, next, { applied: 1, points: 1 });
  });
});

describe('what is lost', () => {
  test('acknowledged deltas before it are applied first; the rest is given up, and it says so', async () => {
    const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
    await worker.receive(await site.put(storage.entries, site.next({ marker: 'm' })));
    const busy = storage.worker({}, async ({ port, proceed }) => {
      if (port === 'replicas') throw new Error('dead');
      return proceed();
    });
    const deltas = [];
    for (let count = 2; count <= 5; count += 1) {
      const delta = site.next();
      deltas.push(delta);
      await busy.receive(await site.put(storage.entries, delta)).catch(() => undefined);
    }
    const { tip, applied } = await storage.generation(site);
    assert.deepEqual([tip.number, applied.number], [5, 1]);
    const [, , lost] = deltas;
    assert(lost);
    storage.entries.overwrite(site.entryPlace(lost), Buffer.from('damaged'));
    storage.clock.advance(60_000);
    await worker.sweep();
    assert.deepEqual((await storage.volume(site)).resend, [{ generation: 1, number: 4, form: 'literal-2' }]);
    assert.equal((await storage.generation(site)).applied.number, 3);

    const volume = await say(storage, site, { lost: 4, stored: 5 });
    assert.equal(volume.current, 2);
    assert.partialDeepStrictEqual(volume.generations['1'], {
      applied: { number: 3 },
      tip: { number: 3 },
      claim: null,
      givenUp: { from: 4, to: 5 },
    });
    assert.deepEqual([volume.resend, volume.trouble], [[], null]);
  });

  test('said while something before it is still to be applied, it waits for that', async () => {
    const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
    await worker.receive(site.inline(site.next({ marker: 'm' })));
    const busy = storage.worker({}, async ({ port, proceed }) => {
      if (port === 'replicas') throw new Error('dead');
      return proceed();
    });
    await busy.receive(site.inline(site.next())).catch(() => undefined);
    await storage.documents.update(volumeKind, site.documentName, (document) => ({
      ...document,
      resend: [{ generation: 1, number: 3, form: 'literal-1' }],
    }));
    const waiting = await say(storage, site, { lost: 3, stored: 3 });
    assert.equal(waiting.current, 1);
    assert.equal(waiting.reseed?.lost, 3);
    storage.clock.advance(60_000);
    await worker.sweep();
    const after = await storage.volume(site);
    assert.equal(after.current, 2);
    const left = after.generations['1'];
    assert(left);
    assert.deepEqual([left.applied.number, left.givenUp], [2, undefined]);
  });

  test('what nobody asked for is not lost', async () => {
    const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
    await worker.receive(site.inline(site.next({ marker: 'm' })));
    const before = await storage.volume(site);
    assert.deepEqual(await say(storage, site, { lost: 2, stored: 2 }), before);
  });
});

describe('the end of a term while a generation is being made', () => {
  test('cuts every generation; the offered one is drained, and its points stay', async () => {
    const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
    await worker.receive(site.inline(site.next({ marker: 'm' })));
    await say(storage, site, { wants: 'generation', stored: 1 });
    assert.deepEqual(await worker.engine.endTerm(site.ref, 1), { number: 0, digest: '0'.repeat(64), term: 1 });
    const { generations } = await storage.volume(site);
    assert.partialDeepStrictEqual(generations['1'], { cut: { number: 1 }, epoch: 2 });
    assert.equal(await worker.engine.drain(site.ref), 'drained');
    const next = fromBase(site, 2, site.bytesAt(1));
    const outcome = await worker.receive(await putList(storage.entries, next, { number: 0, bytes: site.bytesAt(1) }));
    assert.equal(outcome.outcome, 'passed-by');
    assert.deepEqual((await worker.sweep()).advanced, []);
    assert.equal(await offersOld(storage, site), undefined);
  });

  test('a chain of the new generation that cannot go on holds nobody up', async () => {
    const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
    await worker.receive(site.inline(site.next({ marker: 'm' })));
    await say(storage, site, { wants: 'generation', stored: 1 });
    const next = fromBase(site, 2, site.bytesAt(1));
    await worker.receive(await putList(storage.entries, next, { number: 0, bytes: site.bytesAt(1) }));
    const delta = next.next({ marker: 'lost' });
    const busy = storage.worker({}, async ({ port, proceed }) => {
      if (port === 'replicas') throw new Error('dead');
      return proceed();
    });
    await busy.receive(await next.put(storage.entries, delta)).catch(() => undefined);
    storage.entries.overwrite(next.entryPlace(delta), Buffer.from('damaged'));
    storage.clock.advance(60_000);
    await worker.engine.endTerm(site.ref, 1);
    assert.equal(await worker.engine.drain(site.ref), 'drained');
    assert.equal((await storage.volume(site)).published, 1);
  });
});

/** Undefined when generation 1 is offered, and each point of it is the model's. */
async function offersOld(storage: MemoryStorage, site: SiteFixture): Promise<string | undefined> {
  const { published, generations } = await storage.volume(site);
  if (published !== 1) return `generation ${published} is offered`;
  for (const { number, snapshot } of generations['1']?.snapshots ?? []) {
    const problem = await replicaProblem(storage.replicas, site, { number, snapshot });
    if (problem !== undefined) return problem;
  }
  return undefined;
}

describe('a crash at every call', () => {
  interface Scenario {
    readonly what: string;
    /** Runs the worker that crashes up to the base. Gives the site's next generation. */
    readonly run: (storage: MemoryStorage, site: SiteFixture, crashing: Worker) => Promise<SiteFixture>;
  }
  const SCENARIOS: readonly Scenario[] = [
    {
      what: 'of a base that is uploaded',
      run: async (storage, site, crashing) => {
        await storage.documents.update(volumeKind, site.documentName, (document) =>
          orderReseed(document, { from: 'upload', volumeBytes: VOLUME_BYTES, reason: 'by hand', sinceMs: 0 }),
        );
        const next = fromBase(site, 2, content());
        await crashing.sweep().catch(() => undefined);
        await storage.worker().sweep();
        assert.equal((await storage.generation(site)).base?.phase, 'open');
        await upload(storage, place(site, 2), content());
        const message = await putList(storage.entries, next, { number: 0, bytes: content() });
        await crashing.receive(message).catch(() => undefined);
        await storage.worker().receive(message);
        return next;
      },
    },
    {
      what: 'of a base that is a point',
      run: async (storage, site, crashing) => {
        await storage.documents.update(volumeKind, site.documentName, (document) =>
          orderReseed(document, { from: 'point', reason: 'by hand', sinceMs: 0 }),
        );
        const next = fromBase(site, 2, site.bytesAt(1));
        await crashing.sweep().catch(() => undefined);
        await storage.worker().sweep();
        const message = await putList(storage.entries, next, { number: 0, bytes: site.bytesAt(1) });
        await crashing.receive(message).catch(() => undefined);
        await storage.worker().receive(message);
        return next;
      },
    },
  ];

  async function crash(scenario: Scenario, at: number, when: 'before' | 'after'): Promise<boolean> {
    const { storage, site, worker } = await start({ volumeBytes: VOLUME_BYTES });
    const extents = [{ offset: RANGE_BYTES, bytes: Buffer.alloc(512, 1) }];
    await worker.receive(site.inline(site.next({ extents, marker: 'm' })));
    let calls = 0;
    let dead = false;
    const around: Around = async ({ proceed }) => {
      const mine = calls++ === at;
      if (dead || (mine && when === 'before')) {
        dead = true;
        throw new Error('dead');
      }
      const answer = await proceed();
      const { published } = await storage.volume(site);
      assert.equal(published, 1, `${scenario.what}: crash ${when} call ${at}`);
      if (!mine) return answer;
      dead = true;
      throw new Error('dead');
    };
    const options: WorkerOptions = { windowRanges: 1 };
    const next = await scenario.run(storage, site, storage.worker(options, around)).catch((error: unknown) => {
      throw new Error(`${scenario.what}: crash ${when} call ${at}`, { cause: error });
    });
    await storage.worker().sweep();
    assert.equal(await offersOld(storage, site), undefined);
    assert(isReady(await storage.generation(site)), `crash ${when} call ${at}: the base is not ready`);
    assert.equal((await storage.volume(site)).repair, undefined);
    assert.equal(await storage.replicas.properties(place(site, 2)), undefined, 'the upload is still there');
    await publish(storage, worker, next);
    return dead;
  }

  for (const scenario of SCENARIOS) {
    test(scenario.what, async () => {
      let at = 0;
      for (let died = true; died; at += 1) {
        const results = [await crash(scenario, at, 'before'), await crash(scenario, at, 'after')];
        died = results.includes(true);
      }
      assert(at > 15, `only ${at} calls were seen`);
    });
  }
});
