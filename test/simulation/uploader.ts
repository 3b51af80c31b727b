/** Somebody else who has the credential of an upload, and writes there as long as there is anything, and longer. */
import { currentGeneration, uploadPlace } from '../../src/documents/volume.ts';
import { isLeewardError } from '../../src/kernel/errors.ts';
import { PAGE_BYTES } from '../../src/kernel/units.ts';
import type { ReplicatedWatch } from './replicated-watch.ts';
import type { World } from './world.ts';

/** How many requests such a one makes, the last of them mostly after the credential has ended. */
const REQUESTS = 60;

/** Meddles with the upload of the generation that is the present one now. */
export async function meddle(
  { scheduler, random, storage, pace, trace }: World,
  watch: ReplicatedWatch,
): Promise<void> {
  const { replicas } = storage;
  const generation = currentGeneration(watch.last);
  const place = uploadPlace(watch.last.volume, generation);
  trace(() => `somebody writes into ${place.container}`);
  const spoilsSize = random.chance(0.1);
  for (let left = REQUESTS; left > 0; left -= 1) {
    await scheduler.sleep(random.between(0, pace.heartbeatMs / 10));
    try {
      const found = await replicas.properties(place);
      if (!found) continue;
      const { sequenceNumber: fence, sizeBytes, etag } = found;
      const offset = random.between(0, sizeBytes / PAGE_BYTES - 1) * PAGE_BYTES;
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
