/** When an application moves for its performance: a table of histories, and two places that can never take turns. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { Moment } from '../../../src/site/decide/moment.ts';
import { decidePerformance } from '../../../src/site/decide/performance.ts';
import type { PerformanceHistory, PerformanceSample } from '../../../src/site/decide/performance.ts';

/** Slower than 200 ms or less than 99 % right, for 60 s; gaps of 15 s at most; 10 minutes of quiet after a move. */
const LIMITS = { responseMsMax: 200, correctnessMin: 0.99, poorForMs: 60_000, gapMsMax: 15_000, coolDownMs: 600_000 };

const moment = (seconds: number, bootId = 'boot'): Moment => ({
  bootId,
  bootMs: seconds * 1000,
  wallMs: seconds * 1000,
});

type Kind = 'good' | 'slow' | 'wrong' | 'silent';
const MEASURED: Record<Kind, Pick<PerformanceSample, 'responseMs' | 'correctness'>> = {
  good: { responseMs: 200, correctness: 0.99 },
  slow: { responseMs: 201, correctness: 1 },
  wrong: { responseMs: 10, correctness: 0.989 },
  silent: { responseMs: Infinity, correctness: 0 },
};

const sample = (seconds: number, kind: Kind, place = 'old'): PerformanceSample => ({
  place,
  at: moment(seconds),
  ...MEASURED[kind],
});

/** Every ten seconds, from one time to the other, both included. */
function every10(fromSeconds: number, toSeconds: number, kind: Kind = 'slow', place?: string): PerformanceSample[] {
  const samples: PerformanceSample[] = [];
  for (let at = fromSeconds; at <= toSeconds; at += 10) samples.push(sample(at, kind, place));
  return samples;
}

function history(samples: readonly PerformanceSample[], more: Partial<PerformanceHistory> = {}): PerformanceHistory {
  const nowMs = samples.at(-1)?.at.bootMs ?? 0;
  return {
    limits: LIMITS,
    place: 'old',
    placeValue: 1,
    bestFree: { place: 'new', value: 2 },
    samples,
    movedAt: undefined,
    now: moment(nowMs / 1000),
    ...more,
  };
}

const POOR = every10(0, 60);
const booted = POOR.map((one, at) => (at < 3 ? { ...one, at: { ...one.at, bootId: 'before' } } : one));

interface Case {
  readonly name: string;
  readonly given: PerformanceHistory;
  readonly verdict: 'good-enough' | 'candidate' | 'move';
  readonly poorMs: number;
}

const CASES: readonly Case[] = [
  { name: 'nothing was measured', given: history([]), verdict: 'good-enough', poorMs: 0 },
  { name: 'just good enough', given: history(every10(0, 600, 'good')), verdict: 'good-enough', poorMs: 0 },
  { name: 'slow, not for long enough', given: history(every10(0, 50)), verdict: 'good-enough', poorMs: 50_000 },
  { name: 'slow for long enough', given: history(POOR), verdict: 'move', poorMs: 60_000 },
  { name: 'wrong for long enough', given: history(every10(0, 60, 'wrong')), verdict: 'move', poorMs: 60_000 },
  { name: 'no answer for long enough', given: history(every10(0, 60, 'silent')), verdict: 'move', poorMs: 60_000 },
  {
    name: 'now slow, now wrong',
    given: history([...every10(0, 30), ...every10(40, 60, 'wrong')]),
    verdict: 'move',
    poorMs: 60_000,
  },
  {
    name: 'one good answer starts the time anew',
    given: history([...every10(0, 30), sample(35, 'good'), ...every10(40, 90)]),
    verdict: 'good-enough',
    poorMs: 50_000,
  },
  { name: 'good again', given: history([...POOR, sample(70, 'good')]), verdict: 'good-enough', poorMs: 0 },
  {
    name: 'a gap as long as is allowed',
    given: history([...every10(0, 30), ...every10(45, 65)]),
    verdict: 'move',
    poorMs: 65_000,
  },
  {
    name: 'a longer gap starts the time anew',
    given: history([...every10(0, 30), ...every10(46, 66)]),
    verdict: 'good-enough',
    poorMs: 20_000,
  },
  {
    name: 'the newest sample as old as is allowed',
    given: history(POOR, { now: moment(75) }),
    verdict: 'move',
    poorMs: 60_000,
  },
  {
    name: 'nothing was measured of late',
    given: history(POOR, { now: moment(76) }),
    verdict: 'good-enough',
    poorMs: 0,
  },
  { name: 'a boot starts the time anew', given: history(booted), verdict: 'good-enough', poorMs: 30_000 },
  {
    name: 'what was measured at another place',
    given: history([...every10(0, 30, 'slow', 'new'), ...every10(40, 60)]),
    verdict: 'good-enough',
    poorMs: 20_000,
  },
  {
    name: 'no other place is free',
    given: history(POOR, { bestFree: undefined }),
    verdict: 'candidate',
    poorMs: 60_000,
  },
  {
    name: 'a tie stays',
    given: history(POOR, { bestFree: { place: 'new', value: 1 } }),
    verdict: 'candidate',
    poorMs: 60_000,
  },
  {
    name: 'a worse place',
    given: history(POOR, { bestFree: { place: 'new', value: 0.5 } }),
    verdict: 'candidate',
    poorMs: 60_000,
  },
  {
    name: 'its own place, whatever it is said to be worth',
    given: history(POOR, { bestFree: { place: 'old', value: 9 } }),
    verdict: 'candidate',
    poorMs: 60_000,
  },
  {
    name: 'moved a little while ago',
    given: history(every10(0, 599), { movedAt: moment(-9) }),
    verdict: 'candidate',
    poorMs: 590_000,
  },
  {
    name: 'moved long enough ago',
    given: history(every10(0, 599), { movedAt: moment(-10) }),
    verdict: 'move',
    poorMs: 590_000,
  },
];

