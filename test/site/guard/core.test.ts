/** A guard's mind: what it does next, in each of its states. The model checker runs it against everybody else's. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { clocksJumped, guardAnswered, guardAsked, newGuard, nextAction, told } from '../../../src/site/guard/core.ts';
import type { Closing, GuardAction, GuardEvent, GuardState } from '../../../src/site/guard/core.ts';

const GROUP = 'acme/berlin/erp';
const NONCE = 'a'.repeat(32);
const TIMES = { stopMs: 20, killMs: 10, answerMs: 5 };
const LEASE_MS = 100;
const RUN: Closing = { term: 1, run: 't1-unplanned-1' };

const fresh = newGuard({
  group: GROUP,
  promisedTerm: 0,
  seenTerm: 0,
  keptTerm: 0,
  found: { application: 'stopped', armedBootMs: 0 },
});

/** Asked at `at`, and answered at once. */
function granted(state: GuardState, at: number, term = 1): GuardState {
  const answer = { group: GROUP, nonce: NONCE, granted: true, term, leaseMs: LEASE_MS };
  return guardAnswered(guardAsked(state, { nonce: NONCE, givenBootMs: at }), answer, undefined);
}

function refused(state: GuardState, at: number, closing: Closing | undefined, term = 1): GuardState {
  const answer = { group: GROUP, nonce: NONCE, granted: false, term, leaseMs: 0, reason: 'closing' };
  return guardAnswered(guardAsked(state, { nonce: NONCE, givenBootMs: at }), answer, closing);
}

const at = (state: GuardState, bootMs: number): GuardAction => nextAction(state, bootMs, TIMES);
const after = (state: GuardState, ...events: GuardEvent[]): GuardState => events.reduce(told, state);

/** Running under a lease of term 1 that was asked for at 1000. */
const running = after(granted(fresh, 1000), { event: 'armed', untilBootMs: 1100 }, { event: 'started' });

