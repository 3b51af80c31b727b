/** What a benchmark is, and what it is given. */
import type { Finding, MeasurementName } from './bounds.ts';

export interface BenchContext {
  /** A folder that is removed in the end. */
  readonly folder: string;
  /** Interleaved pairs of each comparison. */
  readonly pairs: number;
  /** Takes a line for whoever waits. */
  readonly tell: (line: string) => void;
  /** What has to be ended whatever happens; in the reverse order, once all is done or the bench is interrupted. */
  readonly atEnd: (work: () => Promise<void>) => void;
}

/** One run that gives one or more findings. */
export interface Benchmark {
  readonly names: readonly MeasurementName[];
  run(context: BenchContext): Promise<readonly Finding[]>;
}
