/** Runs benchmarks one after the other. One that fails is an outcome that is not held, and stops no other. */
import { describeError } from '../../src/kernel/errors.ts';
import type { BenchContext, Benchmark } from './benchmark.ts';
import { NAMES, judge, notMeasured } from './bounds.ts';
import type { MeasurementName, Outcome } from './bounds.ts';

/** The outcomes of `only`, or of all that the benchmarks measure, in the order of the table. */
export async function runBenchmarks(
  benchmarks: readonly Benchmark[],
  context: BenchContext,
  only?: readonly MeasurementName[],
): Promise<readonly Outcome[]> {
  const outcomes = new Map<MeasurementName, Outcome>();
  for (const benchmark of benchmarks) {
    const wanted = benchmark.names.filter((name) => only?.includes(name) ?? true);
    if (wanted.length === 0) continue;
    context.tell(`${wanted.join(', ')} …`);
    try {
      for (const finding of await benchmark.run(context)) outcomes.set(finding.name, judge(finding));
    } catch (error) {
      for (const name of wanted) outcomes.set(name, notMeasured(name, describeError(error)));
    }
    for (const name of wanted) {
      if (!outcomes.has(name)) outcomes.set(name, notMeasured(name, 'its benchmark found nothing'));
    }
  }
  return NAMES.filter((name) => only?.includes(name) ?? true).flatMap((name) => outcomes.get(name) ?? []);
}
