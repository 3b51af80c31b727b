/** Somebody else who has the credential of an upload, and writes there as long as there is anything, and longer. */
import { currentGeneration, uploadPlace } from '../../src/documents/volume.ts';
import { isLeewardError } from '../../src/kernel/errors.ts';
import { PAGE_BYTES } from '../../src/kernel/units.ts';
import type { ReplicatedWatch } from './replicated-watch.ts';
import type { World } from './world.ts';

/** How often such a one tries once more when its credential opens nothing any more. */
const MISSES = 10;

/** Meddles with the upload of the generation that is the present one now. */
export async function meddle(world: World, watch: ReplicatedWatch): Promise<void> {
  const { scheduler, random, storage, pace, trace } = world;
  const { replicas } = storage;
  const generation = currentGeneration(watch.last);
  const place = uploadPlace(watch.last.volume, generation);
  trace(() => `somebody writes into ${place.container}`);
  const spoilsSize = random.chance(0.1);
  for (let misses = 0; misses < MISSES && world.areFaults;) {
    await scheduler.sleep(random.between(0, pace.heartbeatMs / 10));
    try {
      const found = await replicas.properties(place);
      if (!found) misses += 1;
      if (!found) continue;
      const { sequenceNumber: fence, sizeBytes, etag } = found;
      // Into the volume mostly, and behind it, where all is the cloud's.
      const endBytes = random.chance(0.8) ? Math.min(generation.volumeBytes, sizeBytes) : sizeBytes;
      const offset = random.between(0, Math.max(1, endBytes / PAGE_BYTES) - 1) * PAGE_BYTES;
      const chance = random.next();
      if (chance < 0.1) await replicas.raiseSequenceNumber(place, random.pick([1, 2 ** 33, 2 ** 53]));
      else if (chance < 0.2) await replicas.snapshot(place, { number: 7 });
      else if (chance < 0.3 && spoilsSize) await replicas.resize(place, { sizeBytes: sizeBytes + PAGE_BYTES, etag });
      else await replicas.writePages(place, { offset, bytes: Buffer.alloc(PAGE_BYTES, 0xee), fence });
    } catch (error) {
      if (!isLeewardError(error)) throw error;
    }
  }
}
