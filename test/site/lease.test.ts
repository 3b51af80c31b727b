import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LeaseAnswer } from '../../src/protocol/lease.ts';
import { leaseRequestSchema } from '../../src/protocol/lease.ts';
import { readPayload } from '../../src/protocol/signed.ts';
import { LeewardError } from '../../src/kernel/errors.ts';
import type { SignedMessage } from '../../src/protocol/signed.ts';
import { LeaseHolder, answered, asked, isHeld, noLease } from '../../src/site/lease/lease.ts';
import { SystemRandom } from '../../src/system/random.ts';
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';
import { ManualClock } from '../support/memory/clock.ts';
import { SiteFixture } from '../support/site-fixture.ts';

const GROUP = 'acme/berlin/erp';
const NONCE = '0'.repeat(32);
const granted = { group: GROUP, nonce: NONCE, granted: true, term: 1, leaseMs: 1000 };
const refused = { ...granted, granted: false, leaseMs: 0, reason: 'closing' };

test('a lease counts from the moment its nonce was given', () => {
  const state = answered(asked(noLease(GROUP), { nonce: NONCE, givenBootMs: 500 }), granted);
  assert.equal(state.untilBootMs, 1500);
  assert.equal(isHeld(state, 1499), true);
  assert.equal(isHeld(state, 1500), false);
});

test('an answer with another nonce, a repeated one, or one for another group counts nothing', () => {
  const question = asked(noLease(GROUP), { nonce: 'a'.repeat(32), givenBootMs: 500 });
  assert.equal(answered(question, granted), question);
  const state = asked(noLease(GROUP), { nonce: NONCE, givenBootMs: 500 });
  assert.equal(answered(state, { ...granted, group: `${GROUP}-2` }), state);
  const held = answered(state, granted);
  assert.equal(answered(held, { ...granted, leaseMs: 99_000 }), held);
  // The one before the newest question, too.
  const again = asked(state, { nonce: 'b'.repeat(32), givenBootMs: 700 });
  assert.equal(answered(again, granted), again);
});

test('a refusal takes nothing away; a later term does', () => {
  const held = answered(asked(noLease(GROUP), { nonce: NONCE, givenBootMs: 0 }), granted);
  const closing = answered(asked(held, { nonce: NONCE, givenBootMs: 300 }), refused);
  assert.equal(isHeld(closing, 999), true);
  assert.equal(closing.refusal, 'closing');
  const ended = answered(asked(held, { nonce: NONCE, givenBootMs: 300 }), { ...refused, term: 2 });
  assert.equal(isHeld(ended, 301), false);
  // A store that shows an older term than was seen grants nothing.
  const setBack = answered(asked(ended, { nonce: NONCE, givenBootMs: 400 }), granted);
  assert.equal(isHeld(setBack, 401), false);
  assert.match(setBack.refusal ?? '', /set back/);
});

test('a shorter lease does not shorten what was promised', () => {
  const held = answered(asked(noLease(GROUP), { nonce: NONCE, givenBootMs: 0 }), { ...granted, leaseMs: 60_000 });
  const shorter = answered(asked(held, { nonce: NONCE, givenBootMs: 100 }), granted);
  assert.equal(shorter.untilBootMs, 60_000);
  assert.equal(shorter.leaseMs, 1000);
});

/** A cloud that grants as long as it is told to, and takes its time. */
function holderWith(tookMs: number) {
  const clock = new ManualClock();
  const nonces: string[] = [];
  const cloud = {
    clock,
    nonces,
    fails: false,
    grants: true,
    lease: async (message: SignedMessage): Promise<LeaseAnswer> => {
      const { groups } = readPayload(message, leaseRequestSchema);
      nonces.push(...groups.map(({ nonce }) => nonce));
      clock.advance(tookMs);
      if (cloud.fails) throw new LeewardError('UNAVAILABLE', 'the line is cut');
      const answers = groups.map((group) => ({
        ...group,
        granted: cloud.grants,
        term: 1,
        leaseMs: cloud.grants ? 9000 : 0,
      }));
      return { version: CURRENT_VERSION, groups: answers };
    },
  };
  const { key } = new SiteFixture();
  const groups = [GROUP, 'acme/berlin/web'];
  return { cloud, clock, holder: new LeaseHolder({ key, clock, random: new SystemRandom(), link: cloud, groups }) };
}

test('one request renews all groups, each with a nonce of its own, fresh each time', async () => {
  const { cloud, clock, holder } = holderWith(2000);
  assert.deepEqual(
    holder.report().map(({ lease }) => lease),
    ['none', 'none'],
  );
  const givenBootMs = clock.bootMs();
  await holder.renew();
  await holder.renew();
  assert.equal(new Set(cloud.nonces).size, 4);
  assert.equal(holder.lease(GROUP).untilBootMs, givenBootMs + 2000 + 9000, "counted without the answer's way");
  assert.deepEqual(holder.report()[0], { group: GROUP, term: 1, lease: 'held' });
  assert.equal(holder.isHeld('acme/berlin/other'), false);
});

test('renewing at a third keeps the lease; a cut line ends it, and its return brings it back', async () => {
  const { cloud, clock, holder } = holderWith(10);
  const stop = new AbortController();
  const reports: unknown[] = [];
  const start = clock.bootMs();
  const held: boolean[] = [];
  const sleep = clock.sleep.bind(clock);
  clock.sleep = async (ms, signal) => {
    const elapsed = clock.bootMs() - start;
    cloud.fails = elapsed > 60_000 && elapsed < 90_000;
    held.push(holder.isHeld(GROUP));
    await sleep(ms, signal);
    if (elapsed > 120_000) stop.abort();
  };
  await holder.run(stop.signal, (error) => reports.push(error));
  assert.equal(held[0], true);
  assert.ok(held.includes(false), 'the lease ended during the cut');
  assert.equal(held.at(-1), true);
  assert.ok(reports.length > 10, 'it went on asking');
  assert.ok(cloud.nonces.length / 2 < 20 + 35 + 12, `${cloud.nonces.length / 2} requests in two minutes`);
});

test('without groups there is nothing to renew, and no time is spent on it', async () => {
  const { cloud, clock } = holderWith(0);
  const { key } = new SiteFixture();
  const holder = new LeaseHolder({ key, clock, random: new SystemRandom(), link: cloud, groups: [] });
  const stop = new AbortController();
  clock.sleep = async () => {
    stop.abort(new Error('it slept'));
  };
  await holder.run(stop.signal, () => undefined);
  assert.equal(stop.signal.aborted, false);
});
