/**
 * `ingest.memoryMiB`: the functions process under as many of the largest deltas as host.json lets it work on at once, on as
 * many volumes, in waves, so that what is left from one wave lies beside the next. Its peak, as the kernel counts it,
 * above what it had before, when it had applied small deltas and then had nothing to do.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DELTA_LIMITS } from '../../src/delta/limits.ts';
import type { DeltaPiece } from '../../src/delta/delta.ts';
import { KIB, MIB, PAGE_BYTES } from '../../src/kernel/units.ts';
import { parseHostJson } from '../../src/local/host/host-json.ts';
import { Chance } from '../../test/support/integration/chance.ts';
import type { BenchContext, Benchmark } from './benchmark.ts';
import { onStack } from './bench-stack.ts';
import type { BenchStack } from './bench-stack.ts';
import { CraftedVolume } from './crafted-volume.ts';
import { callsEnded, logEnd } from './host-log.ts';
import { forgetPeak, memoryOf } from './process-use.ts';

const PROJECT = join(import.meta.dirname, '../..');
const WAVES = 2;
const IDLE_MS = 3000;
const VOLUME_BYTES = 64 * MIB;
const SEED = 7;
/** Pairs of a literal and a zeros extent in each delta. */
const PAIRS = DELTA_LIMITS.extentsMax / 2;

/** The queues that ingest functions listen on, each with its own share of host.json's concurrency. */
const INGEST_QUEUES = ['deltas', 'bulk'] as const;

export const ingestMemory: Benchmark = {
  names: ['ingest.memoryMiB'],
  async run(context) {
    return onStack(context, async (bench) => measure(context, bench));
  },
};

async function measure(context: BenchContext, { stack, hostPid }: BenchStack): ReturnType<Benchmark['run']> {
  const { queues } = parseHostJson(await readFile(join(PROJECT, 'host.json'), 'utf8'), { development: false });
  const perQueue = queues.batchSize + queues.newBatchThreshold;
  const chance = new Chance(SEED, 'memory');
  const volumes: CraftedVolume[] = [];
  for (let index = 0; index < perQueue * INGEST_QUEUES.length * WAVES; index += 1) {
    volumes.push(await CraftedVolume.register(stack, `bench/memory/group/volume-${index}`, VOLUME_BYTES));
  }
  const all = async (make: (volume: CraftedVolume, index: number) => ReturnType<CraftedVolume['prepare']>) => {
    const from = logEnd(stack);
    const sends: (() => Promise<void>)[] = [];
    let sizeBytes = 0;
    for (const [index, volume] of volumes.entries()) {
      const made = await make(volume, index);
      sizeBytes = made.sizeBytes;
      sends.push(async () => made.send());
    }
    stack.pauseHost();
    for (const send of sends) await send();
    stack.resumeHost();
    await callsEnded(stack, {
      from,
      count: sends.length,
      fits: ({ said }) => said.some((line) => line.endsWith(' applied')),
    });
    return sizeBytes;
  };
  const queueOf = (index: number): (typeof INGEST_QUEUES)[number] => INGEST_QUEUES[index % 2 === 0 ? 0 : 1];
  const page = [{ offset: 0, bytes: chance.bytes(4 * KIB) }];
  await all(async (volume, index) => volume.prepare(page, { queue: queueOf(index) }));
  await sleep(IDLE_MS);
  await forgetPeak(hostPid);
  const { residentMiB: idleMiB } = await memoryOf(hostPid);
  const sizeBytes = await all(async (volume, index) =>
    volume.prepare(largest(chance), { queue: queueOf(index), zstdLevel: 0 }),
  );
  const { peakMiB } = await memoryOf(hostPid);
  const detail =
    `peak ${peakMiB.toFixed(0)} MiB, idle ${idleMiB.toFixed(0)} MiB; ${perQueue * INGEST_QUEUES.length} at once ` +
    `(${queues.batchSize} + ${queues.newBatchThreshold} on each of ${INGEST_QUEUES.length} queues), ` +
    `${volumes.length} deltas of ${(sizeBytes / MIB).toFixed(1)} MiB on as many volumes`;
  context.tell(`  ${detail}`);
  return [{ name: 'ingest.memoryMiB', value: Math.max(0, peakMiB - idleMiB), detail }];
}

/**
 * The fullest delta that the format allows: all literal bytes, none of which can be compressed, and as many extents as may
 * be, each literal page followed by a page of zeros.
 */
function* largest(chance: Chance): Generator<DeltaPiece> {
  const { contentBytesMax } = DELTA_LIMITS;
  const lengthBytes = Math.floor(contentBytesMax / PAIRS / PAGE_BYTES) * PAGE_BYTES;
  for (let index = 0; index < PAIRS; index += 1) {
    const offset = index * (lengthBytes + PAGE_BYTES);
    yield { offset, bytes: chance.bytes(lengthBytes) };
    yield { offset: offset + lengthBytes, zerosBytes: PAGE_BYTES };
  }
}
