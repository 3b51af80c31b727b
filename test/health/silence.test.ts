/** The pure decision, by table. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { decideSilence } from '../../src/health/silence.ts';
import type { SilenceHistory } from '../../src/documents/monitor.ts';
import { NOT_THROUGH } from '../../src/health/watch.ts';

/** A site that was silent for just long enough, while everything watched. */
const SILENT: SilenceHistory = {
  nowMs: 1_000_000,
  lastHeartbeatMs: 940_000,
  silenceMs: 60_000,
  awakeSinceMs: 940_000,
  canarySinceMs: 940_000,
  term: 3,
  phase: 'open',
  mode: 'automatic',
  renewals: 12,
  lastRenewalMs: 940_000,
  holder: 'site',
  run: null,
};

const CASES: [string, Partial<SilenceHistory>, 'none' | 'report' | 'fail-over', RegExp][] = [
  ['everything watched, nothing heard', {}, 'fail-over', /nothing was heard of the site for 60 s .*automatic/],
  ['a plan that reports', { mode: 'report' }, 'report', /a person decides/],
  ['a mode that is not known', { mode: 'later' }, 'report', /mode is later/],
  ['a heartbeat inside the window', { lastHeartbeatMs: 940_001 }, 'none', /last heartbeat came/],
  ['a heartbeat after the tick', { lastHeartbeatMs: 1_000_500 }, 'none', /came 0 s ago/],
  ['no heartbeat ever', { lastHeartbeatMs: null }, 'none', /nothing to lose yet/],
  ['no renewal in this term', { lastRenewalMs: null, renewals: 0 }, 'report', /never renewed in term 3: .*a person/],
  ['one renewal, long ago', { lastRenewalMs: 1, renewals: 1 }, 'fail-over', /nothing was heard/],
  ['a renewal inside the window', { lastRenewalMs: 940_001 }, 'none', /the lease was renewed/],
  ['a monitor that woke up inside the window', { awakeSinceMs: 940_001 }, 'none', /awake for 60 s only/],
  ['a canary that got through again inside the window', { canarySinceMs: 990_000 }, 'none', /for 10 s only/],
  ['a canary that does not get through', { canarySinceMs: NOT_THROUGH }, 'none', /route is down/],
  ['a closing term', { phase: 'closing' }, 'none', /term 3 is closing/],
  ['an ended term', { phase: 'ended' }, 'none', /term 3 is ended/],
  ["the cloud's term", { holder: 'cloud' }, 'none', /the cloud has term 3/],
  ['a run', { run: 't3-unplanned-x' }, 'none', /run t3-unplanned-x moves/],
];

suite('the decision on silence', () => {
  for (const [what, change, verdict, reason] of CASES) {
    test(`${what}: ${verdict}`, () => {
      const history = { ...SILENT, ...change };
      const decided = decideSilence(history);
      assert.equal(decided.verdict, verdict);
      assert.match(decided.reason, reason);
      assert.deepEqual(decideSilence(structuredClone(history)), decided);
    });
  }
});