suite('the verdict', () => {
  for (const { name, given, verdict, poorMs } of CASES) {
    test(`${name}: ${verdict}`, () => {
      const decided = decidePerformance(given);
      assert.deepEqual([decided.verdict, decided.poorMs], [verdict, poorMs], decided.reason);
    });
  }
});

suite('what it tells', () => {
  const slow = 'an answer after 201 ms, 100 % right';
  const CASES_TOLD: readonly (readonly [string, PerformanceHistory])[] = [
    ['nothing was measured', history([])],
    ['an answer after 200 ms, 99 % right', history([sample(0, 'good')])],
    ['nothing was measured for 16 s', history(POOR, { now: moment(76) })],
    ['it ran at new', history([sample(0, 'slow', 'new')])],
    [
      `${slow}; poor for 30 s without a break, which counts from 60 s on (before that: this node has booted since)`,
      history(booted),
    ],
    [
      'no answer in time, 0 % right; poor for 60 s without a break; no other place is free',
      history(every10(0, 60, 'silent'), { bestFree: undefined }),
    ],
    [`${slow}; poor for 60 s without a break; new (2) is free, against old (1)`, history(POOR)],
    [
      `${slow}; poor for 60 s without a break; new (1) is free, against old (1): that is no better`,
      history(POOR, { bestFree: { place: 'new', value: 1 } }),
    ],
    [
      `${slow}; poor for 60 s without a break; it was moved 61 s ago, and stays for 600 s`,
      history(POOR, { movedAt: moment(-1) }),
    ],
  ];
  for (const [reason, given] of CASES_TOLD) {
    test(reason, () => {
      assert.equal(decidePerformance(given).reason, reason);
    });
  }
});

test('what is no number is refused, all at once', () => {
  const samples = [
    { ...sample(0, 'slow'), responseMs: NaN },
    { ...sample(1, 'slow'), correctness: NaN },
    sample(2, 'slow'),
  ];
  const given = history(samples, { placeValue: NaN, bestFree: { place: 'new', value: NaN } });
  assert.throws(() => decidePerformance(given), {
    code: 'USAGE',
    message:
      'performance: the value of old; the value of new; the sample of 1970-01-01T00:00:00.000Z; the sample of 1970-01-01T00:00:01.000Z: this is no number',
  });
});

test('poor wherever it runs, between two places of any value over time: never two moves within the cool-down', () => {
  let moves = 0;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })), {
        minLength: 200,
        maxLength: 200,
      }),
      (values) => {
        let place = 'old';
        let movedAt: Moment | undefined;
        const samples: PerformanceSample[] = [];
        for (const [turn, [old, other]] of values.entries()) {
          samples.push(sample(turn * 10, 'slow', place));
          const now = moment(turn * 10);
          const [placeValue, free] =
            place === 'old' ? [old, { place: 'new', value: other }] : [other, { place: 'old', value: old }];
          const { verdict } = decidePerformance(history(samples, { place, placeValue, bestFree: free, movedAt, now }));
          if (verdict !== 'move') continue;
          assert.ok(free.value > placeValue);
          if (movedAt !== undefined) assert.ok(now.bootMs - movedAt.bootMs >= LIMITS.coolDownMs);
          place = free.place;
          movedAt = now;
          moves += 1;
        }
      },
    ),
    { numRuns: 30 },
  );
  assert.ok(moves >= 30, `${moves} moves in 30 histories`);
});
