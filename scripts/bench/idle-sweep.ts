/** `sweep.idle`: what a sweep costs in requests when there is nothing to do, for many volumes and for few. */
import { currentGeneration, volumeKind, withGeneration } from '../../src/documents/volume.ts';
import { parseVolume, volumeId } from '../../src/kernel/ids.ts';
import { sha256Hex } from '../../src/kernel/hash.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { MIB } from '../../src/kernel/units.ts';
import { readFunctionKeys } from '../../src/local/stack/stack.ts';
import { fewAtOnce } from '../../src/kernel/few-at-once.ts';
import { register } from '../../test/support/integration/live-site.ts';
import type { LiveStack } from '../../test/support/integration/live-stack.ts';
import type { Benchmark } from './benchmark.ts';
import { onStack } from './bench-stack.ts';
import { describeCounts, requestsOf, totalOf } from './counting.ts';
import type { Counts } from './counting.ts';
import { callsEnded, logEnd } from './host-log.ts';

const FEW = 5;
const MANY = 500;
const VOLUMES_OF_GROUP = 25;

export const idleSweep: Benchmark = {
  names: ['sweep.idle'],
  async run(context) {
    return onStack(context, async ({ stack }) => {
      const { master } = await readFunctionKeys(stack.facts);
      await addIdleVolumes(stack, 0, FEW);
      // The first sweep of a process may have to find its way.
      await sweep(stack, master);
      const few = await sweep(stack, master);
      await addIdleVolumes(stack, FEW, MANY);
      const many = await sweep(stack, master);
      const value = totalOf(many) / totalOf(few);
      const detail = `${totalOf(many)} requests with ${MANY} volumes (${describeCounts(many)}), ${totalOf(few)} with ${FEW}`;
      return [{ name: 'sweep.idle', value, detail }];
    });
  },
};

/** Volumes `from` to before `to`, each as it stands when a delta was applied and nothing has come since. */
async function addIdleVolumes(stack: LiveStack, from: number, to: number): Promise<void> {
  const { documents } = stack.storage;
  const indexes = Array.from({ length: to - from }, (_, index) => from + index);
  const groups = Map.groupBy(indexes, (index) => Math.floor(index / VOLUMES_OF_GROUP));
  await fewAtOnce(4, groups, async ([group, volumes]) => {
    for (const index of volumes) {
      const volume = parseVolume(`bench/idle/group-${group}/volume-${index}`);
      await register(stack, volumeId(volume), { volumeBytes: MIB });
      await documents.update(volumeKind, names.volume(volume), (document) => {
        const at = { number: 1, digest: sha256Hex(volumeId(volume)) };
        return withGeneration(document, {
          ...currentGeneration(document),
          tip: at,
          applied: { ...at, sourceTimeMs: 1 },
        });
      });
    }
  });
}

/** Runs the sweep as the portal would, and counts its requests. */
async function sweep(stack: LiveStack, masterKey: string): Promise<Counts> {
  const from = logEnd(stack);
  return requestsOf(stack, async () => {
    await fetch(`${stack.facts.functionsUrl}/admin/functions/sweep`, {
      method: 'POST',
      headers: { 'x-functions-key': masterKey, 'content-type': 'application/json' },
      body: '{}',
    });
    await callsEnded(stack, { from, count: 1, fits: ({ name }) => name === 'sweep' });
  });
}
