/**
 * A range list that comes damaged: it is named by its own content, so that the site has no other name for it when it
 * sends it again. Found by the simulator: a base, and a point of a volume at rest, waited for it for ever.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isReady, volumeKind } from '../../src/documents/volume.ts';
import { KIB } from '../../src/kernel/units.ts';
import { RANGE_HEAD_BYTES } from '../../src/ranges/list.ts';
import { orderReseed } from '../../src/replica/generation/generations.ts';
import type { MemoryStorage } from '../support/data-path.ts';
import { makeList, putList } from '../support/range-lists.ts';
import type { ListWish } from '../support/range-lists.ts';
import { SiteFixture } from '../support/site-fixture.ts';
import { sound, start } from './start.ts';

const flipped = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));

type Spoil = (bytes: Uint8Array) => Uint8Array;

/** In its head, which is read when it comes, and in its hashes, which are read when it is compared. */
const SPOILT: Record<string, Spoil> = {
  'damaged in its head': (bytes) => flipped(bytes, 16),
  'damaged in its hashes': (bytes) => flipped(bytes, RANGE_HEAD_BYTES + 3),
  'cut short in its head': (bytes) => bytes.subarray(0, RANGE_HEAD_BYTES - 1),
  'cut short in its hashes': (bytes) => bytes.subarray(0, -1),
};

async function putSpoilt(storage: MemoryStorage, site: SiteFixture, wish: ListWish, spoil: Spoil): Promise<unknown> {
  const { place, bytes, message } = makeList(site, wish);
  await storage.entries.create(place, spoil(bytes));
  return message;
}

for (const [how, spoil] of Object.entries(SPOILT)) {
  test(`the list of a base, ${how}, is taken when it is sent again`, async () => {
    const { storage, site, worker } = await start({ volumeBytes: 64 * KIB });
    await worker.receive(site.inline(site.next({ marker: 'm' })));
    await storage.documents.update(volumeKind, site.documentName, (document) =>
      orderReseed(document, { from: 'point', reason: 'by hand', sinceMs: 0 }),
    );
    await worker.sweep();
    const next = new SiteFixture({ volume: site.ref, generation: 2, volumeBytes: 64 * KIB });
    const wish = { number: 0, bytes: site.bytesAt(1) };
    await worker.receive(await putSpoilt(storage, next, wish, spoil));
    assert.equal((await storage.generation(site)).base?.list, null);
    await worker.receive(await putList(storage.entries, next, wish));
    assert(isReady(await storage.generation(site)));
  });

  test(`the list of a point, ${how}, is compared when it is sent again`, async () => {
    const { storage, site, worker } = await start({ volumeBytes: 64 * KIB });
    await worker.receive(site.inline(site.next({ marker: 'm' })));
    await worker.receive(await putSpoilt(storage, site, { number: 1 }, spoil));
    assert.equal((await storage.volume(site)).compared, undefined);
    await worker.receive(await putList(storage.entries, site, { number: 1 }));
    assert.equal((await storage.volume(site)).compared?.differingBytes, 0);
    await sound(storage, site, { applied: 1, points: 1 });
  });
}

test('what is not named as the list of its state stays, whatever the site says of it', async () => {
  const { storage, site, worker } = await start({ volumeBytes: 64 * KIB });
  const delta = site.next({ marker: 'm' });
  await worker.receive(await site.put(storage.entries, delta));
  const { message } = makeList(site, { number: 1 }, { entry: site.entryName(delta) });
  assert.equal((await worker.receive(message)).outcome, 'set-aside');
  assert(await storage.entries.read(site.entryPlace(delta), 100_000));
});
