/** When an application has performed poorly for long enough: a table of histories, with what is told of each. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { whyPoor } from '../../../src/site/decide/performance.ts';
import type { PerformanceHistory, PerformanceSample } from '../../../src/site/decide/performance.ts';

/** Slower than 200 ms or less than 99 % right, for 60 s; gaps of 15 s at most. */
const LIMITS = { responseMsMax: 200, correctnessMin: 0.99, poorForMs: 60_000, gapMsMax: 15_000 };

type Kind = 'good' | 'slow' | 'wrong';
const MEASURED: Record<Kind, Pick<PerformanceSample, 'responseMs' | 'correctness'>> = {
  good: { responseMs: 200, correctness: 0.99 },
  slow: { responseMs: 201, correctness: 1 },
  wrong: { responseMs: 10, correctness: 0.989 },
};
const SLOW = 'an answer after 201 ms, 100 % right';
const WRONG = 'an answer after 10 ms, 98.9 % right';

const sample = (seconds: number, kind: Kind): PerformanceSample => ({ atBootMs: seconds * 1000, ...MEASURED[kind] });

/** Every ten seconds, from one time to the other, both included. */
function every10(fromSeconds: number, toSeconds: number, kind: Kind = 'slow'): PerformanceSample[] {
  const samples: PerformanceSample[] = [];
  for (let at = fromSeconds; at <= toSeconds; at += 10) samples.push(sample(at, kind));
  return samples;
}

function history(samples: readonly PerformanceSample[], nowSeconds?: number): PerformanceHistory {
  const nowBootMs = nowSeconds === undefined ? (samples.at(-1)?.atBootMs ?? 0) : nowSeconds * 1000;
  return { limits: LIMITS, samples, nowBootMs };
}

const POOR = every10(0, 60);

interface Case {
  readonly name: string;
  readonly given: PerformanceHistory;
  readonly told: string | undefined;
}

const CASES: readonly Case[] = [
  { name: 'nothing was measured', given: history([]), told: undefined },
  { name: 'just good enough', given: history(every10(0, 600, 'good')), told: undefined },
  { name: 'slow, not for long enough', given: history(every10(0, 50)), told: undefined },
  { name: 'slow for long enough', given: history(POOR), told: `${SLOW}; poor for 60 s without a break` },
  {
    name: 'wrong for long enough',
    given: history(every10(0, 60, 'wrong')),
    told: `${WRONG}; poor for 60 s without a break`,
  },
  {
    name: 'now slow, now wrong',
    given: history([...every10(0, 30), ...every10(40, 60, 'wrong')]),
    told: `${WRONG}; poor for 60 s without a break`,
  },
  {
    name: 'one good answer starts the time anew',
    given: history([...every10(0, 30), sample(35, 'good'), ...every10(40, 90)]),
    told: undefined,
  },
  {
    name: 'counted from the good answer on',
    given: history([...every10(0, 30), sample(35, 'good'), ...every10(40, 110)]),
    told: `${SLOW}; poor for 70 s without a break`,
  },
  { name: 'good again', given: history([...POOR, sample(70, 'good')]), told: undefined },
  {
    name: 'a gap as long as is allowed',
    given: history([...every10(0, 30), ...every10(45, 65)]),
    told: `${SLOW}; poor for 65 s without a break`,
  },
  {
    name: 'a longer gap starts the time anew',
    given: history([...every10(0, 30), ...every10(46, 66)]),
    told: undefined,
  },
  {
    name: 'the newest sample as old as is allowed',
    given: history(POOR, 75),
    told: `${SLOW}; poor for 60 s without a break`,
  },
  { name: 'nothing was measured of late', given: history(POOR, 76), told: undefined },
];

suite('performance', () => {
  for (const { name, given, told } of CASES) {
    test(`${name}: ${told === undefined ? 'not poor' : 'poor'}`, () => {
      assert.equal(whyPoor(given), told);
    });
  }
});
