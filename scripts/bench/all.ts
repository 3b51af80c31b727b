/** Every benchmark, in the order in which they run. */
import type { Benchmark } from './benchmark.ts';
import { churnTime } from './churn.ts';
import { idleSweep } from './idle-sweep.ts';
import { ingestMemory } from './ingest-memory.ts';
import { monitorHistory, monitorSites } from './monitor-pass.ts';
import { perDelta } from './per-delta.ts';
import { seedDirect } from './seed-direct.ts';
import { seedQueue } from './seed-queue.ts';
import { siblings } from './siblings.ts';
import { volumeSize } from './volume-size.ts';

export const BENCHMARKS: readonly Benchmark[] = [
  seedDirect,
  seedQueue,
  churnTime,
  volumeSize,
  perDelta,
  idleSweep,
  siblings,
  ingestMemory,
  monitorHistory,
  monitorSites,
];
