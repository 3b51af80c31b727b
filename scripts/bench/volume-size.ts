/**
 * `delta.volumeSize`: what a delta costs follows the delta, not the volume. The same deltas, at the same places relative to
 * the volume's size, go to a volume of 256 GiB and to one of 1 GiB; measured is the ingest function's own call, from the
 * envelope that the host hands it to the delta being applied.
 */
import { GIB, KIB } from '../../src/kernel/units.ts';
import type { DeltaPiece } from '../../src/delta/delta.ts';
import { Chance } from '../../test/support/integration/chance.ts';
import type { BenchContext, Benchmark } from './benchmark.ts';
import { onStack } from './bench-stack.ts';
import type { BenchStack } from './bench-stack.ts';
import { CraftedVolume } from './crafted-volume.ts';
import { applied, callsEnded, logEnd } from './host-log.ts';
import { interleavedPairs, median } from './statistics.ts';

const LARGE_BYTES = 256 * GIB;
const SMALL_BYTES = GIB;
/** Deltas on each volume that count, and before them those that only warm up. */
const DELTAS = 20;
const WARMING = 3;
/** What both volumes hold before: equally many written ranges. */
const FIRST_RANGES = 1000;
const RANGES = 16;
const RANGE_BYTES = 16 * KIB;
const SEED = 20_261_121;

export const volumeSize: Benchmark = {
  names: ['delta.volumeSize'],
  async run(context) {
    return onStack(context, async (bench) => measure(context, bench));
  },
};

async function measure(context: BenchContext, { stack }: BenchStack): ReturnType<Benchmark['run']> {
  const large = await CraftedVolume.register(stack, 'bench/size/large/volume', LARGE_BYTES);
  const small = await CraftedVolume.register(stack, 'bench/size/small/volume', SMALL_BYTES);
  const chance = new Chance(SEED, 'volume size');
  // The same numbers for both, stretched to the volume's size.
  const one = async (volume: CraftedVolume, volumeBytes: number, drawn: readonly Drawn[]): Promise<number> => {
    const from = logEnd(stack);
    const { number, send } = await volume.prepare(extents(drawn, volumeBytes));
    await send();
    const [call] = await callsEnded(stack, { from, count: 1, fits: applied(volume.id, number) });
    return call?.tookMs ?? 0;
  };
  const first = draw(chance, FIRST_RANGES);
  const deltas = Array.from({ length: WARMING + DELTAS }, () => draw(chance, RANGES));
  await one(large, LARGE_BYTES, first);
  await one(small, SMALL_BYTES, first);
  const pairs = await interleavedPairs(deltas.length, {
    ours: async (index) => one(large, LARGE_BYTES, deltas[index] ?? []),
    bare: async (index) => one(small, SMALL_BYTES, deltas[index] ?? []),
  });
  const counted = pairs.slice(WARMING);
  const [largeMs, smallMs] = [median(counted.map(({ ours }) => ours)), median(counted.map(({ bare }) => bare))];
  context.tell(`  256 GiB ${largeMs} ms, 1 GiB ${smallMs} ms`);
  const detail = `medians of ${DELTAS} deltas of ${RANGES} ranges: ${largeMs} ms with 256 GiB, ${smallMs} ms with 1 GiB; ${FIRST_RANGES} ranges written before`;
  return [{ name: 'delta.volumeSize', value: largeMs / smallMs, detail }];
}

interface Drawn {
  /** From 0 to below 1: where in the volume. */
  readonly place: number;
  readonly bytes: Uint8Array;
}

function draw(chance: Chance, count: number): Drawn[] {
  const slots = new Set<number>();
  // Slots of 1 GiB / 4096 never touch each other, in either volume.
  while (slots.size < count) slots.add(chance.between(0, 4095));
  return [...slots].toSorted((a, b) => a - b).map((slot) => ({ place: slot / 4096, bytes: chance.bytes(RANGE_BYTES) }));
}

function extents(drawn: readonly Drawn[], volumeBytes: number): DeltaPiece[] {
  return drawn.map(({ place, bytes }) => ({ offset: place * volumeBytes, bytes }));
}
