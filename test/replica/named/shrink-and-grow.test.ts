/**
 * A shrink and a growth, and requests that land after them: of a worker that stood still at any of its calls while others
 * gave the volume other sizes, and all that was ever sent, once more.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MIB, PAGE_BYTES } from '../../../src/kernel/units.ts';
import { MemoryStorage } from '../../support/data-path.ts';
import { SiteFixture } from '../../support/site-fixture.ts';
import type { SiteDelta } from '../../support/site-fixture.ts';
import { sound, start } from '../start.ts';
import { LONG_MS, stallingWorker } from './stall.ts';
import type { CallPlace } from './stall.ts';

/** Of the delta with which a worker stalls: its first and last calls, and both of its writes. */
const PLACES: readonly CallPlace[] = [
  { port: 'replicas', method: 'raiseSequenceNumber' },
  { port: 'replicas', method: 'resize' },
  { port: 'replicas', method: 'writePages' },
  { port: 'replicas', method: 'writePages', nth: 2 },
  { port: 'replicas', method: 'snapshot' },
  { port: 'state', method: 'replace', nth: 2 },
];

/** Sizes of the volume after each delta; the worker stalls with the second. */
const SIZES: Record<string, readonly number[]> = {
  'a shrink, past a growth and a shrink': [3 * MIB, MIB, 5 * MIB, 2 * MIB],
  'a growth, past a shrink and a growth': [MIB, 3 * MIB, 2 * MIB, 5 * MIB],
  'a growth, past a shrink to where it began': [MIB, 3 * MIB, MIB],
  'a shrink, past a growth to where it began': [3 * MIB, MIB, 3 * MIB],
};

/** The next delta: something in the volume's last page. */
function resized(site: SiteFixture, volumeBytes: number): SiteDelta {
  const bytes = Buffer.alloc(PAGE_BYTES, site.last + 1);
  return site.next({ extents: [{ offset: volumeBytes - PAGE_BYTES, bytes }], volumeBytes, marker: `m${site.last}` });
}

for (const [what, sizes] of Object.entries(SIZES)) {
  describe(`a worker that stalls in ${what}`, () => {
    for (const place of PLACES) {
      test(`at ${place.port}.${place.method} ${place.nth ?? 1}`, async () => {
        const [first = 0, second = 0, ...others] = sizes;
        const { storage, site, worker } = await start({ volumeBytes: first });
        await worker.receive(site.inline(resized(site, first)));
        const stalled = stallingWorker(storage, place);
        const late = stalled.worker.receive(site.inline(resized(site, second)));
        await Promise.race([stalled.stalls, late.then(() => assert.fail('it did not stall'))]);
        storage.clock.advance(LONG_MS);
        for (const volumeBytes of others) {
          assert.equal((await worker.receive(site.inline(resized(site, volumeBytes)))).outcome, 'applied');
        }
        await sound(storage, site, { applied: sizes.length, points: sizes.length });

        stalled.wake();
        assert.match((await late).outcome, /^(applied|repeated)$/);
        await sound(storage, site, { applied: sizes.length, points: sizes.length });
      });
    }
  });
}

test('requests that land once more after a shrink and a growth do no harm', async () => {
  const storage = new MemoryStorage();
  const site = await new SiteFixture({ volumeBytes: MIB }).register(storage.documents);
  const late: (() => Promise<unknown>)[] = [];
  const changing = ['resize', 'writePages', 'clearPages', 'raiseSequenceNumber'];
  const stalling = storage.worker({ claimMs: 1000 }, async ({ port, method, proceed }) => {
    if (port === 'replicas' && changing.includes(method)) late.push(proceed);
    return proceed();
  });
  const sizes = [MIB, 3 * MIB, 2 * MIB, 5 * MIB, MIB, 2 * MIB];
  for (const [at, volumeBytes] of sizes.entries()) {
    const extents = [{ offset: volumeBytes - PAGE_BYTES, bytes: Buffer.alloc(PAGE_BYTES, at + 1) }];
    await stalling.receive(site.inline(site.next({ extents, volumeBytes, marker: `m${at}` })));
    // All that was ever sent lands once more, in both orders.
    for (const again of [...late, ...late.toReversed()]) await again().catch(() => undefined);
    await sound(storage, site, { applied: at + 1, points: at + 1 });
  }
  assert(late.length > 20);
});
