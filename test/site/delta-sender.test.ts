import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Semaphore } from '../../src/kernel/semaphore.ts';
import { DeltaSender } from '../../src/site/send/delta-sender.ts';
import { ManualClock } from '../support/memory/clock.ts';
import { SiteFixture } from '../support/site-fixture.ts';
import type { SiteDelta } from '../support/site-fixture.ts';

function answerOf(site: SiteFixture) {
  return {
    volume: site.id,
    generation: 1,
    term: 1,
    writable: true,
    acknowledged: { number: 0, digest: '' },
    appliedNumber: 0,
    entryPrefix: '',
    queue: 'deltas' as const,
    resend: [],
  };
}

test('a delta that was sent is remembered until the outbox holds it no more, and then not at all', async () => {
  const site = new SiteFixture();
  const deltas = [1, 2].map(() => site.next({ extents: [{ offset: 0, bytes: randomBytes(site.volumeBytes) }] }));
  const did: string[] = [];
  const sender = new DeltaSender({
    volume: site.ref,
    clock: new ManualClock(),
    resendAfterMs: 60_000,
    turns: new Semaphore(1),
    siteLink: {
      putEntry: async () => void did.push('put'),
      sendDelta: async (_queue, { number }) => void did.push(`send ${number}`),
    },
  });
  const log = {
    waiting: deltas.map(({ number, bytes }) => ({ number, sizeBytes: bytes.length })),
    read: async (wanted: number) => deltas.find(({ number }) => number === wanted)?.bytes,
  };
  const answer = answerOf(site);
  await sender.sendDue(log, () => answer);
  await sender.sendDue(log, () => answer);
  assert.deepEqual(did.splice(0), ['put', 'send 1', 'put', 'send 2'], 'once');
  // What nobody remembers would go out like new, with its entry: that is how a look from outside can tell.
  sender.noteReleased(1);
  await sender.sendDue(log, () => answer);
  assert.deepEqual(did.splice(0), ['put', 'send 1']);
});

test('what got lost is sent again although further deltas come faster than they can be sent', async () => {
  const site = new SiteFixture();
  const clock = new ManualClock();
  const deltas: SiteDelta[] = [];
  const sent: number[] = [];
  const store = (): void => {
    deltas.push(site.next({ extents: [{ offset: 0, bytes: randomBytes(512) }] }));
  };
  const sender = new DeltaSender({
    volume: site.ref,
    clock,
    resendAfterMs: 3000,
    turns: new Semaphore(1),
    siteLink: {
      putEntry: async () => undefined,
      sendDelta: async (_queue, { number }) => {
        sent.push(number);
        clock.advance(1000);
        assert.ok(sent.length < 100, 'its turn never ends');
        store();
      },
    },
  });
  const log = {
    // Nothing is acknowledged.
    get waiting() {
      return deltas.map(({ number, bytes }) => ({ number, sizeBytes: bytes.length }));
    },
    read: async (wanted: number) => deltas.find(({ number }) => number === wanted)?.bytes,
  };
  store();
  for (let turn = 0; turn < 5; turn += 1) await sender.sendDue(log, () => answerOf(site));
  assert.ok(sent.filter((number) => number === 1).length > 1, sent.join(', '));
});
