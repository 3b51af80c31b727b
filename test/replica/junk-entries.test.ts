/**
 * A site may create any blob in its own journal container. However many it makes, one call of the engine stays short, so
 * that other sites' volumes get their turn.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeltaFormKind } from '../../src/kernel/names.ts';
import { journalEntry } from '../../src/kernel/names.ts';
import { sound, start } from './start.ts';

const JUNK = 2000;
const READS_MAX = 60;

for (const kind of ['literal', 'refs'] satisfies DeltaFormKind[]) {
  test(`thousands of ${kind} entries of one number cost a sweep a few reads, and the right delta is taken when it is told`, async () => {
    const { storage, site } = await start();
    for (let at = 0; at < JUNK; at += 1) {
      const digest = at.toString(16).padStart(64, '0');
      const blob = journalEntry(site.ref, { generation: 1, number: 1, digest, form: `${kind}-1` });
      await storage.entries.create({ ...site.journal, blob }, new Uint8Array(0));
    }
    let reads = 0;
    const worker = storage.worker({}, async ({ port, method, proceed }) => {
      if (port === 'entries' && method === 'read') reads += 1;
      return proceed();
    });
    const [first, second] = [site.next(), site.next({ marker: 'm' })];
    assert.equal((await worker.receive(site.inline(second))).outcome, 'early');
    await worker.sweep();
    assert(reads <= READS_MAX, `${reads} reads of junk`);
    await worker.receive(site.inline(first));
    await sound(storage, site, { applied: 2, points: 1 });
  });
}