suite('what a guard does next', () => {
  test('nothing, before a lease was granted', () => {
    assert.deepEqual(at(fresh, 1000), { do: 'wait', untilBootMs: Infinity });
    assert.deepEqual(at(refused(fresh, 1000, undefined), 1000), { do: 'wait', untilBootMs: Infinity });
  });

  test('it arms the stop outside before it starts, for the end of the lease, counted from the nonce', () => {
    const leased = granted(fresh, 1000);
    assert.deepEqual(at(leased, 1020), { do: 'arm', untilBootMs: 1100 });
    assert.deepEqual(at(after(leased, { event: 'armed', untilBootMs: 1100 }), 1020), { do: 'start' });
  });

  test('it starts nothing when too little of the lease is left to stop it again', () => {
    const armed = after(granted(fresh, 1000), { event: 'armed', untilBootMs: 1100 });
    assert.deepEqual(at(armed, 1069), { do: 'start' });
    assert.deepEqual(at(armed, 1070), { do: 'wait', untilBootMs: Infinity });
  });

  test('it arms a renewed lease before it counts on it', () => {
    const renewed = granted(running, 1040);
    assert.deepEqual(at(renewed, 1041), { do: 'arm', untilBootMs: 1140 });
    assert.deepEqual(at(renewed, 1070), { do: 'stop', deadlineBootMs: 1100, why: 'the lease was not renewed' });
    assert.deepEqual(at(after(renewed, { event: 'armed', untilBootMs: 1140 }), 1070), {
      do: 'wait',
      untilBootMs: 1110,
    });
  });

  test('it asks to stop so early that stop and kill end with the lease, and kills what is left', () => {
    assert.deepEqual(at(running, 1001), { do: 'wait', untilBootMs: 1070 });
    assert.deepEqual(at(running, 1070), { do: 'stop', deadlineBootMs: 1100, why: 'the lease was not renewed' });
    const stopping = after(running, { event: 'asked-to-stop', deadlineBootMs: 1100 });
    assert.deepEqual(at(stopping, 1071), { do: 'wait', untilBootMs: 1090 });
    assert.deepEqual(at(stopping, 1090), { do: 'kill' });
  });

  test('a renewal that comes after it was asked to stop keeps nothing running', () => {
    const stopping = after(running, { event: 'asked-to-stop', deadlineBootMs: 1100 });
    const late = granted(stopping, 1080);
    assert.deepEqual(at(late, 1090), { do: 'kill' });
    assert.deepEqual(at(after(late, { event: 'killed' }, { event: 'gone' }), 1101), { do: 'arm', untilBootMs: 1180 });
  });

  test('a closing stops it at once; then it promises, then it tells the cloud, then it waits', () => {
    const closed = refused(running, 1030, RUN);
    assert.deepEqual(at(closed, 1031), { do: 'stop', deadlineBootMs: 1061, why: 'term 1 is closing' });
    const gone = after(closed, { event: 'asked-to-stop', deadlineBootMs: 1061 }, { event: 'gone' });
    assert.deepEqual(at(gone, 1040), { do: 'promise', closing: RUN });
    const promised = after(gone, { event: 'promised', term: 1 });
    assert.deepEqual(at(promised, 1040), { do: 'deliver', closing: RUN });
    const delivered = after(promised, { event: 'delivered', closing: RUN });
    assert.deepEqual(at(delivered, 1040), { do: 'wait', untilBootMs: Infinity });
    assert.deepEqual(at(refused(delivered, 1045, RUN), 1046), { do: 'wait', untilBootMs: Infinity });
  });

  test('what was promised holds over a restart and an open term of a store that was set back, and ends with the next', () => {
    const found = { application: 'stopped', armedBootMs: 0 } as const;
    const restarted = newGuard({ group: GROUP, promisedTerm: 1, seenTerm: 1, keptTerm: 0, found });
    assert.deepEqual(at(granted(restarted, 2000, 1), 2001), { do: 'wait', untilBootMs: Infinity });
    assert.deepEqual(at(granted(restarted, 2000, 2), 2001), { do: 'arm', untilBootMs: 2100 });
  });

  test('a term below one that was seen grants nothing, and its closing asks for nothing', () => {
    const seen = newGuard({
      group: GROUP,
      promisedTerm: 0,
      seenTerm: 5,
      keptTerm: 0,
      found: { application: 'stopped', armedBootMs: 0 },
    });
    assert.deepEqual(at(granted(seen, 1000, 4), 1001), { do: 'wait', untilBootMs: Infinity });
    assert.deepEqual(at(refused(seen, 1000, { term: 4, run: 'r' }, 4), 1001), { do: 'wait', untilBootMs: Infinity });
  });

  test('a guard that dies and comes back takes over what runs, for as long as its stop is armed', () => {
    const found = { application: 'running', armedBootMs: 1100 } as const;
    const back = newGuard({ group: GROUP, promisedTerm: 0, seenTerm: 1, keptTerm: 0, found });
    assert.deepEqual(at(back, 1050), { do: 'wait', untilBootMs: 1070 });
    assert.deepEqual(at(granted(back, 1050), 1051), { do: 'arm', untilBootMs: 1150 });
    assert.deepEqual(at(back, 1070), { do: 'stop', deadlineBootMs: 1100, why: 'the lease was not renewed' });
  });

  test('what is found running without an armed stop is killed', () => {
    const found = { application: 'running', armedBootMs: 0 } as const;
    const back = newGuard({ group: GROUP, promisedTerm: 0, seenTerm: 1, keptTerm: 0, found });
    const action = at(granted(back, 1000), 1001);
    assert.equal(action.do, 'stop');
    assert.deepEqual(at(after(back, { event: 'asked-to-stop', deadlineBootMs: 1001 }), 1001), { do: 'kill' });
  });

  test('what is found later, started by hand, is killed, under a lease and without one', () => {
    const found: GuardEvent = { event: 'found' };
    for (const state of [fresh, granted(fresh, 1000), refused(fresh, 1000, RUN)]) {
      assert.deepEqual(at(after(state, found, { event: 'asked-to-stop', deadlineBootMs: 1001 }), 1001), { do: 'kill' });
      assert.equal(at(after(state, found), 1001).do, 'stop');
    }
  });

  test('after a jump of the clocks it goes on only until an answer is due, and by an answer to a later question', () => {
    const doubtful = clocksJumped(guardAsked(running, { nonce: NONCE, givenBootMs: 1010 }), 1020);
    assert.deepEqual(at(doubtful, 1020), { do: 'wait', untilBootMs: 1025 });
    const why = 'the clocks jumped, and no lease was granted since';
    assert.deepEqual(at(doubtful, 1025), { do: 'stop', deadlineBootMs: 1055, why });
    const answer = { group: GROUP, nonce: NONCE, granted: true, term: 1, leaseMs: LEASE_MS };
    assert.equal(at(guardAnswered(doubtful, answer, undefined), 1025).do, 'stop', 'asked before the jump');
    assert.deepEqual(at(granted(doubtful, 1022), 1025), { do: 'arm', untilBootMs: 1122 });
    assert.equal(at(clocksJumped(granted(fresh, 1000), 1001), 1002).do, 'wait', 'nothing is started in doubt');
  });

  suite('under a lease that keeps', () => {
    const keeping = (state: GuardState, bootMs: number, term = 1): GuardState => {
      const answer = { group: GROUP, nonce: NONCE, granted: true, term, leaseMs: LEASE_MS, lease: 'keep' as const };
      return guardAnswered(guardAsked(state, { nonce: NONCE, givenBootMs: bootMs }), answer, undefined);
    };
    const kept = after(keeping(fresh, 1000), { event: 'kept', term: 1 }, { event: 'started' });
    const back = (keptTerm: number): GuardState =>
      newGuard({
        group: GROUP,
        promisedTerm: 0,
        seenTerm: 1,
        keptTerm,
        found: { application: 'running', armedBootMs: 0 },
      });

    test('the term is on record before it starts, nothing is armed, and nothing ends with the lease or a jump', () => {
      assert.deepEqual(at(keeping(fresh, 1000), 1001), { do: 'keep', term: 1 });
      assert.deepEqual(at(after(keeping(fresh, 1000), { event: 'kept', term: 1 }), 1001), { do: 'start' });
      assert.deepEqual(at(kept, 5000), { do: 'wait', untilBootMs: Infinity });
      assert.deepEqual(at(clocksJumped(kept, 5000), 9000), { do: 'wait', untilBootMs: Infinity });
    });

    test('without a lease, or with one that is over, nothing starts', () => {
      const stopped = after(keeping(fresh, 1000), { event: 'kept', term: 1 });
      assert.deepEqual(at(stopped, 1100), { do: 'wait', untilBootMs: Infinity });
      const rebooted = newGuard({
        group: GROUP,
        promisedTerm: 0,
        seenTerm: 1,
        keptTerm: 1,
        found: { application: 'stopped', armedBootMs: 0 },
      });
      assert.deepEqual(at(rebooted, 2000), { do: 'wait', untilBootMs: Infinity });
    });

    test('a closing stops it in order, with all the time that a stop takes; then it promises', () => {
      const closed = refused(kept, 5000, RUN);
      const deadlineBootMs = 5000 + TIMES.stopMs + TIMES.killMs;
      assert.deepEqual(at(closed, 5000), { do: 'stop', deadlineBootMs, why: 'term 1 is closing' });
      const gone = after(closed, { event: 'asked-to-stop', deadlineBootMs }, { event: 'gone' });
      assert.deepEqual(at(gone, 5010), { do: 'promise', closing: RUN });
    });

    test('another term ends what was started in an earlier one', () => {
      assert.equal(at(keeping(kept, 5000, 2), 5001).do, 'stop');
      assert.equal(at(refused(kept, 5000, undefined, 2), 5001).do, 'stop');
    });

    test('a guard that comes back takes over what its record of this boot says, and ends what it does not', () => {
      assert.deepEqual(at(back(1), 5000), { do: 'wait', untilBootMs: Infinity });
      assert.deepEqual(at(back(0), 5000), { do: 'stop', deadlineBootMs: 5000, why: 'the lease was not renewed' });
    });

    test('a strict lease after it is never begun under the record of one that keeps', () => {
      const stopped = after(kept, { event: 'gone' });
      assert.deepEqual(at(granted(stopped, 6000, 2), 6001), { do: 'keep', term: 0 });
      const cleared = after(granted(stopped, 6000, 2), { event: 'kept', term: 0 });
      assert.deepEqual(at(cleared, 6001), { do: 'arm', untilBootMs: 6100 });
    });
  });
});
