import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  OFFLINE,
  isRestartDue,
  monitorsSaid,
  restartBegun,
  restartEnded,
  STARTED,
  startedAgain,
} from '../../../src/site/monitors/application-state.ts';
import type { ApplicationState } from '../../../src/site/monitors/application-state.ts';
import { ResultRing } from '../../../src/site/monitors/results.ts';
import { counted, NOTHING_SEEN, together } from '../../../src/site/monitors/thresholds.ts';
import type { Verdict } from '../../../src/site/monitors/thresholds.ts';

const LIMITS = { attempts: 2, steadyMs: 1000 };

function said(state: ApplicationState, verdict: Verdict, nowBootMs = 0): ApplicationState {
  return monitorsSaid(state, { verdict, reason: 'why', nowBootMs }, LIMITS);
}

/** One restart that is over, after which nothing was seen yet. */
function restarted(state: ApplicationState, problem?: string): ApplicationState {
  assert.equal(isRestartDue(state), true);
  const begun = restartBegun(state);
  assert.deepEqual(said(begun, 'failed'), begun);
  assert.equal(isRestartDue(begun), false);
  return restartEnded(begun, problem);
}

test('it is reported as failed only after its attempts, each of which its monitors called failed again', () => {
  const first = restarted(said(STARTED, 'failed'));
  assert.equal(isRestartDue(first), false);
  assert.equal(isRestartDue(said(first, 'unknown')), false);
  const second = restarted(said(first, 'failed'), 'the guard does not answer');
  assert.equal(second.state, 'failing');
  const problem = 'the guard does not answer';
  const failed = said(second, 'failed');
  assert.deepEqual(failed, { state: 'failed', attemptsMade: 2, reason: 'why', problem });
  assert.equal(isRestartDue(failed), false);
});

test('attempts are forgotten only after it was well for long enough without a break', () => {
  const once = restarted(said(STARTED, 'failed'));
  const well = said(said(once, 'well', 5000), 'well', 5999);
  assert.deepEqual(well, { state: 'running', attemptsMade: 1, wellSinceBootMs: 5000 });
  assert.deepEqual(said(well, 'well', 6000), { ...well, attemptsMade: 0 });
  const broken = said(said(well, 'unknown', 6000), 'well', 6500);
  assert.deepEqual(broken, { state: 'running', attemptsMade: 1, wellSinceBootMs: 6500 });
  assert.deepEqual(said(restarted(said(broken, 'failed')), 'failed').state, 'failed');
});

test('offline on purpose: only a start clears it, whatever is seen', () => {
  for (const verdict of ['well', 'failed', 'unknown'] as const) assert.equal(said(OFFLINE, verdict), OFFLINE);
  assert.equal(restartEnded(restartBegun(OFFLINE), undefined), OFFLINE);
  assert.deepEqual(startedAgain(OFFLINE), STARTED);
});

test('without attempts it has failed at once; one that is well again runs', () => {
  const failed = monitorsSaid(STARTED, { verdict: 'failed', reason: 'x', nowBootMs: 0 }, { attempts: 0, steadyMs: 0 });
  assert.equal(failed.state, 'failed');
  assert.equal(said(failed, 'well').state, 'running');
});

test('a threshold counts in a row, and what was decided stays until the opposite is', () => {
  let standing = NOTHING_SEEN;
  const verdicts = Array.from('++--+---+-++', (sign) => {
    standing = counted(standing, { isWell: sign === '+', reason: sign }, { failures: 3, successes: 2 });
    return standing.verdict[0];
  });
  assert.equal(verdicts.join(''), 'uwwwwwwffffw');
});

test('one failed monitor makes the application failed, and all must be well for it to be well', () => {
  const of = (verdict: Verdict): typeof NOTHING_SEEN => ({ ...NOTHING_SEEN, verdict, reason: verdict });
  const all = (...verdicts: Verdict[]): string =>
    together(new Map(verdicts.map((verdict, index) => [`m${index}`, of(verdict)]))).verdict;
  assert.deepEqual(
    [all('well', 'failed', 'unknown'), all('well', 'unknown'), all('well', 'well')],
    ['failed', 'unknown', 'well'],
  );
});

test('the ring keeps the newest', () => {
  const ring = new ResultRing(3);
  for (let at = 1; at <= 5; at += 1) ring.add({ beganBootMs: at, isWell: true, responseMs: 0 });
  assert.deepEqual(
    ring.list().map(({ beganBootMs }) => beganBootMs),
    [3, 4, 5],
  );
});
