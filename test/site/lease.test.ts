import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answered, asked, isHeld, noLease } from '../../src/site/lease/lease.ts';

const GROUP = 'acme/berlin/erp';
const NONCE = 'f'.repeat(32);
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
