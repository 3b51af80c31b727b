/**
 * A worker finds no sound entry of a delta while the next generation begins for that very reason: the next one is not
 * asked for a delta of that number. Found by the simulator: its site could not give it, and would have been given another
 * generation for it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heedWord } from '../../../src/replica/intake/site-word.ts';
import { start } from '../start.ts';

test('what was lost in the generation before is not asked for in the next', async () => {
  const { storage, site, worker } = await start();
  await worker.receive(site.inline(site.next({ marker: 'm' })));
  const dead = storage.worker({}, async ({ port, proceed }) => {
    if (port === 'replicas') throw new Error('dead');
    return proceed();
  });
  const lost = site.next();
  await assert.rejects(dead.receive(await site.put(storage.entries, lost)), /dead/);
  storage.entries.overwrite(site.entryPlace(lost), Buffer.from('damaged'));
  storage.clock.advance(60_000);
  await worker.sweep();
  const asks = (await storage.volume(site)).resend;
  assert.deepEqual(asks, [{ generation: 1, number: 2, form: 'literal-2' }]);

  const busy = storage.worker({}, async ({ port, method, proceed }) => {
    const answer = await proceed();
    if (port === 'entries' && method === 'read') {
      const word = { volume: site.id, generation: 1, stored: 2, waitingBytes: 0, lost: 2 };
      await heedWord(storage, word, storage.clock.wallMs());
    }
    return answer;
  });
  await busy.sweep();
  const volume = await storage.volume(site);
  assert.equal(volume.current, 2);
  assert.deepEqual([volume.resend, volume.trouble], [[], null]);
});
