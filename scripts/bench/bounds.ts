/** What is measured and what must hold: names, bounds and units of docs/bench.md, in the order of the table. */
import { z } from 'zod';

interface Bound {
  /** Highest value that is allowed. */
  readonly bound: number;
  readonly unit: 'ratio' | 'requests' | 'MiB';
  /** For people, in the table. */
  readonly what: string;
}

export const BOUNDS = {
  'seed.direct': { bound: 1.15, unit: 'ratio', what: 'first copy by raw pages : bare SDK loop' },
  'seed.queue': { bound: 1.3, unit: 'ratio', what: 'first copy by journal and queue : bare SDK loop' },
  'seed.cpu': { bound: 1.5, unit: 'ratio', what: 'CPU of site and host : bare loop, one zstd and one hash pass' },
  'churn.time': { bound: 0.5, unit: 'ratio', what: "time under Azure's figures : one request for each changed run" },
  'churn.optimum': { bound: 1.02, unit: 'ratio', what: "the plan's time : the best possible" },
  'delta.volumeSize': { bound: 1.2, unit: 'ratio', what: 'delta on a volume of 256 GiB : on one of 1 GiB' },
  'requests.perDelta': { bound: 12, unit: 'requests', what: 'requests for a delta of one page' },
  'sweep.idle': { bound: 1.2, unit: 'ratio', what: 'requests of a sweep with 500 idle volumes : with 5' },
  'wire.siblings': { bound: 1, unit: 'ratio', what: 'bytes sent for two sibling volumes : restic' },
  'ingest.memoryMiB': {
    bound: 256,
    unit: 'MiB',
    what: "functions process above its idle one, host.json's concurrency",
  },
  'monitor.history': { bound: 1.1, unit: 'ratio', what: "a pass with a year's history : with a day's" },
  'monitor.sites': { bound: 2, unit: 'ratio', what: 'a pass over 1,000 sites : bare reads and writes of the same' },
} as const satisfies Record<string, Bound>;

export type MeasurementName = keyof typeof BOUNDS;

/** Every name, in the order of the table. */
export const NAMES = z.array(z.custom<MeasurementName>(isName)).parse(Object.keys(BOUNDS));

export function isName(text: unknown): text is MeasurementName {
  return typeof text === 'string' && Object.hasOwn(BOUNDS, text);
}

/** What a measurement found. */
export interface Finding {
  readonly name: MeasurementName;
  readonly value: number;
  /** The figures behind the value, in one line. */
  readonly detail: string;
}

/** A finding held against its bound; value null where nothing could be measured, which holds no bound. */
export interface Outcome {
  readonly name: MeasurementName;
  readonly value: number | null;
  readonly bound: number;
  readonly held: boolean;
  readonly detail: string;
}

/** Holds a finding against its bound. A value that is no number, or below zero, is a fault of the bench and not held. */
export function judge({ name, value, detail }: Finding): Outcome {
  const { bound } = BOUNDS[name];
  return { name, value, bound, held: value >= 0 && value <= bound, detail };
}

/** A measurement that could not be made. */
export function notMeasured(name: MeasurementName, why: string): Outcome {
  return { name, value: null, bound: BOUNDS[name].bound, held: false, detail: `not measured: ${why}` };
}
