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

/** In its head, which is read when it comes, and in its hashes, which are read when it is compared. */
const DAMAGED_AT = [16, RANGE_HEAD_BYTES + 3];

async function putDamaged(storage: MemoryStorage, site: SiteFixture, wish: ListWish, at: number): Promise<unknown> {
  const { place, bytes, message } = makeList(site, wish);
  await storage.entries.create(
    place,
    bytes.map((byte, index) => (index === at ? byte ^ 1 : byte)),
  );
  return message;
}

for (const at of DAMAGED_AT) {
  test(`the list of a base, damaged at byte ${at}, is taken when it is sent again`, async () => {
    const { storage, site, worker } = await start({ volumeBytes: 64 * KIB });
    await worker.receive(site.inline(site.next({ marker: 'm' })));
    await storage.documents.update(volumeKind, site.documentName, (document) =>
      orderReseed(document, { from: 'point', reason: 'by hand', sinceMs: 0 }),
    );
    await worker.sweep();
    const next = new SiteFixture({ volume: site.ref, generation: 2, volumeBytes: 64 * KIB });
    const wish = { number: 0, bytes: site.bytesAt(1) };
    await worker.receive(await putDamaged(storage, next, wish, at));
    assert.equal((await storage.generation(site)).base?.list, null);
    await worker.receive(await putList(storage.entries, next, wish));
    assert(isReady(await storage.generation(site)));
  });

  test(`the list of a point, damaged at byte ${at}, is compared when it is sent again`, async () => {
    const { storage, site, worker } = await start({ volumeBytes: 64 * KIB });
    await worker.receive(site.inline(site.next({ marker: 'm' })));
    await worker.receive(await putDamaged(storage, site, { number: 1 }, at));
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
