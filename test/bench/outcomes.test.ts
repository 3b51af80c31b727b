/** The bench can fail: a bound that is not held, a measurement that throws, and one that finds nothing are all told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BenchContext, Benchmark } from '../../scripts/bench/benchmark.ts';
import { BENCHMARKS } from '../../scripts/bench/all.ts';
import { BOUNDS, NAMES, isName, judge } from '../../scripts/bench/bounds.ts';
import { jsonOf, tableOf } from '../../scripts/bench/report.ts';
import { runBenchmarks } from '../../scripts/bench/run.ts';

const context: BenchContext = { folder: '', pairs: 1, tell: () => undefined, atEnd: () => undefined };

test('a bound is held up to and including its value', () => {
  const at = BOUNDS['seed.queue'].bound;
  assert.equal(judge({ name: 'seed.queue', value: at, detail: '' }).held, true);
  assert.equal(judge({ name: 'seed.queue', value: at + 0.001, detail: '' }).held, false);
});

test('what is no sound number holds no bound', () => {
  for (const value of [NaN, Infinity, -1]) assert.equal(judge({ name: 'seed.cpu', value, detail: '' }).held, false);
});

test('each measurement has exactly one benchmark', () => {
  assert.deepEqual(BENCHMARKS.flatMap(({ names }) => names).toSorted(), [...NAMES].toSorted());
});

test('only the names of the table are names', () => {
  assert.equal(isName('seed.queue'), true);
  assert.equal(isName('toString'), false);
  assert.equal(isName(undefined), false);
});

test('outcomes come in the order of the table, and a benchmark that throws stops no other', async () => {
  const broken: Benchmark = {
    names: ['wire.siblings'],
    run: async () => {
      throw new Error('no such tool');
    },
  };
  const silent: Benchmark = { names: ['sweep.idle'], run: async () => [] };
  const sound: Benchmark = {
    names: ['seed.queue', 'seed.cpu'],
    run: async () => [
      { name: 'seed.cpu', value: 1.4, detail: 'b' },
      { name: 'seed.queue', value: 1.2, detail: 'a' },
    ],
  };
  const only = ['seed.queue', 'seed.cpu', 'sweep.idle', 'wire.siblings'] as const;
  const outcomes = await runBenchmarks([broken, silent, sound], context, only);
  assert.deepEqual(
    outcomes.map(({ name, value, held }) => [name, value, held]),
    [
      ['seed.queue', 1.2, true],
      ['seed.cpu', 1.4, true],
      ['sweep.idle', null, false],
      ['wire.siblings', null, false],
    ],
  );
  assert.match(outcomes[3]?.detail ?? '', /not measured: no such tool/);
});

test('what was not asked for does not run', async () => {
  const other: Benchmark = { names: ['churn.time'], run: async () => assert.fail('it ran') };
  assert.deepEqual(await runBenchmarks([other], context, []), []);
});

test('the JSON has the documented fields and no others; the table says what is not held', () => {
  const outcomes = [judge({ name: 'requests.perDelta', value: 13, detail: 'put page 1' })];
  assert.deepEqual(JSON.parse(jsonOf(outcomes)), [
    { name: 'requests.perDelta', value: 13, bound: 12, held: false, detail: 'put page 1' },
  ]);
  assert.match(tableOf(outcomes), /requests\.perDelta.* 13 .*NO/);
});
