/** A site's word begins another generation, which may be a whole copy of its volume: not one after the other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { replicaBlob } from '../../src/kernel/names.ts';
import { heedWord } from '../../src/replica/intake/site-word.ts';
import { runUpkeep } from '../../src/replica/rounds/upkeep.ts';
import { start } from './start.ts';

test('three hours of heartbeats that want another generation leave a few copies of the volume', async () => {
  const { storage, site, worker } = await start();
  await worker.receive(site.inline(site.next({ marker: 'm' })));
  for (let minute = 0; minute < 180; minute += 1) {
    const { current } = await storage.volume(site);
    const word = { volume: site.id, generation: current, stored: 0, waitingBytes: 0, wants: 'generation' as const };
    await heedWord(storage, word, storage.clock.wallMs());
    storage.clock.advance(60_000);
    await worker.sweep();
    if (minute % 60 === 59) await runUpkeep(storage, { keptMs: 7 * 86_400_000 });
  }
  let copies = 0;
  const { current, generations } = await storage.volume(site);
  for (let generation = 1; generation <= current; generation += 1) {
    if (await storage.replicas.properties({ ...site.replica, blob: replicaBlob(site.ref, generation) })) copies += 1;
  }
  assert(current >= 3, 'it can begin anew, but not at any rate');
  assert(copies <= 3, `${copies} full copies`);
  assert(Object.keys(generations).length <= 3);
});
