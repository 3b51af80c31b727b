/**
 * Writing one claimed delta into its page blob (docs/design.md, "How a delta is applied", steps 4 to 6).
 *
 * Invariants: nothing is written before the sequence number stands at the delta's fence and the state, read again after
 * that, still has the claim; every write carries the fence; the first delta of a generation brings the footer with it,
 * so that the blob is a valid fixed VHD before any point of it is offered; the snapshot is taken after the last write
 * was acknowledged, under the ETag seen while the fence was still the blob's number. All of it can be repeated by
 * anybody at any time with the same end.
 */
import type { DeltaHead } from '../delta/head.ts';
import type { Delta } from '../delta/delta.ts';
import type { Generation, NamedSnapshot } from '../documents/volume.ts';
import { LeewardError, isLeewardError } from '../kernel/errors.ts';
import { fenceOf } from '../kernel/names.ts';
import type { ReplicaStore } from '../ports/replica-store.ts';
import { VHD_FOOTER_BYTES, makeFooter, replicaDataBytes, replicaUniqueId } from '../vhd/footer.ts';
import { planRequests } from './plan.ts';
import type { PageRequest } from './plan.ts';

/**
 * Writes of one delta under way at once. Enough to hide a request's latency; each may hold 4 MiB, so this bounds the
 * memory of an apply too.
 */
const WRITES_AT_ONCE = 4;

/** How often a snapshot is tried again when the blob changed under it, as it does when another adopter repeats a write. */
const SNAPSHOT_TRIES = 5;

export class Applier {
  readonly #replicas: ReplicaStore;

  constructor(replicas: ReplicaStore) {
    this.#replicas = replicas;
  }

  /** Step 4, first half: makes the blob if this is the generation's first delta, and raises the fence. Idempotent. */
  async raiseFence(generation: Generation, number: number): Promise<number> {
    const fence = fenceOf({ epoch: generation.epoch, number });
    if (generation.applied.number === 0) {
      await this.#replicas.create(generation.replica, replicaDataBytes(generation.volumeBytes) + VHD_FOOTER_BYTES);
    }
    await this.#replicas.raiseSequenceNumber(generation.replica, fence);
    return fence;
  }

  /**
   * Step 5. `before` is called before each request, and stops the work by throwing. Errors: FENCED when this worker lost
   * its turn; UNAVAILABLE.
   */
  async write(
    delta: Delta,
    at: { volume: string; generation: Generation; fence: number },
    before: () => Promise<void>,
  ): Promise<void> {
    const { replica } = at.generation;
    const send = async (request: PageRequest): Promise<void> => {
      await before();
      await (request.kind === 'write'
        ? this.#replicas.writePages(replica, { ...request, fence: at.fence })
        : this.#replicas.clearPages(replica, { ...request, fence: at.fence }));
    };
    if (at.generation.applied.number === 0) await send(footerRequest(at.volume, at.generation));
    await inParallel(planRequests(delta.pieces(), delta.head.literalBytes), send);
  }

  /** Step 6, first half: the marker's snapshot. Errors: FENCED, CONFLICT when the blob would not stand still. */
  async snapshot(head: DeltaHead, at: { generation: Generation; fence: number }): Promise<NamedSnapshot | undefined> {
    const { marker, number, digest } = head;
    if (!marker) return undefined;
    const { replica } = at.generation;
    for (let tries = 1; ; tries += 1) {
      const properties = await this.#replicas.properties(replica);
      if (properties?.sequenceNumber !== at.fence) {
        throw new LeewardError('FENCED', `delta ${number} of "${replica.blob}" lost its turn before its snapshot`);
      }
      try {
        const snapshot = await this.#replicas.snapshot(replica, { etag: properties.etag, number });
        const { name, consistency, timeMs } = marker;
        return { number, digest, snapshot, marker: name, consistency, takenAtMs: timeMs };
      } catch (error) {
        if (tries >= SNAPSHOT_TRIES || !isLeewardError(error, 'CONFLICT')) throw error;
      }
    }
  }
}

function footerRequest(volume: string, generation: Generation): PageRequest {
  const dataBytes = replicaDataBytes(generation.volumeBytes);
  const uniqueId = replicaUniqueId(volume, generation.generation);
  const bytes = makeFooter({ dataBytes, uniqueId, createdAtMs: generation.createdAtMs });
  return { kind: 'write', offset: dataBytes, bytes };
}

/** Sends all requests, {@link WRITES_AT_ONCE} at a time. After a failure nothing new begins and what runs is awaited. */
async function inParallel(
  requests: Iterable<PageRequest>,
  send: (request: PageRequest) => Promise<void>,
): Promise<void> {
  const source = requests[Symbol.iterator]();
  let failed = false;
  const work = async (): Promise<void> => {
    for (let next = source.next(); !failed && next.done !== true; next = source.next()) {
      try {
        await send(next.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: WRITES_AT_ONCE }, work));
  const failure = results.find((result) => result.status === 'rejected');
  if (failure) throw failure.reason;
}
