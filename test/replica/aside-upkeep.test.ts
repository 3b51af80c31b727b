/** What was set aside goes when it is old, and not before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fewAtOnce } from '../../src/kernel/few-at-once.ts';
import { CONTAINERS } from '../../src/kernel/names.ts';
import { removeOldAside } from '../../src/replica/rounds/aside-upkeep.ts';
import type { MemoryStorage } from '../support/data-path.ts';
import { ACCOUNT } from '../support/site-fixture.ts';
import { start } from './start.ts';

const KEPT = { account: ACCOUNT, keptMs: 3_600_000 };

async function aside(storage: MemoryStorage): Promise<number> {
  const listed = storage.entries.list({ account: ACCOUNT, container: CONTAINERS.aside }, '');
  return (await fewAtOnce(1, listed, async ({ name }) => name)).length;
}

test('body and reason of what is old go; what is young, and every journal, stays', async () => {
  const { storage, site, worker } = await start();
  const delta = site.next({ marker: 'm' });
  await worker.receive(await site.put(storage.entries, delta));
  for (const message of ['junk', 'more junk', { ...site.inline(site.next()), generation: 7, mac: '0'.repeat(64) }]) {
    await worker.receive(message);
  }
  storage.clock.advance(KEPT.keptMs - 1);
  await worker.receive('young');
  assert.equal(await removeOldAside(storage, KEPT), 0);
  assert.equal(await aside(storage), 8);
  storage.clock.advance(1);
  assert.equal(await removeOldAside(storage, KEPT), 6);
  assert.equal(await aside(storage), 2);
  assert(await storage.entries.read(site.entryPlace(delta), 1_000_000));
});

test('one call removes a bounded number, and the next the rest', async () => {
  const { storage } = await start();
  for (let at = 0; at < 5100; at += 1) {
    const blob = `unverified/${String(at).padStart(6, '0')}.body`;
    await storage.entries.create({ account: ACCOUNT, container: CONTAINERS.aside, blob }, new Uint8Array(1));
  }
  storage.clock.advance(KEPT.keptMs);
  assert.equal(await removeOldAside(storage, KEPT), 5000);
  assert.equal(await removeOldAside(storage, KEPT), 100);
});
